"""What brings a model's sound to 48 kHz: a network behind its own vocoder, which adds what is above 8 kHz."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from studio.core.errors import InvalidRequestError, ModelNotFoundError

FOLDER = "pocket/extension"  # of the assets: one for all that speak AudioLDM's mel
NOT_HERE = "What extends sound to 48 kHz is not in {}: reinstall Longwave, or choose 16 kHz."
OTHER_MEL = "This model's sound can't be extended to 48 kHz, its mel being of another kind: choose 16 kHz."


class Extension(Protocol):
    """`modules.band_extension.BandExtension`, or what stands in for it."""

    def context(self, vocoder: int) -> int:
        """Mel frames on each side that a sample can see, behind a vocoder which itself sees so many."""
        ...

    def __call__(self, mel: Tensor, samples: Tensor) -> Tensor:
        """Log-mel [B, m, 64], and at 16 kHz its sound [B, >= m · 160] → the sound [B, m · 480] at 48 kHz."""
        ...


LoadExtension = Callable[[torch.device], Extension]


@runtime_checkable
class Extended(Protocol):
    """A backend behind whose vocoder an extension can stand."""

    def extend_by(self, load: LoadExtension) -> None:
        """Say what loads it, once it is asked for."""
        ...


def load_extension(folder: Path, device: torch.device) -> Extension:
    """The network of a folder, on a device, in float32 as vocoders are.

    Raises:
        ModelNotFoundError: it is not there.
        WeightsError: it is damaged.
    """
    from studio.backends.components import load_network
    from studio.modules.band_extension import BandExtension  # takes a second to import

    if not folder.is_dir():
        raise ModelNotFoundError(NOT_HERE.format(folder.parent.name))
    extension: Extension = load_network(BandExtension, folder, device, torch.float32)
    return extension


def no_extension(device: torch.device) -> Extension:
    """For a backend that nobody told where one lies. Raises `InvalidRequestError`."""
    raise InvalidRequestError("There is nothing here that extends sound to 48 kHz: choose 16 kHz.")
