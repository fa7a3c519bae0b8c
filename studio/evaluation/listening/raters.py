"""The raters of a listening test: whose answers there are, and who did not listen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.text import one_line
from studio.evaluation.listening.answers import Answer, Answers, Key, read_answers

MIN_CHECKS = 3  # fewer repeats tell nothing of a rater
MAX_FAILED_REPEATS = 0.5  # of a careful rater's some fail as well
MAX_MISSED_CATCHES = 0.2


@dataclass
class Rater:
    """One rater's file, read and held against the key; `label` tells two of one number apart."""

    label: str
    file: str
    answers: Answers
    asked: int
    checks: int = 0
    failed: int = 0

    @property
    def why_dropped(self) -> str:
        """In a few words; empty for a rater who is kept."""
        if self.checks < MIN_CHECKS:
            return ""
        if self.answers.kind == "abx":
            if self.failed > MAX_MISSED_CATCHES * self.checks:
                return f"missed {self.failed} of {self.checks} comparisons of two different sounds"
        elif self.failed > MAX_FAILED_REPEATS * self.checks:
            return f"rated {self.failed} of {self.checks} repeated sounds otherwise than before"
        return ""


def read_raters(files: Sequence[Path], key: Key) -> tuple[list[Rater], list[tuple[str, str]], list[str]]:
    """The raters by number; of one session sent more than once, the file with most answers.

    Returns:
        The raters, the files that were refused with the reason, and what should be known.
    """
    refused, notes = [], []
    sessions: dict[tuple[int, str], tuple[str, Answers]] = {}
    for path in files:
        name = one_line(path.name)
        try:
            answers = read_answers(path, key)
        except InvalidRequestError as error:
            refused.append((name, str(error)))
            continue
        session = (answers.rater, answers.session)
        before = sessions.get(session)
        if before:
            notes.append(f"{name} and {before[0]} are of one rater: the fuller one counts.")
        if before is None or _fullness(answers) > _fullness(before[1]):
            sessions[session] = (name, answers)
    of_number = Counter(rater for rater, _ in sessions)
    raters, seen = [], Counter[int]()
    for (rater, _), (name, answers) in sorted(sessions.items(), key=lambda one: (one[0][0], one[1][1].began)):
        seen[rater] += 1
        label = str(rater) + (chr(ord("a") + (seen[rater] - 1) % 26) if of_number[rater] > 1 else "")
        raters.append(Rater(label, name, answers, len(key.orders[rater - 1])))
        if seen[rater] == 2:
            notes.append(f"Two people or devices answered as rater {rater}: both count.")
        _check(raters[-1], key)
    return raters, refused, notes


def _fullness(answers: Answers) -> tuple[int, str]:
    return len(answers.answers), max((answer.at for answer in answers.answers), default="")


def _check(rater: Rater, key: Key) -> None:
    """Count the repeats or catches that a rater answered, and those that went wrong."""
    order = key.orders[rater.answers.rater - 1]
    answered = {answer.trial: answer for answer in rater.answers.answers if not answer.unplayable}
    first = {order[trial].sounds[0]: answer for trial, answer in answered.items() if not order[trial].repeat}
    for trial, answer in answered.items():
        if order[trial].catch:
            rater.checks += 1
            rater.failed += not is_right(answer, order[trial].x_is_b)
        elif order[trial].repeat and (before := first.get(order[trial].sounds[0])):
            rater.checks += 1
            rater.failed += any(
                abs(answer.scores[scale.id] - before.scores[scale.id]) > scale.tolerance
                for scale in key.spec.scales
            )


def is_right(answer: Answer, x_is_b: bool) -> bool:
    """Whether a comparison's X was told."""
    return answer.choice == ("B" if x_is_b else "A")
