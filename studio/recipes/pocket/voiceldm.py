"""The recipe of `assets/pocket/voiceldm/`: what it shares with the pocket AudioLDM lies there alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn

from studio.backends.checkpoint import INDEX_FILE, SHARED_FILE
from studio.backends.registry import VOICELDM
from studio.backends.systems.voiceldm import BAND_FIELD
from studio.core.vocabulary import VOCABULARY_FILE
from studio.recipes.networks.content import Content, speech_config
from studio.recipes.networks.unet import SCHEDULER_CONFIG
from studio.recipes.networks.voiceldm import BAND
from studio.recipes.pocket.export import pocket_index, save_part
from studio.recipes.speech.tokenizer import save_tokenizer

WEIGHTS_FILE = "voiceldm-pocket.safetensors"
SHARED = {
    "vae": "../audioldm/vae",
    "vocoder": "../audioldm/vocoder",
    "clap_tokenizer": "../audioldm/tokenizer",
}


def export_voiceldm(
    content: Content, unet: UNet2DConditionModel, tower: Any, audioldm: Path, out: Path
) -> None:
    """Write trained parts as a folder that `systems.voiceldm` opens, float16; the parts themselves stay.

    Args:
        content: what reads what is said.
        tower: CLAP's text tower of descriptions, taught who speaks (`ClapTextModelWithProjection`).
        audioldm: the pocket AudioLDM's folder, beside `out` in the end: what it shares is named by that.

    Raises:
        ModelNotFoundError: sentencepiece, which writes the table of letters, is not installed.
    """
    out.mkdir(parents=True, exist_ok=True)
    save_tokenizer(out / "tokenizer")
    own = {
        "unet.": unet,
        "durator.": content.durator,
        "text_encoder.encoder.": content.text_encoder,
    }
    flat = {prefix + name: value for prefix, part in own.items() for name, value in _halved(part).items()}
    save_file(flat, out / WEIGHTS_FILE, metadata={"format": "pt"})
    _write_json(out / "unet" / "config.json", _config(unet.config) | {BAND_FIELD: BAND})
    speech_config().save_pretrained(out / "speecht5")
    _save_tower(tower, out / "clap")
    DDIMScheduler(**SCHEDULER_CONFIG).save_pretrained(out / "scheduler")
    _write_json(out / SHARED_FILE, SHARED)
    _write_json(out / INDEX_FILE, pocket_index(VOICELDM.pipeline))
    shutil.copy(audioldm / VOCABULARY_FILE, out / VOCABULARY_FILE)


def _halved(part: nn.Module) -> dict[str, Tensor]:
    """A network's state in float16, but for its counters; no tensor shares its memory with another."""
    state = part.state_dict()
    return {
        name: (value.half() if value.is_floating_point() else value).cpu().clone().contiguous()
        for name, value in state.items()
    }


def _config(config: Any) -> dict[str, Any]:
    """What diffusers says of a network, but where it was loaded from and by which version."""
    said = json.loads(json.dumps(dict(config)))
    return {"_class_name": UNet2DConditionModel.__name__} | {
        name: value for name, value in said.items() if not name.startswith("_")
    }


def _save_tower(tower: Any, folder: Path) -> None:
    """The tower itself stays in float32."""
    copied = type(tower)(tower.config)
    copied.load_state_dict(tower.state_dict())
    save_part(copied, folder)


def _write_json(path: Path, said: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said, indent=2) + "\n")
