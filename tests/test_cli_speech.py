"""What is said, on the command line, by a model without weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from typer.testing import CliRunner, Result

from studio.cli import Factories, build_cli
from studio.core.defaults import DefaultsOf, ModelDefaults, Scales, usual_defaults
from studio.core.preset import SYNTHETIC, Preset, load_preset
from studio.core.settings import Settings
from studio.evaluation.suites.voice import VoicePlan
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from studio.service.takes.tags import read_comment
from studio.testing import FakeBackend, FakeSpeakingBackend
from tests.test_cli import one_sentence

QUICK = ("--strategy", "equal", "--steps", "6", "--group-size", "4", "--buffer", "4", "--seed", "3")
SCRIPT = "\ufeffThe sea is calm.\n\n# later\n0:03 | A boat!\n"


SPOKEN = ModelDefaults(spoken=Scales(text=1.5, speech=6.0))


def longwave(*words: object, backend: Any = None, defaults_of: DefaultsOf = usual_defaults) -> Result:
    def make(settings: Settings) -> Studio:
        made = backend or FakeSpeakingBackend()
        return Studio(settings, lambda _: made, Renderer(), defaults=defaults_of)

    cli = build_cli(Factories(serve=lambda _: None, studio=make))
    return CliRunner().invoke(cli, [str(word) for word in words])


def rendered(out: Path, *words: object, mode: str = "infinite") -> Preset:
    steps = QUICK if mode == "infinite" else ("--steps", 3, "--seed", 3, "--attention", "dense")
    result = longwave("render", mode, "--prompt", "rain", *steps, *words, "--out", out)
    assert result.exit_code == 0, result.output
    return load_preset(out.with_suffix(".json"))


@pytest.mark.parametrize("mode", ["infinite", "sparse"])
def test_words_are_said_and_kept_with_the_take(tmp_path: Path, mode: str) -> None:
    out = tmp_path / "a.flac"
    words = ("--say", "Hi. It is 3 o'clock.", "--seconds", 4, "--speech-scale", 5, "--scene-scale", 3)
    record = rendered(out, *words, "--pause", 0.2, mode=mode)
    request = record.request()
    assert (request.speech.text, request.speech.scale) == ("Hi. It is 3 o'clock.", 5)
    assert (request.guidance_scale, request.speech.pause_s) == (3, 0.2)
    assert record.take is not None
    ((said),) = record.take.said
    assert (said.text, said.start_s) == ("Hi. It is three o'clock.", 0.4)
    assert said.end_s == pytest.approx(0.4 + 24 * 2 / 25)
    assert record.description == SYNTHETIC
    tag = json.loads(read_comment(out))
    assert (tag["description"], tag["take"]["said"]) == (SYNTHETIC, [said.model_dump(mode="json")])


def test_a_script_comes_from_a_file(tmp_path: Path) -> None:
    script = tmp_path / "sea.txt"
    script.write_text(SCRIPT, encoding="utf-8")
    record = rendered(tmp_path / "a.wav", "--script", script, "--seconds", 4)
    assert record.take is not None
    assert [(one.text, one.start_s) for one in record.take.said] == [
        ("The sea is calm.", 0.4),
        ("A boat!", 3.0),
    ]
    again = tmp_path / "b.wav"
    assert longwave("render", "infinite", "--preset", tmp_path / "a.json", "--out", again).exit_code == 0
    assert sf.read(tmp_path / "a.wav")[0].tolist() == sf.read(again)[0].tolist()


def test_words_count_as_much_as_is_said(tmp_path: Path) -> None:
    made = []
    for scale in (0, 7):
        out = tmp_path / f"{scale}.wav"
        rendered(out, "--say", "hello there", "--seconds", 2, "--speech-scale", scale)
        made.append(sf.read(out)[0])
    assert np.abs(made[0] - made[1]).max() > 1e-3


def test_a_take_that_says_nothing_is_told_of_as_ever(tmp_path: Path) -> None:
    record = rendered(tmp_path / "a.wav", "--seconds", 1)
    assert record.take is not None
    assert (record.take.said, record.description) == ((), "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--say", "x", "--script", "sea.txt"), "Give --say or --script, not both."),
        (("--say", " "), "--say is empty"),
        (("--say", "..."), "has no words"),
        (("--say", "1:75 | x"), "has a time whose seconds or minutes are 60 or more"),
        (("--say", "hi 😀"), "the sign '😀', which can't be said"),
        (("--say", "a" * 10_000), "a word of 10,000 characters"),
        (("--say", "hi " * 20_000), "--say: must be text of up to 50,000 characters"),
        (("--script", "gone.txt"), "Can't read the script"),
        (("--script", "empty.txt"), "has no words"),
        (("--script", "latin.txt"), "save it as UTF-8"),
        (("--script", "."), "Can't read the script"),
        (("--say", "x", "--speech-scale", "-1"), "--speech-scale: must be a number from 0 to 100"),
        (("--say", "x", "--scene-scale", "nan"), "--guidance: must be a number"),
        (("--say", "x", "--pause", "1e6"), "--pause: must be a number from 0 to 600"),
    ],
)
def test_what_can_t_be_said_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("\n# nothing\n")
    Path("latin.txt").write_bytes("café".encode("latin-1"))
    result = longwave("render", "infinite", "--prompt", "x", *QUICK, *words, "--out", "a.wav")
    assert said in one_sentence(result)
    assert not Path("a.wav").exists()


@pytest.mark.parametrize(
    ("mode", "backend", "said"),
    [
        ("infinite", FakeBackend(), "What is said is for models that speak"),
        ("sparse", FakeBackend(), "What is said is for models that speak"),
        ("infinite", FakeSpeakingBackend(content_band=None), "says all its words at once"),
    ],
)
def test_a_model_that_can_t_is_told_of(tmp_path: Path, mode: str, backend: Any, said: str) -> None:
    words = ("--prompt", "x", "--say", "hello", "--seconds", 2, "--outputs", tmp_path)
    assert said in one_sentence(longwave("render", mode, *words, backend=backend))


@pytest.mark.parametrize(
    ("words", "scales"),
    [((), (1.5, 6.0)), (("--scene-scale", 2), (2.0, 6.0)), (("--speech-scale", 0), (1.5, 0.0))],
)
def test_words_are_measured_at_the_models_own_scales(
    words: tuple[object, ...], scales: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[VoicePlan] = []

    def measure(assets: Path, runs: Path, backend: Any, recognizer: Any, plan: VoicePlan, _: Any) -> Any:
        plans.append(plan)
        return {"wer": 0.25}

    monkeypatch.setattr("studio.recipes.evaluate.evaluate_voice", measure)
    result = longwave("eval", "voice", *words, "--json", defaults_of=lambda _: SPOKEN)
    assert (plans[0].scene, plans[0].words) == scales
    assert json.loads(result.stdout)["words"] == scales[1]
