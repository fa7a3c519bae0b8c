"""`longwave train dcldm`: a DC-LDM of any size, from a manifest of sound files and captions."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from numpy.typing import NDArray
from torch import Tensor

from studio.backends.acoustic.base import AcousticDraft, Drafter, unconditional_draft
from studio.backends.checkpoint import (
    DEFAULTS_FIELD,
    INDEX_FILE,
    MEL_PADDING_FIELD,
    defaults_in,
    is_published_tango,
    read_json,
)
from studio.backends.components import Parts
from studio.backends.latent import SoundNetworks
from studio.backends.registry import DCLDM, LDM_AG
from studio.backends.systems import tango_published
from studio.backends.systems.tango import networks
from studio.core.errors import InvalidRequestError
from studio.dsp.mel import log_mel
from studio.modules.acoustic_branch import ENCODINGS, AcousticBranch
from studio.modules.acoustic_context import CONTEXT, AcousticContext
from studio.training.audio import Preparation
from studio.training.dcldm import Hearing, no_text, text_reader, train_dcldm
from studio.training.encoded import Claims, EncodedClips, encode_clips, folder_of, require_all
from studio.training.manifest import Entry
from studio.training.options import DcLdmOptions
from studio.training.samples import write_samples

HOP_SAMPLES, FRAME_MULTIPLE = 640, 8
SCHEDULER_FILE = "scheduler_config.json"
TRAINING_FILE = "training.json"
ENCODING_MAY_TAKE = timedelta(days=7)
DRAFTED_AT_ONCE = 16


def this_process(device: str) -> PartialState:
    """Join the other processes, if there are any; `device` then is this one's own (of "cuda", its share)."""
    # Encoding a large set takes days, and nobody else has anything to do meanwhile.
    return PartialState(cpu=torch.device(device).type == "cpu", timeout=ENCODING_MAY_TAKE)


def run(
    entries: Sequence[Entry],
    init: Path,
    load_drafter: Callable[[], Drafter],
    out: Path,
    options: DcLdmOptions,
    *,
    placement: str = "down1+up1",
    encoding: str = "AG",
    seconds: float | None = None,
    preparation: str | None = None,
    device: str = "cpu",
    drafts_of: str = "",
    claims: Claims | None = None,
) -> None:
    """Encode a manifest's entries, train, and write a folder that the studio opens.

    Args:
        placement: where the draft is read: blocks of `acoustic_branch.PLACEMENTS` beside the text, or
            `CONTEXT`, in its place (the paper's LDM w/ AG, which `encoding` makes w/ AG+VAE).
        load_drafter: gives what makes the drafts, on this process's device; it is let go once all is encoded.
        seconds: of each clip; as its preparation has it where none are given.
        preparation: of the clips' sound, of `audio.PREPARATIONS`. Where none is given a run that was begun
            goes on with its own, which was "kept" before there was another, and a new one is TANGO's.
        drafts_of: tells the drafter's weights from others; so encoded clips aren't taken for another's.
        claims: encode alone, beside any number of other processes that are given the same and claim shard by
            shard (`encode_clips`); a run of these settings then finds all encoded.

    Raises:
        InvalidRequestError: a file can't be read, the blocks or the encoding are unknown, or the run folder's
            run was begun with other settings.
        WeightsError: `init` is no TANGO.
    """
    if encoding not in ENCODINGS:
        raise InvalidRequestError(f"There is no encoding '{encoding}': choose {' or '.join(ENCODINGS)}.")
    state = this_process(device)
    parts = _open(init, device)
    unet = parts["unet"].requires_grad_(True)
    torch.manual_seed(options.seed)  # every process, and whoever resumes, begins with the same branch
    branch: Hearing
    if placement == CONTEXT:
        branch = AcousticContext.for_unet(unet, encoding)
    else:
        branch = AcousticBranch.for_unet(unet, placement, encoding=encoding)
    drafter = load_drafter()
    models = {"init": _stamps(init), "audiogen": [drafter.id, drafts_of], "encoding": encoding}
    prepared = _preparation(entries, models, parts["mel_padding"], out, options, preparation, seconds)
    # Each machine may keep models and sounds in places of its own: the first one's name the folder of all.
    [prepared, made_of] = broadcast_object_list([prepared, _made_of(models, prepared, entries)])
    folder = options.run_dir / "clips"
    clips, unconditional = _encoded(entries, parts, drafter, made_of, prepared, folder, state, claims)
    if claims is not None:
        return
    del drafter
    gc.collect()

    def sample(unet: Any, branch: Hearing, step: int) -> None:
        write_samples(options.run_dir / "samples" / f"{step:07d}", parts, unet, branch, clips, unconditional)

    unet, branch = train_dcldm(
        unet,
        branch.to(unet.device),
        clips,
        unconditional,
        no_text if placement == CONTEXT else text_reader(parts["text_encoder"], parts["tokenizer"]),
        parts["schedule"],
        options,
        sample=sample,
        cpu=device == "cpu",
    )
    if state.is_main_process:
        name = "acoustic_context" if placement == CONTEXT else "acoustic_branch"
        _write(out, {**parts, "unet": unet, name: branch}, init, options, prepared)


def _preparation(
    entries: Sequence[Entry],
    models: dict[str, Any],
    mel_padding: int,
    out: Path,
    options: DcLdmOptions,
    name: str | None,
    seconds: float | None,
) -> Preparation:
    """The one that is named; else of the run that is gone on with; else TANGO's."""
    if name is None and (out / TRAINING_FILE).is_file():
        name = str(read_json(out / TRAINING_FILE).get("preparation", "kept"))
    if name is None:
        kept = _made_of(models, Preparation.named("kept", seconds, mel_padding), entries)
        begun = folder_of(options.run_dir / "clips", _captions(entries), kept).is_dir()
        name = "kept" if begun else "tango"
    return Preparation.named(name, seconds, mel_padding)


def _made_of(models: dict[str, Any], prepared: Preparation, entries: Sequence[Entry]) -> dict[str, Any]:
    """What encoded clips follow from. Its order is part of their name, and was so before."""
    return {**models, **prepared.made_of, "files": [_stamp(entry.audio) for entry in entries]}


def _captions(entries: Sequence[Entry]) -> list[list[str]]:
    return [[entry.caption] for entry in entries]


def _encoded(
    entries: Sequence[Entry],
    parts: dict[str, Any],
    drafter: Drafter,
    made_of: dict[str, Any],
    prepared: Preparation,
    folder: Path,
    state: PartialState,
    claims: Claims | None,
) -> tuple[EncodedClips, Tensor]:
    """All clips, each process having encoded its share, and the empty text's encoding [L, D]."""
    sound = SoundNetworks(parts["vae"], parts["vocoder"])
    encoding = made_of["encoding"]
    clips = encode_clips(
        folder,
        _captions(entries),
        made_of,
        lambda which: _encode([entries[i] for i in which], sound, drafter, encoding, prepared),
        rank=state.process_index,
        world=state.num_processes,
        claims=claims,
    )
    state.wait_for_everyone()
    require_all(clips)
    return clips, _unconditional(drafter, sound, encoding, prepared)[: len(clips.acoustic(0))]


def _stamps(folder: Path) -> list[list[Any]]:
    return [_stamp(file) for file in sorted(folder.rglob("*")) if file.is_file()]


def _stamp(file: Path) -> list[Any]:
    """A file's place, size and time: what another content changes."""
    about = file.stat()
    return [str(file.resolve()), about.st_size, about.st_mtime_ns]


def _open(init: Path, device: str) -> dict[str, Any]:
    """TANGO's parts, in float32: what is trained is, and the rest costs little."""
    parts = Parts.open(init, device)
    if is_published_tango(init):
        return tango_published.networks(init, device, "float32")
    return networks(parts, "float32")


def _encode(
    entries: Sequence[Entry], sound: SoundNetworks, drafter: Drafter, encoding: str, prepared: Preparation
) -> tuple[Tensor, Tensor]:
    """Latents [n, 8, T, F] of the files, and the encodings [n, L, D] of the drafts for their captions."""
    unit = HOP_SAMPLES * FRAME_MULTIPLE
    length = max(1, round(prepared.seconds * drafter.sample_rate / unit)) * unit
    padding = prepared.mel_padding
    latents = [
        _latents(sound, _samples(entry, length, drafter.sample_rate, prepared), padding) for entry in entries
    ]
    acoustic = []
    for start in range(0, len(entries), DRAFTED_AT_ONCE):
        captions = [entry.caption for entry in entries[start : start + DRAFTED_AT_ONCE]]
        tokens = drafter.draft_many(captions, prepared.seconds, seed=0)
        if encoding == "AG":
            acoustic.append(drafter.latents(tokens))
        else:
            acoustic += [acoustic_of(sound, drafter.decode(each), encoding, padding) for each in tokens]
    return torch.cat(latents), torch.cat(acoustic)


def _samples(entry: Entry, length: int, sample_rate: int, prepared: Preparation) -> NDArray[np.float32]:
    try:
        return prepared.read(entry.audio, length, sample_rate)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{entry.where}: {error}") from error


def _unconditional(drafter: Drafter, sound: SoundNetworks, encoding: str, prepared: Preparation) -> Tensor:
    """The empty text's encoding [L, D], of the tokens that takes hear where those ship with the drafter."""
    seconds = prepared.seconds
    draft = unconditional_draft(drafter, seconds) or drafter.draft("", seconds, seed=0)
    return acoustic_of(sound, draft, encoding, prepared.mel_padding)[0]


def acoustic_of(sound: SoundNetworks, draft: AcousticDraft, encoding: str, mel_padding: int) -> Tensor:
    """A draft's acoustic encoding [1, L, 128], as `ENCODINGS` names it."""
    if encoding == "AG":
        return draft.latents
    whole = len(draft.samples) // HOP_SAMPLES * HOP_SAMPLES
    return _latents(sound, draft.samples[:whole], mel_padding).transpose(1, 2).flatten(2)


def _latents(sound: SoundNetworks, samples: NDArray[np.float32], mel_padding: int) -> Tensor:
    return sound.encode_mel(log_mel(torch.from_numpy(samples), mel_padding)[None]).cpu()


def _write(
    out: Path, parts: dict[str, Any], init: Path, options: DcLdmOptions, prepared: Preparation
) -> None:
    """A folder of its own, whole: every component, and how it was trained."""
    beside_text = "acoustic_branch" in parts
    own = ("acoustic_branch", "text_encoder") if beside_text else ("acoustic_context",)
    for name in ("unet", "vae", "vocoder", *own):
        parts[name].cpu().save_pretrained(out / name, safe_serialization=True)
    if beside_text:
        parts["tokenizer"].save_pretrained(out / "tokenizer")
    scheduler = out / "scheduler"
    scheduler.mkdir(parents=True, exist_ok=True)
    given = init / "scheduler" / SCHEDULER_FILE
    config = read_json(given) if given.is_file() else tango_published.SCHEDULER_CONFIG
    (scheduler / SCHEDULER_FILE).write_text(json.dumps(config, indent=2) + "\n")
    pipeline = (DCLDM if beside_text else LDM_AG).pipeline
    index: dict[str, Any] = {"_class_name": pipeline, MEL_PADDING_FIELD: prepared.mel_padding}
    if (defaults := defaults_in(init)) is not None:  # it is sampled as what it was made of
        index[DEFAULTS_FIELD] = defaults.model_dump(exclude_unset=True)
    (out / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n")
    trained = {
        **asdict(options),
        "run_dir": options.run_dir.name,
        "preparation": prepared.name,
        "seconds": prepared.seconds,
    }
    (out / TRAINING_FILE).write_text(json.dumps(trained, indent=2) + "\n")
