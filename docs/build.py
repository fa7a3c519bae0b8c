"""The documentation as a static site: `python3 launch.py docs`, or `python -m docs.build` where zensical is.

The pages are read where they lie, on a forge or in an editor, and link to files beside the folder: those that
are pages too come along under names of their own. Every link of the finished site is followed once.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
# Pages that lie elsewhere, by the names that they have in the site.
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "assets/pocket/README.md": "model-card.md",
    "LICENSE": "license.txt",
    "CITATION.cff": "citation.txt",
}
_LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
_TARGET = re.compile(r"""(?:href|src)="?([^"\s>]+)""")


def stage(docs: Path) -> None:
    """Put every page into one folder, their links to each other made to fit."""
    shutil.rmtree(docs, ignore_errors=True)
    shutil.copytree(ROOT / "docs", docs, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for source, name in ELSEWHERE.items():
        shutil.copyfile(ROOT / source, docs / name)
    for source in [*(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")), *ELSEWHERE]:
        page = docs / ELSEWHERE.get(source, Path(source).name)
        if page.suffix == ".md":
            text = _LINK.sub(lambda link, source=source: moved(link[1], source), page.read_text("utf-8"))
            page.write_text(text, encoding="utf-8")


def moved(link: str, source: str) -> str:
    """Where a link of the file `source` leads to in the site."""
    target = (ROOT / source).parent.joinpath(link).resolve()
    if not target.is_relative_to(ROOT):
        return link
    path = target.relative_to(ROOT).as_posix()
    return ELSEWHERE.get(path, path.removeprefix("docs/"))


def broken(site: Path) -> Iterator[tuple[str, str]]:
    """(page, link) of every link within the finished site that leads nowhere."""
    for page in sorted(site.rglob("*.html")):
        for link in _TARGET.findall(page.read_text("utf-8")):
            path = unquote(link.partition("#")[0].partition("?")[0])
            if re.match(r"[a-z]+:|//", link) or not path or page.name == "404.html":
                continue
            target = site / path.lstrip("/") if path.startswith("/") else page.parent / path
            if not target.exists():
                yield page.relative_to(site).as_posix(), link


def main() -> int:
    """Build the site, and say where it is; the exit status."""
    stage(BUILD / "docs")
    shutil.rmtree(BUILD / "site", ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "-f", "zensical.toml"]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    lost = list(broken(BUILD / "site")) if status == 0 else []
    for page, link in lost:
        print(f"{page}: {link} leads nowhere.", file=sys.stderr)
    if status or lost:
        return 1
    print(f"The site is in {BUILD / 'site'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
