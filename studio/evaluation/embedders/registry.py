"""Embedders by name; what one needs is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from studio.backends.device import choose_device
from studio.core.errors import InvalidRequestError
from studio.evaluation.embedders.base import Embedder

Load = Callable[[str | None, Path, torch.device], Embedder]


def _judge(weights: str | None, assets: Path, device: torch.device) -> Embedder:
    from studio.evaluation.embedders.judge import Judge

    return Judge(Path(weights) if weights else assets / "pocket" / "judge", device)


def _aisfx(weights: str | None, assets: Path, device: torch.device) -> Embedder:
    from studio.evaluation.embedders.aisfx import AiSfx

    return AiSfx(weights, device)


def _panns(name: str) -> Load:
    def load(weights: str | None, assets: Path, device: torch.device) -> Embedder:
        from studio.evaluation.embedders.panns import Panns

        return Panns(name, weights, device)

    return load


def _vggish(weights: str | None, assets: Path, device: torch.device) -> Embedder:
    from studio.evaluation.embedders.vggish import Vggish

    return Vggish(weights, device)


def _clap(name: str) -> Load:
    def load(weights: str | None, assets: Path, device: torch.device) -> Embedder:
        from studio.evaluation.embedders.clap import Clap

        return Clap(name, weights, device)

    return load


def _pocket_clap(weights: str | None, assets: Path, device: torch.device) -> Embedder:
    from studio.evaluation.embedders.pocket_clap import PocketClap

    return PocketClap(Path(weights) if weights else assets / "pocket" / "audioldm", device)


_LOADERS: dict[str, Load] = {
    "judge": _judge,
    "aisfx": _aisfx,
    "panns": _panns("panns"),
    "panns-16k": _panns("panns-16k"),
    "vggish": _vggish,
    "clap": _clap("clap"),
    "clap-fused": _clap("clap-fused"),
    "clap-music": _clap("clap-music"),
    "clap-pocket": _pocket_clap,
}
EMBEDDERS: tuple[str, ...] = tuple(_LOADERS)


def load_embedder(name: str, *, weights: str | None = None, assets: Path, device: str = "cpu") -> Embedder:
    """An embedder, ready to listen.

    Args:
        name: of `EMBEDDERS`.
        weights: a file or folder, or an id on the Hub; None takes the place where its authors' library, or
            the project, keeps them.
        assets: the project's `assets` folder.
        device: auto, cpu, cuda or mps.

    Raises:
        InvalidRequestError: no embedder has this name, or the machine has no such device.
        ModelNotFoundError: its weights, or a package that it needs, are not here.
        WeightsError: its weights are damaged or another network's.
    """
    if name not in _LOADERS:
        raise InvalidRequestError(f"There is no embedder '{name}': choose of {', '.join(EMBEDDERS)}.")
    return _LOADERS[name](weights, assets, choose_device(device))
