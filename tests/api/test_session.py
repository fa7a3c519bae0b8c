"""The public face, on the fake whose sound depends on its latents."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

import studio
from studio.api import default
from studio.testing import FakeBackend

QUICK = {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3}
ROOT = Path(studio.__file__).parent


@pytest.fixture
def session(tmp_path: Path) -> Iterator[studio.Session]:
    settings = studio.Settings(outputs=tmp_path / "kept", model_id="tone", device="cpu")
    with studio.Session(settings, create_backend=lambda _: FakeBackend()) as session:
        yield session


def test_importing_the_package_loads_nothing_of_its_inside() -> None:
    code = "import sys, studio; print(*(n for n in sys.modules if n.startswith('studio.') or n in {names}))"
    heavy = {"torch", "gradio", "pydantic", "numpy"}
    done = subprocess.run(
        [sys.executable, "-c", code.replace("{names}", repr(heavy))],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


def test_every_public_name_is_there_lazily_and_for_type_checkers() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {name.name for line in guarded.body for name in line.names}  # type: ignore[attr-defined]
    assert typed | {"__version__"} == set(studio.__all__) == set(studio._HOME_OF) | {"__version__"}
    for name in studio.__all__:
        assert getattr(studio, name) is not None
        assert name in dir(studio)
    with pytest.raises(AttributeError, match="no attribute 'generat'"):
        studio.generat  # type: ignore[attr-defined]  # noqa: B018
    assert (ROOT / "py.typed").is_file()


def test_a_sound_holds_its_samples_and_the_request_that_makes_them_again(session: studio.Session) -> None:
    sound = session.generate("rain", duration_s=1.23, sampler=QUICK, negative_prompt="wind")
    assert sound.samples.dtype == np.float32
    assert len(sound.samples) == round(1.23 * sound.sample_rate)
    assert sound.duration_s == pytest.approx(1.23)
    assert sound.request.prompt == "rain"
    assert sound.request.negative_prompt == "wind"
    assert sound.request.model.id == "tone"
    again = session.generate(sound.request)
    assert again.request == sound.request
    np.testing.assert_array_equal(again.samples, sound.samples)
    other = session.generate("rain", duration_s=1.23, sampler=QUICK)
    assert other.request.seed != sound.request.seed
    assert not np.allclose(other.samples, sound.samples, atol=0.01)


def test_a_mode_that_is_none_is_refused(session: studio.Session) -> None:
    with pytest.raises(studio.FieldError, match="infinite, sparse or dual"):
        session.generate("rain", mode="loud")


def test_a_preset_that_says_little_is_filled_in_by_its_mode() -> None:
    preset = studio.Preset(name="Mine", settings={"mode": "sparse", "prompt": "sea", "guidance_scale": 3})
    with studio.Session() as session:
        request = session.stream(preset, duration_s=2).request
        assert (request.model.id, request.sampler.kind) == ("pocket/audioldm2", "clip")
        assert (request.attention.kind, request.guidance_scale) == ("lite_focus", 3)
        assert session.stream(preset, duration_s=2, model="tone").request.model.id == "tone"


def test_a_request_says_it_all(session: studio.Session) -> None:
    request = studio.GenerationRequest(prompt="rain", model={"id": "tone"}, sampler=QUICK)
    with pytest.raises(TypeError, match="says it all"):
        session.generate(request, duration_s=2)
    with pytest.raises(TypeError, match="says it all"):
        session.generate(request, model="tone")


def test_a_mode_brings_its_sampler_its_attention_and_its_model() -> None:
    with studio.Session() as session:
        clip = session.stream("waves", mode="sparse", duration_s=2).request
        assert clip.model.id == "pocket/audioldm2"
        assert (clip.sampler.kind, clip.attention.kind) == ("clip", "lite_focus")
        dual = session.stream("waves", mode="dual", duration_s=2).request
        assert dual.model.id == "pocket/dcldm"
        assert (dual.sampler.kind, dual.draft.kind) == ("clip", "audiogen")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_saved_sound_opens_again_as_a_preset(session: studio.Session, tmp_path: Path, suffix: str) -> None:
    sound = session.generate("rain", duration_s=1, seed=7, sampler=QUICK)
    path = sound.save(tmp_path / f"rain{suffix}")
    assert soundfile.info(path).duration == pytest.approx(1, abs=0.1)
    assert {entry.name for entry in tmp_path.iterdir()} == {f"rain{suffix}", "rain.json"}
    for preset in (studio.load_preset(tmp_path / "rain.json"), studio.load_preset(str(path))):
        assert preset.request() == sound.request
        assert session.stream(preset, seed=8).request.seed == 8


def test_a_sound_that_cannot_be_written_leaves_nothing(session: studio.Session, tmp_path: Path) -> None:
    sound = session.generate("rain", duration_s=1, sampler=QUICK)
    with pytest.raises(studio.InvalidRequestError, match=r"end the name in"):
        sound.save(tmp_path / "rain.xyz")
    sound.samples[100] = np.nan
    with pytest.raises(studio.NoSoundError):
        sound.save(tmp_path / "rain.flac")
    assert not (tmp_path / "rain.flac").exists()


def test_a_stream_has_no_end_unless_it_fades_out(session: studio.Session) -> None:
    with session.stream("rain", sampler=QUICK) as stream:
        assert stream.request.duration_s is None
        chunks = stream.chunks()
        heard = [next(chunks) for _ in range(20)]
        stream.fade_out()
        heard += chunks
    assert all(a.end_sample == b.start_sample for a, b in pairwise(heard))
    assert abs(heard[-1].samples[-1]) < 1e-3


def test_a_stream_tells_of_its_steps_and_never_of_save_points(session: studio.Session) -> None:
    kinds = {type(event) for event in session.stream("rain", duration_s=2, sampler=QUICK)}
    assert kinds == {studio.Progress, studio.StepDone, studio.AudioChunk}


def test_the_scene_changes_while_it_streams(session: studio.Session) -> None:
    with session.stream("rain", sampler=QUICK) as stream:
        next(stream.chunks())
        stream.change("birds")
        next(stream.chunks())
        assert [point.prompt for point in stream._control.points] == ["birds"]
        with pytest.raises(studio.FieldError, match="Prompt"):
            stream.change("")


def test_a_cancelled_stream_ends_by_an_error_and_gives_the_model_back(session: studio.Session) -> None:
    stream = session.stream("rain", sampler=QUICK)
    next(stream.chunks())
    with pytest.raises(studio.InvalidRequestError, match="stop it"):
        session.unload()
    stream.cancel()
    with pytest.raises(studio.CancelledError):
        list(stream)
    assert session.unload() >= 0


def test_an_endless_sound_cannot_be_waited_for(session: studio.Session) -> None:
    with pytest.raises(studio.InvalidRequestError, match=r"stream\(\)"):
        session.generate(studio.GenerationRequest(prompt="rain", duration_s=None))
    with pytest.raises(studio.FieldError, match="endless sampler"):
        session.stream("rain", mode="sparse")


def test_a_sound_goes_on_from_a_recording(session: studio.Session, tmp_path: Path) -> None:
    field = session.generate("rain", duration_s=6, sampler=QUICK).save(tmp_path / "field.wav")
    longer = session.generate("rain", duration_s=8, continue_from=field, sampler=QUICK)
    assert longer.duration_s == 8
    written, _ = soundfile.read(field, dtype="float32")
    np.testing.assert_array_equal(longer.samples[:32000], written[:32000])
    saved = longer.save(tmp_path / "longer.wav")
    assert soundfile.info(saved).duration == 8
    about = studio.load_preset(saved.with_suffix(".json")).take
    assert about is not None
    assert about.source is not None
    assert about.source.file == "field.wav"


def test_a_session_loads_a_model_once_and_keeps_it() -> None:
    made: list[str] = []

    def create(choice: studio.ModelChoice) -> FakeBackend:
        made.append(choice.id)
        return FakeBackend()

    with studio.Session(create_backend=create) as session:
        for _ in range(2):
            session.generate("rain", duration_s=0.5, sampler=QUICK)
        assert made == ["pocket/audioldm"]
        session.unload()
        session.generate("rain", duration_s=0.5, sampler=QUICK)
        assert made == ["pocket/audioldm"] * 2


def test_a_session_that_ends_by_an_error_within_a_stream_tells_that_error() -> None:
    def divide() -> None:
        with studio.Session(create_backend=lambda _: FakeBackend()) as session:
            stream = session.stream("rain", sampler=QUICK)
            for _ in stream:
                1 / 0  # noqa: B018

    with pytest.raises(ZeroDivisionError):
        divide()


def test_what_is_left_out_is_the_models(session: studio.Session) -> None:
    with session.stream("rain", model="cvssp/audioldm2", mode="sparse", duration_s=1) as stream:
        assert stream.request.sampler == studio.ClipSampler(steps=200)
        assert stream.request.guidance_scale == 3.5
    with session.stream(
        "rain", model="cvssp/audioldm2", sampler={"kind": "endless", "group_size": 4}
    ) as stream:
        sampler = stream.request.endless
        assert (sampler.group_size, sampler.base_steps, sampler.warmup_steps) == (4, 100, 67)
    with session.stream("rain", model="cvssp/audioldm2", sampler=studio.EndlessSampler()) as stream:
        assert stream.request.sampler == studio.EndlessSampler(), "an object says it all"
    assert session.stream("rain").request.guidance_scale == 4.0
    spoken = studio.ModelDefaults(spoken={"text": 5, "speech": 7}, guidance={"text": 9, "speech": 1})
    session._defaults_of = lambda model: spoken
    assert session.defaults("any") is spoken
    silent, said = session.stream("rain").request, session.stream("rain", speech={"text": "Hello."}).request
    assert (silent.guidance_scale, silent.speech.scale) == (9.0, 1.0)
    assert (said.guidance_scale, said.speech.scale, said.speech.text) == (5.0, 7.0, "Hello.")


def test_presets_are_those_that_ship_and_those_of_files() -> None:
    assert studio.load_preset("campfire").name == studio.load_preset("Campfire").name == "Campfire"
    with pytest.raises(studio.InvalidRequestError, match="no preset 'campfires'"):
        studio.load_preset("campfires")
    with pytest.raises(studio.InvalidRequestError, match=r"none\.json"):
        studio.load_preset("none.json")


def test_streams_of_a_session_take_turns_and_start_no_thread(session: studio.Session) -> None:
    before = threading.active_count()
    first, second = (session.stream("rain", seed=seed, sampler=QUICK) for seed in (1, 2))
    alone = np.concatenate([chunk.samples for chunk, _ in zip(first.chunks(), range(5), strict=False)])
    again = session.stream("rain", seed=1, sampler=QUICK).chunks()
    other, mixed = second.chunks(), []
    for _ in range(5):
        mixed.append(next(again).samples)
        next(other)
    np.testing.assert_array_equal(np.concatenate(mixed), alone)
    assert threading.active_count() == before


def test_the_default_session_is_made_once_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default, "_default", None)
    sound = studio.generate("rain", duration_s=0.5, model="tone", sampler=QUICK)
    made = default._default
    assert made is studio.default_session()
    with studio.stream(sound.request) as stream:
        assert sum(len(chunk.samples) for chunk in stream.chunks()) == 8000
    assert studio.unload() >= 0
    assert studio.default_session() is made
    made.close()
