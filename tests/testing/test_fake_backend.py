"""The fake that ships for tests: everything it is told changes what it says, and its sound is its latents."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch

import studio.testing
from studio.backends.base import Backend, Conditioning, Geometry
from studio.samplers.ddim import ddim_sample
from studio.samplers.schedule import add_noise
from studio.testing import FakeBackend
from studio.testing.backend import SPREAD

HOP = 640


@pytest.fixture(scope="module")
def backend() -> FakeBackend:
    return FakeBackend()


def noise(frames: int, seed: int = 0, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 8, frames, 16, generator=torch.Generator().manual_seed(seed))


def streamed(backend: FakeBackend, latents: torch.Tensor, sizes: list[int]) -> np.ndarray:
    decoder, parts, position = backend.stream_decoder(), [], 0
    while position < latents.shape[2]:
        size = sizes[len(parts) % len(sizes)]
        parts.append(decoder.push(latents[:, :, position : position + size]))
        position += size
    return np.concatenate([*parts, decoder.flush()])


def test_its_own_example_runs() -> None:
    result = doctest.testmod(studio.testing)
    assert result.attempted > 5
    assert not result.failed


def test_is_a_backend_and_twice_the_same(backend: FakeBackend) -> None:
    assert isinstance(backend, Backend)
    text, other = backend.encode_text(["rain"]), FakeBackend().encode_text(["rain"])
    told = noise(12), torch.tensor([300]), 5
    assert torch.equal(backend.predict_noise(*told, text), FakeBackend().predict_noise(*told, other))


def test_a_text_says_the_same_whatever_stands_beside_it(backend: FakeBackend) -> None:
    vectors = backend.encode_text(["", "rain", "rains", "rain"]).pooled
    assert vectors is not None
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(4))
    assert torch.equal(vectors[1], vectors[3])
    assert len(vectors.unique(dim=0)) == 3
    torch.testing.assert_close(backend.encode_text(["rain"]).pooled, vectors[1:2])


def test_everything_it_is_told_counts(backend: FakeBackend) -> None:
    latents, text = noise(12), backend.encode_text(["rain"])
    each = torch.full((1, 12), 300)
    said = backend.predict_noise(latents, each, 5, text)
    assert said.shape == latents.shape
    assert said.dtype == torch.float32
    torch.testing.assert_close(said, backend.predict_noise(latents, torch.tensor([300]), 5, text))
    later = each.clone()
    later[0, 7] = 400
    for other in (
        backend.predict_noise(noise(12, 1), each, 5, text),
        backend.predict_noise(latents, each + 1, 5, text),
        backend.predict_noise(latents, each, 6, text),
        backend.predict_noise(latents, each, 5, backend.encode_text(["wind"])),
    ):
        assert (said - other).abs().amin(dim=(0, 1, 3)).numel() == 12
        assert ((said - other).abs().amax(dim=(0, 1, 3)) > 1e-3).all(), "in every frame"
    changed = (said - backend.predict_noise(latents, later, 5, text)).abs().amax(dim=(0, 1, 3)) > 1e-4
    assert changed.nonzero()[:, 0].tolist() == [6, 7, 8], "a frame's timestep is its own and its neighbours'"


def test_a_vector_a_frame_is_that_frames(backend: FakeBackend) -> None:
    rain, wind = backend.encode_text(["rain", "wind"]).pooled  # type: ignore[misc]
    mixed = Conditioning(pooled=torch.stack([rain] * 5 + [wind] * 7)[None])
    latents, at = noise(12), torch.tensor([300])
    said, first, second = (
        backend.predict_noise(latents, at, 5, each)
        for each in (mixed, Conditioning(pooled=rain[None]), Conditioning(pooled=wind[None]))
    )
    torch.testing.assert_close(said[:, :, :4], first[:, :, :4])
    torch.testing.assert_close(said[:, :, 6:], second[:, :, 6:])
    assert (said - first)[:, :, 4].abs().max() > 1e-3, "a neighbour's text is heard"
    assert (said - second)[:, :, 5].abs().max() > 1e-3


def test_a_batch_is_its_items(backend: FakeBackend) -> None:
    latents, text = noise(12, batch=2), backend.encode_text(["rain", "wind"])
    at = torch.tensor([300, 700])
    both = backend.predict_noise(latents, at, 5, text)
    for item in range(2):
        one = slice(item, item + 1)
        alone = backend.predict_noise(latents[one], at[one], 5, text.take(torch.tensor([item])))
        torch.testing.assert_close(both[one], alone)


def test_samples_spread_around_the_prompts_mean_and_are_the_seeds(backend: FakeBackend) -> None:
    text = backend.encode_text(["rain"])
    assert text.pooled is not None

    def made(seed: int) -> torch.Tensor:
        return ddim_sample(
            lambda *told: backend.predict_noise(*told, text), backend.schedule, noise(200, seed), 30, None, 9
        )

    off = made(0) - backend.mean(text.pooled, 9, 200)
    assert abs(float(off.mean())) < 0.02
    assert 0.5 * SPREAD < float(off.std()) < 1.1 * SPREAD
    assert torch.equal(made(0), made(0))
    assert (made(0) - made(1)).std() > 0.5 * SPREAD, "no oracle: other noise is another sound"


def test_a_wrong_state_is_not_healed(backend: FakeBackend) -> None:
    """Half of the noise too few at the first step, and it is heard at the last."""
    text = backend.encode_text(["rain"])

    def off(share: float) -> float:
        made = ddim_sample(
            lambda *told: backend.predict_noise(*told, text), backend.schedule, share * noise(200), 30
        )
        return float((made - backend.mean(text.pooled, 0, 200)).std())  # type: ignore[arg-type]

    assert off(0.5) < 0.75 * off(1.0)


@pytest.mark.parametrize("frames", [1, 2, 3, 50])
def test_sound_and_latents_are_one_to_one(backend: FakeBackend, frames: int) -> None:
    latents = noise(frames)
    samples = backend.decode(latents)
    assert samples.shape == (frames * HOP,)
    assert samples.dtype == np.float32
    again = backend.encode_audio(samples)
    assert again.shape == latents.shape
    torch.testing.assert_close(again, latents, rtol=0, atol=1e-5)
    np.testing.assert_allclose(backend.decode(again), samples, atol=1e-6)


def test_any_sound_is_encoded_as_what_is_most_like_it(backend: FakeBackend) -> None:
    """Orthogonally: what is left over is nothing that latents could say."""
    sound = 0.1 * np.random.default_rng(0).standard_normal(20 * HOP + 99).astype(np.float32)
    latents = backend.encode_audio(sound)
    assert latents.shape == (1, 8, 20, 16)
    rest = sound[: 20 * HOP] - backend.decode(latents)
    assert backend.encode_audio(rest).abs().max() < 1e-4
    assert 0.8 < rest.std() / sound.std() < 1.0
    assert backend.encode_audio(sound[: HOP - 1]).shape[2] == 0


def test_a_wrong_latent_is_heard_where_it_is(backend: FakeBackend) -> None:
    latents = noise(20)
    wrong = latents.clone()
    wrong[0, 0, 9, 4] += 0.1
    heard = np.abs(backend.decode(wrong) - backend.decode(latents)).reshape(20, HOP).max(axis=1)
    assert np.nonzero(heard > 1e-5)[0].tolist() == [8, 9, 10]


@pytest.mark.parametrize("sizes", [[1], [3, 2], [8], [60]])
def test_blocks_are_the_whole(backend: FakeBackend, sizes: list[int]) -> None:
    latents = noise(60)
    np.testing.assert_allclose(streamed(backend, latents, sizes), backend.decode(latents), atol=1e-6)


def test_a_stream_goes_on_from_its_state(backend: FakeBackend) -> None:
    latents, before, after = noise(60), backend.stream_decoder(), backend.stream_decoder()
    head = before.push(latents[:, :, :31])
    after.load_state_dict(before.state_dict())
    sound = np.concatenate([head, after.push(latents[:, :, 31:]), after.flush()])
    np.testing.assert_allclose(sound, backend.decode(latents), atol=1e-6)


def test_a_preview_is_the_log_mel_of_the_sound(backend: FakeBackend) -> None:
    latents = noise(20)
    noisy = add_noise(latents, noise(20, 1), backend.schedule.alpha_bar(torch.tensor([500])))
    shown = backend.preview(latents)
    assert shown.shape == (80, 64)
    assert np.isfinite(shown).all()
    assert np.abs(shown - backend.preview(noisy)).max() > 0.1


def test_takes_other_sizes() -> None:
    backend = FakeBackend(Geometry(channels=4, bands=8, hop_samples=320))
    latents = torch.randn(1, 4, 9, 8)
    samples = backend.decode(latents)
    assert samples.shape == (9 * 320,)
    torch.testing.assert_close(backend.encode_audio(samples), latents, rtol=0, atol=1e-5)
    with pytest.raises(AssertionError, match="half of the channels"):
        FakeBackend(Geometry(channels=3))
