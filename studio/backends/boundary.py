"""Where other people's files meet other people's parsers: whatever that ends in, one sentence comes out.

Nothing but the reading, building and trying out of a folder's content stands inside: what goes wrong there is
the content's fault, not the studio's, and no list of exceptions is ever complete. The log keeps the cause.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch.nn.modules import module as modules

from studio.backends.reading import Held
from studio.core.errors import OutOfResourcesError, StudioError, WeightsError

log = logging.getLogger(__name__)

Options = ParamSpec("Options")
Opened = TypeVar("Opened")
DAMAGED = "its files are damaged or do not fit each other"
_ROOM = 1 << 22  # numbers that a network may have beyond those in its files: what is computed, not stored
_SPARE = 1000  # likewise tensors
_MAX_MODULES = 100_000


@contextmanager
def weights_errors(name: str, why: Callable[[BaseException], str] = lambda _: "") -> Iterator[None]:
    """Turn whatever the content of a checkpoint's folder makes of a library into a sentence.

    Args:
        name: what is being opened.
        why: given the error, says more than "damaged", or nothing.

    Raises:
        WeightsError: the block raised; other mistakes of the user's, and ends from outside, pass as they are.
        OutOfResourcesError: memory ran out.
    """
    try:
        yield
    except StudioError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfResourcesError(
            f"{name} does not fit into the memory; choose a smaller model or the CPU."
        ) from error
    except BaseException as error:
        # Rust's panics, as the tokenizers' library raises them, are no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        log.debug("opening %s", name, exc_info=True)
        raise WeightsError(
            f"{name} can't be opened: {why(error) or DAMAGED}; get the checkpoint again."
        ) from error


def opens_checkpoint(
    load: Callable[Concatenate[Path, Options], Opened],
) -> Callable[Concatenate[Path, Options], Opened]:
    """A loader that ends in `WeightsError` for any folder, and gives only what worked when it was tried.

    What it loads is asked to `try_out()` itself: that shows what no header does.
    """

    @wraps(load)
    def opening(folder: Path, *args: Options.args, **options: Options.kwargs) -> Opened:
        with weights_errors(folder.name):
            opened: Any = load(folder, *args, **options)
        try_out = opened.try_out
        with weights_errors(folder.name):
            try_out()
        return opened

    return opening


@contextmanager
def no_larger_than(held: Held, name: str) -> Iterator[None]:
    """Let this thread build no network with far more in it than weight files hold.

    torch tells of every parameter and buffer before anything is written to it.

    Raises:
        WeightsError: the block built one.
    """
    left = {
        "tensors": 4 * held.tensors + _SPARE,
        "elements": 2 * held.elements + _ROOM,
        "modules": _MAX_MODULES,
    }
    thread = threading.get_ident()

    def spend(kind: str, amount: int) -> None:
        left[kind] -= amount
        if left[kind] < 0:
            raise WeightsError(
                f"{name} can't be opened: its config describes a far larger network than its weights; "
                "get the checkpoint again."
            )

    def on_tensor(_: Any, __: str, tensor: Any) -> None:
        if tensor is not None and threading.get_ident() == thread:
            spend("tensors", 1)
            spend("elements", tensor.numel())

    def on_module(_: Any, __: str, ___: Any) -> None:
        if threading.get_ident() == thread:
            spend("modules", 1)

    handles = [
        modules.register_module_parameter_registration_hook(on_tensor),
        modules.register_module_buffer_registration_hook(on_tensor),
        modules.register_module_module_registration_hook(on_module),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def misfit(error: BaseException) -> str:
    """The tensor that torch's own message names as of another size, if it does."""
    found = re.search(r"size mismatch for [^:\s]{1,100}", str(error))
    return found[0] if found else ""
