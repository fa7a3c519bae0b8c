"""How many clips are worth denoising side by side on a device: as it was measured there, or as is usual."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.files import replace_file
from studio.core.request import ModelChoice

if TYPE_CHECKING:
    import torch

FILE = "batch.json"  # beside the days' takes
MOST = 64
# Where nothing was measured. A CPU's is: two cores with AVX-512 gave clips of 5 s 1.3 to 1.5 times as fast by
# fours as one by one, and little more by eights. A card's is a guess: more fits, and none was at hand.
USUAL = {"cpu": 4, "cuda": 8, "mps": 4}


def default_batch(choice: ModelChoice, outputs: Path) -> int:
    """What `longwave bench batch` found best for a model on this device, if it ever ran, else what is usual.

    Raises:
        InvalidRequestError: this machine has no such device.
    """
    from studio.backends.device import choose_device, choose_dtype

    device = choose_device(choice.device)
    dtype = str(choose_dtype(choice.dtype, device)).removeprefix("torch.")
    kept = _read(outputs / FILE).get(_key(choice.id, device, dtype))
    if isinstance(kept, int) and not isinstance(kept, bool) and 1 <= kept <= MOST:
        return kept
    return USUAL[device.type]


def keep_batch(model_id: str, device: torch.device, dtype: str, batch: int, outputs: Path) -> None:
    """Let it be the default from now on.

    Raises:
        OSError: what the disk says.
    """
    known = _read(outputs / FILE)
    known[_key(model_id, device, dtype)] = batch
    outputs.mkdir(parents=True, exist_ok=True)
    replace_file(outputs / FILE, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())


def _key(model_id: str, device: torch.device, dtype: str) -> str:
    """One for each model, number format and kind of device: a CPU's is told by its cores."""
    import torch

    name = f"{os.cpu_count() or 1} cores"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return f"{model_id} {dtype} {device.type} {name}"


def _read(path: Path) -> dict[str, Any]:
    """What was kept; nothing where it can't be read."""
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
