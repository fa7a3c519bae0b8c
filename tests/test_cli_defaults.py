"""The command line takes what belongs to the model that is chosen, and shows it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import soundfile

from studio.core.preset import load_preset
from studio.core.request import GenerationRequest
from tests.backends.conftest import make_pipeline
from tests.test_cli import longwave, one_sentence


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AudioLDM of one's own, as small as can be, which does not say how it wants to be sampled."""
    root = tmp_path_factory.mktemp("audioldm")
    make_pipeline(root).save_pretrained(root / "tiny")
    return root / "tiny"


def rendered(mode: str, out: Path, *words: object) -> GenerationRequest:
    """The request of a take, read back from beside it."""
    common = ("--prompt", "rain", "--seed", 3, "--device", "cpu", "--out", out, "--json")
    result = longwave("render", mode, *common, *words)
    assert result.exit_code == 0, result.output
    request = load_preset(out.with_suffix(".json")).request()
    told = json.loads(result.stdout)
    assert (told["guidance"], told["sampler"]) == (request.guidance_scale, request.sampler.model_dump())
    return request


def test_an_endless_take_of_a_folder_is_sampled_as_in_the_paper(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    request = rendered("infinite", out, "--model", tiny, "--seconds", 0.6)
    assert request.guidance_scale == 2.5
    assert request.endless.model_dump(exclude={"strategy", "attention_interval"}) == {
        "kind": "endless", "base_steps": 100, "skip_factor": 2, "group_size": 1, "buffer_frames": 8,
        "warmup_steps": 67,
    }  # fmt: skip
    assert len(soundfile.read(out)[0]) == 9600


def test_what_is_given_holds(tiny: Path, tmp_path: Path) -> None:
    words = ("--model", tiny, "--seconds", 0.6, "--steps", 9, "--group-size", 2, "--guidance", 4)
    request = rendered("infinite", tmp_path / "a.wav", *words)
    assert (request.endless.base_steps, request.endless.group_size, request.guidance_scale) == (9, 2, 4.0)
    assert request.endless.warmup_steps == 67, "which nobody gave"


def say(folder: Path, **defaults: Any) -> None:
    """Let a checkpoint's index say what its takes begin with."""
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_defaults": defaults}))


def test_a_take_is_made_again_whatever_its_model_begins_with_by_then(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "own")
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    words = ("--model", folder, "--seconds", 0.64, "--attention", "dense")
    say(folder, guidance={"text": 3}, balanced={"steps": 4})
    asked = rendered("sparse", first, *words)
    assert (asked.sampler.steps, asked.guidance_scale) == (4, 3.0)
    say(folder, guidance={"text": 9}, balanced={"steps": 5})
    again = longwave("render", "sparse", "--preset", first.with_suffix(".json"), "--out", second)
    assert again.exit_code == 0, again.output
    assert load_preset(second.with_suffix(".json")).request() == asked
    assert soundfile.read(first)[0].tolist() == soundfile.read(second)[0].tolist()
    other = rendered("sparse", first, *words)
    assert (other.sampler.steps, other.guidance_scale) == (5, 9.0)


def test_a_presets_model_says_what_the_preset_leaves_out(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "own")
    say(folder, balanced={"steps": 3})
    settings: dict[str, Any] = {
        "mode": "sparse", "prompt": "sea", "duration_s": 0.64, "model": {"id": str(folder)},
        "attention": {"kind": "dense"}, "sampler": {"kind": "clip"},
    }  # fmt: skip
    preset = tmp_path / "mine.json"
    preset.write_text(json.dumps({"name": "Mine", "settings": settings}))
    assert rendered("sparse", tmp_path / "a.wav", "--preset", preset).sampler.steps == 3


def test_they_are_told(tiny: Path) -> None:
    told = longwave("models", "defaults", "cvssp/audioldm-s-full-v2").stdout.splitlines()
    assert told == [
        "guidance    2.5",
        "bandwidth   16k",
        "fast        clips: 100 steps; endless: N 50, P 2, k 2, 34 steps, a window of 3.04 s",
        "balanced    clips: 200 steps; endless: N 100, P 2, k 1, 67 steps, a window of 3.00 s",
        "careful     clips: 400 steps; endless: N 200, P 2, k 1, 134 steps, a window of 5.68 s",
    ]
    assert longwave("models", "defaults", tiny).stdout.splitlines() == told
    pocket = json.loads(longwave("models", "defaults", "pocket/audioldm", "--json").stdout)
    assert pocket["model"] == "pocket/audioldm"
    assert (pocket["guidance"]["text"], pocket["balanced"]["base_steps"]) == (4.0, 24)
    assert pocket["bandwidth"] == "48k"
    assert "nowhere" in one_sentence(longwave("models", "defaults", "nowhere"))


@pytest.mark.parametrize("mode", ["infinite", "sparse", "dual"])
def test_help_says_what_is_the_models(mode: str) -> None:
    helped = " ".join(longwave("render", mode, "--help").stdout.replace("│", " ").split())
    assert helped.count("or the model's own") >= 2
