"""The documentation's site: every page is in it once, and every link fits when the pages lie together."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from docs.build import ELSEWHERE, broken, moved, stage

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "docs"
    stage(folder)
    return folder


def test_every_page_is_in_the_menu_once(staged: Path) -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    listed = re.findall(r"'([\w-]+\.md)'", repr(settings["nav"]))
    pages = {page.name for page in staged.glob("*.md")} - {"security.md"}
    assert sorted(listed) == sorted(pages)


def test_links_fit_where_the_pages_lie_together(staged: Path) -> None:
    checked = 0
    for page in staged.glob("*.md"):
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            path = target.partition("#")[0]
            if path and not re.match(r"[a-z]+:", path):
                checked += 1
                assert (page.parent / path).is_file(), (page.name, target)
    assert checked > 100


@pytest.mark.parametrize(
    ("link", "source", "there"),
    [
        ("docs/kit.md", "README.md", "kit.md"),
        ("../CONTRIBUTING.md", "docs/page.md", "contributing.md"),
        ("README.md", "docs/page.md", "README.md"),
        ("pictures/session.webp", "docs/tour.md", "pictures/session.webp"),
        ("../../LICENSE", "assets/pocket/README.md", ELSEWHERE["LICENSE"]),
    ],
)
def test_a_link_is_moved_with_its_page(link: str, source: str, there: str) -> None:
    assert moved(link, source) == there


def test_a_link_of_the_site_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "index.html").write_text('<a href="../">a</a><a href=../lost/><a href="#x">')
    assert list(broken(tmp_path)) == [("kit/index.html", "../lost/")]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("zensical") is None, reason="zensical is not installed: --group docs")
def test_the_site_is_built(staged: Path) -> None:
    subprocess.run([sys.executable, "-m", "docs.build"], cwd=ROOT, check=True, timeout=300)
    assert "Longwave" in (ROOT / "build" / "site" / "index.html").read_text(encoding="utf-8")
