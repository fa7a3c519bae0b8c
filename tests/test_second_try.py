"""What a browser failed is tried once more in CI, and told of."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
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
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=":")
    pytester.makeini("[pytest]\nmarkers =\n    browser")
    pytester.makeconftest("from tests.conftest import pytest_collection_modifyitems, pytest_terminal_summary")
    pytester.makepyfile(SUITE)
    return pytester


def test_a_browser_test_has_a_second_try_in_ci_and_is_told_of(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    done = suite.runpytest_subprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=1, failed=2)
    assert done.parseoutcomes()["rerun"] == 2
    done.stdout.fnmatch_lines(
        ["*FAILED AT THE FIRST TRY*", "*test_late_for_once, call*", "*the page was late*"]
    )
    done.stdout.fnmatch_lines(["passed at the second try: *::test_late_for_once"])


def test_elsewhere_there_is_no_second_try(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    done = suite.runpytest_subprocess("-p", "no:cacheprovider")
    done.assert_outcomes(failed=3)
    assert "second try" not in done.stdout.str()
