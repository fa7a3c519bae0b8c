"""What the recipes' tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from accelerate.state import AcceleratorState


@pytest.fixture(autouse=True)
def _fresh_accelerator() -> Iterator[None]:
    """A process has one device and precision for all its runs; its tests have several."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
