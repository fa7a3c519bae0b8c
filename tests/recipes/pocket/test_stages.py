"""From nothing to what ships: the table of stages, and every stage run for a few steps on tiny shapes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from studio.backends.acoustic.audiocraft_shim import MISSING, is_installed
from studio.backends.checkpoint import verify
from studio.cli.train import RECIPES
from studio.core.errors import ModelNotFoundError
from studio.core.settings import data_dir
from studio.recipes.pocket import dual, stages
from studio.recipes.pocket import options as pocket_options
from studio.recipes.pocket.options import Amounts, PocketOptions
from studio.recipes.pocket.stages import (
    BY_NAME,
    ROWS,
    STAGES,
    Stage,
    before,
    require_groups,
    run_pocket,
    run_stage,
)
from studio.recipes.text.phrases import family_phrases
from tests.recipes.speech.speech_fakes import tone_voices
from tests.recipes.text.sentence_fakes import WORDS, LetterEncoder

POCKET = data_dir("assets") / "pocket"
TINY = Amounts(
    clips=12, scenes=4, classifier_clips=12, classifier_scenes=4, phrases=20, drafted_clips=4, clip_s=5.12,
    sentences=8, wide_clips=4,
)  # fmt: skip


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def tiny(folder: Path) -> PocketOptions:
    return PocketOptions(
        folder / "runs",
        folder / "pocket",
        amounts=TINY,
        sentence_encoder=LetterEncoder,
        dictionary=lambda: WORDS,
        voices=tone_voices,
        recordings=lambda: [recording(folder / "recorded" / "tick.wav")],
    )


def recording(path: Path) -> Path:
    """A second of noise at 48 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, 0.1 * np.random.default_rng(0).standard_normal(48_000), 48_000)
    return path


def test_every_stage_needs_what_earlier_ones_make() -> None:
    names = [stage.name for stage in STAGES]
    assert len(set(names)) == len(names)
    for index, stage in enumerate(STAGES):
        assert set(stage.needs) <= set(names[:index]), stage.name
        assert [other.name for other in before(stage)] == [
            name for name in names if name in needed_by(stage)
        ], stage.name


def test_the_papers_rows_are_made_of_what_ships_and_ship_nowhere() -> None:
    names = {stage.name for stage in STAGES}
    for stage in ROWS:
        assert stage.name not in names
        assert set(stage.needs) <= names
        assert not any((POCKET / file).exists() for file in stage.makes)


def needed_by(stage: Stage) -> set[str]:
    return set(stage.needs).union(*(needed_by(BY_NAME[name]) for name in stage.needs))


def test_all_together_make_what_ships() -> None:
    made = {file for stage in STAGES for file in stage.makes}
    assert made == files_of(POCKET) - {"README.md"}


def test_every_training_is_some_stage_s_and_every_stage_a_command() -> None:
    loops = [loop for stage in BY_NAME.values() for loop in stage.loops]
    assert sorted(loops) == sorted(pocket_options.STEPS)
    assert set(RECIPES) == {*BY_NAME, "pocket"} - {"corpus"}, "which shows what the corpus is made of"


def test_a_stage_whose_needs_are_missing_names_the_one_to_run_first(tmp_path: Path) -> None:
    options = tiny(tmp_path)
    for name, first in (("unet", "vae"), ("t5", "clap"), ("audioldm", "vae"), ("audiogen", "clap")):
        with pytest.raises(ModelNotFoundError, match=f"`longwave train {first}` first"):
            run_stage(name, options)
    for file in (file for stage in before(BY_NAME["audiogen"]) for file in stage.makes):
        touch(options.out / file)
    (options.out / "audiogen" / "compression_state_dict.bin").unlink()
    with pytest.raises(ModelNotFoundError, match=r"no EnCodec yet: .*`longwave train encodec` first"):
        run_stage("audiogen", options)


def touch(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def test_packages_are_asked_for_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "find_spec", lambda name: None if name == "wordfreq" else object())
    with pytest.raises(ModelNotFoundError, match=r"the group train: `uv pip install --group train` first"):
        require_groups(STAGES)
    require_groups([BY_NAME["vae"], BY_NAME["encodec"]])
    monkeypatch.setattr(stages, "find_spec", lambda _: None)
    with pytest.raises(ModelNotFoundError, match="the groups train and audiocraft"):
        require_groups(STAGES)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which stages ran: here they write empty files, and take a minute."""
    ran: list[str] = []

    def fake(stage: Stage) -> Callable[[PocketOptions], bool]:
        def run(options: PocketOptions) -> bool:
            ran.append(stage.name)
            for file in stage.makes:
                touch(options.out / file)
            return options.max_minutes is None or options.max_minutes >= 1

        return run

    table = tuple(replace(stage, run=fake(stage)) for stage in STAGES)
    monkeypatch.setattr(stages, "STAGES", table)
    monkeypatch.setattr(stages, "BY_NAME", {stage.name: stage for stage in table})
    return ran


def test_what_is_complete_is_passed_over(tmp_path: Path, told: list[str]) -> None:
    options, names = tiny(tmp_path), [stage.name for stage in STAGES]
    assert run_pocket(options)
    assert told == names
    told.clear()
    assert run_pocket(options)
    assert told == []
    assert run_stage("t5", options)
    told.clear()
    assert run_pocket(options)
    assert told == ["audioldm2", "tango", "audiogen", "pocket-dcldm"], "what reads it"
    told.clear()
    (options.out / "audioldm" / "vocoder" / "config.json").unlink()
    assert run_pocket(options)
    assert told == ["vocoder", "extension", "audioldm", "audioldm2", "voice-vocoder", "voiceldm"]
    told.clear()
    assert run_pocket(replace(options, scale=2.0))
    assert told == names


def test_when_the_time_is_up_nothing_goes_on_from_what_is_half_done(tmp_path: Path, told: list[str]) -> None:
    options, said = tiny(tmp_path), list[str]()

    def clock() -> float:
        return 60.0 * len(told)

    assert not run_pocket(replace(options, max_minutes=2.5), said.append, clock)
    assert told == ["corpus", "judge", "vae"], "there was half a minute for the last"
    assert said[-1] == "The time is up: the same command goes on."
    told.clear()
    assert not run_pocket(replace(options, max_minutes=2.0), said.append, clock)
    assert told == ["vae", "vocoder"], "no third is begun when no time is left"
    told.clear()
    assert run_pocket(options)
    assert told == [stage.name for stage in STAGES[4:]]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps, few phrases, small batches of short crops."""
    from studio.recipes.networks import audiogen, content, denoiser, encodec, unet, vocoder, voiceldm
    from studio.recipes.speech import tokenizer, tower
    from studio.recipes.text import clap, phrases

    for module in (audiogen, content, encodec, tower, vocoder):
        monkeypatch.setattr(module, "BATCH", 2)
    for name in ("CLIP_BATCH", "RAMP_BATCH"):
        monkeypatch.setattr(unet, name, 2)
        monkeypatch.setattr(voiceldm, name, 2)
    monkeypatch.setattr(tokenizer, "_charsmap", bytes)
    monkeypatch.setattr(audiogen, "CROP_FRAMES", 40)
    monkeypatch.setattr(dual, "POCKET_DCLDM", dual.POCKET_DCLDM | {"batch": 2, "frames": 48})
    monkeypatch.setattr(pocket_options, "STEPS", dict.fromkeys(pocket_options.STEPS, 2))
    few = {name: known[:4] for name, known in family_phrases().items()}
    for place in ("text.phrases", "text.duets", "pocket.audioldm"):
        monkeypatch.setattr(f"studio.recipes.{place}.family_phrases", lambda: few)
    monkeypatch.setattr(clap, "BANK_TEXTS", 10)
    monkeypatch.setattr(phrases, "OTHER_CAPTIONS", 2)
    monkeypatch.setattr(clap, "OTHER_CAPTIONS", 2)
    for crop in ("SHORT", "MIDDLE", "LONG", "RAMP"):
        monkeypatch.setattr(denoiser, crop, denoiser.SHORT._replace(batch=2, frames=48))


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.skipif(not is_installed(), reason=MISSING)
def test_every_stage_runs_on_what_it_says_that_it_needs(tmp_path: Path) -> None:
    """From an empty folder; each is given the corpus and the files of the stages that it names, no others."""
    whole = tiny(tmp_path / "whole")
    for stage in STAGES:
        own = tiny(tmp_path / stage.name)
        own.out.mkdir(parents=True)
        if "corpus" in stage.needs:
            shutil.copytree(whole.runs / "train", own.runs / "train", ignore=not_of_the_corpus)
        for file in {file for other in before(stage) for file in other.makes}:
            (own.out / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(whole.out / file, own.out / file)
        given = files_of(own.out)
        torch.manual_seed(0)
        assert run_stage(stage.name, own), "complete"
        assert files_of(own.out) == given | set(stage.makes), stage.name
        shutil.copytree(own.out, whole.out, dirs_exist_ok=True)
        if stage.name == "corpus":
            shutil.copytree(own.runs / "train", whole.runs / "train")
        shutil.rmtree(own.runs, ignore_errors=True)
    assert files_of(whole.out) == files_of(POCKET) - {"README.md"}
    for model in ("audioldm", "audioldm2", "tango", "dcldm", "audiogen", "voiceldm"):
        assert verify(whole.out / model) == [], model


def not_of_the_corpus(_: str, names: list[str]) -> list[str]:
    """What later stages keep beside the clips."""
    return [name for name in names if name not in {"audio.npy", "captions.json", "labels.json", "mels.npy"}]
