"""How many clips are worth denoising side by side on a device: as it was measured there, or as is usual."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.core.cores import cores
from studio.core.files import disk_error, replace_file
from studio.core.request import ModelChoice

FILE = "batch.json"  # beside the days' takes
MOST = 64
# Where nothing was measured. In two trials on two cores clips of 5 s came 1.3 to 1.5 times as fast by fours
# as one by one, and little faster by eights. The others are guesses: no card was at hand.
USUAL = {"cpu": 4, "cuda": 8, "mps": 4}


def default_batch(choice: ModelChoice, outputs: Path) -> int:
    """What `longwave bench batch` found best for a model on this device, if it ever ran, else what is usual.

    Raises:
        InvalidRequestError: this machine has no such device.
    """
    kind, key = _device(choice)
    kept = _read(outputs / FILE).get(key)
    if isinstance(kept, int) and not isinstance(kept, bool) and 1 <= kept <= MOST:
        return kept
    return USUAL[kind]


def keep_batch(choice: ModelChoice, batch: int, outputs: Path) -> None:
    """Let it be the default from now on.

    Raises:
        StudioError: the folder can't be written.
    """
    known = {**_read(outputs / FILE), _device(choice)[1]: batch}
    try:
        outputs.mkdir(parents=True, exist_ok=True)
        replace_file(outputs / FILE, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise disk_error(error, outputs / FILE) from error


def _device(choice: ModelChoice) -> tuple[str, str]:
    """The kind of device that a choice comes to, and a name for it, the model and the number format.

    A card is told by its name, a processor by its cores.
    """
    import torch

    from studio.backends.device import choose_device, choose_dtype

    device = choose_device(choice.device)
    dtype = str(choose_dtype(choice.dtype, device)).removeprefix("torch.")
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else f"{device.type}, {cores()} cores"
    return device.type, f"{choice.id}, {dtype}, {name}"


def _read(path: Path) -> dict[str, Any]:
    """What was kept; nothing where it can't be read."""
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
