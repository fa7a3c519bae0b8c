"""Where an embedder's weights are, and what is in them: tensors, and nothing else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from studio.backends.boundary import weights_errors
from studio.backends.hub import hub_errors
from studio.backends.reading import held_by
from studio.core.errors import ModelNotFoundError, WeightsError

_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w./=-]+))?")
Network = TypeVar("Network", bound=nn.Module)


class _Number:
    """Takes the place of a NumPy number or type beside the tensors, which nobody here asks for."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


_STAND_INS = [
    (_Number, name)
    for name in ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype")
]


def read_state(path: Path, keys: Sequence[str] = ()) -> dict[str, Tensor]:
    """The tensors of a weight file, safetensors or what `torch.save` wrote, on the CPU.

    Of a pickle nothing but tensors and plain containers is made; a NumPy number becomes a stand-in.

    Args:
        path: the file.
        keys: under which its authors put the state, tried in turn; a state of its own is taken as it is.

    Raises:
        WeightsError: it is damaged, or holds no state.
    """
    with weights_errors(path.name):
        held_by(path)
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(_STAND_INS):  # type: ignore[arg-type]
            content = torch.load(path, map_location="cpu", weights_only=True)
        if isinstance(content, (tuple, list)) and content:  # the state, and what its authors kept beside it
            content = content[0]
        for key in keys:
            if isinstance(content, dict) and isinstance(content.get(key), dict):
                content = content[key]
        state = {name: value for name, value in content.items() if isinstance(value, Tensor)}
        if not state:
            raise WeightsError(f"{path.name} holds no weights; get the file again.")
        return state


def put(make: Callable[[], Network], state: Mapping[str, Tensor], name: str, path: Path) -> Network:
    """The network that `make` makes, with a state's tensors as its weights: in float32, frozen.

    What the state has beyond the network's own is left alone.

    Raises:
        WeightsError: a tensor is missing or of another shape, by its name.
    """
    with torch.device("meta"):  # no memory but the state's
        network = make()
    wanted = network.state_dict()
    for key, value in wanted.items():
        if key not in state:
            raise WeightsError(f"{path.name} is not {name}'s: it has no {key}; give {name}'s weights.")
        found = tuple(state[key].shape)
        if found != tuple(value.shape):
            raise WeightsError(
                f"{path.name} is not {name}'s: {key} is {found}, not {tuple(value.shape)}; "
                f"give {name}'s weights."
            )
    network.load_state_dict({key: state[key] for key in wanted}, assign=True)
    return network.float().eval().requires_grad_(False)


def digest(network: nn.Module) -> str:
    """Which weights a network has, in 16 hex digits."""
    content = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        content.update(name.encode())
        content.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()[:16]


def on_hub(weights: str) -> tuple[str, str | None] | None:
    """The repository that `owner/name` or `owner/name:file` means, and the file; None for anything else."""
    found = _REPOSITORY.fullmatch(weights)
    return (found[1], found[2]) if found else None


def find(name: str, weights: str | None, file: str, places: Sequence[Path], hint: str) -> Path:
    """Where a weight file is.

    Args:
        name: the embedder's, which `--weights` names too.
        weights: a path; or a repository on the Hub, `owner/name`, `owner/name:file` where the file has
            another name than its authors'; None looks at `places`.
        file: the name that its authors gave it.
        places: folders where libraries that use it keep it.
        hint: whose it is and where to get it, for a sentence.

    Raises:
        ModelNotFoundError: it is in none of these.
    """
    if weights is None:
        for place in places:
            if (place / file).is_file():
                return place / file
        raise ModelNotFoundError(
            f"{hint}: put {file} into {places[0]}, or say where it is by --weights {name}=FILE."
        )
    path = Path(weights)
    if path.is_dir() and not (path / file).is_file():
        raise ModelNotFoundError(
            f"{weights} holds no {file}. {hint}: put it into that folder, or name another."
        )
    if path.exists():
        return path / file if path.is_dir() else path
    if (repository := on_hub(weights)) is None:
        raise ModelNotFoundError(
            f"There is no file {weights}. {hint}: say where {file} is by --weights {name}=FILE."
        )
    from huggingface_hub import hf_hub_download

    with hub_errors(repository[0]):
        return Path(hf_hub_download(repository[0], repository[1] or file))


def packaged(package: str, file: str, sentence: str) -> Path:
    """A file that an installed package brings, which is not imported for it.

    Raises:
        ModelNotFoundError: the package is not installed; ends in `sentence`, what to do.
    """
    found = find_spec(package)
    folders = list(found.submodule_search_locations or ()) if found else []
    path = Path(folders[0], file) if folders else Path(file)
    if not folders or not path.is_file():
        raise ModelNotFoundError(sentence)
    return path
