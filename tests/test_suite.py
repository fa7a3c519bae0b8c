"""How the suite is run: in two processes, the pages last; what a browser failed in CI is tried once more."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from launch import SUITE as WORDS

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow
SUITE = """
import pytest
tries, sites = [], []

@pytest.fixture(scope="module")
def site():
    sites.append("served")
    yield sites

@pytest.mark.browser
def test_late_for_once(site):
    tries.append("late")
    assert len(tries) > 1, "the page was late"

@pytest.mark.browser
def test_broken(site):
    assert sites == ["served"]
    raise AssertionError("the page is broken")

def test_of_no_browser():
    raise AssertionError("figures are never late")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nmarkers =\n    browser")
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text())
    return pytester


def test_a_browser_test_has_a_second_try_in_ci_and_is_told_of(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    suite.makepyfile(SUITE)
    done = suite.runpytest_subprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=1, failed=2)
    assert done.parseoutcomes()["rerun"] == 2
    done.stdout.fnmatch_lines(["*SECOND TRIES*", "*test_late_for_once, call*", "*the page was late*"])
    done.stdout.fnmatch_lines(["passed at the second try: *::test_late_for_once"])


def test_elsewhere_there_is_no_second_try(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    suite.makepyfile(SUITE)
    done = suite.runpytest_subprocess("-p", "no:cacheprovider")
    done.assert_outcomes(failed=3)
    assert "second try" not in done.stdout.str()


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has one process")
def test_the_pages_are_one_process_s_and_its_last(suite: pytest.Pytester) -> None:
    pages = suite.mkdir("tests") / "e2e"
    pages.mkdir()
    quick = "import pytest\n@pytest.mark.parametrize('n', range(3))\ndef test(n): pass"
    for file in (
        pages / "test_a.py",
        pages / "test_b.py",
        *(pages.parent / f"test_{n}.py" for n in range(4)),
    ):
        file.write_text(quick)
    words = ("-v", "-n", "auto", "-m", "not gpu", "-p", "no:cacheprovider")
    out = suite.runpytest_subprocess(*words, "tests").stdout.str()
    ran = re.findall(r"^\[(gw\d)\] .* PASSED (\S+)::", out, re.MULTILINE)
    assert len(ran) == 18
    (worker,) = {worker for worker, file in ran if "e2e" in file}
    its = ["e2e" in file for name, file in ran if name == worker]
    assert its == sorted(its), "the pages after all else"
    assert False in its
    out = suite.runpytest_subprocess(*words, "tests/test_0.py").stdout.str()
    assert "created: " not in out, "a file is sooner done by one"


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has one process")
def test_a_process_that_dies_ends_the_run_by_its_name(suite: pytest.Pytester) -> None:
    """Rather than have the other wait for ever for what that one had still to do."""
    folder = suite.mkdir("tests")
    (folder / "test_dies.py").write_text(
        "import os\ndef test_before(): pass\ndef test_deadly(): os._exit(1)\ndef test_behind(): pass"
    )
    for name in ("a", "b"):
        (folder / f"test_{name}.py").write_text("def test(): pass")
    words = [word for word in WORDS if "not " not in word and word != "-m"]
    done = suite.runpytest_subprocess(*words, "-m", "not gpu", "-p", "no:cacheprovider", "tests", timeout=120)
    assert done.ret != 0
    done.stdout.fnmatch_lines(["*crashed while running 'tests/test_dies.py::test_deadly'*"])
