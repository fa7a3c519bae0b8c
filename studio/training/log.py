"""What a run tells of itself: a line of JSON a time, and TensorBoard's files where that is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.core.files import replace_file

LOG_FILE = "log.jsonl"


class TrainingLog:
    """The log in a run's folder, from after `step` on: what a killed run wrote of later steps comes again."""

    def __init__(self, folder: Path, step: int) -> None:
        self._file = folder / LOG_FILE
        _drop_after(self._file, step)
        self._board = _board(folder, step)

    def write(self, step: int, seconds: float, figures: dict[str, float]) -> None:
        """The figures of a step, reached after so many seconds."""
        with open(self._file, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "seconds": round(seconds, 1), **figures}) + "\n")
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Have TensorBoard write what it holds."""
        if self._board is not None:
            self._board.close()


def _drop_after(log: Path, step: int) -> None:
    """Take out of a log what a killed run wrote of later steps, which come again, and its torn last line."""
    if not log.is_file():
        return
    *lines, _ = log.read_text(encoding="utf-8").split("\n")
    kept = [f"{line}\n" for line in lines if json.loads(line)["step"] <= step]
    replace_file(log, "".join(kept).encode())


def _board(folder: Path, step: int) -> Any:
    """TensorBoard's writer from after this step on, where that is installed; the log file is there anyway."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
