"""What takes of a checkpoint begin with: as its folder says, else as its system's authors sample it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from studio.app import build_studio, defaults_of
from studio.backends import catalog, checkpoint
from studio.backends.registry import REGISTRY
from studio.core.defaults import ModelDefaults
from studio.core.errors import WeightsError
from studio.core.preset import shipped_presets
from studio.core.request import ModelChoice
from studio.core.sampling import EndlessSampler
from studio.core.settings import Settings
from studio.pipeline.plan import plan_window
from studio.testing import FakeBackend
from tests.backends.conftest import make_dcldm, make_tango

SETTINGS = Settings()
OURS = ModelDefaults(bandwidth="48k")
SCALES = {"audioldm": 2.5, "audioldm2": 3.5, "tango": 3.0, "dcldm": 4.0}
PUBLISHED = [model for model in catalog.MODELS if model.source == "hub" and model.system in SCALES]
POCKET = [model.id for model in catalog.MODELS if model.source == "embedded" and model.system in SCALES]


def saying(folder: Path, target: Path, defaults: Any) -> Path:
    """A copy of a checkpoint whose index says so."""
    copy = shutil.copytree(folder, target)
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps({**index, "_defaults": defaults}))
    return copy


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model.id)
def test_what_is_published_is_sampled_as_in_its_paper(model: catalog.ModelInfo) -> None:
    """Without its files, which may not be here yet."""
    settings = catalog.defaults_of(model.id, SETTINGS).settings("clip")
    assert settings == {
        "guidance_scale": SCALES[model.system],
        "sampler": {"kind": "clip", "steps": 200},
        "bandwidth": "16k",
    }


@pytest.mark.parametrize("system", SCALES)
def test_its_endless_takes_are_infinite_audios(system: str) -> None:
    """One frame a step, fewer than 150 steps, a window of about 3 s."""
    backend, published = FakeBackend(), REGISTRY.system(system).defaults
    sampler = EndlessSampler.model_validate(published.settings("endless")["sampler"])
    window = plan_window(sampler, "last", backend)
    assert window.group_size == 1
    assert window.window_frames / backend.geometry.frame_rate == pytest.approx(3.0, abs=0.1)
    assert len(window.timesteps) == sampler.steps == sampler.warmup_steps == 67
    for quality, steps, frame_ms in (("fast", 34, 80), ("careful", 134, 40)):
        other = sampler.model_copy(update=published.efforts("endless")[quality])
        assert (other.steps, other.group_size * 40) == (steps, frame_ms)


@pytest.mark.parametrize("model_id", POCKET)
def test_what_ships_begins_with_the_studios_own_at_48_khz(model_id: str) -> None:
    assert catalog.defaults_of(model_id, SETTINGS) == OURS


def test_the_tone_begins_with_the_studios_own() -> None:
    assert catalog.defaults_of("tone", SETTINGS) == ModelDefaults()


def test_a_folder_of_ones_own_is_its_systems(tiny_folder: Path, tiny_folder2: Path, tmp_path: Path) -> None:
    tango = make_tango(tmp_path / "tango")
    dual = make_dcldm(tango, tmp_path / "dcldm")
    found = {"audioldm": tiny_folder, "audioldm2": tiny_folder2, "tango": tango, "dcldm": dual}
    for system, folder in found.items():
        assert catalog.defaults_of(str(folder), SETTINGS) == REGISTRY.system(system).defaults


def test_a_folder_says_its_own(tiny_folder: Path, tmp_path: Path) -> None:
    said = {"guidance": {"text": 6}, "balanced": {"steps": 20}, "buffer_frames": 4}
    folder = saying(tiny_folder, tmp_path / "own", said)
    assert catalog.defaults_of(str(folder), SETTINGS) == ModelDefaults.model_validate(said)
    assert checkpoint.verify(folder) == []
    catalog.create_backend(ModelChoice(id=str(folder), device="cpu"), SETTINGS).unload()
    assert catalog.defaults_of(str(saying(tiny_folder, tmp_path / "usual", {})), SETTINGS) == ModelDefaults()


def test_a_folder_that_says_what_can_t_be_is_not_opened(tiny_folder: Path, tmp_path: Path) -> None:
    folder = saying(tiny_folder, tmp_path / "bad", {"guidance": {"text": -3}})
    assert catalog.defaults_of(str(folder), SETTINGS) == REGISTRY.system("audioldm").defaults
    assert checkpoint.verify(folder) == ["bad/model_index.json: its '_defaults.guidance.text' can't be."]
    with pytest.raises(WeightsError, match=r"_defaults\.guidance\.text"):
        catalog.create_backend(ModelChoice(id=str(folder), device="cpu"), SETTINGS)


@pytest.mark.parametrize("model_id", ["nowhere", "", "someone/audioldm-of-their-own", "pocket/nothing", "\0"])
def test_what_is_not_here_is_what_an_unnamed_folder_is(model_id: str) -> None:
    assert catalog.defaults_of(model_id, SETTINGS) == REGISTRY.system(REGISTRY.unnamed).defaults


def test_a_stranger_learns_nothing_of_folders(tiny_folder: Path, tmp_path: Path) -> None:
    folder = saying(tiny_folder, tmp_path / "own", {"guidance": {"text": 6}})
    here = Settings(outputs=tmp_path / "outputs")
    assert defaults_of(str(folder), here).guidance.text == 6
    for settings, scale in (
        (Settings(outputs=here.outputs, host="0.0.0.0"), 2.5),
        (Settings(outputs=here.outputs, host="0.0.0.0", model_id=str(folder)), 6),
    ):
        assert defaults_of(str(folder), settings).guidance.text == scale
        assert defaults_of("pocket/audioldm", settings) == OURS


def test_the_studio_has_those_of_the_catalog(tmp_path: Path) -> None:
    studio = build_studio(Settings(outputs=tmp_path, device="cpu"))
    try:
        assert studio.defaults_of("cvssp/audioldm2").guidance.text == 3.5
        assert studio.defaults_of("pocket/audioldm") == OURS
    finally:
        studio.close()


@pytest.mark.parametrize(
    ("mode", "system"), [("infinite", "audioldm"), ("sparse", "audioldm2"), ("dual", "dcldm")]
)
def test_the_papers_presets_are_their_systems_settings(mode: str, system: str) -> None:
    said = shipped_presets(SETTINGS.presets)[f"paper-{mode}"].settings
    own = REGISTRY.system(system).defaults.settings(said["sampler"]["kind"])
    assert said["mode"] == mode
    assert said["guidance_scale"] == own["guidance_scale"]
    assert {**said["sampler"], "strategy": "auto"} == {**own["sampler"], "strategy": "auto"}
    assert "model" not in said, "any model can be heard the paper's way"


@pytest.mark.parametrize("size", ["m", "s"])
def test_what_speaks_has_scales_by_what_it_is_asked_for(size: str) -> None:
    """Nine and one without words, five and seven with them."""
    own = catalog.defaults_of(f"glory20h/voiceldm-{size}", SETTINGS)
    silent, spoken = own.settings("clip"), own.settings("clip", spoken=True)
    assert (silent["guidance_scale"], silent["speech"], silent["sampler"]["steps"]) == (
        9.0,
        {"scale": 1.0},
        50,
    )
    assert (spoken["guidance_scale"], spoken["speech"]) == (5.0, {"scale": 7.0})
    assert (
        own.settings("endless")["sampler"]
        == REGISTRY.system("audioldm").defaults.settings("endless")["sampler"]
    )
