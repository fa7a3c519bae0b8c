"""One take's sound for several listeners, by a clock of the test's own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.pipeline.cancel import CancelToken
from studio.service.live.broadcast import AHEAD_S, BLOCK_S, KEPT_S, Broadcast, Listener
from studio.service.live.pcm_stream import PcmStream

RATE = 1000


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Take:
    """A stream that always has something to give, as far as its listener lets it."""

    def __init__(self) -> None:
        self.stream = PcmStream(8.0, RATE)
        self.made = 0
        self.over = False

    def make(self) -> None:
        """As much as the stream takes without waiting, in pieces of a second."""
        while not self.over and self.stream.buffered_s < self.stream.lead_s:
            block = (np.arange(self.made, self.made + RATE) % 30000).astype("<i2")
            self.stream.write(block, CancelToken())
            self.made += RATE


@pytest.fixture
def take() -> Take:
    return Take()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def broadcast(take: Take, clock: Clock) -> Broadcast:
    return Broadcast(take.stream, 60.0, clock)


def all_due(listener: Listener, take: Take) -> NDArray[np.int16]:
    got = [np.zeros(0, np.int16)]
    while True:
        take.make()
        samples = listener.read()
        if samples is None or not len(samples):
            return np.concatenate(got)
        assert len(samples) <= BLOCK_S * RATE
        got.append(samples)


def test_one_is_given_what_he_hears_next_and_no_more(take: Take, clock: Clock, broadcast: Broadcast) -> None:
    listener = broadcast.listen()
    first = all_due(listener, take)
    assert len(first) == AHEAD_S * RATE
    clock.now_s = 2.0
    more = all_due(listener, take)
    np.testing.assert_array_equal(np.concatenate([first, more]), np.arange(6 * RATE))
    assert take.made <= 6 * RATE + (take.stream.lead_s + 1) * RATE, "the take waits for its listener"


def test_one_who_paused_goes_on_where_he_was_and_in_time(
    take: Take, clock: Clock, broadcast: Broadcast
) -> None:
    listener = broadcast.listen()
    first = all_due(listener, take)
    clock.now_s = 1000.0
    more = all_due(listener, take)
    assert (more[0], len(more)) == (len(first), AHEAD_S * RATE), "no thousand seconds at once"


def test_several_hear_the_same_and_memory_stays(take: Take, clock: Clock, broadcast: Broadcast) -> None:
    quick, slow = broadcast.listen(), broadcast.listen()
    heard = all_due(quick, take)
    for _ in range(100):
        clock.now_s += 1.0
        heard = np.concatenate([heard, all_due(quick, take)])
        assert broadcast.held <= (KEPT_S + 2) * RATE
    np.testing.assert_array_equal(heard, np.arange(len(heard)) % 30000)
    late = slow.read()
    assert late is not None
    behind = (len(heard) - int(late[0])) % 30000
    assert KEPT_S * RATE <= behind <= (KEPT_S + 2) * RATE, "who is too far behind is brought forward"
    joined = broadcast.listen().read()
    assert joined is not None
    assert joined[0] == (len(heard) - AHEAD_S * RATE) % 30000, "who comes later begins with the last seconds"


def test_the_end_comes_after_all_that_was_made(take: Take, clock: Clock, broadcast: Broadcast) -> None:
    listener, other = broadcast.listen(), broadcast.listen()
    take.make()
    take.over = True
    take.stream.close()
    got = 0
    while (samples := listener.read()) is not None:
        got += len(samples)
        clock.now_s += 0.1
    assert got == take.made
    assert len(all_due(other, take)) == AHEAD_S * RATE, "another one is still hearing it"


def test_it_is_the_streams_one_reader(take: Take, broadcast: Broadcast) -> None:
    assert take.stream.patience_s == 60.0
    assert not take.stream.attach()
