"""Where one gives a recording, and what is said of it at once: its length, and what its reader noticed."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from studio.core.errors import StudioError
from studio.core.sound_files import readable_in_short
from studio.service.recordings.decoding import find_ffmpeg
from studio.service.recordings.read import read_recording
from studio.ui.words import words


def recording_field(
    elem_id: str, label: str, *, height: int, visible: bool = True
) -> list[gr.File | gr.Markdown]:
    """The file, and under it what is said; in this order. Call where it is to stand."""
    # No list of types: Gradio would refuse a file by its name, in its own words. The reader looks inside.
    field = gr.File(label=label, elem_id=elem_id, height=height, visible=visible)
    said = gr.Markdown(describe(None), elem_id=f"{elem_id}-said", elem_classes="lw-said", visible=visible)
    field.change(
        describe, field, said,
        show_progress="minimal", concurrency_limit=2, concurrency_id="recordings", trigger_mode="always_last",
        api_visibility="private",
    )  # fmt: skip
    return [field, said]


def describe(upload: str | None) -> str:
    """A recording's length and what its reader noticed, or why it can't be taken; without one, which can."""
    if not upload:
        return readable_in_short(with_ffmpeg=find_ffmpeg() is not None)
    try:
        recording = read_recording(Path(upload))
    except StudioError as error:
        return str(error)
    sound = words.form.seconds_of_sound.format(seconds=f"{recording.source.duration_s:.1f}")
    return " ".join([sound, *recording.notes])
