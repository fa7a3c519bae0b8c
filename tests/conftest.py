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

if TYPE_CHECKING:
    from studio.service.studio import Studio

NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "ffmpeg": ("ffmpeg",)}


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
