"""The API's function `export`, called as the server calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import soundfile as sf

from studio.service.studio import Studio
from studio.service.takes.export_cache import ExportCache
from studio.ui.server import export_api
from tests.service.takes.test_files import write_take

WORDS = ("format", "start", "end", "lufs", "ceiling", "bits", "rate", "name")


@pytest.fixture
def call(studio: Studio, tmp_path: Path) -> Any:
    with gr.Blocks() as page:
        export_api.build(studio, ExportCache(tmp_path / "scratch"))
    export = next(function.fn for function in page.fns.values() if function.api_name == "export")
    return lambda take, *words: export(take=take, **dict(zip(WORDS, words, strict=False)))


def test_a_take_is_exported_with_its_level(call: Any, studio: Studio) -> None:
    write_take(studio.settings.outputs)
    (take,) = studio.library.takes()
    file, level = call(take.id, "flac", "0:00.1", "0.9", "-20", "")
    assert file.endswith(f"__0.1-0.9s__{level['lufs']:.1f}LUFS.flac")
    assert sf.info(file).duration == pytest.approx(0.8)
    assert level["said"].endswith(".")
    assert call(take.id)[1] == {}
    file, _ = call(take.id, "wav", "", "", "", "", "24", "44.1", "{prompt} {seed}")
    assert Path(file).name == "rain_on_tin_42.wav"
    assert (sf.info(file).samplerate, sf.info(file).subtype) == (44100, "PCM_24")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("flac", "0.9", "0.5"), "To: The end lies before"),
        (("flac", "x"), "From: Write the time"),
        (("flac", "", "", "9"), "Loudness: Choose a number"),
        (("flac", "", "", "-14", "nan"), "Ceiling: Choose a number"),
        (("exe",), "Choose one of wav"),
        (("wav", "", "", "", "", "12"), "Bit depth: WAV has 16, 24 or 32"),
        (("wav", "", "", "", "", "", "96"), "Sample rate: Choose a sample rate"),
        (("wav", "", "", "", "", "", "", "{x}"), "Name: No name has a field"),
    ],
)
def test_what_can_t_be_is_one_sentence(call: Any, studio: Studio, words: tuple[str, ...], says: str) -> None:
    write_take(studio.settings.outputs)
    (take,) = studio.library.takes()
    with pytest.raises(gr.Error, match=says):
        call(take.id, *words)
    with pytest.raises(gr.Error, match="not in the library"):
        call("none")
