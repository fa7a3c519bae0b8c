"""No test's own statements wait for time to pass: a slow machine would make it wrong, a quick one slow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
# In a real browser a listener's clock is what is tested.
FILES = [path for path in sorted(TESTS.rglob("test_*.py")) if "e2e" not in path.relative_to(TESTS).parts]
LOOKS_AGAIN = ast.While | ast.For
HANDED_OVER = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda  # what a slow part is imitated by


def sleeps(node: ast.AST) -> list[int]:
    """The lines that sleep below a node, but for those of loops and of functions that are handed over."""
    found = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, LOOKS_AGAIN | HANDED_OVER):
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func).endswith(".sleep"):
            found.append(child.lineno)
        found += sleeps(child)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_test_sleeps(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert not [line for test in tests if test.name.startswith("test_") for line in sleeps(test)]
