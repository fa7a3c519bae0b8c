"""Guidance folded into a U-Net: it begins as the prompt alone, and learns what guidance makes of two."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from studio.backends.latent import folded_scales
from studio.recipes.data.mixing import LatentMixer, Mixer, PatchEncoder
from studio.recipes.networks import guidance
from studio.recipes.networks.guidance import (
    Examples,
    HeldOut,
    Shown,
    draw_scales,
    fold_guidance,
    guided_prediction,
    predicted,
    with_scale,
)
from studio.training.loop import LoopOptions

WIDTH, FRAMES = 128, 40


@pytest.fixture
def teacher() -> UNet2DConditionModel:
    """The pocket U-Net's kind at two small levels, whose text moves it far."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=8, out_channels=8, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=[16, 32],
        class_embed_type="simple_projection", projection_class_embeddings_input_dim=WIDTH,
        class_embeddings_concat=True, attention_head_dim=8, norm_num_groups=8,
    )  # fmt: skip
    torch.nn.init.normal_(unet.class_embedding.weight, std=2.0)
    return unet.eval()


@pytest.fixture(autouse=True)
def whole_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks are slower in bfloat16, and exact in none."""
    monkeypatch.setattr(guidance, "mixed_precision", lambda _: nullcontext())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLIP_BATCH", "RAMP_BATCH"):
        monkeypatch.setattr(guidance, name, 2)
    for name in ("CLIP_FRAMES", "RAMP_FRAMES"):
        monkeypatch.setattr(guidance, name, FRAMES)
    monkeypatch.setattr(guidance, "CHECKED_SCALES", (1.0, 4.0))


def unit(*shape: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(*shape, WIDTH, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=-1)


def examples(clips: int = 8) -> Examples:
    latents = np.random.default_rng(0).standard_normal((clips, 8, 44, 16)).astype(np.float16)
    return Examples(latents, unit(clips, 2), unit(seed=1))


def shown(timesteps: Tensor) -> Shown:
    noisy = torch.randn(len(timesteps), 8, FRAMES, 16, generator=torch.Generator().manual_seed(3))
    return Shown(noisy, timesteps, unit(len(timesteps), seed=4))


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@torch.no_grad()
def test_it_begins_as_the_prompt_alone_whatever_the_scale(teacher: UNet2DConditionModel) -> None:
    student, asked = with_scale(teacher).eval(), shown(torch.tensor([10, 500, 990]))
    assert torch.equal(predicted(student, asked, torch.tensor([1.0, 4.0, 8.0])), predicted(teacher, asked))
    assert folded_scales(student) == (1.0, 8.0)
    assert folded_scales(teacher) is None


@torch.no_grad()
def test_what_is_to_be_learned_is_guidance(teacher: UNet2DConditionModel) -> None:
    asked, empty = shown(torch.tensor([10, 500, 990, 700])), unit(seed=1)
    asked.text[3] = empty
    scales = torch.tensor([1.0, 3.0, 8.0, 5.0])
    told = guided_prediction(teacher, asked, empty, scales)
    nothing = Shown(asked.noisy, asked.timesteps, empty.expand_as(asked.text))
    with_text, without = predicted(teacher, asked), predicted(teacher, nothing)
    wanted = without + scales[:, None, None, None] * (with_text - without)
    torch.testing.assert_close(told, wanted, atol=1e-4, rtol=1e-4)
    assert torch.equal(told[0], with_text[0])
    assert torch.equal(told[3], with_text[3]), "of the empty text guidance makes the same"
    assert (told[2] - with_text[2]).abs().mean() > 0.2


def test_a_quarter_is_asked_for_the_prompt_alone() -> None:
    scales = draw_scales(4000, torch.Generator().manual_seed(0))
    assert 0.22 < (scales == 1).float().mean() < 0.28
    assert (scales.min(), scales.max() > 7.9, scales.max() <= 8) == (1, True, True)


def test_clips_that_are_held_out_are_seen_by_no_step_nor_mixed_in() -> None:
    mels = np.zeros((12, 128, 64), np.float16)
    mixer = LatentMixer(Mixer(mels, [["rain"]] * 12), PatchEncoder(torch.zeros(16, 8), torch.zeros(8)))
    whole = examples(12)
    seen, unseen = Examples(whole.latents, whole.text_vectors, whole.empty_vector, mixer).parted(64)
    assert (len(seen.latents), len(seen.text_vectors)) == (9, 9)
    assert seen.mixer is not None
    assert len(seen.mixer.mixer.families) == len(seen.mixer.mixer.mels) == 9
    assert np.array_equal(unseen.latents, whole.latents[9:])
    assert unseen.mixer is None


@pytest.mark.usefixtures("small")
def test_it_learns_it_on_clips_ramps_and_bridges(
    teacher: UNet2DConditionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guidance, "CHECK_EVERY", 23)
    monkeypatch.setattr(guidance, "LEARNING_RATE", 3e-3)
    seen, unseen = examples().parted(2)
    weights = {name: value.clone() for name, value in teacher.state_dict().items()}
    student = fold_guidance(teacher, seen, unseen, LoopOptions(tmp_path, 24, log_every=1))
    rows = logged(tmp_path)
    assert {"clip", "ramp", "bridge"} <= {kind for row in rows for kind in row}
    first, last = rows[0], rows[-1]
    assert (first["held out 1"], first["held out 4"]) == (0, 1)
    assert last["held out 4"] < 0.98, "towards what guidance makes"
    assert not student.training
    assert all(torch.equal(value, weights[name]) for name, value in teacher.state_dict().items())
    assert not any(unet._forward_pre_hooks for unet in (teacher, student)), "unpatched again"


@pytest.mark.usefixtures("small")
def test_where_the_text_moves_nothing_there_is_nothing_to_learn(
    teacher: UNet2DConditionModel, tmp_path: Path
) -> None:
    torch.nn.init.zeros_(teacher.class_embedding.weight)
    seen, unseen = examples().parted(2)
    fold_guidance(teacher, seen, unseen, LoopOptions(tmp_path, 1, log_every=1))
    assert logged(tmp_path)[0]["clip"] == 0


@pytest.mark.usefixtures("small")
def test_a_run_that_was_ended_goes_on_as_it_would_have(teacher: UNet2DConditionModel, tmp_path: Path) -> None:
    seen, unseen = examples().parted(2)
    whole = fold_guidance(teacher, seen, unseen, LoopOptions(tmp_path / "whole", 2))
    ended = LoopOptions(tmp_path / "parts", 2, max_minutes=0)
    for _ in range(2):
        parts = fold_guidance(teacher, seen, unseen, ended)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, atol=1e-6, rtol=0)


@pytest.mark.usefixtures("small")
@torch.no_grad()
def test_the_error_is_a_share_of_what_guidance_moves(teacher: UNet2DConditionModel) -> None:
    class Guided(torch.nn.Module):
        """Says what the guided teacher does, but for a share of the way there."""

        def __init__(self, missing: float) -> None:
            super().__init__()
            self.missing = missing

        def forward(self, noisy: Tensor, timesteps: Tensor, _: None, **told: Any) -> Any:
            asked = Shown(noisy, timesteps, told["class_labels"])
            full = torch.full((len(noisy),), 4 - 3 * self.missing)
            return type("Output", (), {"sample": guided_prediction(teacher, asked, unit(seed=1), full)})

    with guidance.framewise(teacher):
        held_out = HeldOut(teacher, examples(), seed=0)
        assert held_out.errors(Guided(0.0))["held out 4"] == pytest.approx(0, abs=1e-3)
        assert held_out.errors(Guided(0.25))["held out 4"] == pytest.approx(0.25, abs=1e-3)
