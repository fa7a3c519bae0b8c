"""A private folder ends with its process, at the latest when the next one begins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from studio.service.takes.scratch import LOCK_FILE, PREFIX, Scratch

HOLD = """
import time
from pathlib import Path
from studio.service.takes.scratch import Scratch
scratch = Scratch(Path({root!r}))
(scratch.path / "sound.wav").write_bytes(b"x")
print(scratch.path, flush=True)
time.sleep(60)
"""


def test_it_is_private_and_goes(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    assert scratch.path.parent == tmp_path
    assert os.name == "nt" or scratch.path.stat().st_mode & 0o077 == 0
    (scratch.path / "deep").mkdir()
    scratch.remove()
    scratch.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_what_a_killed_process_left_is_swept_and_a_live_one_s_is_not(tmp_path: Path) -> None:
    code = HOLD.format(root=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        left = Path(child.stdout.readline().strip())
        first = Scratch(tmp_path)
        assert (left / "sound.wav").exists(), "its process lives"
        os.kill(child.pid, signal.SIGKILL)
    second = Scratch(tmp_path)
    assert not left.exists()
    assert first.path.exists()
    first.remove()
    second.remove()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "longwave-notes").mkdir()
    (tmp_path / "longwave-notes" / LOCK_FILE).write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / LOCK_FILE).write_text("mine")
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "mine")
    (tmp_path / f"{PREFIX}begun").mkdir()
    Scratch(tmp_path).remove()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"longwave-notes", "mine", f"{PREFIX}link", f"{PREFIX}begun"}
    assert (tmp_path / "mine" / LOCK_FILE).exists()
