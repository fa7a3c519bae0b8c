"""The recipes' own mathematics, and one tiny pass through each network they build."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.recipes.data.mixing import Mixer
from studio.recipes.networks.classifier import draw_windows, label_targets, roughen
from studio.recipes.networks.unet import build_unet, channel_weight, draw_batch, train_unet
from studio.recipes.networks.vae import (
    WHITENING,
    build_vae,
    encode_latents,
    principal_patches,
    solve_encoder,
    start_decoder,
    train_vae,
)
from studio.recipes.networks.vocoder import build_vocoder, convergence, spectral_loss
from studio.recipes.text.clap_head import HeadData, clip_targets, concentrate, train_head
from studio.recipes.text.clap_model import build_clap
from studio.training.loop import LoopOptions
from studio.training.noising import bridge_timesteps, clip_timesteps, fifo_ramps, min_snr_weight, velocity

pytestmark = pytest.mark.slow


def test_ramps_begin_clean_and_never_fall() -> None:
    ramps = fifo_ramps(64, 112, torch.Generator().manual_seed(0))
    assert ramps.shape == (64, 112)
    assert (ramps.diff(dim=1) >= 0).all()
    assert int(ramps.min()) >= 1
    assert int(ramps.max()) <= 999
    assert (ramps[:, -1] > 800).all(), "the last group is nearly noise"
    assert len({tuple(row.tolist()) for row in ramps}) == 64, "every ramp is its own"


def test_bridges_are_clean_on_either_side_and_at_one_level_between() -> None:
    rows = bridge_timesteps(300, 112, torch.Generator().manual_seed(0))
    assert rows.shape == (300, 112)
    kinds = set()
    for row in rows:
        unknown = (row > 1).nonzero()[:, 0]
        if not len(unknown):  # the lowest timestep itself, rarely
            continue
        first, last = int(unknown[0]), int(unknown[-1])
        assert len(unknown) == last - first + 1 >= 112 // 5
        assert len(row[first : last + 1].unique()) == 1
        assert first + 112 - last > 1, "something is known"
        kinds.add((first > 0, last < 111))
    assert kinds == {(True, False), (False, True), (True, True)}


def test_clips_are_noisy_three_times_in_four() -> None:
    timesteps = clip_timesteps(20_000, torch.Generator().manual_seed(0))
    assert int(timesteps.min()) == 1
    assert int(timesteps.max()) == 999
    assert (timesteps >= 500).float().mean().item() == pytest.approx(0.75, abs=0.02)


def test_min_snr_weight_against_its_definition() -> None:
    alpha_bar = torch.tensor([0.999, 5 / 6, 0.5, 0.01])
    snr = alpha_bar / (1 - alpha_bar)
    expected = torch.minimum(snr + 1, torch.tensor(5.0)) / (snr + 1)
    torch.testing.assert_close(min_snr_weight(alpha_bar), expected)
    assert min_snr_weight(alpha_bar)[-1] == 1.0, "noise alone is where the family is decided"


def test_velocity_gives_back_noise_and_sound() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise = (
        torch.randn(2, 8, 6, 16, generator=generator),
        torch.randn(2, 8, 6, 16, generator=generator),
    )
    alpha_bar = torch.tensor([0.9, 0.2])[:, None, None, None]
    noisy = alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise
    v = velocity(clean, noise, alpha_bar)
    torch.testing.assert_close(alpha_bar.sqrt() * v + (1 - alpha_bar).sqrt() * noisy, noise)
    torch.testing.assert_close(alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * v, clean)


def test_vae_and_vocoder_have_audioldms_geometry() -> None:
    vae, vocoder = build_vae().eval(), build_vocoder().eval()
    mel = torch.randn(1, 64, 64) - 4
    with torch.no_grad():
        latents = encode_latents(vae, mel)
        assert latents.shape == (1, 8, 16, 16)
        assert vae.decode(latents).sample.shape == (1, 1, 64, 64)
        assert vocoder(mel).shape == (1, 64 * 160)


def smooth_mels(clips: int = 6, frames: int = 320) -> np.ndarray:
    """Log-mels with structure for components to find: slow waves over time and bands, and a little noise."""
    rng = np.random.default_rng(0)
    time, band = np.arange(frames)[:, None] / 40, np.arange(64)[None] / 12
    waves = [np.sin(rng.uniform(0.5, 3) * time + rng.uniform(0.5, 3) * band) for _ in range(clips)]
    return (np.stack(waves) * 2 - 5 + 0.1 * rng.standard_normal((clips, frames, 64))).astype(np.float16)


def test_the_solved_encoder_gives_the_principal_components() -> None:
    """Against the closed form: the same patches, projected by a matrix."""
    mels = smooth_mels()
    vae = build_vae().eval()
    solve_encoder(vae, mels)
    mean, components, stds = principal_patches(mels)
    torch.testing.assert_close(components @ components.T, torch.eye(8), atol=1e-4, rtol=0)
    mel = torch.from_numpy(mels[:2, :64].astype(np.float32))
    patches = mel.unfold(1, 4, 4).unfold(2, 4, 4).reshape(2, 16, 16, 16)
    expected = ((patches - mean) @ (components * stds.pow(-2 * WHITENING)[:, None]).T).permute(0, 3, 1, 2)
    with torch.no_grad():
        latents = vae.encode(mel[:, None]).latent_dist.mean
    torch.testing.assert_close(latents, expected, atol=0.02, rtol=0.01)


def test_the_decoder_begins_near_the_patches_level() -> None:
    mels = smooth_mels()
    vae = build_vae().eval()
    solve_encoder(vae, mels)
    torch.manual_seed(0)
    start_decoder(vae, mels)
    mel = torch.from_numpy(mels[:2, :64].astype(np.float32))
    with torch.no_grad():
        decoded = vae.decode(vae.encode(mel[:, None]).latent_dist.mean).sample[:, 0]
    assert (decoded - mel).abs().mean() < 0.5 * (mel - mel.mean()).abs().mean()


def test_training_a_vae_leaves_its_encoder_and_stores_the_scale(tmp_path: Path) -> None:
    mels = smooth_mels()
    vae = train_vae(mels, LoopOptions(tmp_path / "run", 2, log_every=1))
    with torch.no_grad():
        latents = encode_latents(vae, torch.from_numpy(mels[:, :64].astype(np.float32)))
    assert 0.7 < latents.std() < 1.4, "scaled latents have about unit variance"
    vae.save_pretrained(tmp_path / "shipped")
    resumed = train_vae(mels, LoopOptions(tmp_path / "again", 1, log_every=1), init=tmp_path / "shipped")
    for kept, now in zip(vae.encoder.parameters(), resumed.encoder.parameters(), strict=True):
        torch.testing.assert_close(now, kept, atol=0, rtol=0)
    pairs = zip(vae.decoder.parameters(), resumed.decoder.parameters(), strict=True)
    assert any(not torch.equal(before, after) for before, after in pairs)


def test_the_head_learns_which_words_belong_to_which_sound(tmp_path: Path) -> None:
    """Texts near one of three directions, sounds near three others: the head finds the way."""
    rng = torch.Generator().manual_seed(0)
    names = ["rain", "dog", "bell"]
    labels = [[names[i % 3]] for i in range(60)]
    spoken, sounds = torch.eye(12)[:3], torch.eye(8)[:3]
    which = torch.arange(60) % 3

    def near(directions: torch.Tensor, copies: int) -> torch.Tensor:
        noise = 0.2 * torch.randn(len(directions), copies, directions.shape[1], generator=rng)
        return torch.nn.functional.normalize(directions[:, None] + noise, dim=-1)

    data = HeadData(near(sounds[which], 2), near(spoken[which], 3), near(spoken, 5), names, labels)
    head = train_head(data, LoopOptions(tmp_path, 40))
    with torch.no_grad():
        nearest = (head(near(spoken, 20)) @ sounds.T).argmax(-1)
    assert (nearest == torch.arange(3)[:, None]).float().mean() > 0.9


def test_a_text_recalls_the_clips_it_resembles() -> None:
    """Two clips, each with two own captions and one more; a text somewhat nearer the first is drawn to it."""
    generator = torch.Generator().manual_seed(0)
    empty, first, second = torch.nn.functional.normalize(torch.randn(3, 64, generator=generator), dim=-1)
    between = torch.nn.functional.normalize(0.7 * first + 0.4 * second, dim=-1)
    wide = torch.nn.functional.normalize(first + 0.2 * torch.randn(64, generator=generator), dim=-1)
    texts = torch.stack([empty, between, first, wide, second, second, between, second])
    clip = torch.nn.functional.normalize(first + wide, dim=-1)
    made = concentrate(texts, torch.stack([clip, second]), own=2, others=1)
    torch.testing.assert_close(made[0], empty)
    assert (made[1] @ clip).item() > 0.99, "nearer to the first: of the first"
    torch.testing.assert_close(made[2:], torch.stack([clip, clip, second, second, clip, second]))


def test_a_scene_means_its_two_sounds_alike() -> None:
    """Whatever the captions of a scene lean to, and however many words either sound takes."""
    generator = torch.Generator().manual_seed(0)
    dog, rain, leaning = torch.nn.functional.normalize(torch.randn(3, 64, generator=generator), dim=-1)
    own = torch.stack([dog.expand(4, -1), leaning.expand(4, -1)])
    voices = torch.stack([dog.expand(6, -1), rain.expand(6, -1)])[None]
    alone, scene = clip_targets(own, voices, torch.tensor([False, True]))
    torch.testing.assert_close(alone, dog)
    torch.testing.assert_close(scene @ dog, scene @ rain)
    torch.testing.assert_close(scene, torch.nn.functional.normalize(dog + rain, dim=0))


def test_clap_gives_both_towers_one_width() -> None:
    clap = build_clap(vocab_size=100).eval()
    with torch.no_grad():
        text = clap.get_text_features(input_ids=torch.tensor([[0, 5, 2]])).pooler_output
        audio = clap.get_audio_features(input_features=torch.randn(1, 1, 256, 64)).pooler_output
    assert text.shape == audio.shape == (1, 128)


def test_the_unet_learns_from_clips_and_ramps(tmp_path: Path) -> None:
    """Two steps: one of each kind. The weights move, and stay finite."""
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((2, 8, 120, 16)).astype(np.float16)
    vectors = torch.nn.functional.normalize(
        torch.randn(2, 3, 128, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    unet = train_unet(latents, vectors, vectors[0, 0], LoopOptions(tmp_path, 2, log_every=1))
    torch.manual_seed(0)
    fresh = build_unet()
    pairs = list(zip(unet.parameters(), fresh.parameters(), strict=True))
    assert all(torch.isfinite(trained).all() for trained, _ in pairs)
    assert any(not torch.equal(trained, start) for trained, start in pairs)


def test_loud_channels_weigh_more_in_the_loss() -> None:
    stds = np.array([1.4, 1.0, 0.9, 0.9, 0.8, 0.7, 0.7, 0.6])[None, :, None, None]
    signs = np.tile([1.0, -1.0], (4, 8, 50, 8))
    weight = channel_weight((signs * stds).astype(np.float16)).flatten()
    assert weight.shape == (8,)
    torch.testing.assert_close(weight.mean(), torch.tensor(1.0))
    ratio = (1.4 / 0.6) ** (0.5 / (1 - 2 * WHITENING))
    torch.testing.assert_close(weight[0] / weight[7], torch.tensor(ratio), rtol=0.01, atol=0)


def test_shaken_texts_stay_unit_vectors_near_their_own() -> None:
    rng = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(3, 2, 128, generator=rng), dim=-1)
    empty = torch.nn.functional.normalize(torch.randn(128, generator=rng), dim=-1)
    latents = np.zeros((3, 8, 20, 16), np.float16)
    _, text = draw_batch(latents, vectors, empty, 400, 16, rng)
    torch.testing.assert_close(text.norm(dim=-1), torch.ones(400))
    known = torch.cat([vectors.flatten(0, 1), empty[None]])
    nearest = (text @ known.T).max(dim=1)
    assert (nearest.values > 0.95).all()
    dropped = (nearest.indices == len(known) - 1).float().mean()
    assert 0.05 < dropped < 0.17, "a tenth is the empty text"


def test_targets_share_a_scene_between_its_families() -> None:
    targets = label_targets([["rain"], ["dog", "rain"]], ["rain", "dog"])
    assert targets.tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_roughening_keeps_shape_and_raises_the_floor() -> None:
    mel = torch.full((4, 64, 64), -11.5)
    rough = roughen(mel, torch.Generator().manual_seed(0))
    assert rough.shape == mel.shape
    assert rough.min() >= -11.5
    assert rough.mean() > mel.mean()


def test_the_classifier_hears_mixed_scenes_with_both_names() -> None:
    labels = [["rain"], ["dog"], ["siren"], ["dog", "siren"]]
    targets = label_targets(labels, ["rain", "dog", "siren"])
    mixer = Mixer(smooth_mels(4, 512), labels)
    wanted = torch.cat(
        [draw_windows(mixer, targets, torch.Generator().manual_seed(seed))[1] for seed in range(8)]
    )
    assert (wanted.sum(dim=1) == 1).all()
    shared = (wanted == 0.5).sum(dim=1) == 2
    with_rain = shared & (wanted[:, 0] == 0.5)
    assert with_rain.any(), "the corpus has no scene of rain: it was mixed"
    assert (~shared).any()
    assert targets.tolist() == label_targets(labels, ["rain", "dog", "siren"]).tolist(), "left as they are"


def test_spectral_loss_is_zero_only_for_the_same_sound() -> None:
    sound = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    assert spectral_loss(sound, sound) == 0
    assert spectral_loss(sound * 0.5, sound) > 0.1


def test_a_quiet_clip_counts_as_much_as_a_loud_one() -> None:
    real = torch.stack([torch.full((8, 5), 0.05), torch.full((8, 5), 10.0)])
    lost = real * torch.tensor([0.0, 1.0])[:, None, None]
    assert convergence(lost, real).item() == pytest.approx(0.5)
    assert convergence(real, real) == 0
