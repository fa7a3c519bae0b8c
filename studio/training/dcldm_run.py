"""`longwave train dcldm`: a DC-LDM of any size, from a manifest of sound files and captions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from torch import Tensor

from studio.backends import tango_published
from studio.backends.checkpoint import INDEX_FILE, is_published_tango, read_json
from studio.backends.components import Parts
from studio.backends.draft import AcousticDraft, Drafter
from studio.backends.latent import SoundNetworks
from studio.backends.tango import networks
from studio.core.errors import InvalidRequestError
from studio.dsp.mel import log_mel
from studio.models.dual_attention import ENCODINGS, AcousticBranch
from studio.training.dcldm import DcLdmOptions, text_reader, train_dcldm
from studio.training.dcldm_samples import write_samples
from studio.training.encoded import encode_clips
from studio.training.manifest import Entry, read_manifest
from studio.training.sounds import read_sound

HOP_SAMPLES, FRAME_MULTIPLE = 640, 8
SCHEDULER_FILE = "scheduler_config.json"


def run(
    manifest: Path,
    init: Path,
    drafter: Drafter,
    out: Path,
    options: DcLdmOptions,
    *,
    placement: str = "down1+up1",
    encoding: str = "AG",
    seconds: float = 10.0,
    device: str = "cpu",
) -> None:
    """Encode what the manifest names, train, and write a folder that the studio opens.

    Raises:
        InvalidRequestError: a line of the manifest is wrong, or the blocks or the encoding are unknown.
        WeightsError: `init` is no TANGO.
    """
    if encoding not in ENCODINGS:
        raise InvalidRequestError(f"There is no encoding '{encoding}': choose {' or '.join(ENCODINGS)}.")
    entries = read_manifest(manifest)
    parts = _open(init, device)
    sound = SoundNetworks(parts["vae"], parts["vocoder"])
    made_of = {
        "init": str(init), "audiogen": drafter.id, "encoding": encoding, "seconds": seconds,
        "files": [str(entry.audio) for entry in entries],
    }  # fmt: skip
    with PartialState(cpu=device == "cpu").main_process_first():
        clips = encode_clips(
            options.run_dir / "clips",
            [[entry.caption] for entry in entries],
            made_of,
            lambda which: _encode([entries[i] for i in which], sound, drafter, encoding, seconds),
        )
        nothing = _nothing(drafter, sound, encoding, seconds)
    unet = parts["unet"].requires_grad_(True)
    torch.manual_seed(options.seed)  # every process, and whoever resumes, begins with the same branch
    branch = AcousticBranch.for_unet(unet, placement, encoding=encoding)

    def sample(unet: Any, branch: AcousticBranch, step: int) -> None:
        write_samples(options.run_dir / "samples" / f"{step:07d}", parts, unet, branch, clips, nothing)

    unet, branch = train_dcldm(
        unet,
        branch.to(unet.device),
        clips,
        nothing,
        text_reader(parts["text_encoder"], parts["tokenizer"]),
        parts["schedule"],
        options,
        sample=sample,
        cpu=device == "cpu",
    )
    if PartialState().is_main_process:
        _write(out, {**parts, "unet": unet, "acoustic_branch": branch}, init, options)


def _open(init: Path, device: str) -> dict[str, Any]:
    """TANGO's parts, in float32: what is trained is, and the rest costs little."""
    parts = Parts.open(init, device)
    if is_published_tango(init):
        return tango_published.networks(init, device, "float32")
    return networks(parts, "float32")


def _encode(
    entries: Sequence[Entry], sound: SoundNetworks, drafter: Drafter, encoding: str, seconds: float
) -> tuple[Tensor, Tensor]:
    """Latents [n, 8, T, F] of the files, and the encodings [n, L, D] of the drafts for their captions."""
    unit = HOP_SAMPLES * FRAME_MULTIPLE
    length = max(1, round(seconds * drafter.sample_rate / unit)) * unit
    latents = [_latents(sound, read_sound(entry.audio, length, drafter.sample_rate)) for entry in entries]
    acoustic = []
    for entry in entries:
        draft = drafter.draft(entry.caption, seconds, seed=0)
        acoustic.append(_acoustic(sound, draft, encoding))
    return torch.cat(latents), torch.cat(acoustic)


def _nothing(drafter: Drafter, sound: SoundNetworks, encoding: str, seconds: float) -> Tensor:
    """The empty text's encoding [L, D]."""
    return _acoustic(sound, drafter.draft("", seconds, seed=0), encoding)[0]


def _acoustic(sound: SoundNetworks, draft: AcousticDraft, encoding: str) -> Tensor:
    if encoding == "AG":
        return draft.latents
    whole = len(draft.samples) // HOP_SAMPLES * HOP_SAMPLES
    return _latents(sound, draft.samples[:whole]).transpose(1, 2).flatten(2)


def _latents(sound: SoundNetworks, samples: NDArray[np.float32]) -> Tensor:
    return sound.encode_mel(log_mel(torch.from_numpy(samples))[None]).cpu()


def _write(out: Path, parts: dict[str, Any], init: Path, options: DcLdmOptions) -> None:
    """A folder of its own, whole: every component, and how it was trained."""
    for name in ("unet", "acoustic_branch", "vae", "vocoder", "text_encoder"):
        parts[name].cpu().save_pretrained(out / name, safe_serialization=True)
    parts["tokenizer"].save_pretrained(out / "tokenizer")
    scheduler = out / "scheduler"
    scheduler.mkdir(parents=True, exist_ok=True)
    given = init / "scheduler" / SCHEDULER_FILE
    config = read_json(given) if given.is_file() else tango_published.SCHEDULER_CONFIG
    (scheduler / SCHEDULER_FILE).write_text(json.dumps(config, indent=2) + "\n")
    (out / INDEX_FILE).write_text(json.dumps({"_class_name": "DcLdmPipeline"}, indent=2) + "\n")
    trained = {**asdict(options), "run_dir": options.run_dir.name}
    (out / "training.json").write_text(json.dumps(trained, indent=2) + "\n")
