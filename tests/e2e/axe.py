"""axe-core, which reads a page as assistive technology does: fetched once from the npm registry, pinned."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

VERSION = "4.14.1"
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
FETCH_S = 120
SEVERE = ("serious", "critical")
# No frames: the page has none, and axe would ask each for an answer. A rule that failed is a finding too.
# A ::before or ::after draws lines here and stands behind no text; the others are axe's own, said again
# because they come as a whole.
RUN = """async (severe) => {
  const contrast = {
    ignoreUnicode: true, ignoreLength: false, ignorePseudo: true,
    boldValue: 700, boldTextPt: 14, largeTextPt: 18,
    contrastRatio: { normal: { expected: 4.5 }, large: { expected: 3 } },
    pseudoSizeThreshold: 0.25, shadowOutlineEmMax: 0.2, textStrokeEmMin: 0.03,
  };
  const checks = { 'color-contrast': { options: contrast } };
  const resultTypes = ['violations', 'incomplete']; // of what passes nobody asks
  const { violations, incomplete } = await axe.run(document, { iframes: false, checks, resultTypes });
  const failed = incomplete.filter(({ nodes }) => nodes.some(({ none }) => none[0]?.id === 'error-occurred'));
  return [...violations.filter(({ impact }) => severe.includes(impact)), ...failed].flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => {
      const [, ...reasons] = failureSummary.split('\\n');
      return `${id}: ${target.join(' ')}: ${reasons.map((line) => line.trim()).join('; ')}`;
    }));
}"""


class AxeMissingError(Exception):
    """There is no axe-core to be had here, in a sentence."""


def read_axe(folder: Path) -> str:
    """The script's text, from `folder` or, the first time, by npm into it.

    Raises:
        AxeMissingError: npm is not installed, can't fetch it, or fetched something else.
    """
    package = folder / f"axe-core-{VERSION}.tgz"
    if not package.is_file():
        _fetch(folder)
    if base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() != SHA512:
        package.unlink()
        raise AxeMissingError(f"what npm fetched is not axe-core {VERSION}")
    with tarfile.open(package) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None, "the sum above is that of a package with it"
        return script.read().decode()


def findings(page: Page, script: str) -> list[str]:
    """What serious or critical axe finds on the page as it stands: rule, place and reason, a line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(script)
    return page.evaluate(RUN, SEVERE)


# A colour on its way to another one is no finding.
SETTLED = """() => Promise.all(document.getAnimations()
  .filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime))
  .map((one) => one.finished.catch(() => null)))"""


class Inspection:
    """What was found on a page in all the states that it was looked at in."""

    def __init__(self, page: Page, axe: str) -> None:
        self.page = page
        self.found: list[str] = []
        self._axe = axe

    def look(self, state: str) -> None:
        """At the page as it stands, under that name."""
        self.page.evaluate(SETTLED)
        self.found += [f"{state}: {line}" for line in findings(self.page, self._axe)]


def _fetch(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise AxeMissingError("npm is not installed")
    command = [
        npm,
        "pack",
        f"axe-core@{VERSION}",
        "--pack-destination",
        str(folder),
        "--loglevel=error",
        "--fetch-retries=0",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, cwd=folder)
    except subprocess.TimeoutExpired:
        raise AxeMissingError(f"npm fetched nothing within {FETCH_S} s") from None
    if done.returncode:
        raise AxeMissingError(f"npm can't fetch axe-core: {done.stderr.strip()[-300:]}")
