"""The measurement of generated sound, run end to end on the tone and a judge that has learned nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from studio.backends.systems.tone import ToneBackend
from studio.core.request import parse_request
from studio.core.sampling import EndlessSampler
from studio.evaluation.classifier import Classifier
from studio.evaluation.suites.pocket import WINDOW_S, HeldOut, family_share, pair_share, spread_prompts
from studio.evaluation.suites.sound import SoundPlan, measure_sound
from studio.pipeline.collect import render_samples
from studio.pipeline.renderer import Renderer
from studio.testing import FakeBackend

FAMILIES = ["rain", "dog"]


@pytest.fixture
def held_out() -> HeldOut:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((12, 160_000)).astype(np.float32) * 0.1
    families = [["rain"], ["dog"], ["rain", "dog"]] * 4
    return HeldOut(samples, [" and ".join(names) for names in families], families)


def test_every_figure_is_there_and_lies_in_its_range(held_out: HeldOut) -> None:
    torch.manual_seed(0)
    backend = ToneBackend()
    sampler = EndlessSampler(base_steps=6, warmup_steps=2)
    plan = SoundPlan(clips=8, scenes=2, takes=2, windows=4, steps=2, batch=2)
    said: list[str] = []
    figures = measure_sound(
        backend, Classifier(FAMILIES).eval(), held_out, Renderer(), sampler, 2.5, plan, said.append
    )
    shares = ("ddim_family_acc", "scene_acc", "endless_family_acc")
    assert all(0 <= figures[key] <= 1 for key in shares)
    assert all(np.isfinite(value) for value in figures.values())
    distances = {"fd_floor", "fd_ordinary", "fd_endless", "fd_concat", "fd_first_third", "fd_last_third"}
    assert distances | {"endless_drift_points"} <= figures.keys()
    assert all(figures[name] >= 0 for name in distances)
    assert said, "progress is reported"


class Keeping(Classifier):
    """Keeps the windows that it is given."""

    def __init__(self) -> None:
        super().__init__(FAMILIES)
        self.given: list[np.ndarray] = []

    def predict(self, samples: Any) -> tuple[torch.Tensor, torch.Tensor]:
        self.given.append(np.array(samples))
        return super().predict(samples)


def test_what_is_judged_is_what_a_listener_gets(held_out: HeldOut) -> None:
    backend, classifier = FakeBackend(), Keeping().eval()
    sampler = EndlessSampler(base_steps=6, warmup_steps=2)
    plan = SoundPlan(clips=4, scenes=2, takes=2, windows=4, steps=2, batch=4)
    measure_sound(backend, classifier, held_out, Renderer(), sampler, 2.5, plan, lambda _: None)

    def listened(seed: int, duration_s: float, **sampler: Any) -> np.ndarray:
        wanted = parse_request(
            prompt="dog", seed=seed, duration_s=duration_s, guidance_scale=2.5, sampler=sampler
        )
        return render_samples(Renderer(), wanted, backend)

    clips, _, take = classifier.given[:3]
    np.testing.assert_allclose(clips[0], listened(0, WINDOW_S, kind="clip", steps=2), atol=1e-5)
    whole = listened(20_000, 4 * WINDOW_S, **sampler.model_dump())
    np.testing.assert_array_equal(take.reshape(-1), whole)


def test_prompts_go_round_the_families(held_out: HeldOut) -> None:
    prompts, families = spread_prompts(held_out.only(scenes=False), 6)
    assert [names[0] for names in families] == ["dog", "rain"] * 3
    assert prompts == ["dog", "rain"] * 3


def test_shares_count_hits() -> None:
    assert family_share([["rain"], ["dog"]], [["rain"], ["rain"]]) == 0.5
    assert pair_share([["rain", "dog"], ["rain", "cat"]], [["dog", "rain"], ["dog", "rain"]]) == 0.5
