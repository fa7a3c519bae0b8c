"""`longwave serve`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import Device, factories_of
from studio.cli.models import require_known
from studio.cli.request import request_from
from studio.core.errors import InvalidRequestError
from studio.core.settings import Settings

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
) -> None:
    """Serve the studio's page."""
    if outputs.exists() and not outputs.is_dir():
        raise InvalidRequestError(f"{outputs} is a file: give a folder as --outputs.")
    checked = request_from({"prompt": "x", "model": model, "device": device, "dtype": dtype}).model
    settings = replace(
        DEFAULTS,
        host=host,
        port=port,
        outputs=outputs,
        open_browser=not no_browser,
        share=share,
        model_id=checked.id,
        device=checked.device,
        dtype=checked.dtype,
    )
    require_known(model, settings)
    factories_of(context).serve(settings)
