from __future__ import annotations

import threading

import numpy as np
import pytest

from studio.core.errors import CancelledError
from studio.pipeline.cancel import CancelToken
from studio.service.live import pcm_stream
from studio.service.live.pcm_stream import PcmStream
from tests.waiting import until

RATE = 1000


def block(seconds: float = 0.1) -> np.ndarray:
    return np.zeros(int(seconds * RATE), dtype="<i2")


def write_until_blocked(stream: PcmStream, cancel: CancelToken) -> threading.Thread:
    def produce() -> None:
        try:
            while True:
                stream.write(block(), cancel)
        except CancelledError:
            pass

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    return thread


class Watched(CancelToken):
    """Counts how often a producer that waits looks whether it is to end."""

    looks = 0

    def check(self) -> None:
        self.looks += 1
        super().check()


def settle(stream: PcmStream, cancel: Watched) -> float:
    """What is buffered once the producer waits."""
    before = cancel.looks
    until(lambda: cancel.looks > before + 1)
    return stream.buffered_s


def test_first_write_is_available_at_once() -> None:
    stream = PcmStream(lead_s=0.05, sample_rate=RATE)
    stream.write(block(5.0), CancelToken())
    assert len(stream.read(0.0)) == 5 * RATE


def test_writer_stays_the_lead_ahead_of_what_was_heard_not_of_what_was_read() -> None:
    stream, cancel = PcmStream(lead_s=2.0, sample_rate=RATE), Watched()
    thread = write_until_blocked(stream, cancel)
    try:
        assert settle(stream, cancel) == pytest.approx(2.0, abs=0.1001)
        received = 0
        while len(part := stream.read(0.0)):
            received += len(part)
        assert settle(stream, cancel) == pytest.approx(2.0, abs=0.1001)  # read, but not heard: no further
        stream.acknowledge(1.5)
        assert settle(stream, cancel) == pytest.approx(2.0, abs=0.1001)
        assert received + sum(len(stream.read(0.0)) for _ in range(40)) == pytest.approx(3.5 * RATE, abs=100)
    finally:
        cancel.set()
        thread.join(5)
    assert not thread.is_alive()


def test_acknowledging_the_future_or_the_past_changes_nothing() -> None:
    stream = PcmStream(lead_s=2.0, sample_rate=RATE)
    stream.write(block(1.0), CancelToken())
    stream.acknowledge(1e308)
    assert stream.buffered_s == 1.0
    stream.read(0.0)
    stream.acknowledge(0.6)
    stream.acknowledge(-5.0)
    stream.acknowledge(0.2)
    assert stream.buffered_s == pytest.approx(0.4)


def test_one_reader_at_a_time_and_tokens_differ() -> None:
    stream = PcmStream(lead_s=2.0)
    assert stream.attach()
    assert not stream.attach()
    stream.detach()
    assert stream.attach()
    assert len({PcmStream(1.0).token for _ in range(50)}) == 50
    assert len(stream.token) >= 32


def test_closed_stream_gives_what_it_holds_then_ends() -> None:
    stream = PcmStream(lead_s=2.0, sample_rate=RATE)
    stream.write(block(), CancelToken())
    stream.close()
    assert not stream.drained
    stream.write(block(), CancelToken())
    assert len(stream.read(0.0)) == 100
    assert stream.read(0.0) is None
    assert stream.drained


def test_idle_time_counts_from_the_last_read_or_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(pcm_stream.time, "monotonic", lambda: now[0])
    stream = PcmStream(lead_s=2.0)
    now[0] += 0.25
    assert stream.idle_s == 0.25
    stream.acknowledge(0.0)
    assert stream.idle_s == 0.0
