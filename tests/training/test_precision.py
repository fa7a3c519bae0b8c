"""Recipes compute in half precision, but for attention on a CPU."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from studio.training import precision
from studio.training.precision import mixed_precision


def test_attention_is_computed_in_float32_where_all_else_is_in_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: True)
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 16, 8).bfloat16()
    mask = torch.randn(1, 1, 16, 16)
    with mixed_precision("cpu"):
        attended = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.5)
        multiplied = query @ key.transpose(-1, -2)
    wanted = scaled_dot_product_attention(
        query.float(), key.float(), value.float(), attn_mask=mask, scale=0.5
    )
    assert attended.dtype == multiplied.dtype == torch.bfloat16
    assert torch.equal(attended, wanted.bfloat16())
