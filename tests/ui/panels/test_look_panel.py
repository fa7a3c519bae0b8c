"""What is said of a take: plain sentences with times to press, nothing of a file's name taken for HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.core.errors import InvalidRequestError
from studio.evaluation.metrics.drift import Course
from studio.evaluation.metrics.repetition import Again, Repetition
from studio.evaluation.metrics.seams import Seam
from studio.evaluation.metrics.spans import Span
from studio.evaluation.metrics.stereo import MonoFit
from studio.evaluation.metrics.summary import Figure
from studio.evaluation.suites.take import Level, TakeLook
from studio.ui.panels.look import Handlers, card, sentences

STEADY = Course(np.arange(9.0) * 5, np.full(9, 0.1), Figure(0.0, -0.01, 0.01, 9))
PLAIN = TakeLook(
    name="rain.flac", duration_s=120.0, sample_rate=16000, channels=1, broken_samples=0, drift=STEADY,
    prompt=None, repetition=Repetition(0.0, [], []), seams=[], clicks_s=[], dropouts=[], silence=[],
    level=Level(-23.4, np.full(1170, -23.0), -3.2), bandwidth_hz=7900.0, mono=None,
    frames=np.zeros((0, 64), np.float16),
)  # fmt: skip


def said(look: TakeLook) -> str:
    return re.sub(r"<[^>]*>", "", " ".join(sentences(look)))


def test_a_take_without_fault_is_told_in_a_breath() -> None:
    assert said(PLAIN) == (
        "No seams. No clicks. No dropouts. Nothing comes again. The sound stays where it began. "
        "−23.4 LUFS, true peak −3.2 dB, sound up to 7.9 kHz."
    )


def test_faults_come_with_their_times() -> None:
    rising = replace(STEADY, values=np.linspace(0, 0.4, 9), per_minute=Figure(0.6, 0.5, 0.7, 9))
    look = replace(
        PLAIN,
        seams=[Seam(63.2, 1.4)],
        clicks_s=[12.0, 63.0],
        dropouts=[Span(5.0, 0.02)],
        silence=[Span(100.0, 2.5)],
        repetition=Repetition(0.1, [Again(40.0, 8.0, 6.0)], [(8.0, 0.9)]),
        drift=rising,
        mono=MonoFit(-0.5, -0.9, 3.0, -4.8),
        broken_samples=3,
    )
    text = said(look)

    for sentence in (
        "One seam, at 1:03.", "2 clicks, at 0:12, 1:03.", "One dropout, at 0:05.", "at 1:40.",
        "10 % of it was heard before: 0:40 is 0:08 again.", "like itself every 8.0 s",
        "drifts away", "left and right work against each other", "3 samples are no numbers",
    ):  # fmt: skip
        assert sentence in text
    buttons = re.findall(r'data-at="([\d.]+)" aria-label="Play from ([\d:]+)"', card(look))
    assert ("63.200", "1:03") in buttons
    assert ("12.000", "0:12") in buttons


def test_many_places_are_counted_and_eight_are_told() -> None:
    text = said(replace(PLAIN, clicks_s=[float(at) for at in range(30)]))
    assert "30 clicks, at 0:00, 0:01," in text
    assert "0:07 and 22 more." in text


def test_what_is_too_short_or_silent_says_so() -> None:
    look = replace(
        PLAIN, drift=None, repetition=Repetition(None, [], []), level=Level(-np.inf, np.zeros(0), -np.inf)
    )
    assert "Too short to tell whether it drifts." in said(look)
    assert "It is silent." in said(look)
    assert "polyline" in card(look)


def test_a_name_is_no_html() -> None:
    html = card(replace(PLAIN, name='<b>"rain"'))
    assert "<b>" not in html
    assert "&lt;b&gt;&quot;rain&quot;" in html


class Steps:
    """Looks that say how far they are."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps

    def look(self, path: Path) -> Iterator[Any]:
        self.path = path
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            yield step


def handlers(*steps: Any) -> Handlers:
    looks: Any = Steps(*steps)
    return Handlers(looks, lambda asked: Path(asked))


def shown(*steps: Any) -> list[tuple[Any, Any]]:
    return [(words, found) for words, found, _ in handlers(*steps).look("take.wav")]


def test_a_stop_ends_the_look_that_it_names_and_no_other() -> None:
    panel = handlers(0.0, 0.5, 0.7, PLAIN)
    one, other = panel.look("one.wav"), panel.look("other.wav")
    name, _ = next(one)[2], next(other)
    panel.stop(name)
    panel.stop("nonesuch")

    assert [words for words, *_ in one] == ["Stopped."]
    assert [words for words, *_ in other] == ["50 % checked", "70 % checked", ""]
    last = panel.look("one.wav")
    assert panel.leave(next(last)[2]) == ("", "")
    assert [words for words, *_ in last] == ["Stopped."]
    panel.stop(name)  # long over


def test_another_press_begins_anew_and_the_look_before_says_no_more() -> None:
    panel = handlers(0.0, 0.5, PLAIN)
    one = panel.look("one.wav")
    name = next(one)[2]
    other = panel.look("one.wav", "", name)
    assert [words for words, *_ in other] == ["0 % checked", "50 % checked", ""]
    assert list(one) == []
    assert [words for words, *_ in panel.look("one.wav", "", name)][-1] == "", "of one that is over"


def test_what_is_chosen_in_the_strip_goes_before_the_jobs_take_while_it_is_there() -> None:
    looks: Any = Steps(PLAIN)
    panel = Handlers(looks, Path, {"here": Path("chosen.wav")}.get)
    for token, file in (("here", "chosen.wav"), ("gone", "latest.wav"), ("", "latest.wav")):
        assert list(panel.look("latest.wav", token))[-1][1] == card(PLAIN)
        assert looks.path == Path(file)


def test_progress_is_told_and_then_the_card() -> None:
    found = shown(0.0, 0.101, 0.5, PLAIN)
    assert [words for words, _ in found] == ["0 % checked", "10 % checked", "50 % checked", ""]
    assert found[-1][1] == card(PLAIN)


@pytest.mark.parametrize(
    "steps", [(InvalidRequestError("It is gone."),), (0.2, InvalidRequestError("It is gone."))]
)
def test_what_goes_wrong_is_told_in_its_sentence(steps: tuple[Any, ...]) -> None:
    assert shown(*steps)[-1] == ("It is gone.", "")
