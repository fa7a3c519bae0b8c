"""Clips: pure functions of their seed, in range, and scenes of two audible families."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.recipes.corpus.clip import describe, make_clip, render
from studio.recipes.corpus.description import ClipDescription, Voice
from studio.recipes.corpus.families import FAMILIES, can_share_scene, scene_layer, scene_partners
from studio.recipes.corpus.preview import write_preview


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_renders_in_range_and_at_its_level(name: str) -> None:
    clip = make_clip(7, family=name, scene=False, duration_s=4.0)
    assert clip.samples.shape == (64000,)
    assert clip.samples.dtype == np.float32
    assert np.isfinite(clip.samples).all()
    assert np.abs(clip.samples).max() < 0.95
    assert 0.005 < np.sqrt(np.mean(clip.samples**2)) < 0.2
    assert clip.description.voices[0].family == name


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_a_clip_is_a_function_of_its_seed(seed: int) -> None:
    first, second = make_clip(seed, duration_s=2.0), make_clip(seed, duration_s=2.0)
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.caption == second.caption
    assert first.description == second.description


def test_the_split_changes_the_caption_and_not_the_sound() -> None:
    train, held_out = make_clip(3, duration_s=1.0), make_clip(3, duration_s=1.0, split="held_out")
    np.testing.assert_array_equal(train.samples, held_out.samples)
    assert train.caption != held_out.caption


def test_scenes_have_two_families_that_do_not_mask_each_other() -> None:
    for seed in range(500):
        description = describe(seed, scene=True)
        front, back = description.voices
        assert can_share_scene(front.family, back.family)
        assert front.gain_db == 0.0
        assert -9.0 <= back.gain_db <= 0.0
        assert front.reverb == back.reverb == description.reverb
        assert scene_layer(front.family) <= scene_layer(back.family)
        assert not (front.distance == back.distance == "distant")


def test_shares_of_the_corpus() -> None:
    descriptions = [describe(seed) for seed in range(4000)]
    assert np.mean([d.is_scene for d in descriptions]) == pytest.approx(0.25, abs=0.03)
    assert np.mean([d.reverb for d in descriptions]) == pytest.approx(0.15, abs=0.03)
    assert {voice.family for d in descriptions for voice in d.voices} == set(FAMILIES)


def test_a_named_family_is_always_there() -> None:
    for name in FAMILIES:
        assert len(scene_partners(name)) >= 10
        voices = describe(5, scene=True, family=name).voices
        assert name in {voice.family for voice in voices}


def test_distance_takes_level_and_brightness() -> None:
    def rms_and_brightness(distance: str) -> tuple[float, float]:
        voice = Voice("rain", {"intensity": "heavy"}, distance=distance)
        samples = render(ClipDescription(3.0, (voice,)), 2)
        power = np.abs(np.fft.rfft(samples)) ** 2
        high = np.fft.rfftfreq(len(samples), 1 / 16000) > 3000
        return float(samples.std()), float(power[high].sum() / power.sum())

    near, distant = rms_and_brightness("near"), rms_and_brightness("distant")
    assert distant[0] < 0.6 * near[0]
    assert distant[1] < near[1]


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(KeyError):
        describe(0, family="space_whale")


def test_preview_writes_sounds_and_one_sheet(tmp_path: Path) -> None:
    paths = write_preview(tmp_path, families=("rain", "bell"), scenes=1, duration_s=1.0)
    assert [path.suffix for path in paths] == [".wav", ".wav", ".wav", ".png"]
    assert all(path.stat().st_size > 0 for path in paths)
