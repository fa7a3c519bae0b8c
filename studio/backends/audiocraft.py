"""audiocraft made importable without torchaudio and xformers, of which its AudioGen needs only the names.

The wheels of both load beside one build of torch alone, and a torchaudio that can't be loaded keeps even
transformers from being imported; so they are not installed, and stubs stand in for them.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import logging
import sys
from types import ModuleType
from typing import Any

import torch

from studio.core.errors import ModelNotFoundError

log = logging.getLogger(__name__)

MISSING = (
    "AudioGen needs audiocraft, which is not installed: run `uv pip install --group audiocraft` in the "
    "studio's environment, or give a draft of your own."
)
_KERNEL = "memory_efficient_attention"  # only looked for: torch's own attention is what computes


def is_installed() -> bool:
    """Whether audiocraft is there; it is not imported for that."""
    return importlib.util.find_spec("audiocraft") is not None


def import_audiocraft() -> None:
    """Import what AudioGen needs of audiocraft; the first time takes seconds.

    Raises:
        ModelNotFoundError: it is not installed.
    """
    if "audiocraft.models.audiogen" in sys.modules:
        return
    if not is_installed():
        raise ModelNotFoundError(MISSING)
    # Its attentions ask for this one at each call; diffusers knows by the missing metadata that it is none.
    _stand_in("xformers.ops", {"unbind": torch.unbind, "LowerTriangularMask": object, _KERNEL: None})
    passing = _stand_in("torchaudio.transforms", {"MelSpectrogram": object, "Spectrogram": object})
    try:
        importlib.import_module("audiocraft.models.audiogen")
    finally:
        if passing:
            _forget("torchaudio")  # transformers would take it for the real one


def _stand_in(name: str, contents: dict[str, Any]) -> bool:
    """Put stubs in the place of a module and the package around it, if they can't be imported."""
    package, inner = name.split(".")
    try:
        importlib.import_module(name)
    except Exception as error:  # absent, or there and broken in any way
        log.info("audiocraft goes without %s: %s", package, error)
    else:
        return False
    _forget(package)
    attributes: dict[str, Any]
    for place, attributes in ((package, {}), (name, contents)):
        module = ModuleType(place)
        module.__spec__ = importlib.machinery.ModuleSpec(place, None)
        module.__dict__.update(attributes)
        sys.modules[place] = module
    setattr(sys.modules[package], inner, sys.modules[name])
    return True


def _forget(package: str) -> None:
    for loaded in [module for module in sys.modules if module.split(".")[0] == package]:
        del sys.modules[loaded]
