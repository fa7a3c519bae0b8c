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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from studio.backends.reading import MAX_CONFIG_BYTES, held_by
from studio.core.errors import ModelNotFoundError, WeightsError

log = logging.getLogger(__name__)

MISSING = (
    "AudioGen needs audiocraft, which is not installed: run `uv pip install --group audiocraft` in the "
    "studio's environment, or give a draft of your own."
)
_DEEPEST = 50  # of a config's levels
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


@contextmanager
def plain_files_only() -> Iterator[None]:
    """Let audiocraft's loaders open plain tensors from a folder's own files, and nothing else.

    By itself it opens pickles as torch is set up to, which an environment variable may turn into running what
    is in them, and follows a file's word to any repository on the Hub.
    """
    from audiocraft.models import loaders

    place: Any = loaders
    before = place._get_state_dict
    place._get_state_dict = _read_package
    try:
        yield
    finally:
        place._get_state_dict = before


def _read_package(
    folder: Any, filename: str | None = None, device: Any = "cpu", cache_dir: Any = None
) -> Any:
    """In place of `loaders._get_state_dict`: the weights and the config of one file."""
    path = Path(str(folder)) / str(filename)
    held_by(path)
    package = torch.load(path, map_location=device, weights_only=True, mmap=True)
    if not isinstance(package, dict) or "pretrained" in package:
        raise WeightsError(f"{path.name} holds no weights, but the name of others; get the whole checkpoint.")
    package["xp.cfg"] = _plain_config(package["xp.cfg"], path.name)
    return package


def _plain_config(text: Any, name: str) -> Any:
    """A config's YAML as plain values: no tags, nothing that refers to something else, no wild numbers.

    Raises:
        WeightsError: it is none, or has such things.
    """
    import yaml

    if not isinstance(text, str) or len(text) > MAX_CONFIG_BYTES or "${" in text:
        raise WeightsError(f"{name} has no readable config; get the checkpoint again.")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST:  # a few aliases describe gigabytes
                raise yaml.YAMLError("too much")
        config = yaml.load(text, Loader=_loader())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise WeightsError(f"{name} has no readable config; get the checkpoint again.") from error
    if not isinstance(config, dict):
        raise WeightsError(f"{name} has no readable config; get the checkpoint again.")
    return config


def _loader() -> Any:
    """OmegaConf's own reader of YAML, a safe one: numbers mean what they meant when they were written."""
    from omegaconf._utils import get_yaml_loader

    return get_yaml_loader()


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
