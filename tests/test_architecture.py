"""What import-linter's contracts (pyproject.toml) can't say: no circle of files, and a light start."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STUDIO = ROOT / "studio"


def module_name(path: Path) -> str:
    """studio/core/audio.py → "studio.core.audio"; a package's __init__ is the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(STUDIO.rglob("*.py")) if "_data" not in path.parts}


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Every (line, module) that a file imports anywhere; for ours, the file that is meant."""
    name = module_name(path)
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                member = f"{origin}.{alias.name}"
                yield node.lineno, member if member in MODULES else origin


def test_no_circle_of_files() -> None:
    # A package's own __init__ runs before its files do, so importing it from within is no edge of its own.
    graph = {
        module: {
            target
            for _, target in imports_of(path)
            if target in MODULES and target != module and not module.startswith(target + ".")
        }
        for module, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for target in sorted(graph[module]):
                visit(target, (*trail, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", sorted({"studio.app", "studio.cli"} & set(MODULES)))
def test_the_command_line_starts_light(module: str) -> None:
    """Importing gradio costs 1.5 s and torch more: `longwave --help` waits for neither."""
    code = f"import sys, {module}; print(*(n for n in ('torch', 'gradio', 'diffusers') if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stdout.split(), f"importing {module} also imports {done.stdout}"


def test_the_page_is_built_before_torch_loads(tmp_path: Path) -> None:
    """The libraries of a model take longer to import than the page takes to open."""
    code = (
        "import sys; from pathlib import Path; from studio.app import build_app;"
        "from studio.core.settings import Settings;"
        f"build_app(Settings(outputs=Path({str(tmp_path)!r}))).close();"
        "print(*(n for n in ('torch', 'diffusers', 'transformers') if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stdout.split(), f"building the page also imports {done.stdout}"
