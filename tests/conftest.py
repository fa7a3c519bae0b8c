"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

# On a busy machine an example may take any time; how long is no property of the code.
settings.register_profile("longwave", deadline=None)
settings.load_profile("longwave")

if "PYTEST_XDIST_WORKER" in os.environ:  # the cores are shared: a thread that waits must not keep one busy
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

    from studio.service.studio import Studio

PAGES = "tests/e2e/"
NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "ffmpeg": ("ffmpeg",)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The pages come last, when the machine is theirs. CI tries what a browser failed once more: on two cores
    it may be late for once.
    """
    items.sort(key=lambda item: item.nodeid.startswith(PAGES))
    if os.environ.get("CI") != "true":
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` of `launch.py test` means: two processes on two cores, for more than single files. What
    needs a GPU has it alone.
    """
    files = all(Path(word.partition("::")[0]).is_file() for word in config.args)
    alone = files or "not gpu" not in config.option.markexpr or (os.cpu_count() or 1) < 2
    return 0 if alone else 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """A file is one process's, and so are all pages together."""
    from xdist.scheduler import LoadFileScheduling

    class PagesTogether(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return PAGES if nodeid.startswith(PAGES) else super()._split_scope(nodeid)

    config.option.loadscopereorder = False  # they come last
    return PagesTogether(config, log)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """What failed at first is shown like any failure, and named at the end: nothing is hidden."""
    first = terminalreporter.getreports("rerun")
    if not first:
        return
    terminalreporter.write_sep("=", "SECOND TRIES")
    for report in first:
        terminalreporter.write_sep("_", f"{report.nodeid}, {report.when}")
        terminalreporter.write_line(report.longreprtext)
    names = dict.fromkeys(report.nodeid for report in first)
    failed = {report.nodeid for kind in ("failed", "error") for report in terminalreporter.getreports(kind)}
    if passed := [name for name in names if name not in failed]:
        terminalreporter.write_line(f"passed at the second try: {', '.join(passed)}")


def find_tool(name: str) -> str | None:
    """Path of a system program, under whichever of its names."""
    paths = (shutil.which(candidate) for candidate in NAMES.get(name, (name,)))
    return next((path for path in paths if path), None)


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], str]:
    """Path of a system program. Without it the test is skipped, but fails in CI, which installs them all."""

    def require(name: str) -> str:
        if path := find_tool(name):
            return path
        message = f"{name} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    return require


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """The service on the model without weights, its takes in the test's folder."""
    from studio.app import build_studio
    from studio.core.settings import Settings

    studio = build_studio(Settings(outputs=tmp_path, model_id="tone", device="cpu"))
    yield studio
    studio.close()


@pytest.fixture(scope="session")
def chromium(require_tool: Callable[[str], str]) -> str:
    """Path of the system's Chromium, to hand to Playwright; root must start it with `--no-sandbox`."""
    return require_tool("chromium")
