"""What `longwave batch` looks up before it makes anything: the rows, how many at a time, by how many."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from studio.cli.common import USAGE_STATUS
from studio.cli.options import recording_of
from studio.core.draft import RecordedDraft
from studio.core.settings import Settings

if TYPE_CHECKING:
    from studio.core.preset import Preset
    from studio.core.request import ModelChoice
    from studio.service.batch.rows import Row
    from studio.service.batch.units import Unit

DEFAULTS = Settings()
WORKER_MB = 1500.0  # of memory, for a process with the libraries and a small model in it
_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # where there is no such device, there is no card


def rows_in(manifest: Path, out: Path, *, making: bool) -> list[Row]:
    """The rows of a manifest; where it can't be read, a line on stderr for each line at fault, and the end.

    Where they are for `making`, models that are not here are fetched, and recordings kept in `out`.

    Raises:
        StudioError: the file can't be read at all, or a model can't be fetched.
    """
    from studio.backends import catalog
    from studio.service.batch.asked import Reading
    from studio.service.batch.manifest import ManifestError, read_manifest

    reading = Reading(
        partial(catalog.defaults_of, settings=DEFAULTS),
        partial(_fingerprint, fetch=making),
        partial(_preset, manifest.parent),
        partial(_recorded, manifest.parent, out if making else None),
    )
    try:
        return read_manifest(manifest, reading)
    except ManifestError as error:
        for sentence in error.sentences:
            typer.echo(sentence, err=True)
        sys.exit(USAGE_STATUS)


def best_batch(rows: Sequence[Row]) -> int:
    """How many clips are best made side by side here, of the model that most of them are of."""
    from studio.pipeline.alike import likeness
    from studio.pipeline.batch_size import default_batch

    models = Counter(row.request.model for row in rows if likeness(row.request) is not None)
    return default_batch(models.most_common(1)[0][0], DEFAULTS.outputs) if models else 1


def crew_of(units: Sequence[Unit], wanted: int | None) -> tuple[int, list[str]]:
    """How many processes make units on this machine, and the graphics cards that they have in turn.

    Where nobody says how many: one a card, or else one a core, as far as there is memory for them.
    """
    from studio.service.batch.local import cores, graphics_cards

    devices = {row.request.model.device for unit in units for row in unit.rows}
    on_cards = bool(devices & {"auto", "cuda"}) and (
        sys.platform == "win32" or any(map(Path.exists, _DRIVERS))
    )
    cards = graphics_cards() if on_cards and not any(":" in device for device in devices) else []
    if wanted is not None:
        return wanted, cards
    if cards:
        return len(cards), cards
    import psutil

    room = int(psutil.virtual_memory().available / 2**20 // WORKER_MB)
    return max(1, min(cores(), room, len(units))), cards


def _fingerprint(choice: ModelChoice, *, fetch: bool) -> str:
    """What tells a model's weights: of a model that is not here, after it was fetched."""
    from studio.backends import catalog

    known = catalog.weights_fingerprint(choice.id, DEFAULTS, choice.passes)
    builtin = any(model.id == choice.id and model.source == "builtin" for model in catalog.MODELS)
    if known or builtin or (not fetch and catalog.is_hub_id(choice.id)):
        return known
    catalog.resolve(choice.id, DEFAULTS, download=fetch)
    return catalog.weights_fingerprint(choice.id, DEFAULTS, choice.passes)


def _preset(beside: Path, name: str) -> Preset:
    """A preset that ships, or a file of the user's, whose path begins where the manifest lies."""
    from studio.service.presets import find_preset

    file = beside / Path(name).expanduser()
    return find_preset(str(file) if file.is_file() or Path(name).suffix else name, DEFAULTS)


def _recorded(beside: Path, out: Path | None, file: str, model: str) -> RecordedDraft:
    """The recording in a file beside the manifest, kept in the set's folder for whoever makes the row."""
    recording = recording_of(beside / Path(file).expanduser())
    if out is None:
        return RecordedDraft(model=model, sha256=recording.source.sha256, file=recording.source.file)
    from studio.backends.catalog import create_codec, create_drafter
    from studio.pipeline.drafts import AcousticModelPool, Drafts

    models = AcousticModelPool(
        partial(create_drafter, settings=DEFAULTS), partial(create_codec, settings=DEFAULTS)
    )
    return Drafts(models, out.absolute()).store_recording(recording, model)
