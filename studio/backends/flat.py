"""Checkpoints of one file: the tensors of several networks under prefixes, as their authors trained them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from studio.backends.boundary import no_larger_than
from studio.backends.reading import held_by
from studio.core.errors import WeightsError


class FlatWeights:
    """A file's tensors, each handed out once: what is taken is not held here any more."""

    def __init__(self, path: Path) -> None:
        """Raises `WeightsError` for a file that is damaged or holds anything but tensors."""
        self.path = path
        self.held = held_by(path)
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not all(
            isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
        ):
            raise WeightsError(f"{path.name} holds no weights; get the checkpoint again.")
        self._state: dict[str, Tensor] = state

    def shape(self, name: str) -> tuple[int, ...]:
        """Of the tensor of this name. Raises `WeightsError` where there is none."""
        if name not in self._state:
            raise WeightsError(f"{self.path.name} has no {name}; get the checkpoint again.")
        return tuple(self._state[name].shape)

    def take(self, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
        """The tensors of these names."""
        return {name: self._state.pop(name) for name in list(self._state) if wanted(name)}

    def require_empty(self) -> None:
        """Raise `WeightsError` with the first tensor that nobody took."""
        if self._state:
            raise WeightsError(
                f"{self.path.name} holds {next(iter(self._state))[:100]}, which nothing here reads: it is of "
                "another architecture."
            )

    def fill(self, build: Callable[[], Any], prefix: str, tied: tuple[str, str] = ("", "")) -> Any:
        """The network that `build` makes, with the tensors under a prefix as its weights.

        Those that it has no place for stay here.
        """
        state = self.take(lambda name: name.startswith(prefix))
        state = {name.removeprefix(prefix): value for name, value in state.items()}
        network = self.put(build, state, prefix, tied)
        self._state |= {prefix + name: value for name, value in state.items()}
        return network

    def put(
        self,
        build: Callable[[], Any],
        state: dict[str, Tensor],
        prefix: str = "",
        tied: tuple[str, str] = ("", ""),
    ) -> Any:
        """The network that `build` makes, these tensors themselves as its weights: no memory but theirs.

        What is put in is taken out of `state`. Names the first that does not fit, with its prefix. `tied` are
        two names of the same tensor, of which one may be there.
        """
        with torch.device("meta"), no_larger_than(self.held, self.path.name):
            network = build()
        for one, other in (tied, tied[::-1]):
            if one in state:
                state.setdefault(other, state[one])
        own = network.state_dict()
        for name, value in own.items():
            if name not in state:
                raise WeightsError(f"The checkpoint has no {prefix}{name}; get it again.")
            found, wanted = tuple(state[name].shape), tuple(value.shape)
            if found != wanted:
                raise WeightsError(
                    f"{prefix}{name} is {found} in the checkpoint, not {wanted}: "
                    "it is of another architecture."
                )
        network.load_state_dict({name: state.pop(name) for name in own}, strict=True, assign=True)
        return network


def move(made: dict[str, Any], place: torch.device, dtypes: Mapping[str, torch.dtype]) -> dict[str, Any]:
    """The networks on a device, frozen, in float32 where no dtype is given. One by one: `made` is emptied."""
    moved = {}
    while made:  # what has been moved is let go of
        name, network = made.popitem()
        network = network.to(place, dtypes.get(name, torch.float32))
        moved[name] = network.eval().requires_grad_(False)
        del network
    return moved
