"""`longwave kit`: one ZIP, one line, one sentence for a mistake; and Ctrl-C, which leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_cli import ROOT, longwave, one_sentence
from tests.waiting import until

TONE = ("kit", "--model", "tone", "--attention", "dense", "--steps", 2)


@pytest.mark.slow
def test_a_kit_in_one_line_of_json(tmp_path: Path) -> None:
    out = tmp_path / "beat.zip"
    words = ("--prompt", "drums", "--bpm", 120, "--bars", 2, "--variations", 1, "--tries", 0, "--rate", 48)
    result = longwave(*TONE, *words, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert Path(told["kit"]) == out
    assert {one["samples"] for one in told["files"]} == {4 * 48000}
    light, heavy = told["files"][2:]
    assert light["prompt"] == "slow drums"
    assert len(heavy["layers"]) == 4  # a tone makes the same of all words
    assert result.stderr.splitlines() == told["notes"]
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--prompt", "rain", "--variations", 20), "--variations: must be a whole number from 0 to 8"),
        (("--prompt", "rain", "--states", "loud"), "--states: must be"),
        (("--prompt", "rain", "--out", "kit.wav"), "A kit is a ZIP"),
        (("--prompt", "rain", "--rate", 22), "--rate: choose"),
        (("--prompt", "rain", "--seconds", 1), "2.5 to 120 s"),
        (("--preset", "nobody"), "There is no preset of kits"),
        ((), "Prompt"),
    ],
)
def test_what_is_wrong_is_one_sentence(words: tuple[object, ...], sentence: str) -> None:
    assert sentence in one_sentence(longwave(*TONE, *words))


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    words = [str(word) for word in (*TONE, "--prompt", "rain", "--seconds", 120, "--steps", 1000)]
    command = [sys.executable, "-m", "studio.app", *words, "--out", str(tmp_path / "kit.zip")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "TMPDIR": str(tmp_path)})  # fmt: skip
    try:
        until(lambda: any(tmp_path.glob("longwave-scratch-*")), 120)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert said.splitlines() == [b"Stopped: nothing of the kit is left."]
    assert not any(tmp_path.rglob("*.zip"))
    assert not any(tmp_path.glob("longwave-scratch-*"))
