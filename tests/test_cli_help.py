"""What the command line tells of itself: every command ends its help with an example, and completes words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from studio.app import build_studio
from studio.cli import Factories, build_cli
from studio.cli.examples import EXAMPLES, command_of

CLI = build_cli(Factories(serve=print, studio=build_studio))
ROOT: Any = typer.main.get_command(CLI)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words by which each command is called."""
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*path, name))
    if not hasattr(command, "commands"):
        yield path


@pytest.mark.parametrize("path", list(commands(ROOT)), ids=" ".join)
def test_the_help_of_a_command_ends_with_an_example_of_it(path: tuple[str, ...]) -> None:
    command: Any = ROOT
    for name in path:
        command = command.commands[name]
    lines = (command.epilog or "").splitlines()
    assert "Examples:" in lines, f"studio/cli/examples.py has none of longwave {' '.join(path)}"
    examples = lines[lines.index("Examples:") + 1 :]
    assert all(command_of(ROOT, line) is command for line in examples)
    shown = CliRunner().invoke(CLI, [*path, "--help"], env={"COLUMNS": "300", "TERM": "dumb"}).stdout
    assert all(line in shown for line in examples)


@pytest.mark.parametrize("line", EXAMPLES.strip().splitlines())
def test_an_example_is_understood(line: str) -> None:
    """Its options exist, have values that they take, and none that is needed is missing."""
    words = shlex.split(line.partition(" > ")[0])[1:]
    assert command_of(ROOT, line) is not ROOT, "there is no such command"
    command, context = ROOT, ROOT.make_context("longwave", words)
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name or "make", rest, parent=context)


def test_words_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what `longwave --install-completion` has the shell ask."""
    asked = {"_LONGWAVE_COMPLETE": "complete_bash", "COMP_WORDS": "longwave library ex", "COMP_CWORD": "2"}
    done = CliRunner().invoke(CLI, [], env=asked, prog_name="longwave")
    assert done.stdout.split() == ["export"]
