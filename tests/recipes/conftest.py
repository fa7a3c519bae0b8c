"""What the recipes' tests share with those of training."""

from tests.training.conftest import _fresh_accelerator

__all__ = ["_fresh_accelerator"]
