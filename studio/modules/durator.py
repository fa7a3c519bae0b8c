"""How long each letter of a text is said, and the text stretched to that: states of tokens → content frames.

VoiceLDM's durator (Lee et al. 2024), which has its upsampler from Parallel Tacotron 2 (Elias et al. 2021).
Parameters are named as in the authors' checkpoints, so that those open as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAX_FRAMES = 1000
_MAX_LOG = 3.5  # of a token's frames: 33.1
_KERNEL = 3
_SEEN, _MAPS, _HINTS = 8, 4, 2  # channels of the small encoders, W_q, C_p


class Durator(nn.Module):
    """Predicts durations and lays the tokens' states out along the frames of the latents."""

    def __init__(self, width: int, dropout: float = 0.5) -> None:
        """Take the states' width D; `dropout` is for training alone."""
        super().__init__()
        self.dp = _DurationPredictor(width, dropout)
        self.learnable_upsampler = _Upsampler(width, dropout)

    @property
    def silence(self) -> Tensor:
        """What a frame is where nothing is said [D]: every frame behind the last token's."""
        return self.learnable_upsampler.proj_o.bias

    def durations(self, states: Tensor, mask: Tensor) -> Tensor:
        """Real numbers of frames [B, K] of tokens with states [B, K, D]: at least 1, and 0 where mask is 0.

        No gradient reaches the states: durations are learnt beside the text's encoding, not by it.
        """
        counts = mask.to(states.dtype)
        logs = self.dp(states.detach().transpose(1, 2), counts[:, None])[:, 0]
        return logs.clamp(max=_MAX_LOG).exp().clamp(min=1.0) * counts

    def forward(self, states: Tensor, mask: Tensor, durations: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """States [B, K, D] → content frames [B, T, D], and how many of each item are its own [B].

        T is that of the batch's longest, at most `MAX_FRAMES`; behind an item's own frames comes `silence`.

        Args:
            states: of the tokens, [B, K, D]; what stands at padding reaches the token before it.
            mask: [B, K], 1 at tokens and 0 at padding; at least one token an item.
            durations: frames [B, K] in place of those predicted, 0 at padding.
        """
        if durations is None:
            durations = self.durations(states, mask)
        return self.learnable_upsampler(states, mask.bool(), durations)


class _DurationPredictor(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(width, width, _KERNEL, padding=_KERNEL // 2)
        self.norm_1 = _ChannelNorm(width)
        self.conv_2 = nn.Conv1d(width, width, _KERNEL, padding=_KERNEL // 2)
        self.norm_2 = _ChannelNorm(width)
        self.proj = nn.Conv1d(width, 1, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Tensor, counts: Tensor) -> Tensor:
        """States [B, D, K] → logarithms of durations [B, 1, K]; counts [B, 1, K] is 1 at tokens, else 0."""
        for conv, norm in ((self.conv_1, self.norm_1), (self.conv_2, self.norm_2)):
            states = self.drop(norm(torch.relu(conv(states * counts))))
        return self.proj(states)


class _ChannelNorm(nn.Module):
    """Layer norm over the channels of [B, D, K]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.beta = nn.Parameter(torch.zeros(width))

    def forward(self, values: Tensor) -> Tensor:
        normed = F.layer_norm(values.transpose(1, 2), self.gamma.shape, self.gamma, self.beta, 1e-5)
        return normed.transpose(1, 2)


class _Upsampler(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.conv_w, self.conv_c = _Encoder(width, dropout), _Encoder(width, dropout)
        self.swish_w, self.swish_c = _Perceptron(_MAPS), _Perceptron(_HINTS)
        self.linear_w = nn.Linear(_MAPS * width, width)
        self.linear_einsum = nn.Linear(_MAPS * _HINTS, width)
        self.layer_norm = nn.LayerNorm(width)
        self.proj_o = nn.Linear(width, width)

    def forward(self, states: Tensor, mask: Tensor, durations: Tensor) -> tuple[Tensor, Tensor]:
        lengths = durations.sum(dim=1).round().long().clamp(max=MAX_FRAMES)
        frames = torch.arange(1, int(lengths.max()) + 1, device=states.device)  # t
        own = frames <= lengths[:, None]  # [B, T]
        ends = durations.cumsum(dim=1)[:, None]  # e_k
        since = frames[:, None] - (ends - durations[:, None])  # S [B, T, K]
        until = ends - frames[:, None]  # E
        maps = self.swish_w(since, until, self.conv_w(states))
        maps = maps.masked_fill(~mask[:, None, :, None], -torch.inf).softmax(dim=2)  # W [B, T, K, q]
        hints = self.swish_c(since, until, self.conv_c(states))  # C [B, T, K, p]
        said = self.linear_w(torch.einsum("btkq,bkd->btqd", maps, states).flatten(2))
        said = said + self.linear_einsum(torch.einsum("btkq,btkp->btqp", maps, hints).flatten(2))
        return self.proj_o(self.layer_norm(said) * own[:, :, None]), lengths


class _Encoder(nn.Module):
    """States [B, K, D] → what a token and its neighbours are, in a few numbers [B, K, 8]."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.conv_layer = nn.Sequential(
            nn.Conv1d(width, _SEEN, _KERNEL, padding=_KERNEL // 2), nn.BatchNorm1d(_SEEN), nn.SiLU()
        )
        self.layer_norm = nn.LayerNorm(_SEEN)
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        return self.layer_norm(self.drop(self.conv_layer(states.transpose(1, 2))).transpose(1, 2))


class _Perceptron(nn.Module):
    """Distances [B, T, K] to a token's ends, and what it is [B, K, 8], → [B, T, K, outputs]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Linear(_SEEN + 2, outputs), nn.SiLU(),
            nn.Linear(outputs, outputs), nn.SiLU(),
            nn.Linear(outputs, outputs),
        )  # fmt: skip

    def forward(self, since: Tensor, until: Tensor, seen: Tensor) -> Tensor:
        each = seen[:, None].expand(-1, since.shape[1], -1, -1)
        return self.layer(torch.cat([since[..., None], until[..., None], each], dim=-1))
