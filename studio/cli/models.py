"""`longwave models list | download | verify | defaults | describe`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.common import AsJson, fail, print_json, terminal
from studio.core.sampling import EndlessSampler
from studio.core.settings import Settings
from studio.core.values import FRAME_S

if TYPE_CHECKING:
    from studio.backends.hub import Plan

models_commands = typer.Typer(help="The checkpoints: which there are, get one, check one.")

ModelId = Annotated[str, typer.Argument(metavar="ID", help="An id of the list, a Hub id, or a folder.")]


@models_commands.command("list")
def list_command(as_json: AsJson = False) -> None:
    """Every checkpoint of the catalog with its licence and size, and whether it is here."""
    from studio.backends.catalog import list_models

    for model in list_models(Settings()):
        if as_json:
            print_json(vars(model))
            continue
        here = "here" if model.installed else f"{model.size_mb} MB" if model.size_mb else "missing"
        typer.echo(f"{model.id:<28}{here:<10}{model.licence:<25}{model.note}")


@models_commands.command()
def download(model_id: ModelId) -> None:
    """Bring a checkpoint from the Hub into the local cache; prints its folder.

    HF_ENDPOINT names a mirror, HF_TOKEN a token for what asks for one. What was broken off is gone on with.
    """
    from studio.backends.catalog import find, is_hub_id, licence_of, resolve
    from studio.backends.hub import plan

    if _is_builtin(model_id):
        typer.echo(f"{model_id} is part of the program: there is nothing to download.")
        return
    settings = Settings()
    folder = find(model_id, settings)
    if folder is None and is_hub_id(model_id):
        wanted = plan(model_id, licence_of(model_id))
        left = wanted.size - wanted.here
        typer.echo(
            f"{model_id}: {_size(wanted.size)} in {len(wanted.files)} files, {_size(left)} still to come; "
            f"{_size(wanted.free)} free on the disk; licence {wanted.licence}.",
            err=True,
        )
        folder = _get(wanted)
    typer.echo(str(folder or resolve(model_id, settings)))


def _get(wanted: Plan) -> Path:
    """Download what a plan names, showing bytes, speed and time left."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from studio.backends.hub import download as get

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=terminal(), disable=not terminal().is_terminal
    ) as shown:
        task = shown.add_task(wanted.model_id, total=wanted.size, completed=wanted.here)
        return get(wanted, lambda here, _: shown.update(task, completed=here))


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


@models_commands.command()
def verify(model_id: ModelId) -> None:
    """Check that a checkpoint's files are complete; exit status 2 if they are not."""
    from studio.backends.catalog import resolve
    from studio.backends.catalog import verify as problems_of

    problems = [] if _is_builtin(model_id) else problems_of(resolve(model_id, Settings(), download=False))
    if problems:
        fail(f"{model_id} is damaged. {' '.join(problems)} Get it again.")
    typer.echo(f"{model_id} is complete.")


@models_commands.command("defaults")
def defaults_command(model_id: ModelId, as_json: AsJson = False) -> None:
    """What takes of a model begin with where nobody says otherwise: as its folder says, or its paper."""
    from studio.backends.catalog import defaults_of

    settings = Settings()
    require_known(model_id, settings)
    own = defaults_of(model_id, settings)
    if as_json:
        print_json({"model": model_id, **own.model_dump()})
        return
    said = {"guidance": own.guidance, **({"with words": own.spoken} if own.spoken else {})}
    for name, scales in said.items():
        words = "" if scales.speech is None else f", words {scales.speech:g}"
        typer.echo(f"{name:<12}{scales.text:g}{words}")
    typer.echo(f"{'bandwidth':<12}{own.bandwidth}")
    for quality, wanted in own.efforts("endless").items():
        steps = own.efforts("clip")[quality]["steps"]
        plan = EndlessSampler.model_validate({**own.settings("endless")["sampler"], **wanted})
        typer.echo(
            f"{quality:<12}clips: {steps} steps; endless: N {plan.base_steps}, P {plan.skip_factor}, "
            f"k {plan.group_size}, {plan.steps} steps, a window of {plan.window_frames * FRAME_S:.2f} s"
            f"{'; one pass' if own.effort(quality).passes == 'one' else ''}"
        )


@models_commands.command()
def describe(
    system: Annotated[str, typer.Argument(help="tango, dcldm, voiceldm-s or voiceldm-m.")],
    placement: Annotated[
        str, typer.Option(help="dcldm: after which blocks it hears the draft: down1, mid, up1, down1+up1.")
    ] = "down1+up1",
    as_json: AsJson = False,
) -> None:
    """How many parameters a system's U-Net has at the papers' size; nothing is loaded."""
    from studio.backends.shapes import count_parameters

    count = count_parameters(system, placement)
    if as_json:
        of_blocks = {"placement": placement} if system == "dcldm" else {}
        print_json({"system": system, **of_blocks, "parameters": count})
    else:
        typer.echo(f"{system}: {count / 1e6:.2f} M parameters")


def require_known(model_id: str, settings: Settings) -> None:
    """Raise `ModelNotFoundError` for a model that is neither in the catalog nor on this machine."""
    from studio.backends.catalog import MODELS, resolve

    if model_id not in {model.id for model in MODELS}:
        resolve(model_id, settings, download=False)


def _is_builtin(model_id: str) -> bool:
    from studio.backends.catalog import MODELS

    return any(model.id == model_id and model.source == "builtin" for model in MODELS)
