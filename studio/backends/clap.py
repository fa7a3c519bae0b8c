"""The whole CLAP of an AudioLDM checkpoint: its audio tower beside the one that reads the text of takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from studio.backends.components import load_network, read_tensors
from studio.core.errors import WeightsError

FOLDER, TEXT_FOLDER = "clap", "text_encoder"
_TEXT_PREFIXES = ("text_model.", "text_projection.")


def load_clap(folder: Path, device: str | torch.device = "cpu") -> Any:
    """The `ClapModel` of a checkpoint's folder, in float32.

    Its `clap/` may be whole, or hold what the `text_encoder/` beside it lacks: of the two towers that ship,
    the pipelines read the one for text, so it lies there alone.

    Raises:
        WeightsError: either is missing, damaged, or does not fit the other.
    """
    from transformers import ClapModel

    place, chosen = folder / FOLDER, torch.device(device)
    own = read_tensors(place)
    if any(name.startswith(_TEXT_PREFIXES) for name in own):
        return load_network(ClapModel, place, chosen, torch.float32)
    text = read_tensors(folder / TEXT_FOLDER)
    if strange := next((name for name in text if not name.startswith(_TEXT_PREFIXES)), None):
        raise WeightsError(f"{TEXT_FOLDER} is no CLAP's: it holds {strange}; get the checkpoint again.")
    return load_network(ClapModel, place, chosen, torch.float32, state={**own, **text})
