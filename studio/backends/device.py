"""Which device and number format a model runs in, when nobody said."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from studio.core.errors import InvalidRequestError

_FAST_BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}
KERNEL_DIMENSIONS = 4  # [out, in, height, width]
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def choose_device(name: str = "auto") -> torch.device:
    """The device of this name; "auto" is CUDA, else Apple's MPS, else the CPU.

    Raises:
        InvalidRequestError: the machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidRequestError(f"'{name}' is no device; choose auto, cpu, cuda or mps.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InvalidRequestError(f"This machine has no device '{name}'; choose auto or cpu.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InvalidRequestError("This machine has no MPS device; choose auto or cpu.")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of this name for a U-Net on `device`.

    "auto" is a half precision where the hardware computes in it. On a CPU that does not, bfloat16 is emulated
    and hundreds of times slower than float32.

    Raises:
        InvalidRequestError: no such dtype.
    """
    if name != "auto":
        if name not in _DTYPES:
            raise InvalidRequestError(
                f"'{name}' is no number format; choose one of auto, {', '.join(_DTYPES)}."
            )
        return _DTYPES[name]
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and cpu_has_bfloat16() else torch.float32


class ChannelsLast(AbstractContextManager["ChannelsLast"]):
    """A network whose kernels lie as its convolutions compute, so that these copy nothing to and fro.

    Up to a fifth of a U-Net's time on a CPU, and of a VAE's. Apple's MPS has nothing of it. No generator:
    one that was never left would be ended, and move weights, while Python shuts down.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network: Any = network
        kernel = next((p for p in network.parameters() if p.ndim == KERNEL_DIMENSIONS), None)
        self._gains = kernel is not None and kernel.device.type != "mps"

    def __enter__(self) -> ChannelsLast:
        if self._gains:
            self._network.to(memory_format=torch.channels_last)
        return self

    def __exit__(self, *_: object) -> None:
        if self._gains:
            self._network.to(memory_format=torch.contiguous_format)


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies bfloat16 natively (AMX or AVX-512 BF16), as far as Linux tells."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return bool(_FAST_BFLOAT16_FLAGS & set(flags.split()))
