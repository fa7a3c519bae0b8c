"""Signals that ask a program to end, sent to real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from studio.core.interrupts import all_as_interrupt, deferred, own_handlers


def receive(*numbers: int) -> None:
    """Get these signals and be there for them."""
    for number in numbers:
        os.kill(os.getpid(), number)
    threading.Event().wait(5)


pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


@pytest.fixture(autouse=True)
def _in_the_foreground() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and what it starts by nohup a lost terminal."""
    own = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_all_are_ctrl_c(number: signal.Signals) -> None:
    with all_as_interrupt(), pytest.raises(KeyboardInterrupt):
        receive(number)


def test_what_was_set_before_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with all_as_interrupt():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_a_library_makes_of_signals_does_not_stay() -> None:
    with all_as_interrupt():
        with own_handlers():
            signal.signal(signal.SIGTERM, lambda *_: None)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        with pytest.raises(KeyboardInterrupt):
            receive(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            receive(signal.SIGINT)


def test_under_nohup_a_lost_terminal_ends_nothing() -> None:
    code = (
        "import os, signal; from studio.core.interrupts import all_as_interrupt\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with all_as_interrupt(): os.kill(os.getpid(), signal.SIGHUP); print('goes on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "goes on\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_work_in_steps_ends_between_them(number: signal.Signals) -> None:
    with all_as_interrupt(), deferred() as asked:
        assert not asked
        os.kill(os.getpid(), number)
        assert asked


def test_who_asks_twice_is_not_kept_waiting() -> None:
    with all_as_interrupt(), pytest.raises(KeyboardInterrupt), deferred():
        receive(signal.SIGTERM, signal.SIGTERM)


def test_other_threads_are_left_alone() -> None:
    seen: list[bool] = []

    def work() -> None:
        with all_as_interrupt(), deferred() as asked:
            seen.append(bool(asked))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


class Destroyed:
    """Is told to end while it is put away, when nothing that is raised comes out."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)
        threading.Event().wait(0.001)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_raised_in_a_destructor_is_raised_behind_it(number: signal.Signals) -> None:
    def put_away() -> None:
        one = Destroyed(number)
        del one
        threading.Event().wait(30)

    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), all_as_interrupt():
        put_away()
    assert sys.unraisablehook is before
