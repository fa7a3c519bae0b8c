"""Scenes mixed while training: against sounds really added, and against the VAE's own encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from studio.dsp.mel import log_mel
from studio.training.mixing import BEHIND_DB, Mixer, mix_mels
from studio.training.unet import draw_batch
from studio.training.vae import build_vae, solve_encoder
from tests.training.test_recipes import smooth_mels

LABELS = [["rain"], ["dog"], ["rain", "dog"], ["siren"], ["dog", "siren"], ["wind"]]


def solved_mixer() -> tuple[Mixer, torch.nn.Module]:
    mels = smooth_mels()
    vae = build_vae().eval()
    solve_encoder(vae, mels)
    vae.register_to_config(scaling_factor=0.9)
    return Mixer.of(mels, LABELS, vae), vae


def test_mixed_mels_are_those_of_the_added_sounds() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 16000, generator=generator) * 0.1
    hiss, click = noise[:1], noise[1:] * torch.linspace(0, 1, 16000) ** 4
    gain_db = torch.tensor([-6.0])
    added = log_mel(hiss + 10 ** (-6.0 / 20) * click)
    mixed = mix_mels(log_mel(hiss), log_mel(click), gain_db)
    assert (mixed - added).abs().mean() < 0.2, "phases are all that is lost"
    assert (mixed - added).mean().abs() < 0.05


def test_a_sound_with_silence_behind_it_stays_itself() -> None:
    mel = torch.from_numpy(smooth_mels(2)).float()
    silence = torch.full_like(mel, float(np.log(1e-5)))
    torch.testing.assert_close(mix_mels(mel, silence, torch.zeros(2)), mel, atol=0.01, rtol=0)
    torch.testing.assert_close(mix_mels(silence, mel, torch.zeros(2)), mel, atol=0.01, rtol=0)


def test_the_encoder_is_read_off_exactly() -> None:
    mixer, vae = solved_mixer()
    mel = mixer.crop(torch.tensor([3, 1]), torch.tensor([2, 5]), 16)
    torch.testing.assert_close(mel[1], torch.from_numpy(mixer.mels[1, 20:84]).float())
    with torch.no_grad():
        encoded = vae.encode(mel[:, None]).latent_dist.mean * 0.9
    torch.testing.assert_close(mixer.encode(mel), encoded, atol=0.02, rtol=0.01)


def test_an_encoder_that_is_no_affine_map_is_refused() -> None:
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="no affine map"):
        Mixer.of(smooth_mels(), LABELS, build_vae().eval())


def test_only_single_sounds_are_mixed_and_mean_their_sum() -> None:
    """Latents and vectors of clips are their numbers, so that whatever was drawn can be told."""
    mixer, _ = solved_mixer()
    vectors = torch.eye(128)[: len(LABELS), None]
    latents = np.zeros((6, 8, 80, 16), np.float16)
    clean, text = draw_batch(
        latents, vectors, torch.eye(128)[-1], 400, 16, torch.Generator().manual_seed(0), mixer
    )
    mixed = clean.abs().amax(dim=(1, 2, 3)) > 0
    parts = (text > 0.4).sum(dim=1)
    dropped = text[:, -1] == 1
    assert 0.1 < mixed.float().mean() < 0.3, "0.3 of the single ones, which are four of six"
    assert (parts[~mixed] == 1).all()
    assert (text[mixed & ~dropped][:, [2, 4]] < 0.2).all(), "no scene is mixed"
    assert set(parts[mixed & ~dropped].tolist()) == {1, 2}, "two sounds, or one with itself"


def test_the_second_sound_is_never_the_louder() -> None:
    mixer, _ = solved_mixer()
    clips, starts = mixer.single.repeat(20), torch.zeros(80, dtype=torch.long)
    generator = torch.Generator().manual_seed(1)
    others, _ = mixer.behind(clips, starts, 16, generator)
    assert set(others.tolist()) == set(mixer.single.tolist())
    again, _ = mixer.behind(clips, starts, 16, torch.Generator().manual_seed(1))
    assert torch.equal(others, again)
    assert BEHIND_DB > 0
