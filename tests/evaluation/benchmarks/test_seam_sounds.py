"""Takes and edits for `longwave eval seams`: made once, by the plan, with seeds and mates of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.evaluation.benchmarks import seams
from studio.evaluation.benchmarks.seams import (
    FOLDS,
    HeldTake,
    Prompt,
    SeamsPlan,
    Sounds,
    chosen_prompts,
    made,
    thirds,
    windows,
)
from studio.testing import FakeBackend

RATE, THIRD = 16000, 33280
PLAN = SeamsPlan(prompts=2, steps=2, edit_steps=2)


def silent(_: str) -> None: ...


def flat(value: float) -> Sounds:
    """Sounds whose samples tell whose they are."""
    return Sounds(*(np.full(3 * THIRD, value + i / 10, np.float32) for i in range(5)))


def test_prompts_go_round_the_families() -> None:
    found = chosen_prompts(60)
    assert [prompt.number for prompt in found] == list(range(60))
    assert len({prompt.family for prompt in found[:28]}) == 28
    assert found[28].family == found[0].family
    assert len({prompt.text for prompt in found}) == 60
    assert len(chosen_prompts(10_000)) < 1000


def test_sounds_are_made_once_and_go_on(tmp_path: Path) -> None:
    loaded: list[FakeBackend] = []

    def load() -> FakeBackend:
        loaded.append(FakeBackend())
        return loaded[-1]

    found = made(tmp_path, load, "fake 1", PLAN, silent)
    kept = sorted(tmp_path.rglob("*.npz"))
    assert [path.name for path in kept] == ["000.npz", "001.npz"]
    kept[1].unlink()
    again = made(tmp_path, load, "fake 1", PLAN, silent)
    assert len(loaded) == 2
    for (_, one), (_, other) in zip(found, again, strict=True):
        for name in ("first", "second", "repaint", "loop", "ring"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    made(tmp_path, load, "fake 1", replace(PLAN, prompts=1), silent)
    assert len(loaded) == 2
    made(tmp_path, load, "fake 1", replace(PLAN, prompts=1, edit_steps=3), silent)
    made(tmp_path, load, "fake 2", replace(PLAN, prompts=1), silent)
    assert len(loaded) == 4


def test_edits_are_of_the_first_take_and_in_the_places_that_are_listened_to(tmp_path: Path) -> None:
    _, sounds = made(tmp_path, FakeBackend, "fake 1", replace(PLAN, prompts=1), silent)[0]
    assert {len(sounds.first), len(sounds.repaint), len(sounds.loop), len(sounds.ring)} == {3 * THIRD}
    blend = round(0.16 * RATE)
    new = np.flatnonzero(np.abs(sounds.repaint - sounds.first) > 2 / 32767)
    assert THIRD - blend <= new[0] <= THIRD
    assert 2 * THIRD <= new[-1] + 1 <= 2 * THIRD + blend + 1
    changed = np.flatnonzero(np.abs(sounds.loop - sounds.first) > 2 / 32767)
    assert changed[0] <= blend  # its beginning is blended into what leads to it
    assert changed[changed > blend][0] == pytest.approx(3 * THIRD - 1.28 * RATE, abs=blend + 1)
    assert np.abs(sounds.second - sounds.first).max() > 0.01
    assert thirds(sounds).shape == (3, THIRD)
    np.testing.assert_array_equal(thirds(sounds)[1], sounds.repaint[THIRD : 2 * THIRD])


def test_seeds_are_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def rendered(request, backend, start=None):
        edit = getattr(start, "edit", None)
        seeds.append(request.seed if edit is None else edit.seed)
        return np.zeros(3 * THIRD, np.float32), None

    monkeypatch.setattr(seams, "_rendered", rendered)
    made(tmp_path, FakeBackend, "fake 1", replace(PLAN, prompts=30), silent)
    assert len(seeds) == len(set(seeds)) == 150


def test_no_window_has_sound_of_another_fold_or_of_its_own_family_as_another() -> None:
    prompts = [Prompt(number, str(number), str(number % 7)) for number in range(21)]
    found = list(windows([(prompt, flat(prompt.number)) for prompt in prompts]))
    assert len(found) == 21 * 16
    for window in found:
        heard = {int(value) for value in np.floor(window.samples[[0, -1]] + 1e-3)}
        assert window.samples.shape == (2 * RATE,)
        assert {number % FOLDS for number in heard} == {window.prompt.fold}
        if window.kind in ("hard", "crossfade"):
            assert len({number % 7 for number in heard}) == 2
        else:
            assert heard == {window.prompt.number}
    own = [window for window in found if window.prompt.number == 4]
    tenths = {window.kind: (window.samples[[0, -1]] * 10 - 40).round().tolist() for window in own[3:]}
    assert tenths["whole"] == [1, 1]
    assert tenths["hard same"] == tenths["crossfade same"] == [0, 1]
    assert tenths["repaint into"] == tenths["repaint out of"] == [2, 2]
    assert tenths["loop into"] == tenths["loop out of"] == [3, 3]
    assert tenths["ring"] == [4, 4]


def test_a_loops_joins_are_where_its_bridge_is() -> None:
    sounds = [flat(number) for number in range(10)]
    ramp = np.arange(3 * THIRD, dtype=np.float32)
    given = [(Prompt(i, str(i), str(i)), replace(one, loop=ramp)) for i, one in enumerate(sounds)]
    found = {window.kind: window.samples for window in windows(given)}
    assert found["loop into"][RATE] == 3 * THIRD - 1.28 * RATE
    assert found["loop out of"][RATE - 1 : RATE + 1].tolist() == [3 * THIRD - 1, 0]


def test_a_take_in_memory_without_latents_has_none() -> None:
    take = HeldTake(seams._request(Prompt(0, "rain", "rain"), PLAN, 3), np.ones(9, np.float32), RATE, None)
    assert take.latents(0, 1) is None
    assert take.cues[0].prompt == "rain"
    assert len(take.read(2, 3)) == 3
