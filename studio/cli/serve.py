"""`longwave serve`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import Device, factories_of
from studio.cli.models import require_known
from studio.cli.options import choice_of
from studio.core.errors import InvalidRequestError
from studio.core.hosts import checked_name
from studio.core.settings import Settings, Visitors
from studio.service.takes.expiry import visitors_folder

DEFAULTS = Settings()


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = DEFAULTS.host,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = DEFAULTS.port,
    outputs: Annotated[Path, typer.Option(help="The folder of takes.")] = DEFAULTS.outputs,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Don't open the page.")] = False,
    share: Annotated[bool, typer.Option("--share", help="Make a public link (Gradio's tunnel).")] = False,
    model: Annotated[str, typer.Option(help="The model chosen when the page opens.")] = DEFAULTS.model_id,
    device: Device = DEFAULTS.device,
    dtype: Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.")] = DEFAULTS.dtype,
    auth: Annotated[
        list[str] | None, typer.Option(help="NAME:PASSWORD of who may log in; may be given again.")
    ] = None,
    auth_file: Annotated[
        Path | None, typer.Option(help="A text file of NAME:PASSWORD lines: seen by no list of processes.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name by which a reverse proxy reaches the page; may be given again."),
    ] = None,
    queue: Annotated[
        Path | None,
        typer.Option(
            help="A folder that sets are put into, for longwave batch work to make.", show_default="made here"
        ),
    ] = None,
    mcp: Annotated[bool, typer.Option("--mcp", help="Let assistants make sound, over MCP.")] = False,
    visitors: Annotated[
        Path | None,
        typer.Option(
            help="For a page that strangers reach: the folder of takes is this one, where they are deleted "
            "after six hours; their lengths are bounded, and who waits has a turn.",
            show_default="no bounds",
        ),
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="Where a reverse proxy has put the page, as in /studio.")
    ] = DEFAULTS.root_path,
) -> None:
    """Serve the studio's page: to this machine alone, unless --host, --share or a proxy opens it."""
    if outputs.exists() and not outputs.is_dir():
        raise InvalidRequestError(f"{outputs} is a file: give a folder as --outputs.")
    if queue is not None and queue.exists() and not queue.is_dir():
        raise InvalidRequestError(f"{queue} is a file: give a folder as --queue.")
    checked = choice_of("infinite", {"model": model, "device": device, "dtype": dtype})
    settings = replace(
        DEFAULTS,
        host=checked_name(host),
        port=port,
        outputs=visitors or outputs,
        visitors=Visitors() if visitors else None,
        open_browser=not no_browser,
        share=share,
        model_id=checked.id,
        device=checked.device,
        dtype=checked.dtype,
        auth=logins(auth or (), auth_file),
        allowed_hosts=tuple(checked_name(name) for name in allow_host or ()),
        root_path=checked_path(root_path),
        queue=queue,
        mcp=mcp,
    )
    require_known(model, settings)
    if visitors is not None:
        require_strangers(settings)
        visitors_folder(visitors)
    factories_of(context).serve(settings)


def require_strangers(settings: Settings) -> None:
    """Raise `InvalidRequestError` where who reaches the page keeps takes of their own in it."""
    if settings.trusted:
        raise InvalidRequestError(
            "--visitors is for a page that strangers reach: give --host or --allow-host, and no login."
        )


def logins(words: Sequence[str], file: Path | None) -> tuple[tuple[str, str], ...]:
    """Names and passwords, of the command line and of a file's lines.

    Raises:
        InvalidRequestError: one is not NAME:PASSWORD, or the file can't be read or holds none.
    """
    lines = list(words)
    if file is not None:
        try:
            read = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequestError(f"Can't read {file}: give a text of NAME:PASSWORD lines.") from error
        lines += [line for line in read if line and not line.startswith("#")]
        if not lines:
            raise InvalidRequestError(f"{file} names nobody: write a line NAME:PASSWORD for each login.")
    pairs = [tuple(line.split(":", 1)) for line in lines]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise InvalidRequestError("A login is written NAME:PASSWORD, neither of them empty.")
    return tuple((name, password) for name, password in pairs)


def checked_path(path: str) -> str:
    """A root path, with a slash before and none behind, or empty.

    Raises:
        InvalidRequestError: it is no path.
    """
    bare = path.strip().strip("/")
    if not bare:
        return ""
    if not re.fullmatch(r"[\w.~-]+(/[\w.~-]+)*", bare, re.ASCII):
        raise InvalidRequestError(f"'{path[:80]}' is no root path: write it as /studio.")
    return f"/{bare}"
