"""The direction of imports (docs/architecture.md), proved over the syntax tree, lazy imports included."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STUDIO = ROOT / "studio"

RANKS = {
    "": 12,  # `studio` itself: the names of its public face
    "api": 11,
    "app": 10,
    "ui": 9,
    "cli": 9,
    "service": 7,
    "training": 7,
    "recipes": 8,
    "evaluation": 5,
    "pipeline": 4,
    "backends": 3,
    "samplers": 2,
    "modules": 2,
    "dsp": 1,
    "core": 0,
}
# Heavy or opinionated libraries, and the only packages that may import them.
HOMES = {
    "gradio": {"ui"},
    "diffusers": {"backends", "modules", "training", "recipes", "evaluation"},
    "transformers": {"backends", "modules", "training", "recipes", "evaluation"},
    "audiocraft": {"backends", "modules", "training", "recipes", "evaluation"},
    "torch": set(RANKS) - {"core", "ui"},
}


def module_name(path: Path) -> str:
    """studio/core/audio.py → "studio.core.audio"; a package's __init__ is the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(STUDIO.rglob("*.py")) if "_data" not in path.parts}


def package_of(module: str) -> str:
    """The ranked package (or file) that a module of ours belongs to; "" for `studio` itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


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


def ours(module: str) -> bool:
    return module == "studio" or module.startswith("studio.")


def test_every_package_has_a_rank() -> None:
    unknown = {package_of(module) for module in MODULES} - set(RANKS)
    assert not unknown, f"give {sorted(unknown)} a rank in docs/architecture.md first"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module: str) -> None:
    package = package_of(module)
    wrong = []
    for line, target in imports_of(MODULES[module]):
        other = package_of(target)
        if ours(target) and other and other != package and RANKS[other] >= RANKS[package]:
            wrong.append(f"{module}:{line} imports {target}")
    assert not wrong, wrong


@pytest.mark.parametrize("module", sorted(MODULES))
def test_heavy_libraries_stay_at_home(module: str) -> None:
    wrong = [
        f"{module}:{line} imports {target}"
        for line, target in imports_of(MODULES[module])
        if package_of(module) not in HOMES.get(target.split(".")[0], {package_of(module)})
    ]
    assert not wrong, wrong


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
