"""What the answers to a listening test come to: means, agreement, who was dropped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InvalidRequestError
from studio.evaluation.listening.agreement import icc_of_means, krippendorff_alpha
from studio.evaluation.listening.answers import KEY_MARK, Key, mark_of, read_key
from studio.evaluation.listening.intervals import interval, mean_draws, mean_figure
from studio.evaluation.listening.kinds import CHANCE
from studio.evaluation.listening.raters import MIN_CHECKS, Rater, is_right, read_raters
from studio.evaluation.metrics.summary import Figure

FEW_RATERS = 5


@dataclass
class Score:
    """What came out. `as_json` has the keys that docs/measuring.md names."""

    key: Key
    raters: list[Rater]
    refused: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)
    systems: list[dict[str, Any]] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    agreement: dict[str, dict[str, float]] = field(default_factory=dict)
    not_heard: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kept(self) -> list[Rater]:
        """Those whose answers count."""
        return [rater for rater in self.raters if not rater.why_dropped]

    def as_json(self) -> dict[str, Any]:
        """All of it; figures as value, low, high and n, null for what is no number."""
        told: dict[str, Any] = {
            "kind": self.key.kind,
            "test": self.key.test,
            "items": len(self.key.items),
            "raters": len(self.raters),
            "kept": len(self.kept),
        }
        if self.key.spec.scales:
            told |= {"systems": self.systems, "differences": self.differences}
        else:
            told |= {"chance": CHANCE, "pairs": self.pairs}
        told |= {
            "agreement": self.agreement,
            "dropped": [
                {"rater": one.label, "file": one.file, "why": one.why_dropped}
                for one in self.raters
                if one.why_dropped
            ],
            "refused": [{"file": name, "why": why} for name, why in self.refused],
            "not_heard": self.not_heard,
            "notes": self.notes,
        }
        return _jsonable(told)


def score_answers(files: Sequence[Path], key: Path | None = None) -> Score:
    """Score the answers among `files` by the key, which may be one of them.

    Files that are no answers, or of another test, are refused one by one, and the others scored.

    Raises:
        InvalidRequestError: there is no key, more than one, or no file that can be scored.
    """
    key_path, rest = _find_key(files, key)
    read = read_key(key_path)
    raters, refused, notes = read_raters(rest, read)
    score = Score(read, raters, refused, notes)
    if not raters:
        raise InvalidRequestError(refused[0][1] if refused else "Give the files that raters sent back.")
    _note(score)
    if not score.kept:
        raise InvalidRequestError(
            f"No rater is left: rater {raters[0].label} {raters[0].why_dropped}, and so it is with all."
        )
    if read.spec.scales:
        _score_ratings(score)
    else:
        _score_comparisons(score)
    _count_unplayable(score)
    return score


def _find_key(files: Sequence[Path], key: Path | None) -> tuple[Path, list[Path]]:
    if key is not None:
        return key, [path for path in files if path.resolve() != key.resolve()]
    keys = [path for path in files if mark_of(path) == KEY_MARK]
    if len(keys) != 1:
        many = "More than one key is" if keys else "No key is"
        raise InvalidRequestError(
            f"{many} among the files: "
            "name with --key the one that `longwave listen make` wrote beside the test."
        )
    return keys[0], [path for path in files if path != keys[0]]


def _note(score: Score) -> None:
    for rater in score.raters:
        heard = [answer for answer in rater.answers.answers if not answer.unplayable]
        if len(rater.answers.answers) < rater.asked:
            score.notes.append(f"Rater {rater.label} answered {len(rater.answers.answers)} of {rater.asked}.")
        if rater.checks < MIN_CHECKS:
            score.notes.append(f"Rater {rater.label} had too few repeats to be checked by: {rater.checks}.")
        for scale in score.key.spec.scales:
            if len(heard) >= 2 * MIN_CHECKS and len({answer.scores[scale.id] for answer in heard}) == 1:
                score.notes.append(f"Rater {rater.label} gave every sound the same {scale.id}.")
    if len(score.kept) < FEW_RATERS:
        score.notes.append(f"With fewer than {FEW_RATERS} raters the intervals are too narrow.")


def _score_ratings(score: Score) -> None:
    key = score.key
    names = list(key.systems)
    score.systems = [
        {"system": name, "reference": place == key.reference} for place, name in enumerate(names)
    ]
    pairs = [(one, other) for one in range(len(names)) for other in range(one + 1, len(names))]
    score.differences = [{"system": names[one], "other": names[other]} for one, other in pairs]
    for scale in key.spec.scales:
        ratings = np.full((len(score.kept), len(key.items), len(key.systems)), np.nan)
        for row, rater in enumerate(score.kept):
            order = key.orders[rater.answers.rater - 1]
            for answer in rater.answers.answers:
                if not answer.unplayable and not order[answer.trial].repeat:
                    item, system = key.place(answer.sounds[0])
                    ratings[row, item, system] = answer.scores[scale.id]
        draws = mean_draws(ratings)
        for place, row_of in enumerate(score.systems):
            row_of[scale.id] = mean_figure(ratings[:, :, place], draws[:, place])
        for (one, other), row_of in zip(pairs, score.differences, strict=True):
            row_of[scale.id] = _difference(ratings, draws, one, other)
        units = ratings.reshape(len(ratings), -1)
        score.agreement[scale.id] = {"alpha": krippendorff_alpha(units), "icc_of_means": icc_of_means(units)}


def _difference(ratings: NDArray[np.float64], draws: NDArray[np.float64], one: int, other: int) -> Figure:
    """Mean of one system less that of another; `n` counts the ratings of the one with fewer."""
    means = [mean_figure(ratings[:, :, place], draws[:, place]) for place in (one, other)]
    ends = interval(draws[:, one] - draws[:, other])
    return Figure(means[0].value - means[1].value, *ends, min(mean.n for mean in means))


def _score_comparisons(score: Score) -> None:
    """How often X was told, per pair of systems and per item, beside chance: an exact binomial test each.

    Where nobody can tell, each answer is right by an independent even chance, whoever gives it, since which
    sound X is was drawn; `p` is how often as many or more would be right then.
    """
    key = score.key
    right: dict[tuple[int, int], dict[int, list[bool]]] = {}
    told = np.full((len(score.kept), len(key.items) * len(key.systems) ** 2), np.nan)
    for row, rater in enumerate(score.kept):
        order = key.orders[rater.answers.rater - 1]
        for answer in rater.answers.answers:
            trial = order[answer.trial]
            if answer.unplayable or trial.catch:
                continue
            (item, a), (_, b) = key.place(trial.sounds[0]), key.place(trial.sounds[1])
            pair = (min(a, b), max(a, b))
            found = is_right(answer, trial.x_is_b)
            right.setdefault(pair, {}).setdefault(item, []).append(found)
            told[row, (item * len(key.systems) + pair[0]) * len(key.systems) + pair[1]] = found
    for (one, other), items in sorted(right.items()):
        score.pairs.append(
            {
                "system": key.systems[one],
                "other": key.systems[other],
                **_told_apart([found for answers in items.values() for found in answers]),
                "items": [
                    {"item": key.items[item].name, **_told_apart(found)}
                    for item, found in sorted(items.items())
                ],
            }
        )
    score.agreement["ABX"] = {"alpha": krippendorff_alpha(told, "nominal")}


def _told_apart(right: Sequence[bool]) -> dict[str, Any]:
    from scipy.stats import binomtest

    test = binomtest(sum(right), len(right), CHANCE, alternative="greater")
    low, high = binomtest(sum(right), len(right)).proportion_ci(0.95, method="exact")
    return {
        "right": Figure(sum(right) / len(right), float(low), float(high), len(right)),
        "chance": CHANCE,
        "p": float(test.pvalue),
    }


def _count_unplayable(score: Score) -> None:
    """Which sounds did not play, and for how many."""
    missing = Counter(
        cell
        for rater in score.raters
        for cell in {
            score.key.place(sound)
            for answer in rater.answers.answers
            if answer.unplayable
            for sound in answer.sounds
        }
    )
    score.not_heard = [
        {"item": score.key.items[item].name, "system": score.key.systems[system], "raters": count}
        for (item, system), count in sorted(missing.items())
    ]


def _jsonable(value: Any) -> Any:
    if isinstance(value, Figure):
        return value.as_json()
    if isinstance(value, dict):
        return {name: _jsonable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_jsonable(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
