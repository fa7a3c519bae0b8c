"""Half precision where the hardware is fast in it, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from studio.backends.device import cpu_has_bfloat16


@contextmanager
def mixed_precision(device: str) -> Iterator[None]:
    """Forward passes in the half precision that the hardware is fast in; weights and losses stay float32."""
    kind = torch.device(device).type
    half = kind == "cuda" or (kind == "cpu" and cpu_has_bfloat16())
    with torch.autocast(kind, torch.bfloat16, enabled=half), trainable_attention(kind):
        yield


@contextmanager
def trainable_attention(device: str) -> Iterator[None]:
    """On a CPU attention in float32: torch's backward of it takes four times as long in bfloat16."""
    if torch.device(device).type != "cpu":
        yield
        return
    with _FloatAttention():
        yield


class _FloatAttention(TorchFunctionMode):
    """`scaled_dot_product_attention` of whatever it is given, in float32, and back."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not scaled_dot_product_attention:
            return func(*args, **kwargs)
        query, *others = args
        with torch.autocast("cpu", enabled=False):
            given = {name: _as_float(value) for name, value in kwargs.items()}
            return func(query.float(), *map(_as_float, others), **given).to(query.dtype)


def _as_float(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
