"""Networks out of a checkpoint folder, with every failure told in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from studio.backends.boundary import no_larger_than, weights_errors
from studio.backends.checkpoint import component, held, require, weight_files
from studio.backends.configs import check_config
from studio.backends.device import choose_device
from studio.backends.reading import Held, held_by, read_json
from studio.backends.registry import REGISTRY, Registry
from studio.core.errors import WeightsError


def load_network(
    network: Any,
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    state: Mapping[str, Tensor] | None = None,
) -> Any:
    """One diffusers or transformers network from `folder`, frozen, on `device`, in evaluation mode.

    `network` is the class. Only files of this folder are read: never the network, never code, and a pickle
    only as plain tensors. With a `state`, a transformers network of the folder's config and of those tensors.

    Raises:
        WeightsError: files are missing, damaged, or do not fit the config beside them.
        OutOfResourcesError: the device's memory is too small.
    """
    quieten()
    with weights_errors(folder.name, lambda _: first_misfit(network, folder)):
        check_config(read_json(folder / "config.json"), folder.name)
        with no_larger_than(held(folder) if state is None else _held(state), folder.name):
            _on_meta(network, folder)
        source: Path | None = folder
        safe = all(file.suffix == ".safetensors" for file in weight_files(folder))
        # diffusers opens pickles with weights_only by itself and takes no such argument.
        options: dict[str, Any] = {} if hasattr(network, "load_config") else {"weights_only": True}
        if state is not None:
            source = None
            config = network.config_class.from_pretrained(folder, local_files_only=True)
            options = {"config": config, "state_dict": dict(state)}
        module, info = network.from_pretrained(
            source,
            local_files_only=True,
            use_safetensors=safe,
            output_loading_info=True,
            dtype=dtype,
            **options,
        )
        missing = list(info["missing_keys"])
        if missing:
            raise WeightsError(
                f"{folder.name} lacks {len(missing)} tensors ({missing[0]}, …); get the checkpoint again."
            )
        return module.to(device=device, dtype=dtype).eval().requires_grad_(False)


def _held(state: Mapping[str, Tensor]) -> Held:
    return Held(len(state), sum(tensor.numel() for tensor in state.values()))


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a component's weight files, on the CPU; a pickle is read as plain tensors only.

    Raises:
        WeightsError: there are none, or a file is damaged.
    """
    with weights_errors(folder.name):
        files = weight_files(folder)
        if not files:
            raise WeightsError(f"The weights of {folder.name} are missing; get the checkpoint again.")
        tensors: dict[str, Tensor] = {}
        for file in files:
            held_by(file)
            if file.suffix == ".safetensors":
                tensors |= load_file(file)
            else:
                tensors |= torch.load(file, map_location="cpu", weights_only=True)
        return tensors


def _on_meta(network: Any, folder: Path) -> Any:
    """The network that a folder's config describes, without memory for its weights."""
    with torch.device("meta"):
        if hasattr(network, "load_config"):
            return network.from_config(network.load_config(folder, local_files_only=True))
        return network(network.config_class.from_pretrained(folder, local_files_only=True))


def first_misfit(network: Any, folder: Path) -> str:
    """The first tensor of the weight files that is not of the shape that the config asks for, in words.

    Empty where they can't be compared.
    """
    try:
        module = _on_meta(network, folder)
        wanted = {name: list(value.shape) for name, value in module.state_dict().items()}
        for file in weight_files(folder):
            for name, shape in _shapes(file):
                if name in wanted and shape != wanted[name]:
                    return f"{name} is {shape}, and its config asks for {wanted[name]}"
    except Exception:  # whatever is wrong with the files, the error that led here says more
        return ""
    return ""


def _shapes(file: Path) -> Iterator[tuple[str, list[int]]]:
    """The tensors' names and shapes in a weight file, whose values stay where they are."""
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no mapping
                yield name, tensors.get_slice(name).get_shape()
    else:
        for name, value in torch.load(file, map_location="cpu", weights_only=True, mmap=True).items():
            yield name, list(value.shape)


def load_tokenizer(kind: Any, folder: Path) -> Any:
    """The checkpoint's own tokenizer, of the class `kind`.

    Raises:
        WeightsError: its vocabulary is missing or damaged.
    """
    with weights_errors(folder.name, lambda _: "its vocabulary is damaged"):
        return kind.from_pretrained(folder, local_files_only=True)


@dataclass(frozen=True)
class Parts:
    """A checkpoint's components, wherever they lie, to be loaded one by one onto a device."""

    folder: Path
    device: torch.device

    @classmethod
    def open(cls, folder: Path, device: str, registry: Registry = REGISTRY) -> Parts:
        """Look at the folder before anything is loaded from it, by what its system consists of.

        Raises:
            WeightsError: parts are missing or truncated.
            InvalidRequestError: no such device.
        """
        require(folder, registry)
        return cls(folder, choose_device(device))

    def network(self, kind: Any, name: str, dtype: torch.dtype = torch.float32) -> Any:
        """The network of this name; raises as `load_network`."""
        return load_network(kind, component(self.folder, name), self.device, dtype)

    def tokenizer(self, kind: Any, name: str) -> Any:
        """The tokenizer of this name; raises as `load_tokenizer`."""
        return load_tokenizer(kind, component(self.folder, name))


def quieten() -> None:
    """Loading is told in the studio's own words: no bars, and no warnings of what we know, on stderr."""
    import diffusers.utils.logging
    import transformers.utils.logging

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.set_verbosity_error()
