"""Claims: one holder at a time, dead ones followed, slow ones told."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.service.batch import claims as module
from studio.service.batch.claims import ATTEMPTS, Claims, Held, LostClaim, let_go
from tests.waiting import until

UNIT = "5" * 32
NEVER_S = 3000.0  # a beat that no test lives to see
HOLD = """
import sys
from pathlib import Path
from studio.service.batch.claims import Claims
with Claims(Path(sys.argv[1])) as claims:
    print(claims.take(sys.argv[2]).attempt, flush=True)
    sys.stdin.read()
"""


class Clock:
    """An observer's own."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Claims]:
    with Claims(tmp_path, beat_s=NEVER_S, worker="one") as claims:
        yield claims


@pytest.fixture
def two(tmp_path: Path, clock: Clock) -> Iterator[Claims]:
    with Claims(tmp_path, beat_s=NEVER_S, worker="two", clock=clock) as claims:
        yield claims


def take(claims: Claims) -> Held:
    held = claims.take(UNIT)
    assert held is not None
    return held


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def elsewhere(folder: Path, attempt: int = 1, beat: int = 0, beat_s: float = 10.0) -> None:
    """As a worker of another machine claims, or beats."""
    about = {"host": "elsewhere", "boot": "", "process": 1, "beat_s": beat_s, "locked": True, "beat": beat}
    (folder / f"{UNIT}.{attempt}").write_text(json.dumps(about))


def test_a_unit_has_one_holder(one: Claims, two: Claims, tmp_path: Path) -> None:
    held = take(one)
    assert two.take(UNIT) is None
    held.check()
    one.release(held)
    assert names(tmp_path) == []
    with pytest.raises(LostClaim):
        held.check()
    again = take(two)
    assert again.attempt == 1, "who let go did not die"
    one.release(held)
    again.check()


def test_a_claim_says_who_holds_it(one: Claims, tmp_path: Path) -> None:
    take(one)
    about = json.loads((tmp_path / f"{UNIT}.1").read_text())
    assert about["worker"] == "one"
    assert about["beat_s"] == NEVER_S
    assert {"host", "process", "token"} <= about.keys()


@pytest.mark.parametrize("attempt", [1, 2])
def test_of_many_at_once_one_wins(tmp_path: Path, attempt: int) -> None:
    if attempt == 2:
        (tmp_path / f"{UNIT}.1").write_text('{"let_go": true}')
    barrier, won = threading.Barrier(16), []

    def race() -> None:
        claims = Claims(tmp_path)
        barrier.wait()
        if (held := claims.take(UNIT)) is not None:
            won.append(held)

    threads = [threading.Thread(target=race) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [held.attempt for held in won] == [attempt]
    won[0].release()
    assert names(tmp_path) == []


def test_who_does_not_beat_for_three_of_its_beats_is_dead(two: Claims, clock: Clock, tmp_path: Path) -> None:
    elsewhere(tmp_path)
    assert two.take(UNIT) is None, "whatever its age by its own clock: it was never looked at before"
    for _ in range(2):
        clock.now += 9
        assert two.take(UNIT) is None
    elsewhere(tmp_path, beat=1)
    for _ in range(3):
        clock.now += 9
        assert two.take(UNIT) is None
    clock.now += 9
    assert two.take(UNIT) is None
    clock.now += 4
    assert take(two).attempt == 2


def test_who_did_not_look_can_not_tell_who_is_dead(two: Claims, clock: Clock, tmp_path: Path) -> None:
    elsewhere(tmp_path)
    assert two.take(UNIT) is None
    clock.now += 1000
    assert two.take(UNIT) is None, "an observer that slept saw one beat at the most"
    for _ in range(2):
        clock.now += 10
        held = two.take(UNIT)
    assert held is not None


def test_who_was_followed_is_told_and_takes_nothing_away(
    one: Claims, two: Claims, clock: Clock, tmp_path: Path
) -> None:
    slow = take(one)
    two.take(UNIT)
    for _ in range(3):
        assert two.take(UNIT) is None
        clock.now += NEVER_S
    follower = take(two)
    assert follower.attempt == 2
    with pytest.raises(LostClaim):
        slow.check()
    one.release(slow)
    follower.check()
    two.release(follower)
    assert names(tmp_path) == [], "the claims of all attempts go"


def test_a_holder_of_this_machine_that_was_killed_is_followed_at_once(one: Claims, tmp_path: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), UNIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"%d\n" % attempt
            assert one.take(UNIT) is None
            holder.kill()
    held = take(one)
    assert held.given_up, "its workers died over it in every attempt"


def test_who_gives_a_unit_up_may_die_too(one: Claims, tmp_path: Path) -> None:
    for attempt in range(1, ATTEMPTS + 2):
        elsewhere(tmp_path, attempt)
        (tmp_path / f"{UNIT}.{attempt}").write_text('{"let_go": true}')
    held = take(one)
    assert held.attempt == ATTEMPTS + 2
    assert held.given_up


def test_without_locks_a_parent_says_who_died(
    one: Claims, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "grows", lambda path: False)  # as on a disk that only pretends
    with Claims(tmp_path, worker="child") as child:
        take(child)
        assert one.take(UNIT) is None, "nothing is concluded from locks that do not work"
        let_go(tmp_path, 1)
        assert one.take(UNIT) is None, "another process's"
        let_go(tmp_path, json.loads((tmp_path / f"{UNIT}.1").read_text())["process"])
        assert take(one).attempt == 2


def test_a_holder_beats(tmp_path: Path) -> None:
    with Claims(tmp_path, beat_s=0.01) as claims:
        take(claims)
        first = (tmp_path / f"{UNIT}.1").read_bytes()
        until(lambda: (tmp_path / f"{UNIT}.1").read_bytes() != first)
    assert names(tmp_path) == [], "what is held at the end is let go of"


def test_no_claim_is_made_below_one_that_stands(
    one: Claims, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its holder is removing the lower ones at this moment."""
    monkeypatch.setattr(one, "_highest", lambda unit_id: 0)
    elsewhere(tmp_path, attempt=2)
    assert one.take(UNIT) is None
    assert names(tmp_path) == [f"{UNIT}.2"]


def test_what_can_not_be_read_is_no_holder_for_ever(two: Claims, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / f"{UNIT}.1").write_bytes(b"\xff{")
    assert two.take(UNIT) is None
    for _ in range(3):
        clock.now += NEVER_S
        held = two.take(UNIT)
    assert held is not None
