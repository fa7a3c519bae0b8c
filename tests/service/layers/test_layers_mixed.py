"""A mix by what it has to be: a take, its stems added up, moved by samples, silent where it is mute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.core.scene import Scene, parse_scene
from studio.dsp.layers import equal_power, pan_matrix
from studio.service.layers.mix import Mix
from studio.service.layers.sounds import Found

RATE = 16000


def noise(seconds: float, seed: int = 0, channels: int = 1, rate: int = RATE) -> np.ndarray:
    sound = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * rate), channels))
    return np.round(sound * 32768).clip(-32768, 32767).astype(np.int16)


class Desk:
    """Sounds on the disk, and the mix of layers of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    def take(self, samples: np.ndarray, rate: int = RATE, loop: tuple[int, int] | None = None) -> Found:
        self._made += 1
        path = self._folder / f"{self._made}.wav"
        sf.write(path, samples, rate)
        return Found(path, path.stem, loop)

    def mixed(self, takes: Sequence[Found], layers: Sequence[dict[str, Any]], **scene: Any) -> np.ndarray:
        with Mix(scene_of(layers, **scene), takes) as mix:
            return np.concatenate(list(mix.blocks()))


def scene_of(layers: Sequence[dict[str, Any]], **scene: Any) -> Scene:
    return parse_scene({"layers": [{"take": "x", **layer} for layer in layers], **scene})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def floats(samples: np.ndarray) -> np.ndarray:
    return (samples / np.float32(32768)).astype(np.float32)


def both(samples: np.ndarray) -> np.ndarray:
    return floats(samples) * np.ones((1, 2), np.float32)


@pytest.mark.parametrize("channels", [1, 2])
def test_one_layer_as_it_is_is_the_take_to_the_bit(desk: Desk, channels: int) -> None:
    sound = noise(5.0, channels=channels)
    np.testing.assert_array_equal(desk.mixed([desk.take(sound)], [{}]), both(sound))


def test_layers_add_up_and_stems_too(desk: Desk) -> None:
    takes = [desk.take(noise(1.0)), desk.take(noise(2.0, 1, 2)), desk.take(noise(0.5, 2, rate=48000), 48000)]
    layers = [
        {"gain_db": -6, "pan": -0.4, "fade_in_s": 0.3},
        {"offset_s": 0.25, "pan": 0.7, "fade_out_s": 0.5},
        {"loop": True, "crossfade_s": 0.1, "gain_db": 3},
    ]
    with Mix(scene_of(layers), takes) as mix:
        assert (mix.rate, mix.frames) == (48000, round(2.25 * 48000)), "the highest rate, the last end"
        whole = np.concatenate(list(mix.blocks()))
        stems = [np.concatenate(list(mix.blocks(index))) for index in range(3)]
        assert {stem.shape for stem in stems} == {whole.shape}
        np.testing.assert_array_equal(stems[0] + stems[1] + stems[2], whole)
        at = np.random.default_rng(0).integers(0, mix.frames - 5000, 6)
        for first in map(int, at):  # from wherever it is read, as the page does, it is the same
            np.testing.assert_allclose(mix.read(first, 5000), whole[first : first + 5000], atol=2e-7)


def test_what_is_mute_is_not_there_and_solo_leaves_no_others(desk: Desk) -> None:
    sounds = [noise(1.0, seed) for seed in range(3)]
    takes = [desk.take(sound) for sound in sounds]
    np.testing.assert_array_equal(
        desk.mixed(takes, [{}, {"mute": True}, {}]), both(sounds[0]) + both(sounds[2])
    )
    np.testing.assert_array_equal(desk.mixed(takes, [{}, {"solo": True}, {}]), both(sounds[1]))
    muted = desk.mixed(takes, [{"solo": True, "mute": True}, {}, {"mute": True}])
    assert not muted.any(), "mute is stronger than solo"


@pytest.mark.parametrize("samples", [1, 7, 12345])
def test_an_offset_moves_it_by_so_many_samples(desk: Desk, samples: int) -> None:
    sound = noise(1.0)
    moved = desk.mixed([desk.take(sound)], [{"offset_s": samples / RATE}])
    assert not moved[:samples].any()
    np.testing.assert_array_equal(moved[samples:], both(sound))


def test_a_span_is_cut_out_and_a_scene_cut_off(desk: Desk) -> None:
    sound = noise(2.0)
    cut = desk.mixed([desk.take(sound)], [{"start_s": 0.5, "end_s": 1.25}])
    np.testing.assert_array_equal(cut, both(sound)[8000:20000])
    np.testing.assert_array_equal(desk.mixed([desk.take(sound)], [{}], length_s=0.1), both(sound)[:1600])


def test_a_take_goes_round_by_its_own_loop_without_a_seam(desk: Desk) -> None:
    sound = noise(1.0)
    take = desk.take(sound, loop=(4000, 14000))
    made = desk.mixed([take], [{"loop": True}], length_s=3.0)
    heard = both(sound)
    expected = np.concatenate([heard[:14000], *[heard[4000:14000]] * 4])[: 3 * RATE]
    np.testing.assert_array_equal(made, expected)


def test_a_loop_at_another_rate_is_that_of_what_goes_round(desk: Desk) -> None:
    turns = 40
    time = np.arange(RATE) / RATE
    sine = np.round(8000 * np.sin(2 * np.pi * turns * time)).astype(np.int16)[:, None]
    made = desk.mixed([desk.take(sine, loop=(0, RATE))], [{"loop": True}], length_s=3.0, rate=44100)
    ideal = 8000 / 32768 * np.sin(2 * np.pi * turns * np.arange(3 * 44100) / 44100)
    inner = slice(4410, -4410)  # before the first turn is silence, which the filter hears
    np.testing.assert_allclose(made[inner, 0], ideal[inner], atol=1e-4)


def test_any_other_span_goes_round_by_a_crossfade_of_equal_power(desk: Desk) -> None:
    sound = noise(1.0)
    made = desk.mixed([desk.take(sound)], [{"loop": True, "crossfade_s": 0.25}], length_s=2.0)[:, 0]
    heard, cross = floats(sound)[:, 0], 4000
    np.testing.assert_array_equal(made[:12000], heard[:12000])
    place = (np.arange(cross) + 0.5) / cross
    seam = heard[12000:] * equal_power(1 - place) + heard[:cross] * equal_power(place)
    np.testing.assert_allclose(made[12000:16000], seam, atol=1e-6)
    np.testing.assert_array_equal(made[16000:24000], heard[4000:12000])
    levels = [float(np.std(made[at : at + 1000])) for at in range(0, 28000, 1000)]
    assert max(levels) / min(levels) < 1.3, "as loud at the seam as elsewhere"


def test_fades_are_of_equal_power_and_end_where_the_layer_does(desk: Desk) -> None:
    steady = np.full((RATE, 1), 8192, np.int16)
    faded = desk.mixed([desk.take(steady)], [{"fade_in_s": 0.5, "fade_out_s": 0.5}])[:, 0] / 0.25
    np.testing.assert_allclose(faded[:8000] ** 2 + faded[8000:] ** 2, 1.0, atol=1e-5)
    round_and_round = {"loop": True, "crossfade_s": 0, "fade_out_s": 0.5}
    looped = desk.mixed([desk.take(steady)], [round_and_round], length_s=3.0)[:, 0]
    assert looped[-8001] == 0.25, "it fades at the scene's end"
    assert looped[-1] < 1e-4


@pytest.mark.parametrize("pan", [-1.0, -0.3, 0.0, 0.6, 1.0])
def test_panning_keeps_the_power(pan: float) -> None:
    left, _, right, _ = pan_matrix(pan, 1)
    assert left**2 + right**2 == pytest.approx(2.0)
    ll, rl, lr, rr = pan_matrix(pan, 2)
    assert ll**2 + lr**2 == pytest.approx(1.0)
    assert rl**2 + rr**2 == pytest.approx(1.0)


def test_panned_to_a_side_the_other_is_silent(desk: Desk) -> None:
    stereo = noise(0.5, 3, 2)
    made = desk.mixed([desk.take(stereo)], [{"pan": -1}])
    np.testing.assert_allclose(made[:, 0], floats(stereo).sum(axis=1), atol=1e-6)
    assert np.abs(made[:, 1]).max() < 1e-6


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ({"start_s": 3}, "Layer 2: '2' is 1.00 s long: begin inside it."),
        ({"end_s": 1.5}, "Layer 2: '2' is 1.00 s long: end inside it, or leave the end out."),
        ({"start_s": 0.5, "end_s": 0.50001}, "nothing lies between"),
    ],
)
def test_a_span_outside_of_its_take_is_one_sentence(desk: Desk, layer: dict[str, Any], sentence: str) -> None:
    takes = [desk.take(noise(1.0)), desk.take(noise(1.0))]
    with pytest.raises(InvalidRequestError) as error:
        desk.mixed(takes, [{}, layer])
    assert sentence in str(error.value)


def test_what_is_no_sound_of_one_or_two_channels_is_one_sentence(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="has 3 channels: lay in"):
        desk.mixed([desk.take(noise(0.1, channels=3))], [{}])
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(InvalidRequestError, match="is no sound file"):
        desk.mixed([Found(tmp_path / "text.wav", "text")], [{}])


def test_a_scene_without_end_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidRequestError, match="longer than 4 hours"):
        desk.mixed([desk.take(noise(1.0))], [{"offset_s": 4 * 3600}])
