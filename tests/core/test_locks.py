"""One writer a path, whoever it is and however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from studio.core.errors import InvalidRequestError
from studio.core.locks import Claim
from studio.service.takes.place import claimed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
HOLD = """
import sys, time
from pathlib import Path
from studio.core.locks import Claim
claim = Claim(Path({path!r}))
print("held", flush=True)
time.sleep(60)
"""


def test_a_path_has_one_claim(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "a.flac")
    with pytest.raises(InvalidRequestError, match="Another take is being written"):
        Claim(tmp_path / "a.flac")
    Claim(tmp_path / "a.wav").release()
    claim.release()
    claim.release()
    Claim(tmp_path / "a.flac").release()


def test_a_path_is_one_however_it_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "deep")
    monkeypatch.chdir(tmp_path)
    claim = Claim(Path("deep/a.flac"))
    for spelling in ("link/a.flac", "./deep/../deep/a.flac", str(tmp_path / "deep" / "a.flac")):
        with pytest.raises(InvalidRequestError):
            Claim(Path(spelling))
    claim.release()


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    command = [sys.executable, "-c", HOLD.format(path=str(path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(InvalidRequestError):
            Claim(path)
        os.kill(child.pid, signal.SIGKILL)
    Claim(path).release()
    assert not list(tmp_path.iterdir()), "nothing of ours lies beside the user's files"


def test_where_no_lock_can_be_had_the_claim_is_granted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("studio.core.locks.tempfile.gettempdir", lambda: str(tmp_path / "file"))
    claims = [Claim(tmp_path / "a.flac") for _ in range(2)]
    for claim in claims:
        claim.release()


@pytest.mark.parametrize("kind", ["folder", "pipe", "format"])
def test_what_can_be_no_take_is_refused_before_any_work(tmp_path: Path, kind: str) -> None:
    out = tmp_path / ("a.aiff" if kind == "format" else "a.flac")
    if kind == "folder":
        out.mkdir()
    elif kind == "pipe":
        os.mkfifo(out)
    with pytest.raises(InvalidRequestError, match=r"no file|end the name"):
        claimed(out)
