"""Scenes mixed while training: against sounds really added, and against the VAE's own encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from studio.core.errors import WeightsError
from studio.dsp.mel import LOG_FLOOR, log_mel
from studio.recipes.corpus.families import can_share_scene
from studio.recipes.data.mixing import (
    BEHIND_DB,
    LatentMixer,
    Mixer,
    PatchEncoder,
    add_powers,
    level_db,
    louder,
)
from studio.recipes.networks.unet import draw_batch
from studio.recipes.networks.vae import build_vae, solve_encoder
from tests.recipes.networks.test_networks import smooth_mels

LABELS = [["rain"], ["dog"], ["rain", "dog"], ["siren"], ["dog", "siren"], ["wind"]]


def some_mixer() -> Mixer:
    return Mixer(smooth_mels(), LABELS)


def solved_encoder() -> tuple[PatchEncoder, torch.nn.Module]:
    mels = smooth_mels()
    vae = build_vae().eval()
    solve_encoder(vae, mels)
    vae.register_to_config(scaling_factor=0.9)
    return PatchEncoder.of(mels, vae), vae


def test_added_powers_are_those_of_the_added_sounds() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 16000, generator=generator) * 0.1
    hiss, click = noise[:1], noise[1:] * torch.linspace(0, 1, 16000) ** 4
    added = log_mel(hiss + 10 ** (-6.0 / 20) * click)
    mixed = add_powers(log_mel(hiss), louder(log_mel(click), torch.tensor([-6.0])))
    assert (mixed - added).abs().mean() < 0.2, "phases are all that is lost"
    assert (mixed - added).mean().abs() < 0.05


def test_silence_adds_nothing_and_no_gain_raises_it() -> None:
    mel = torch.from_numpy(smooth_mels(2)).float()
    silence = torch.full_like(mel, LOG_FLOOR)
    torch.testing.assert_close(add_powers(mel, silence), mel, atol=0.01, rtol=0)
    torch.testing.assert_close(add_powers(silence, mel), mel, atol=0.01, rtol=0)
    torch.testing.assert_close(add_powers(silence, silence), silence, atol=1e-3, rtol=0)
    torch.testing.assert_close(louder(silence, torch.tensor([20.0, -20.0])), silence)


def test_levels_follow_a_gain_and_not_the_pauses() -> None:
    mel = log_mel(torch.randn(1, 16000, generator=torch.Generator().manual_seed(0)) * 0.1)
    quiet = louder(mel, torch.tensor([-6.0]))
    torch.testing.assert_close(level_db(quiet), level_db(mel) - 6, atol=0.1, rtol=0)
    paused = torch.cat([mel, torch.full_like(mel, LOG_FLOOR)], dim=1)
    torch.testing.assert_close(level_db(paused), level_db(mel), atol=1.0, rtol=0)


def test_the_encoder_is_read_off_exactly() -> None:
    encoder, vae = solved_encoder()
    mixer = some_mixer()
    mel = mixer.crop(torch.tensor([3, 1]), torch.tensor([8, 20]), 64)
    torch.testing.assert_close(mel[1], torch.from_numpy(mixer.mels[1, 20:84]).float())
    with torch.no_grad():
        encoded = vae.encode(mel[:, None]).latent_dist.mean * 0.9
    torch.testing.assert_close(encoder.encode(mel), encoded, atol=0.02, rtol=0.01)


def test_an_encoder_that_is_no_affine_map_is_refused() -> None:
    torch.manual_seed(0)
    with pytest.raises(WeightsError, match="longwave train vae"):
        PatchEncoder.of(smooth_mels(), build_vae().eval())


def test_only_single_sounds_are_mixed_and_mean_their_sum() -> None:
    """Latents of clips are zero and their vectors are axes, so that whatever was drawn can be told."""
    mixer = LatentMixer(some_mixer(), solved_encoder()[0])
    vectors = torch.eye(128)[: len(LABELS), None]
    latents = np.zeros((6, 8, 80, 16), np.float16)
    clean, text = draw_batch(
        latents, vectors, torch.eye(128)[-1], 400, 16, torch.Generator().manual_seed(0), mixer
    )
    mixed = clean.abs().amax(dim=(1, 2, 3)) > 0
    parts = (text > 0.4).sum(dim=1)
    dropped = text[:, -1] == 1
    assert 0.15 < mixed.float().mean() < 0.4, "0.4 of the single ones, which are four of six"
    assert (parts[~mixed] == 1).all()
    assert (text[mixed & ~dropped][:, [2, 4]] < 0.2).all(), "no scene is mixed"
    assert (parts[mixed & ~dropped] == 2).all(), "two sounds each"


def test_partners_never_mask_each_other() -> None:
    mixer = some_mixer()
    alone = mixer.single.nonzero()[:, 0].repeat(40)
    starts = torch.zeros(len(alone), dtype=torch.long)
    others, _ = mixer.scenes(alone, starts, 64, torch.Generator().manual_seed(1))
    pairs = {(LABELS[a][0], LABELS[b][0]) for a, b in zip(alone.tolist(), others.tolist(), strict=True)}
    assert ("dog", "siren") in pairs
    assert not can_share_scene("rain", "wind")
    assert all(can_share_scene(*pair) for pair in pairs)
    again, _ = mixer.scenes(alone, starts, 64, torch.Generator().manual_seed(1))
    assert torch.equal(others, again)


@pytest.mark.parametrize(("mine", "front"), [(1, True), (0, False)])
def test_noise_lies_behind_events(mine: int, front: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dog stands before rain, whichever was drawn first, by the levels of the whole clips."""
    mixer = some_mixer()
    gains: list[torch.Tensor] = []

    def spy(mel: torch.Tensor, gain_db: torch.Tensor) -> torch.Tensor:
        gains.append(gain_db)
        return louder(mel, gain_db)

    monkeypatch.setattr("studio.recipes.data.mixing.louder", spy)
    clips = torch.tensor([mine]).repeat(60)
    others, _ = mixer.scenes(clips, torch.zeros(60, dtype=torch.long), 64, torch.Generator().manual_seed(2))
    rows = (others == 1 - mine).nonzero()[:, 0]
    assert len(rows) > 5
    levels = mixer.levels_db[clips[rows]] + gains[0][rows] - mixer.levels_db[others[rows]] - gains[1][rows]
    apart = levels if front else -levels
    assert (apart > BEHIND_DB[0] - 1e-4).all()
    assert (apart < BEHIND_DB[1] + 1e-4).all()
    kept = gains[0] if front else gains[1]
    assert (kept[rows] == 0).all(), "what stands in front keeps its level"
