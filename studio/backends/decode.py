"""Latents → samples block by block, so that memory stays flat however long a take becomes.

Each block is decoded inside a window that also holds frames before and after it, and only its middle is
kept. The vocoder is convolutional, so a context as wide as its receptive field makes its joins exact. The VAE
is not: its group norms (and the attention in its middle, where it has one) average over the whole window, so
neighbouring blocks differ a little everywhere. Their log-mels are therefore crossfaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MEL_PER_LATENT = 4
WHOLE_FRAMES = 512  # 20 s: up to here a clip is decoded at once


@dataclass(frozen=True)
class BlockPlan:
    """How the VAE's blocks are cut. All lengths are latent frames of 40 ms.

    Blocks begin at `first` and double up to `block`: a small one sounds early, a large one spends less on
    context. `past` frames before a block are free in latency; after it come `fade` frames, over which it
    blends into the next block, and `future` frames of context.
    """

    first: int = 16
    block: int = 48
    past: int = 16
    future: int = 12
    fade: int = 2

    def __post_init__(self) -> None:
        assert self.first > 0, "a block holds frames"
        assert self.past >= self.fade > 0, "a block blends with the one before it"

    @property
    def lookahead(self) -> int:
        """Frames that must be known beyond a block before it can be decoded."""
        return self.fade + self.future

    def block_size(self, index: int) -> int:
        """Length of the block of this index."""
        return min(self.block, self.first << min(index, 16))


CONVOLUTIONAL = BlockPlan()
# Of save points that name no plan: blocks of one take are cut alike to its end.
EARLIER = BlockPlan(first=16, block=24, past=24, future=16, fade=2)
# Attention in the VAE's middle sees the whole window: only long context and a long fade hide the joins.
ATTENTIVE = BlockPlan(first=32, block=64, past=64, future=32, fade=8)
# A finished clip has no latency to save.
OFFLINE = BlockPlan(first=256, block=256, past=64, future=32, fade=8)


class SpectrogramDecoder(Protocol):
    """The two networks behind a `BlockDecoder`."""

    def decode_mel(self, latents: Tensor) -> Tensor:
        """Latents [1, C, t, F] → log-mel [1, 4·t, n_mels]."""
        ...

    def vocode(self, mel: Tensor) -> Tensor:
        """Log-mel [1, m, n_mels] → samples [1, ≥ m · hop], on the CPU in float32."""
        ...


def vocoder_context(config: Any) -> int:
    """Mel frames on each side that one output sample of a `SpeechT5HifiGan` of this config can see."""
    rate = 1
    reach = 3.0  # conv_pre, kernel 7
    for up, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
        reach += (kernel - (kernel - up) // 2) / (up * rate)
        rate *= up
        blocks = zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
        # Each dilated convolution of a residual block is followed by an undilated one of the same kernel.
        reach += max((size // 2) * (sum(dilations) + len(dilations)) for size, dilations in blocks) / rate
    return int(np.ceil(reach + 3.0 / rate))  # conv_post, kernel 7


class BlockDecoder:
    """`StreamDecoder` over a VAE and a vocoder.

    What comes out depends on the frames alone, never on how they were cut into pushes.
    """

    def __init__(self, networks: SpectrogramDecoder, plan: BlockPlan, context: int, hop_samples: int) -> None:
        """`context` is the vocoder's in mel frames, `hop_samples` the samples of one latent frame."""
        self._networks = networks
        self._given = self._plan = plan
        self._context = context
        self._mel_hop = hop_samples // MEL_PER_LATENT
        self._blocks = 0
        self._latents: Tensor | None = None  # past context, then frames not yet decoded
        self._past = 0  # how many of `_latents` are context
        self._fade: Tensor | None = None  # the last block's view of the frames it shares with the next
        self._mel: Tensor | None = None  # past context, then settled mel not yet vocoded
        self._mel_past = 0

    def push(self, latents: Tensor) -> NDArray[np.float32]:
        """Take the next latent frames [1, C, t, F]; give the samples [n] that are settled by now."""
        self._latents = _extend(self._latents, latents, dim=2)
        out = []
        while self._pending >= self._plan.block_size(self._blocks) + self._plan.lookahead:
            self._decode_block(self._plan.block_size(self._blocks), last=False)
            out.append(self._vocode(last=False))
        return _join(out)

    def flush(self) -> NDArray[np.float32]:
        """Give what is left; the decoder is then as new."""
        out = []
        while self._pending > 0:
            size = self._plan.block_size(self._blocks)
            last = self._pending <= size + self._plan.lookahead
            self._decode_block(self._pending if last else size, last=last)
            out.append(self._vocode(last=last))
        self.load_state_dict({})
        return _join(out)

    def state_dict(self) -> dict[str, Any]:
        """Everything a later decoder needs to go on with this take: plain tensors and integers."""
        return {
            "plan": list(astuple(self._plan)),
            "blocks": self._blocks,
            "latents": self._latents,
            "past": self._past,
            "fade": self._fade,
            "mel": self._mel,
            "mel_past": self._mel_past,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`'s value, in blocks as that take's were cut; an empty mapping begins anew.

        Raises:
            ValueError: its plan is none.
        """
        self._plan = _plan_of(state, self._given)
        self._blocks = state.get("blocks", 0)
        self._latents = state.get("latents")
        self._past = state.get("past", 0)
        self._fade = state.get("fade")
        self._mel = state.get("mel")
        self._mel_past = state.get("mel_past", 0)

    @property
    def _pending(self) -> int:
        return 0 if self._latents is None else self._latents.shape[2] - self._past

    def _decode_block(self, size: int, *, last: bool) -> None:
        """Move `size` latent frames into the mel buffer; nothing where none were pushed."""
        if self._latents is None:
            return
        plan, start = self._plan, self._past * MEL_PER_LATENT
        end = start + size * MEL_PER_LATENT
        window = self._latents if last else self._latents[:, :, : self._past + size + plan.lookahead]
        mel = self._networks.decode_mel(window)
        settled = mel[:, start:end]
        if self._fade is not None:
            settled = _crossfade(self._fade, settled)
        self._fade = None if last else mel[:, end : end + plan.fade * MEL_PER_LATENT].clone()
        self._mel = _extend(self._mel, settled, dim=1)
        begin = max(0, self._past + size - plan.past)
        self._latents = self._latents[:, :, begin:].clone()  # a view would keep the whole take alive
        self._past = self._past + size - begin
        self._blocks += 1

    def _vocode(self, *, last: bool) -> NDArray[np.float32]:
        """Samples of the mel frames whose context is complete; none where nothing was decoded."""
        if self._mel is None:
            return np.zeros(0, np.float32)
        end = self._mel.shape[1] - (0 if last else self._context)
        if end <= self._mel_past:
            return np.zeros(0, np.float32)
        samples = self._networks.vocode(self._mel)[0, self._mel_past * self._mel_hop : end * self._mel_hop]
        begin = max(0, end - self._context)
        self._mel = self._mel[:, begin:].clone()
        self._mel_past = end - begin
        return samples.numpy()


def _plan_of(state: Mapping[str, Any], given: BlockPlan) -> BlockPlan:
    """How a saved take's blocks are cut; as `given` where nothing was saved."""
    if not state:
        return given
    if "plan" not in state:
        return EARLIER if given == CONVOLUTIONAL else given
    lengths = state["plan"]
    if len(lengths) != 5 or not all(isinstance(one, int) and 0 <= one <= WHOLE_FRAMES for one in lengths):
        raise ValueError("no plan of blocks")
    first, block, past, future, fade = lengths
    if not (first and block and past >= fade > 0):
        raise ValueError("no plan of blocks")
    return BlockPlan(first, block, past, future, fade)


def decode_whole(networks: SpectrogramDecoder, latents: Tensor, hop_samples: int) -> NDArray[np.float32]:
    """Latents [1, C, T, F] → samples [T · hop_samples] in one window."""
    samples = networks.vocode(networks.decode_mel(latents))
    return samples[0, : latents.shape[2] * hop_samples].numpy()


def _crossfade(before: Tensor, after: Tensor) -> Tensor:
    """Blend the head of log-mel `after` [1, m, n_mels] from `before` [1, fade, n_mels], linearly."""
    length = min(before.shape[1], after.shape[1])
    if length == 0:
        return after
    before = before.to(after)  # a state that was read back lies on the CPU
    ramp = torch.linspace(0, 1, length + 2, device=after.device, dtype=after.dtype)[1:-1, None]
    head = torch.lerp(before[:, :length], after[:, :length], ramp)
    return torch.cat([head, after[:, length:]], dim=1)


def _extend(buffer: Tensor | None, new: Tensor, dim: int) -> Tensor:
    return new.clone() if buffer is None else torch.cat([buffer, new.to(buffer)], dim=dim)


def _join(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
