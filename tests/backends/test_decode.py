"""Block-wise decoding against decoding the whole, with tiny random networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from studio.backends.decode import (
    ATTENTIVE,
    CONVOLUTIONAL,
    EARLIER,
    BlockDecoder,
    BlockPlan,
    decode_whole,
    vocoder_context,
)
from studio.backends.latent import SoundNetworks
from studio.dsp.mel import log_mel
from tests.backends.conftest import make_vae, make_vocoder

FRAMES = 120
HOP = 640


@pytest.fixture(scope="module")
def networks() -> SoundNetworks:
    torch.manual_seed(3)
    return SoundNetworks(make_vae().eval(), make_vocoder())


@pytest.fixture(scope="module")
def latents() -> torch.Tensor:
    """Latents of unit variance that change over a few frames, as sound's do."""
    noise = torch.randn(1, 8, FRAMES + 2, 16, generator=torch.Generator().manual_seed(4))
    return noise.unfold(2, 3, 1).mean(-1) * 3**0.5


def decoder(
    networks: SoundNetworks, plan: BlockPlan = CONVOLUTIONAL, context: int | None = None
) -> BlockDecoder:
    return BlockDecoder(networks, plan, context or vocoder_context(networks.vocoder.config), HOP)


def stream(decoder: BlockDecoder, latents: torch.Tensor, sizes: list[int]) -> np.ndarray:
    parts, position, index = [], 0, 0
    while position < latents.shape[2]:
        size = sizes[index % len(sizes)]
        parts.append(decoder.push(latents[:, :, position : position + size]))
        position, index = position + size, index + 1
    return np.concatenate([*parts, decoder.flush()])


def join_frames(plan: BlockPlan, frames: int) -> list[int]:
    """Latent frames at which blocks meet."""
    joins, index, position = [], 0, 0
    while frames - position > plan.block_size(index) + plan.lookahead:
        position += plan.block_size(index)
        joins.append(position)
        index += 1
    return joins


def mel_difference(whole: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Mean absolute log-mel difference of each mel frame."""
    a, b = (log_mel(torch.from_numpy(np.ascontiguousarray(x))) for x in (whole, blocks))
    return (a - b).abs().mean(-1).numpy()


def test_joins_are_no_worse_than_the_rest(networks: SoundNetworks, latents: torch.Tensor) -> None:
    plan = BlockPlan(first=16, block=24, past=24, future=16, fade=2)  # many joins, for so short a sound
    joins = join_frames(plan, FRAMES)
    difference = mel_difference(
        decode_whole(networks, latents, HOP), stream(decoder(networks, plan), latents, [4])
    )
    near = np.zeros(len(difference), bool)
    for join in joins:
        near[(join - 2) * 4 : (join + 2) * 4] = True
    assert near.any()
    assert difference[near].mean() <= 1.1 * difference[~near].mean()
    assert difference[near].mean() <= 0.05


def test_blocks_that_disagree_are_blended(latents: torch.Tensor) -> None:
    """As attention in the VAE makes them: here every block comes out at a level of its own."""
    samples = stream(decoder(LevelNetworks(), ATTENTIVE, context=1), latents, [8])
    levels = samples.reshape(-1, HOP // 4)[:, 0]
    assert levels[0] == 1
    assert levels[-1] == 2
    steps = np.diff(levels)
    assert np.count_nonzero(steps) == ATTENTIVE.fade * 4 + 1
    assert steps.max() <= 1 / (ATTENTIVE.fade * 4)
    assert steps.min() >= 0


def test_vocoder_joins_are_exact(networks: SoundNetworks, latents: torch.Tensor) -> None:
    """With a VAE that looks at single frames, only the vocoder's context matters."""
    pointwise = PointwiseNetworks(networks.vocoder)
    whole = decode_whole(pointwise, latents, HOP)
    blocks = stream(decoder(pointwise), latents, [4])
    assert whole.std() > 1e-2
    np.testing.assert_allclose(blocks, whole, atol=1e-5)


def test_a_narrower_vocoder_context_is_not_exact(networks: SoundNetworks, latents: torch.Tensor) -> None:
    pointwise = PointwiseNetworks(networks.vocoder)
    blocks = stream(BlockDecoder(pointwise, CONVOLUTIONAL, 2, HOP), latents, [4])
    assert np.abs(blocks - decode_whole(pointwise, latents, HOP)).max() > 1e-4


@pytest.mark.parametrize("sizes", [[1], [2, 5, 3], [FRAMES]])
def test_cuts_of_the_pushes_do_not_matter(networks, latents, sizes: list[int]) -> None:
    reference = stream(decoder(networks), latents[:, :, :90], [4])
    samples = stream(decoder(networks), latents[:, :, :90], sizes)
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, reference)


@pytest.mark.parametrize("frames", [1, 2, 7, 34, 35, 41])
def test_every_frame_gives_its_samples(networks, latents, frames: int) -> None:
    one = decoder(networks)
    samples = stream(one, latents[:, :, :frames], [3])
    assert samples.shape == (frames * HOP,)
    assert len(one.flush()) == 0
    assert stream(one, latents[:, :, :frames], [3]).shape == (frames * HOP,)  # as new after a flush


def test_first_sound_comes_early_and_state_stays_bounded(networks, latents) -> None:
    one = decoder(networks)
    plan = CONVOLUTIONAL
    first = next(count for count in range(1, FRAMES) if len(one.push(latents[:, :, count - 1 : count])))
    assert first <= plan.first + plan.lookahead
    largest = 0
    for position in range(first, FRAMES):
        one.push(latents[:, :, position : position + 1])
        tensors = [value for value in one.state_dict().values() if isinstance(value, torch.Tensor)]
        assert all(t.untyped_storage().nbytes() == t.nbytes for t in tensors)  # no view of something larger
        largest = max(largest, sum(t.nbytes for t in tensors))
    assert largest < 200_000


def test_goes_on_from_a_saved_state(networks, latents) -> None:
    reference = stream(decoder(networks), latents, [5])
    before, after = decoder(networks), decoder(networks)
    head = before.push(latents[:, :, :71])
    after.load_state_dict(before.state_dict())
    tail = [after.push(latents[:, :, 71:]), after.flush()]
    np.testing.assert_array_equal(np.concatenate([head, *tail]), reference)


def test_a_saved_take_keeps_the_plan_that_its_blocks_are_cut_by(networks, latents) -> None:
    whole = stream(decoder(networks, EARLIER), latents, [7])
    begun = decoder(networks, EARLIER)
    first = begun.push(latents[:, :, :90])
    state = begun.state_dict()
    for saved in (state, {key: value for key, value in state.items() if key != "plan"}):
        goes_on = decoder(networks)  # by the plan of now, where it is not told
        goes_on.load_state_dict(saved)
        rest = [goes_on.push(latents[:, :, 90:]), goes_on.flush()]
        np.testing.assert_array_equal(np.concatenate([first, *rest]), whole)
        assert goes_on.state_dict()["plan"] == decoder(networks).state_dict()["plan"], "it is as new"


@pytest.mark.parametrize(
    "plan", [[], [16, 0, 16, 12, 2], [16, 48, 1, 12, 2], [16, 10**9, 16, 12, 2], "abcde"]
)
def test_a_damaged_plan_is_refused(networks, latents, plan: object) -> None:
    begun = decoder(networks)
    begun.push(latents[:, :, :90])
    with pytest.raises(ValueError, match="no plan"):
        decoder(networks).load_state_dict({**begun.state_dict(), "plan": plan})


def test_blocks_double_up_to_the_largest() -> None:
    plan = replace(CONVOLUTIONAL, first=4, block=24)
    assert [plan.block_size(index) for index in range(5)] == [4, 8, 16, 24, 24]
    assert plan.block_size(10_000) == 24


class PointwiseNetworks:
    """A stand-in for the VAE that maps each latent frame to four mel frames by itself."""

    def __init__(self, vocoder) -> None:
        self._sound = SoundNetworks(None, vocoder)
        self.vocoder = vocoder

    def decode_mel(self, latents: torch.Tensor) -> torch.Tensor:
        frames = latents[:, :4].permute(0, 2, 1, 3).flatten(2)
        return frames.repeat_interleave(4, dim=1)

    def vocode(self, mel: torch.Tensor) -> torch.Tensor:
        return self._sound.vocode(mel)


class LevelNetworks:
    """Counts the windows it decodes: the n-th is all n, and sounds so."""

    def __init__(self) -> None:
        self._windows = 0

    def decode_mel(self, latents: torch.Tensor) -> torch.Tensor:
        self._windows += 1
        return torch.full((1, latents.shape[2] * 4, 64), float(self._windows))

    def vocode(self, mel: torch.Tensor) -> torch.Tensor:
        return mel[:, :, 0].repeat_interleave(HOP // 4, dim=1)
