"""Muon (Jordan et al. 2024): steps whose matrices have all their singular values near one.

torch has it in bfloat16 alone, which takes a processor without bfloat16 hundreds of times as long, and for
plain matrices; ours is float32 and reads a convolution's kernel as the matrix [out, in · height · width].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
ADAM_RMS = 0.2  # of Adam's updates: so one learning rate serves both (Liu et al. 2025, "Muon is scalable")


class Muon(torch.optim.Optimizer):
    """Momentum (Nesterov), made orthogonal; decoupled weight decay. For weights of two dimensions or more.

    Vectors, embeddings and the first and last layers belong to Adam.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        if any(p.ndim < 2 for group in self.param_groups for p in group["params"]):
            raise ValueError("Muon takes weights of two dimensions or more: give vectors to Adam.")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        average = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(average, group["momentum"])
        change = orthogonal(ahead.flatten(1))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(change.view_as(weight), alpha=-group["lr"] * ADAM_RMS * max(change.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix with all singular values one, roughly: 0.7 to 1.2 by a quintic Newton-Schulz.

    X ← (a + b·XXᵀ + c·(XXᵀ)²)·X is run on the small XXᵀ alone: it goes from A to QAQ with Q = a + bA + cA²,
    and the product of all Q meets the wide matrix once, at the end. A third of the arithmetic.
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / (wide.norm() + 1e-7)
    gram = wide @ wide.T
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    product = identity
    for _ in range(NEWTON_SCHULZ_STEPS):
        factor = a * identity + b * gram + c * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    done = product @ wide
    return done if matrix.shape[0] <= matrix.shape[1] else done.T
