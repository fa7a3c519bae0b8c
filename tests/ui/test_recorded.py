"""What the page and the API say of a recording: what the command line says."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest
from gradio.data_classes import FileData

from studio.core.binding import opening
from studio.core.sound_files import SUFFIXES
from studio.service.studio import Studio
from studio.ui.callers import Callers
from studio.ui.forms import read_form
from studio.ui.recorded import describe
from studio.ui.server import client_api
from studio.ui.tabs import dual, infinite
from studio.ui.tabs.infinite import Handlers
from studio.ui.tabs.take_tab import Shared
from tests import aio
from tests.service.recordings.recording_fakes import encoded, sine, tone_file, written
from tests.test_cli import QUICK, TONE, longwave, one_sentence

SCALED = "It was scaled down by 6.0 dB: its peaks lay above full scale."


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    return written(
        tmp_path / "hot.wav", encoded(sine(16000, 1.5, peak=2.0), 16000, format="WAV", subtype="FLOAT")
    )


def test_a_recording_is_described_where_it_is_chosen(tmp_path: Path, hot: Path) -> None:
    assert describe(str(hot)) == f"1.5 s of sound. {SCALED}"
    assert (
        describe(str(written(tmp_path / "a.flac", tone_file(3.2, 440.0, format="FLAC")))) == "3.2 s of sound."
    )
    for unconditional in (None, ""):
        assert describe(unconditional).startswith("WAV, FLAC, AIFF, CAF")


@pytest.mark.parametrize("name", ["notes.txt", "song.mid", "list.m3u8", "x.WAV", "nameless"])
def test_page_and_command_line_refuse_in_the_same_words(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, b"words " * 1000)
    words = ("--seconds", 3, "--out", tmp_path / "t.wav")
    said = one_sentence(longwave("render", "infinite", *TONE, *QUICK, *words, "--continue-from", path))
    assert describe(str(path)) == said
    assert name in said


def test_the_page_takes_every_type_that_the_reader_takes(studio: Studio, tmp_path: Path) -> None:
    """Gradio must not refuse by a file's name: the reader looks inside, and says why in its own words."""
    shared = Shared.of(studio)
    with gr.Blocks() as page:
        with gr.Tab():
            infinite.build(shared, [])
        with gr.Tab():
            dual.build(shared, [])
        client_api.build(studio, Callers())
    fields = [block for block in page.blocks.values() if isinstance(block, gr.File)]
    recordings = [
        field for field in fields if not isinstance(field, gr.DownloadButton) and field.label != "Take"
    ]
    assert len(recordings) == 5, "go on, two drafts, and the API's two"
    for field in recordings:
        for suffix in (*SUFFIXES, ".CAF", ".txt", ""):
            path = written(tmp_path / f"a{suffix}", b"x")
            assert field.preprocess(FileData(path=str(path), orig_name=path.name)) == str(path)


def test_a_take_says_at_its_end_what_was_noticed(studio: Studio, hot: Path) -> None:
    handlers = Handlers(Shared.of(studio), "infinite")
    quick = {"base_steps": 6, "group_size": 4, "buffer_frames": 4, "model": "tone"}
    wanted = {"endless": False, "duration_s": 3.0, "continue_from": str(hot), "keep_running": True}
    form = opening("infinite", **quick, **wanted)
    *_, (last, *_) = (step for step in handlers.generate(**form) if isinstance(step[0], dict))
    assert last["phase"] == "finished"
    assert last["message"].endswith(f"Of its recording: {SCALED}")


def test_the_api_says_it_beside_the_figures(studio: Studio, hot: Path) -> None:
    with gr.Blocks() as page:
        client_api.build(studio, Callers())
    functions = {function.api_name: function.fn for function in page.fns.values()}
    call = functions["infinite"]
    words = {"prompt": "rain", "seed": 1, "model": "tone"}
    _, figures = aio.run(call(gr.Request(), **words, seconds=3.0, recording=str(hot)))
    assert figures["notes"] == [SCALED]
    _, figures = aio.run(call(gr.Request(), **words, seconds=1.0))
    assert "notes" not in figures


def test_a_draft_says_it_too(studio: Studio, hot: Path) -> None:
    form = opening("dual", model="tone", draft="recorded", recording=str(hot))
    job = studio.submit(read_form("dual", form, studio))
    assert job.notes == (SCALED,)
    assert studio.submit(read_form("dual", form | {"draft": "none"}, studio)).notes == ()
