"""Calls of the API against a served page, whose callers cancel, die, or never come for the answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from gradio_client import Client

from studio.service.jobs.job import Job
from studio.ui import callers

pytestmark = pytest.mark.slow

SHORT = ["rain", "", 1, 1, "", "", ""]
WORDLESS = ["", -1, -1, -1]  # what is said, and how: a call without gradio_client gives all that there is
LONG = ["ocean waves", "", 3600, 3, "", "", "", None, *WORDLESS]
CALLER = """
import sys, time
from gradio_client import Client
client = Client({url!r}, verbose=False)
client.submit(*{values!r}, api_name="/infinite")
time.sleep(600)
"""


def until(true: Callable[[], Any], what: str) -> Any:
    """Wait for something that must come to pass."""
    deadline = time.monotonic() + 60
    while not (value := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return value


def running(site: Any) -> Job | None:
    begun = (job for job in site.studio.jobs() if job.status == "running" and job.latest)
    return next((job for job in begun if not job.cancel.is_set()), None)


def post(site: Any, function: str, data: list[Any]) -> str:
    """Call as curl does; the event's id."""
    request = urllib.request.Request(
        f"{site.url}gradio_api/call/{function}",
        json.dumps({"data": data}).encode(),
        {"Content-Type": "application/json"},
    )
    return str(json.load(urllib.request.urlopen(request))["event_id"])


def answer(site: Any, function: str, data: list[Any]) -> str:
    url = f"{site.url}gradio_api/call/{function}/{post(site, function, data)}"
    return urllib.request.urlopen(url).read().decode()


def test_a_call_that_is_cancelled_ends_its_take(tone_site: Any) -> None:
    call = Client(tone_site.url, verbose=False).submit(*LONG, api_name="/infinite")
    job = until(lambda: running(tone_site), "the take begins")
    assert call.cancel()
    until(lambda: job.ended, "the take ends")
    assert job.outcome.path.is_file()


def test_a_waiting_call_that_is_cancelled_is_never_made(tone_site: Any) -> None:
    client = Client(tone_site.url, verbose=False)
    client.submit(*LONG, api_name="/infinite")
    first = until(lambda: running(tone_site), "the first take begins")
    second = Client(tone_site.url, verbose=False).submit(*LONG, api_name="/infinite")
    waiting = until(
        lambda: next((job for job in tone_site.studio.jobs() if job.status == "queued"), None), "one waits"
    )
    second.cancel()
    until(lambda: waiting.ended, "it is withdrawn")
    assert waiting.outcome.path is None
    assert not first.ended, "another caller's take goes on"


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_caller_that_dies_takes_its_take_along(tone_site: Any, number: int) -> None:
    code = CALLER.format(url=tone_site.url, values=LONG)
    child = subprocess.Popen([sys.executable, "-c", code])
    job = until(lambda: running(tone_site), "the take begins")
    child.send_signal(number)
    child.wait()
    until(lambda: job.ended, "the take ends")
    assert "Nobody waited" in job.cancel.reason


def test_a_call_whose_answer_nobody_fetches_ends(tone_site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "GRACE_S", 2.0)
    post(tone_site, "infinite", LONG)
    job = until(lambda: running(tone_site), "the take begins")
    until(lambda: job.ended, "the take ends")
    assert "Nobody waited" in job.cancel.reason


def test_an_answer_that_is_fetched_is_waited_for(tone_site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "GRACE_S", 0.5)
    monkeypatch.setattr(callers, "LEFT_S", 0.0)
    said = answer(tone_site, "infinite", ["rain", "", 400, 5, "", "", "", None, *WORDLESS])
    assert "event: complete" in said
    assert '"audio_s": 400.0' in said


def test_a_call_of_a_day_is_refused(tone_site: Any) -> None:
    assert "take fewer seconds" in answer(
        tone_site, "infinite", ["rain", "", 86400, 1, "", "", "", None, *WORDLESS]
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([*SHORT, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, *WORDLESS], "upload it"),
        (
            [*SHORT, {"path": "http://127.0.0.1:9/x", "meta": {"_type": "gradio.FileData"}}, *WORDLESS],
            "upload it",
        ),
        ([*SHORT, "nonsense", *WORDLESS], "view_api"),
        ([*SHORT, {"path": 3}, *WORDLESS], "view_api"),
        (["x" * 5_000_000], "view_api"),
        ([], "view_api"),
    ],
    ids=["foreign file", "foreign host", "no file", "odd file", "too few", "none"],
)
def test_values_that_can_t_be_read_get_a_sentence_and_no_place_in_the_log(
    tone_site: Any, capfd: pytest.CaptureFixture[str], data: list[Any], said: str
) -> None:
    assert said in answer(tone_site, "infinite", data)
    logged = capfd.readouterr()
    assert len(logged.out + logged.err) < 2000
    assert "Traceback" not in logged.err
