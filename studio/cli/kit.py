"""`longwave kit`: a loop with all that belongs to it in a game or a programme, as one ZIP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.cli.common import INTERRUPTED_STATUS, AsJson, factories_of, fail, print_json
from studio.cli.looping import looped
from studio.cli.options import request_of, with_fields
from studio.cli.stages import in_stages
from studio.core.binding import Values
from studio.core.errors import CancelledError, InvalidRequestError
from studio.core.kit import KitPlan, KitPreset, kit_preset, parse_kit
from studio.core.messages import FieldError
from studio.core.settings import Settings

if TYPE_CHECKING:
    from studio.core.request import GenerationRequest
    from studio.pipeline.cancel import CancelToken
    from studio.service.jobs.errands import Tell
    from studio.service.kit.make import Kit
    from studio.service.studio import Studio

DEFAULTS = Settings()
_USUAL = KitPlan()
_OPTIONS = (
    "prompt", "preset", "out", "seconds", "bpm", "bars", "seed", "variations", "distance", "tries", "light",
    "heavy", "states", "shots", "lufs", "rate", "negative_prompt", "model", "guidance", "steps", "attention",
    "passes", "stereo", "width", "device", "dtype",
)  # fmt: skip
_RATES = {"16": 16000, "44.1": 44100, "48": 48000}


@with_fields("sparse", _OPTIONS)
def kit(
    context: typer.Context,
    given: Values,
    preset: Annotated[
        str | None,
        typer.Option(help="A kit's preset or its file; options go over it.", show_default="none"),
    ] = None,
    out: Annotated[Path, typer.Option(help="The ZIP.")] = Path("kit.zip"),
    bpm: Annotated[float | None, typer.Option(help="The tempo, with --bars.", show_default="none")] = None,
    bars: Annotated[
        int | None, typer.Option(help="Instead of --seconds: bars of four beats.", show_default="none")
    ] = None,
    variations: Annotated[
        int | None, typer.Option(help="Loops beside the bed.", show_default=str(_USUAL.variations))
    ] = None,
    distance: Annotated[
        float | None,
        typer.Option(help="How far they lie apart at least, of 1.", show_default=f"{_USUAL.distance:g}"),
    ] = None,
    tries: Annotated[
        int | None,
        typer.Option(help="So many more are made where they do not.", show_default=str(_USUAL.tries)),
    ] = None,
    light: Annotated[
        str | None, typer.Option(help="The prompt of the light state.", show_default="from --prompt")
    ] = None,
    heavy: Annotated[
        str | None, typer.Option(help="The prompt of the heavy state.", show_default="from --prompt")
    ] = None,
    states: Annotated[
        str | None,
        typer.Option(
            help="Light and heavy: words, layers, none; auto takes layers where a model makes the same of "
            "both words.",
            show_default=_USUAL.states,
        ),
    ] = None,
    shots: Annotated[
        int | None, typer.Option(help="At most so many one-shots.", show_default=str(_USUAL.shots))
    ] = None,
    lufs: Annotated[
        float | None,
        typer.Option(
            help="The bed's loudness, in LUFS; the rest keeps its own beside it.", show_default="as it is"
        ),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="16, 44.1 or 48 kHz.", show_default="the model's own")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """A kit of loops that belong together: a bed, variations, light and heavy, and one-shots. Ctrl-C ends it
    and keeps nothing.
    """  # fmt: skip
    chosen = None if preset is None else kit_preset(preset, DEFAULTS.presets)
    own = {
        "variations": variations, "distance": distance, "tries": tries, "light": light, "heavy": heavy,
        "states": states, "shots": shots, "lufs": lufs, "rate": _rate(rate),
    }  # fmt: skip
    plan = _plan(chosen, {name: value for name, value in own.items() if value is not None})
    studio = factories_of(context).studio(DEFAULTS)
    try:
        request = request_of(
            "sparse", looped(given, True, bpm, bars), studio.defaults_of,
            preset=None if chosen is None else chosen.request,
        )  # fmt: skip
        made = _make(studio, request, plan, out)
    except CancelledError:
        fail("Stopped: nothing of the kit is left.", INTERRUPTED_STATUS)
    finally:
        studio.close()
    for note in made.notes:
        typer.echo(note, err=True)
    if as_json:
        print_json({"kit": str(made.path), **made.manifest})
    else:
        typer.echo(str(made.path))


def _plan(preset: KitPreset | None, own: dict[str, Any]) -> KitPlan:
    """The options over a preset's plan. Raises `InvalidRequestError`, which names the option at fault."""
    try:
        return parse_kit(**{**(preset.plan if preset is not None else {}), **own})
    except FieldError as error:
        raise InvalidRequestError(f"--{error.field}: {error.problem}.") from error


def _rate(words: str | None) -> int | None:
    if words is None:
        return None
    number = words.lower().removesuffix("khz").strip()
    rate = _RATES.get(number) or next((rate for rate in _RATES.values() if str(rate) == number), None)
    if rate is None:
        raise InvalidRequestError("--rate: choose 16, 44.1 or 48 kHz.")
    return rate


def _make(studio: Studio, request: GenerationRequest, plan: KitPlan, out: Path) -> Kit:
    def work(cancel: CancelToken, tell: Tell) -> Kit:
        return studio.kits.make(request, plan, out, cancel=cancel, tell=tell)

    return in_stages("Loading the model", work)
