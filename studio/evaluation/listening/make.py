"""Makes a listening test: a folder with page and sounds to give away, and a key beside it to keep."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.files import disk_error, replace_file
from studio.core.text import one_line
from studio.evaluation.listening.answers import VERSION, Item, Key, Sound
from studio.evaluation.listening.design import Design, Order, key_beside
from studio.evaluation.listening.sounds import Levels, Measured, copy, levels, measure

PAGE = Path(__file__).parent / "page"
_OWN = {"tolerance", "of_text"}  # of a scale, and no business of the page's
_SAME_S = 0.05
_ANSWER_S, _LISTENS = 5.0, 1.3  # for how long a test takes: to answer one question, and how often one listens

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Made:
    """The page, the key, a rater's trials and about how many minutes they take, and what should be known."""

    page: Path
    key: Path
    test: str
    trials: int
    minutes: int
    notes: tuple[str, ...]


def make_test(order: Order, report: Report = lambda done, total: None) -> Made:
    """Write the test; nothing is left behind where that fails.

    Raises:
        InvalidRequestError: the order can't be met; says why.
        OutOfResourcesError: the disk is full.
    """
    test = _Writer(Design(order))
    key = key_beside(order.out)
    partial = order.out.with_name(f".{order.out.name}-{secrets.token_hex(4)}.part")
    try:
        order.out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(PAGE, partial, ignore=shutil.ignore_patterns("__pycache__"))
        fingerprint = test.write_into(partial, report)
        replace_file(key, test.key(fingerprint).model_dump_json().encode())
        try:
            if order.out.is_dir():  # empty, or it would have been refused
                order.out.rmdir()
            os.rename(partial, order.out)
        except BaseException:
            key.unlink()
            raise
    except OSError as error:
        raise disk_error(error, order.out) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Made(
        order.out / "index.html",
        key,
        fingerprint,
        len(test.design.orders[0]),
        test.minutes(),
        tuple(test.notes),
    )


class _Writer:
    """Writes a test from its design, and knows what was found of its sounds."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.notes = list(design.notes)
        self.measured: dict[tuple[int, int], Measured] = {}
        self.lufs: list[float | None] = []

    def write_into(self, folder: Path, report: Report) -> str:
        """Copy the sounds and write what the page reads; the fingerprint of it all."""
        design = self.design
        (folder / "sound").mkdir()
        cells = [(item, system) for item in range(len(design.items)) for system in range(len(design.systems))]
        for done, (item, system) in enumerate(cells, start=1):
            self.measured[item, system] = measure(design.paths[item][system])
            report(done, 2 * len(cells))
        level = levels(self.measured, len(design.items), design.order.lufs)
        self.lufs = level.lufs
        self._note_levels(level)
        sums = {}
        by_name = sorted((name, item, system) for (item, system, _), name in design.names.items())
        for done, (name, item, system) in enumerate(by_name, start=1):  # whose times then tell nothing either
            target = folder / "sound" / f"{name}.flac"
            sums[name] = copy(design.paths[item][system], target, level.gains_db[item, system])
            report(len(cells) + done * len(cells) // len(by_name), 2 * len(cells))
        public = self._public()
        told = json.dumps([public, sums], sort_keys=True).encode()
        fingerprint = hashlib.sha256(told).hexdigest()
        content = json.dumps({**public, "test": fingerprint}, separators=(",", ":"))
        (folder / "test.js").write_text(f"window.longwaveTest = {content};\n", encoding="ascii")
        return fingerprint

    def _note_levels(self, level: Levels) -> None:
        design = self.design
        if level.silent:
            item, system = level.silent[0]
            self.notes.append(
                f"{len(level.silent)} sounds are silent or shorter than 0.4 s and stay as they are, "
                f"{design.paths[item][system]} for one."
            )
        wanted = design.order.lufs
        quiet = [
            lufs for lufs in level.lufs if lufs is not None and wanted is not None and lufs < wanted - 0.05
        ]
        if quiet:
            self.notes.append(
                f"{len(quiet)} of {len(design.items)} sounds have peaks that keep them below {wanted:g} "
                f"LUFS, all their versions alike; the quietest is at {min(quiet):.1f}."
            )
        uneven = [
            name
            for item, name in enumerate(design.items)
            if np.ptp([self.measured[item, system].seconds for system in range(len(design.systems))])
            > _SAME_S
        ]
        if uneven and not design.spec.scales:
            self.notes.append(
                f"{len(uneven)} sounds are of different lengths, {uneven[0]} for one: "
                "raters can tell X by its end."
            )

    def _public(self) -> dict[str, Any]:
        """What the page knows: no word of systems, nor of what is a repeat."""
        design = self.design
        texts = sorted(set(design.texts))
        files = sorted((name, item, system) for (item, system, _), name in design.names.items())
        place = {name: number for number, (name, _, _) in enumerate(files)}
        return {
            "version": VERSION,
            "kind": design.order.kind,
            "title": one_line(design.order.title),
            "told": design.spec.told,
            "scales": [
                {name: value for name, value in asdict(scale).items() if name not in _OWN}
                for scale in design.spec.scales
            ],
            "texts": texts,
            "sounds": [
                [name, texts.index(design.texts[item]), round(self.measured[item, system].seconds, 2)]
                for name, item, system in files
            ],
            "practice": [[place[name] for name in names] for names in design.practice()],
            "orders": [
                [[place[name] for name in trial.sounds] for trial in trials] for trials in design.orders
            ],
        }

    def key(self, fingerprint: str) -> Key:
        """Which file is what."""
        design = self.design
        return Key(
            longwave="listening-key",
            version=VERSION,
            test=fingerprint,
            kind=design.order.kind,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            seed=design.seed,
            systems=tuple(design.systems),
            reference=design.reference,
            items=tuple(
                Item(name=name, text=text, lufs=None if lufs is None else round(lufs, 2))
                for name, text, lufs in zip(design.items, design.texts, self.lufs, strict=True)
            ),
            sounds={
                name: Sound(item=item, system=system) for (item, system, _), name in design.names.items()
            },
            orders=tuple(map(tuple, design.orders)),
        )

    def minutes(self) -> int:
        """About how long the first rater is at it."""
        design = self.design
        seconds = {
            name: self.measured[item, system].seconds for (item, system, _), name in design.names.items()
        }
        asked = _ANSWER_S * max(1, len(design.spec.scales))
        whole = sum(
            _LISTENS * sum(seconds[name] for name in trial.sounds) + asked for trial in design.orders[0]
        )
        return max(1, round(whole / 60))
