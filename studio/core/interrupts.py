"""Ctrl-C and its kin: what asks a program to end, so that it can put away what it has made.

SIGTERM (docker stop, systemd, timeout) and SIGHUP (its terminal is gone) would end a process on the spot.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]
_KIN = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
AGAIN_S = 0.05


@contextmanager
def all_as_interrupt() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise `KeyboardInterrupt`, as Ctrl-C does; one that is ignored stays so.

    What is raised in a destructor, of which nothing comes out, is raised again behind it.
    """
    asked_for = [kin for kin in _KIN if signal.getsignal(kin) is signal.SIG_DFL]  # nohup ignores SIGHUP
    with _handled(asked_for, signal.default_int_handler), _never_lost():
        yield


@contextmanager
def _never_lost() -> Iterator[None]:
    """Python prints and forgets what is raised in a destructor or in a weak reference's callback."""
    before = sys.unraisablehook

    def again(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        later = threading.Timer(AGAIN_S, _interrupt)  # here it would be lost once more
        later.daemon = True
        later.start()

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def own_handlers() -> Iterator[None]:
    """Behind it signals are handled as before it, whatever a library made of that inside (Ray ends the
    program on SIGTERM, and nothing is put away).
    """
    numbers = (signal.SIGINT, *_KIN)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():  # no other could have changed them
            for number, own in before.items():
                if own is not None and signal.getsignal(number) is not own:
                    signal.signal(number, own)


def _interrupt() -> None:
    """Raise `KeyboardInterrupt` in the main thread, even where that waits for something."""
    numbers = [one for one in (signal.SIGINT, *_KIN) if signal.getsignal(one) is signal.default_int_handler]
    if numbers and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, numbers[0])
    else:
        _thread.interrupt_main()


class Asked:
    """Whether the program was asked to end."""

    def __init__(self) -> None:
        self._times = 0

    def __bool__(self) -> bool:
        return self._times > 0

    def note(self, number: int, frame: FrameType | None) -> None:
        """Take a signal. Who asks again will not wait: raises `KeyboardInterrupt` then."""
        self._times += 1
        if self._times > 1:
            raise KeyboardInterrupt


@contextmanager
def deferred() -> Iterator[Asked]:
    """Inside, a request to end only sets a flag: for work that is to stop between two steps."""
    asked = Asked()
    handled = [
        number for number in (signal.SIGINT, *_KIN) if signal.getsignal(number) is signal.default_int_handler
    ]
    with _handled(handled, asked.note):
        yield asked


@contextmanager
def _handled(numbers: list[signal.Signals], handler: Handler) -> Iterator[None]:
    """Elsewhere than in the main thread nothing is changed: signals reach that one alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, own in before.items():
            signal.signal(number, own)
