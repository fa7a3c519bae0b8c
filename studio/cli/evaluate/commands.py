"""The group of commands that measure, and what they share."""

from __future__ import annotations

import typer

eval_commands = typer.Typer(help="Measure what a model is worth.")


def named(model: str | None) -> dict[str, str]:
    """The choice of a model, where one was named."""
    return {"model": model} if model is not None else {}
