"""The durator beside the same by loops in float64, and what holds whatever its weights are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.modules.durator import MAX_FRAMES, Durator

WIDTH, LENGTHS = 6, (7, 4)
Array = NDArray[np.float64]


@pytest.fixture
def durator() -> Durator:
    """Of random weights everywhere, statistics of the batch norms included."""
    durator = Durator(WIDTH).double().eval()
    generator = torch.Generator().manual_seed(1)
    for name, value in durator.state_dict().items():
        if value.is_floating_point():
            value.normal_(std=0.6, generator=generator)
            if name.endswith("running_var"):
                value.square_().add_(0.5)
    return durator


def states(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(LENGTHS), max(LENGTHS), WIDTH, generator=generator, dtype=torch.float64)


def mask() -> torch.Tensor:
    return (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()


def conv(weights: dict[str, Array], name: str, inputs: Array) -> Array:
    """[K, in] → [K, out], padded by zeros so that as many come out."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    out, _, size = weight.shape
    made = np.zeros((len(inputs), out))
    for k in range(len(inputs)):
        for o in range(out):
            made[k, o] = bias[o]
            for tap in range(size):
                if 0 <= k + tap - size // 2 < len(inputs):
                    made[k, o] += weight[o, :, tap] @ inputs[k + tap - size // 2]
    return made


def normed(values: Array, scale: Array, shift: Array) -> Array:
    """Layer norm of each row."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * scale + shift


def silu(values: Array) -> Array:
    return values / (1 + np.exp(-values))


def oracle_durations(weights: dict[str, Array], tokens: Array, counts: Array) -> Array:
    hidden = tokens
    for number in (1, 2):
        hidden = np.maximum(conv(weights, f"dp.conv_{number}", hidden * counts[:, None]), 0)
        hidden = normed(hidden, weights[f"dp.norm_{number}.gamma"], weights[f"dp.norm_{number}.beta"])
    logs = conv(weights, "dp.proj", hidden * counts[:, None])[:, 0]
    return np.array([max(math.exp(min(log, 3.5)), 1.0) for log in logs]) * counts


def oracle_encoder(weights: dict[str, Array], name: str, tokens: Array) -> Array:
    here = f"learnable_upsampler.{name}"
    hidden = conv(weights, f"{here}.conv_layer.0", tokens)
    spread = np.sqrt(weights[f"{here}.conv_layer.1.running_var"] + 1e-5)
    hidden = (hidden - weights[f"{here}.conv_layer.1.running_mean"]) / spread
    hidden = hidden * weights[f"{here}.conv_layer.1.weight"] + weights[f"{here}.conv_layer.1.bias"]
    return normed(silu(hidden), weights[f"{here}.layer_norm.weight"], weights[f"{here}.layer_norm.bias"])


def oracle_perceptron(weights: dict[str, Array], name: str, inputs: Array) -> Array:
    for layer in (0, 2, 4):
        here = f"learnable_upsampler.{name}.layer.{layer}"
        inputs = weights[f"{here}.weight"] @ inputs + weights[f"{here}.bias"]
        inputs = inputs if layer == 4 else silu(inputs)
    return inputs


def linear(weights: dict[str, Array], name: str, inputs: Array) -> Array:
    here = f"learnable_upsampler.{name}"
    return weights[f"{here}.weight"] @ inputs + weights[f"{here}.bias"]


def oracle_item(
    weights: dict[str, Array], tokens: Array, counts: Array, durations: Array, frames: int
) -> tuple[Array, int]:
    """One item's content frames [frames, D], and how many are its own; a number at a time."""
    length = min(round(durations.sum()), 1000)
    own_w, own_c = (oracle_encoder(weights, name, tokens) for name in ("conv_w", "conv_c"))
    made = np.zeros((frames, WIDTH))
    for t in range(1, frames + 1):
        if t <= length:
            scores, hints, end = [], [], 0.0
            for k, duration in enumerate(durations):
                end += duration
                since, until = (t - (end - duration), end - t) if counts[k] else (0.0, 0.0)
                scores.append(oracle_perceptron(weights, "swish_w", np.array([since, until, *own_w[k]])))
                hints.append(oracle_perceptron(weights, "swish_c", np.array([since, until, *own_c[k]])))
            there = [k for k in range(len(tokens)) if counts[k]]
            shares = {k: np.exp(scores[k]) / sum(np.exp(scores[j]) for j in there) for k in there}
            mixed = [sum(shares[k][q] * tokens[k] for k in there) for q in range(4)]
            crossed = [sum(shares[k][q] * hints[k][p] for k in there) for q in range(4) for p in range(2)]
            row = linear(weights, "linear_w", np.concatenate(mixed))
            row = row + linear(weights, "linear_einsum", np.array(crossed))
            here = "learnable_upsampler.layer_norm"
            made[t - 1] = normed(row, weights[f"{here}.weight"], weights[f"{here}.bias"])
        made[t - 1] = linear(weights, "proj_o", made[t - 1])
    return made, length


@torch.no_grad()
def test_it_is_its_equations_number_by_number(durator):
    weights = {name: value.numpy() for name, value in durator.state_dict().items()}
    durations = durator.durations(states(), mask())
    frames, lengths = durator(states(), mask())
    assert frames.shape == (2, int(lengths.max()), WIDTH)
    assert lengths[0] != lengths[1], "two items of unequal lengths"
    for item in range(2):
        tokens, counts = states()[item].numpy(), mask()[item].numpy()
        expected = oracle_durations(weights, tokens, counts)
        np.testing.assert_allclose(durations[item].numpy(), expected, atol=1e-12)
        made, length = oracle_item(weights, tokens, counts, expected, frames.shape[1])
        assert length == lengths[item]
        np.testing.assert_allclose(frames[item].numpy(), made, atol=1e-11)


@torch.no_grad()
def test_given_durations_take_the_place_of_those_predicted(durator):
    weights = {name: value.numpy() for name, value in durator.state_dict().items()}
    given = torch.tensor([[2.25, 1, 3, 4, 1.5, 6, 1], [5, 0.0, 2.6, 1, 0, 0, 0]], dtype=torch.float64)
    frames, lengths = durator(states(), mask(), given)
    assert lengths.tolist() == [19, 9]
    for item in range(2):
        tokens, counts = states()[item].numpy(), mask()[item].numpy()
        made, _ = oracle_item(weights, tokens, counts, given[item].numpy(), 19)
        np.testing.assert_allclose(frames[item].numpy(), made, atol=1e-11)


@torch.no_grad()
def test_behind_the_last_token_is_silence(durator):
    frames, lengths = durator(states(), mask())
    short = int(lengths.argmin())
    assert torch.equal(
        frames[short, lengths[short] :], durator.silence.expand(lengths.max() - lengths.min(), -1)
    )
    assert not torch.allclose(frames[short, lengths[short] - 1], durator.silence)


@torch.no_grad()
def test_a_token_lasts_from_one_frame_to_thirty_three(durator):
    bias, weight = durator.dp.proj.bias, durator.dp.proj.weight
    weight.zero_()
    for log, frames in ((-9.0, 1.0), (2.0, math.exp(2)), (9.0, math.exp(3.5))):
        bias.fill_(log)
        made = durator.durations(states(), mask())
        torch.testing.assert_close(made, frames * mask().double())


@torch.no_grad()
def test_it_ends_at_a_thousand_frames(durator):
    given = torch.full((2, max(LENGTHS)), 400.0, dtype=torch.float64) * mask()
    frames, lengths = durator(states(), mask(), given)
    assert lengths.tolist() == [MAX_FRAMES, MAX_FRAMES]
    assert frames.shape == (2, MAX_FRAMES, WIDTH)
    given[1] = torch.tensor([100.4, 100.4, 100.4, 100.4, 0, 0, 0])
    assert durator(states(), mask(), given)[1].tolist() == [MAX_FRAMES, 402]


def test_gradients_reach_all_but_the_states_of_predicted_durations(durator):
    tokens = states().requires_grad_()
    durator.durations(tokens, mask()).sum().backward()
    assert tokens.grad is None
    durator(tokens, mask(), torch.full((2, max(LENGTHS)), 1.5, dtype=torch.float64) * mask())[
        0
    ].square().sum().backward()
    assert tokens.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in durator.parameters())


def test_it_has_what_the_published_checkpoints_hold():
    with torch.device("meta"):
        state = Durator(768).state_dict()
    assert len(state) == 48
    assert sum(value.numel() for value in state.values() if value.ndim) == pytest.approx(6.54e6, abs=5e3)
    shapes = {
        "dp.conv_1.weight": (768, 768, 3), "dp.norm_1.gamma": (768,), "dp.proj.weight": (1, 768, 1),
        "learnable_upsampler.conv_w.conv_layer.0.weight": (8, 768, 3),
        "learnable_upsampler.conv_c.conv_layer.1.running_var": (8,),
        "learnable_upsampler.swish_w.layer.0.weight": (4, 10),
        "learnable_upsampler.swish_c.layer.0.weight": (2, 10),
        "learnable_upsampler.linear_w.weight": (768, 3072),
        "learnable_upsampler.linear_einsum.weight": (768, 8),
        "learnable_upsampler.proj_o.weight": (768, 768),
    }  # fmt: skip
    assert {name: tuple(state[name].shape) for name in shapes} == shapes
