"""How trained parts are written: `assets/pocket/`, in the real checkpoints' layout."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from diffusers import AudioLDMPipeline, AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import AutoTokenizer, ClapModel, ClapTextModelWithProjection, SpeechT5HifiGan

from studio.backends.checkpoint import DEFAULTS_FIELD, INDEX_FILE, MEL_PADDING_FIELD
from studio.backends.registry import FOLDED_UNET
from studio.core.defaults import ModelDefaults
from studio.core.vocabulary import VOCABULARY_FILE
from studio.dsp.mel import SEAMLESS
from studio.recipes.text.vocabulary import vocabulary


def file_digest(file: Path) -> str:
    """What tells a file's content from another's."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def save_part(module: Any, folder: Path, beside: Collection[str] = ()) -> None:
    """Write a part in float16 safetensors, without the path that it was once loaded from.

    The tensors named in `beside` lie elsewhere already.
    """
    module.cpu().half()
    if beside:
        state = {name: value for name, value in module.state_dict().items() if name not in beside}
        module.save_pretrained(folder, state_dict=state, safe_serialization=True)
    else:
        module.save_pretrained(folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def export_clap(clap: ClapModel, tokenizer_folder: Path, audioldm: Path) -> None:
    """The caption tower as the pipeline's text encoder, and what else the ClapModel has for evaluation."""
    tower = ClapTextModelWithProjection(clap.config.text_config)
    tower.text_model.load_state_dict(clap.text_model.state_dict())
    tower.text_projection.load_state_dict(clap.text_projection.state_dict())
    save_part(tower, audioldm / "text_encoder")
    save_part(clap, audioldm / "clap", beside=tower.state_dict().keys())
    AutoTokenizer.from_pretrained(tokenizer_folder).save_pretrained(audioldm / "tokenizer")


def write_vocabulary(audioldm: Path) -> None:
    """Write which words the model was trained with: the page names what a prompt asks for besides."""
    known = vocabulary()
    families = {
        name: {part: said if isinstance(said, bool) else sorted(said) for part, said in family}
        for name, family in known.families.items()
    }
    text = json.dumps({"families": families, "shared": sorted(known.shared)}, indent=0)
    (audioldm / VOCABULARY_FILE).write_text(text + "\n")


def pocket_index(pipeline: str, *, folded: bool = False) -> dict[str, Any]:
    """What each pocket model's index begins with: its pipeline, how its VAE's log-mels are padded, and that
    its takes begin with the studio's own settings, at 48 kHz; the fast ones, where guidance is `folded` into
    a network, with one pass a step.
    """
    usual = ModelDefaults(bandwidth="48k")
    one_pass = {"fast": usual.fast.model_copy(update={"passes": "one"})} if folded else {}
    own = usual.model_copy(update=one_pass).model_dump(exclude_unset=True)
    return {"_class_name": pipeline, MEL_PADDING_FIELD: SEAMLESS, DEFAULTS_FIELD: own}


def write_index(audioldm: Path) -> None:
    """Write `model_index.json` by assembling the pipeline once, as diffusers does."""
    pipeline = AudioLDMPipeline(
        vae=AutoencoderKL.from_pretrained(audioldm / "vae"),
        text_encoder=ClapTextModelWithProjection.from_pretrained(audioldm / "text_encoder"),
        tokenizer=AutoTokenizer.from_pretrained(audioldm / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(audioldm / "unet"),
        scheduler=DDIMScheduler.from_pretrained(audioldm / "scheduler"),
        vocoder=SpeechT5HifiGan.from_pretrained(audioldm / "vocoder"),
    )
    with tempfile.TemporaryDirectory() as scratch:
        pipeline.save_pretrained(scratch)
        index = json.loads((Path(scratch) / INDEX_FILE).read_text())
    folded = (audioldm / FOLDED_UNET).is_dir()
    index = {**pocket_index(index["_class_name"], folded=folded), **index}
    (audioldm / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n")
