"""Muon's step is orthogonal, for kernels and tall matrices too, and it goes downhill."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from studio.recipes.networks.muon import NEWTON_SCHULZ, NEWTON_SCHULZ_STEPS, Muon, orthogonal


def plain_newton_schulz(matrix: Tensor) -> Tensor:
    """X ← aX + (bA + cA²)X with A = XXᵀ, as the method is written down."""
    a, b, c = NEWTON_SCHULZ
    x = matrix.double() / matrix.double().norm()
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


@pytest.mark.parametrize("shape", [(16, 144), (32, 32), (8, 200)])
def test_running_on_the_gram_matrix_changes_nothing(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(orthogonal(matrix), plain_newton_schulz(matrix).float(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("shape", [(16, 144), (144, 16), (32, 64)])
def test_singular_values_come_near_one_and_the_directions_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    made = orthogonal(matrix)
    values = torch.linalg.svdvals(made)
    assert values.min().item() > 0.6
    assert values.max().item() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ made @ right.T
    torch.testing.assert_close(turned, turned.diagonal().diag(), atol=1e-4, rtol=0)


def test_a_kernel_is_learned() -> None:
    torch.manual_seed(0)
    layer, wanted = nn.Conv2d(4, 8, 3, bias=False), nn.Conv2d(4, 8, 3, bias=False)
    optimizer = Muon(layer.parameters(), lr=0.02, weight_decay=0.0)
    losses = []
    for _ in range(60):
        sound = torch.randn(8, 4, 8, 8)
        loss = (layer(sound) - wanted(sound)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="Adam"):
        Muon(nn.Linear(3, 3).parameters())
