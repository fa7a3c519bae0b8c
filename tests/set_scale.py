"""What making a set costs beside the making itself: `python -m tests.set_scale [FOLDER]`, figures on stdout.

The rows are tones of a few milliseconds, so that all one sees is the folder, the claims and the processes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile as sf

from studio.core.audio import to_int16
from studio.core.files import replacing_path, sync_folder
from studio.pipeline.cancel import CancelToken
from studio.service.batch.claims import Claims
from studio.service.batch.folder import SetFolder
from studio.service.batch.local import run_local
from studio.service.batch.rows import Row
from studio.service.batch.units import Unit, shard_of
from studio.service.batch.work import Progressed, Tally, work
from studio.service.takes.index import INDEX_FILE
from studio.service.takes.library import Library
from studio.service.takes.sidecar import write_sidecar
from tests.service.batch.set_fakes import RATE, hashes, made, make_tone, rows, samples_of, tone_maker, units


def bare_loop(path: Path, wanted: list[Row]) -> None:
    """The same files, synced the same way, by nothing but a loop."""
    folder = SetFolder(path)
    folder.prepare()
    for row in wanted:
        sound = folder.sound(row.id)
        sound.parent.mkdir(exist_ok=True)
        samples = to_int16(samples_of(row))
        with (
            replacing_path(sound, sync=True) as partial,
            sf.SoundFile(partial, "w", RATE, 1, "PCM_16", format="FLAC") as out,
        ):
            out.comment = "x" * 1000
            out.write(samples)
        sync_folder(sound.parent)
        record = folder._record(made(row), len(samples), [row.id])
        write_sidecar(sound.with_suffix(".json"), record, sync=True)


def against_a_bare_loop(place: Path, count: int) -> dict[str, float]:
    """Seconds of a loop, of `work` in this process, and of `run_local` with its start."""
    wanted = units(count)
    figures = {"bare_s": _timed(lambda: bare_loop(place / "bare", rows(count)))}
    figures["work_s"] = _timed(lambda: _work(place / "work", wanted))
    for workers in (1, 2):
        folder = SetFolder(place / f"local-{workers}")
        figures[f"local_{workers}_s"] = _timed(
            lambda folder=folder, workers=workers: run_local(
                folder, wanted, tone_maker, workers=workers, cancel=CancelToken()
            )
        )
    return figures


def killed(place: Path, count: int, kills: int) -> dict[str, float]:
    """A run whose workers are killed at random places, against one that nobody disturbs."""
    wanted, chance, gone = units(count), random.Random(7), []
    _work(place / "undisturbed", wanted)
    folder = SetFolder(place / "killed")
    places = set(chance.sample(range(1, count // 2), kills))
    done = 0

    def tell(progressed: Progressed) -> None:
        nonlocal done
        done += progressed.state in ("made", "there")
        alive = sorted(one.pid or 0 for one in multiprocessing.active_children() if one.pid not in gone)
        if len(gone) < sum(done >= place for place in places) and alive:
            gone.append(chance.choice(alive))
            os.kill(gone[-1], signal.SIGKILL)

    seconds = _timed(lambda: _whole(folder, wanted, tell))
    same = hashes(folder) == hashes(SetFolder(place / "undisturbed"))
    return {"rows": count, "kills": len(gone), "same": same, "s": seconds, "parts_left": _parts(folder)}


def _whole(folder: SetFolder, wanted: list[Unit], tell: Callable[[Progressed], None]) -> None:
    tally = run_local(folder, wanted, tone_maker, workers=2, cancel=CancelToken(), tell=tell)
    if tally.failed:  # chance killed three workers over one row
        print(f"{tally.failed} given up, tried again")
        run_local(folder, wanted, tone_maker, workers=2, cancel=CancelToken(), retry_errors=True)


def shards(place: Path, count: int) -> dict[str, float]:
    """Two shards and two whole runs in one folder at once."""
    wanted, tallies, path = units(count), [], place / "shards"
    parts = [shard_of(wanted, 1, 2), shard_of(wanted, 2, 2), wanted, wanted]

    def run(part: list[Unit]) -> None:
        tallies.append(run_local(SetFolder(path), part, tone_maker, workers=1, cancel=CancelToken()))

    seconds = _timed(lambda: _threads([lambda part=part: run(part) for part in parts]))
    _work(place / "undisturbed-2", wanted)
    same = hashes(SetFolder(path)) == hashes(SetFolder(place / "undisturbed-2"))
    return {"rows": count, "made": sum(one.made for one in tallies), "same": same, "s": seconds}


def scale(place: Path, count: int, workers: int) -> dict[str, float]:
    """So many workers (threads) over so many rows: rows a second, and what a claim, a run with nothing to do
    and a new index cost.
    """
    wanted, path = units(count, seconds=0.01), place / "scale"
    tallies: list[Tally] = []
    begun = time.process_time()
    seconds = _timed(lambda: _threads([lambda: tallies.append(_work(path, wanted))] * workers))
    cpu_s = time.process_time() - begun
    folder = SetFolder(path)
    figures = {
        "rows": count,
        "workers": workers,
        "made": sum(tally.made for tally in tallies),
        "s": seconds,
        "rows_a_s": count / seconds,
        "cpu_ms_a_row": 1000 * cpu_s / count,
        "nothing_to_do_s": _timed(lambda: _work(path, wanted)),
        "survey_s": _timed(folder.survey),
    }
    with Claims(path / ".claims") as claims:
        figures["claim_ms"] = 1000 * _timed(lambda: [_claim(claims, unit) for unit in wanted[:500]]) / 500
    figures["index_s"] = _timed(lambda: len(list(Library(path).takes())))
    figures["index_again_s"] = _timed(lambda: len(list(Library(path).takes())))
    figures["index_bytes_a_row"] = (path / INDEX_FILE).stat().st_size / count
    records = [entry.stat().st_size for entry in path.glob("??/*.json")]
    figures["record_bytes"] = float(np.mean(records))
    return figures


def _claim(claims: Claims, unit: Unit) -> None:
    held = claims.take(unit.id)
    assert held is not None
    claims.release(held)


def _work(path: Path, wanted: list[Unit]) -> Tally:
    return work(SetFolder(path), wanted, make_tone, cancel=CancelToken())


def _threads(what: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=one) for one in what]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _parts(folder: SetFolder) -> int:
    return len(list(folder.path.glob("??/*.part")))


def _timed(what: Callable[[], object]) -> float:
    begun = time.perf_counter()
    what()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "place", nargs="?", default=tempfile.gettempdir(), help="a folder on the disk to measure"
    )
    parser.add_argument("--only", default="loop,killed,shards,scale")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=64)
    asked = parser.parse_args()
    measures = {
        "loop": lambda place: against_a_bare_loop(place, 200),
        "killed": lambda place: killed(place, 300, 30),
        "shards": lambda place: shards(place, 300),
        "scale": lambda place: scale(place, asked.rows, asked.workers),
    }
    place = Path(tempfile.mkdtemp(dir=asked.place))
    try:
        for name in asked.only.split(","):
            print(name, {key: round(value, 4) for key, value in measures[name](place).items()}, flush=True)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
