"""A draft between page and studio: what the page fetches of it, and the recording that the page gives."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import soundfile as sf

from studio.core.draft import RecordedDraft
from studio.core.errors import InvalidRequestError
from studio.core.events import Drafted
from studio.dsp.spectrogram import columns_png
from studio.service.recordings.read import read_recording
from studio.service.studio import Studio
from studio.ui.panels.recorded import recording_field
from studio.ui.tabs.take_tab import HIDDEN

TOKEN_ROW_PIXELS = 12


def own_audio(upload: str | None, model: str, studio: Studio) -> RecordedDraft:
    """A form's upload, put by as a draft that `model`'s codec reads.

    Raises:
        InvalidRequestError: there is none, or it can't be read.
        OutOfResourcesError: the disk is full.
    """
    if not upload:
        raise InvalidRequestError("Choose your own audio for the draft, or let AudioGen make it.")
    return studio.store_recording(read_recording(Path(upload)), model)


def own_audio_field(tab: str, draft: gr.Radio | gr.Dropdown, label: str) -> Any:
    """Where one gives a recording, while `draft` says that it is the draft."""
    parts = recording_field(f"{tab}-draft-file", label, height=90, visible=draft.value == "recorded")
    draft.change(lambda kind: [gr.update(visible=kind == "recorded")] * 2, draft, parts, **HIDDEN)
    return parts[0]


def sound(draft: Drafted) -> bytes:
    """The draft as a WAV."""
    file = io.BytesIO()
    sf.write(file, draft.samples, draft.sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def picture(draft: Drafted) -> bytes:
    """Its spectrogram as a PNG, drawn as that of a clip."""
    return columns_png(draft.columns)


def tokens(draft: Drafted) -> bytes:
    """The codebooks' tokens as a PNG: a row each, the first on top, a colour for each token."""
    shades = np.round(255 * draft.tokens / max(1, int(draft.tokens.max()))).astype(np.uint8)
    return columns_png(np.repeat(shades[::-1], TOKEN_ROW_PIXELS, axis=0).T)
