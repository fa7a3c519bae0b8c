"""What a Hugging Face Space does with this repository: it is cloned, installed, and served to two visitors.

    python -m tests.space [--environment DIR] [--port 7860]

The last commit is cloned, its requirements are installed by pip into an empty environment together with
what a Space adds of its own, by another user where this one is root; then launch.py serves as it would
there, from a folder that can't be written, with a home that can't either. A browser opens the page twice.
Prints a figure a line beside what it has to keep to; the exit status is 1 where one does not.
`--environment` is kept, and used again.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from tests.conftest import find_tool
from tests.e2e.conftest import wait_for_position

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 65534
# What a Space installs beside requirements.txt, in one command with it: as the logs of its builds read.
ADDED = ("gradio[oauth,mcp]=={sdk_version}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces")
# What ZeroGPU takes, as its documentation lists it since September 2026.
ZERO_TORCH = ("2.8.0", "2.9.1", "2.10.0", "2.11.0", "2.12.1", "2.13.0")
NAME = "somebody-longwave.hf.space"
PAGE_S, SOUND_S = 30.0, 10.0
TURN_S = 60.0 + 30.0  # the first visitor's turn, its fading and the second one's first sound
SECRETS = ("/etc/passwd", "..", "./assets/pocket/audioldm", "~")


class Figure(NamedTuple):
    """Something measured, and what it has to keep to."""

    name: str
    value: float
    most: float

    @property
    def kept(self) -> bool:
        return self.value <= self.most


def front_matter(readme: str) -> dict[str, str]:
    """The settings of a Space at a README's head, as they are written, without their quotes."""
    match = re.match(r"---\n(.*?)\n---\n", readme, re.DOTALL)
    lines = match[1].splitlines() if match else []
    return {key: value.strip().strip("\"'") for key, _, value in (line.partition(":") for line in lines)}


def as_another() -> dict[str, Any]:
    """How a process is started as a user without rights, where that is ours to choose."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


def clone(place: Path) -> Path:
    """The last commit, in a folder that nobody writes to."""
    subprocess.run(["git", "clone", "-q", "--depth", "1", ROOT.as_uri(), str(place)], check=True)
    subprocess.run(["chmod", "-R", "a-w,a+rX", str(place)], check=True)
    return place


def install(environment: Path, project: Path) -> None:
    """An empty environment, filled by one command of pip's."""
    added = [one.format(**front_matter((project / "README.md").read_text("utf-8"))) for one in ADDED]
    python, user = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable, as_another()
    environment.parent.mkdir(parents=True, exist_ok=True)
    if user:
        os.chown(environment.parent, NOBODY, NOBODY)
    plain = {**os.environ, "HOME": str(environment.parent), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([python, "-m", "venv", str(environment)], check=True, env=plain, **user)
    pip = [str(environment / "bin" / "python"), "-m", "pip"]
    words = ["install", "-q", "--no-cache-dir", "-r", str(project / "requirements.txt"), *added]
    subprocess.run([*pip, *words], check=True, env=plain, cwd="/", **user)
    subprocess.run([*pip, "check"], check=True, env=plain, cwd="/", **user)


@contextmanager
def served(environment: Path, project: Path, port: int, temporary: Path) -> Iterator[str]:
    """launch.py as a Space runs it; its address."""
    user = as_another()
    temporary.mkdir()
    if user:
        os.chown(temporary, NOBODY, NOBODY)
    environ = {
        "PATH": f"{environment / 'bin'}:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "TMPDIR": str(temporary),
        "SPACE_ID": "somebody/longwave",
        "SPACE_HOST": NAME,
        "SYSTEM": "spaces",
        "OMP_NUM_THREADS": str(os.cpu_count()),
    }
    command = [str(environment / "bin" / "python"), "launch.py", "--port", str(port)]
    process = subprocess.Popen(command, cwd=project, env=environ, **user)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(60)


def until_answered(url: str, limit_s: float = 300.0) -> float:
    """The seconds until the page is there, asked for by the name that visitors know."""
    began = time.monotonic()
    while time.monotonic() - began < limit_s:
        try:
            if httpx.get(url, headers={"Host": NAME}, timeout=5).status_code == 200:
                return time.monotonic() - began
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit("The page never came.")


def visitor(browser: Browser, url: str, address: str) -> Page:
    """A page of somebody's who comes through the Space's proxy."""
    context = browser.new_context(extra_http_headers={"X-Forwarded-For": address})
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.wait_for_selector("#infinite-player[data-state]")
    return page


def until_heard(page: Page, limit_s: float) -> float:
    """Press a word; the seconds until it sounds."""
    began = time.monotonic()
    page.click(".lw-chip[data-family=rain]")
    wait_for_position(page, 0.1, limit_s)
    return time.monotonic() - began


def refusals(url: str, folder: Path) -> Iterator[Figure]:
    """How many of the doors that are no visitor's stand open."""
    paths = ["making", "library", "gradio_api/file=/etc/passwd", f"gradio_api/file={folder}"]
    made = next(folder.glob("*/*.wav"), None)
    paths += [f"gradio_api/file={made}"] if made else []
    answers = {path: httpx.get(f"{url}{path}").status_code for path in paths}
    yield Figure("files and lists of others' within reach", sum(code < 400 for code in answers.values()), 0)
    opened = 0
    for model in SECRETS:
        data = ["rain", "", 1.0, 1, model, "", "", None, "", -1, -1, -1]
        headers = {"X-Forwarded-For": "198.51.100.9"}
        event = httpx.post(f"{url}gradio_api/call/infinite", json={"data": data}, headers=headers).json()
        answer = httpx.get(f"{url}gradio_api/call/infinite/{event['event_id']}", timeout=120).text
        opened += "models of its list alone" not in answer
    yield Figure("folders of the host taken for models", opened, 0)


def measure(url: str, temporary: Path) -> Iterator[Figure]:
    """Open the page, and press."""
    from playwright.sync_api import sync_playwright

    yield Figure("page up (s)", until_answered(url), PAGE_S)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_tool("chromium"), args=["--no-sandbox"])
        first = visitor(chromium, url, "203.0.113.1")
        yield Figure("first sound (s)", until_heard(first, 60), SOUND_S)
        second = visitor(chromium, url, "203.0.113.2")
        yield Figure("second visitor's first sound (s)", until_heard(second, 300), TURN_S)
        yield from refusals(url, temporary / "longwave-visitors")
        chromium.close()


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.space", description="A Space, here.")
    parser.add_argument("--environment", type=Path, help="where packages are, or will be; else thrown away")
    parser.add_argument("--port", type=int, default=7860)
    options = parser.parse_args(words)
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        project, environment = clone(place / "app"), options.environment or place / "packages" / "environment"
        if not environment.exists():
            began = time.monotonic()
            install(environment, project)
            print(f"packages installed (s): {time.monotonic() - began:.1f}", flush=True)
        with served(environment.resolve(), project, options.port, place / "tmp") as url:
            for figure in measure(url, place / "tmp"):
                print(f"{figure.name}: {figure.value:.1f}, at most {figure.most:g}", flush=True)
                kept &= figure.kept
        subprocess.run(["chmod", "-R", "u+w", str(project)], check=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
