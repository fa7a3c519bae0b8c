"""A server that is killed, or asked to end, at any moment: what was made opens, and it starts again."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import soundfile as sf

from studio.core.preset import load_preset

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")]
TIMES = int(os.environ.get("LONGWAVE_KILLS", "2"))  # of each signal
ROOT = Path(__file__).resolve().parents[2]
SOUNDS = {".wav", ".flac"}


@contextmanager
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`longwave serve` in a process of its own, and its address; its temporary files in `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "tmp").mkdir(exist_ok=True)
    words = ["serve", "--no-browser", "--model", "tone", "--port", str(port), "--outputs", str(folder / "o")]
    environ = {**os.environ, "TMPDIR": str(folder / "tmp")}
    program = [sys.executable, "-m", "studio.app", *words]
    with subprocess.Popen(program, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any("Longwave is at" in line for line in process.stderr)
            yield process, f"http://127.0.0.1:{port}/gradio_api/call/infinite"
        finally:
            process.kill()


def call(url: str, seconds: float) -> None:
    """Ask for a take and wait for it, as long as the server lives."""
    values = ["rain", "", seconds, -1, "tone", "", "", None, "", -1, -1, -1]
    request = urllib.request.Request(
        url, json.dumps({"data": values}).encode(), {"Content-Type": "application/json"}
    )
    with suppress(OSError, ValueError):
        event = json.load(urllib.request.urlopen(request))["event_id"]
        urllib.request.urlopen(f"{url}/{event}").read()


def takes(folder: Path) -> dict[Path, str]:
    """Every sound with its record's status. All are opened, whole."""
    found = {}
    for path in (folder / "o").glob("*/*"):
        if path.suffix not in SOUNDS:
            continue
        sidecar = path.with_suffix(".json")
        if path.stat().st_size == 80 and not sidecar.exists():
            continue  # killed before its record was written, hence before its first sound
        record = load_preset(sidecar)
        assert record.take is not None
        found[path] = record.take.status
        if record.take.file == path.name:
            assert sf.info(path).frames >= 0
    return found


def sounding(folder: Path) -> bool:
    """Whether a take has sound by now: one that is asked to end before leaves no file."""
    with suppress(FileNotFoundError):  # it has just become another file
        return any(path.stat().st_size > 80 for path in takes(folder))
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_whatever_ends_it_what_was_made_opens(
    tmp_path: Path, require_tool: Callable[[str], str], number: signal.Signals
) -> None:
    ffmpeg, rng = require_tool("ffmpeg"), random.Random(number)
    for turn in range(TIMES):
        with server(tmp_path) as (process, url), ThreadPoolExecutor(3) as callers:
            for seconds in (rng.uniform(1, 60), rng.uniform(1, 600), 3600.0):
                callers.submit(call, url, seconds)
            if begun := sounding(tmp_path) or (turn < TIMES - 1 and rng.random() < 0.3):
                time.sleep(rng.uniform(0.05, 4.0))
            while not begun and not sounding(tmp_path):
                time.sleep(rng.uniform(0.01, 0.5))
            process.send_signal(number)
            assert process.wait(timeout=60) == (-9 if number == signal.SIGKILL else 0)
        found = takes(tmp_path)
        if number == signal.SIGTERM:
            assert set(found.values()) <= {"finished", "stopped"}
            assert not list((tmp_path / "tmp").glob("longwave-scratch-*"))
        for path in found:
            check = [ffmpeg, "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
            done = subprocess.run(check, capture_output=True, text=True)
            empty = path.stat().st_size == 80
            assert empty or (done.returncode, done.stderr) == (0, ""), path
    assert takes(tmp_path), "some take had begun"
    assert len(list((tmp_path / "tmp").glob("longwave-scratch-*"))) <= 1, "the last one's, if it was killed"
