"""Checkpoint folders in diffusers' layout, looked at without loading them: no torch here, so it is quick."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from studio.core.errors import WeightsError

INDEX_FILE = "model_index.json"
SHARED_FILE = "shared.json"  # ours: components that lie in the folder of a model beside this one
SYSTEMS = {
    "AudioLDMPipeline": "audioldm",
    "AudioLDM2Pipeline": "audioldm2",
    # diffusers has no pipelines of these two: the names are ours.
    "TangoPipeline": "tango",
    "DcLdmPipeline": "dcldm",
}
_ONE_TEXT = ("text_encoder", "tokenizer", "unet", "vae", "vocoder", "scheduler")
COMPONENTS = {
    "audioldm": _ONE_TEXT,
    "audioldm2": (
        "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "projection_model", "language_model",
        "unet", "vae", "vocoder", "scheduler",
    ),
    "tango": _ONE_TEXT,
    "dcldm": (*_ONE_TEXT, "acoustic_branch"),
}  # fmt: skip
PUBLISHED_FILES = ("pytorch_model_main.bin", "pytorch_model_vae.bin")  # TANGO's, as its authors publish it
PUBLISHED_CONFIGS = ("main_config.json", "vae_config.json")
AUDIOGEN_FILES = ("state_dict.bin", "compression_state_dict.bin")  # as audiocraft exports one
_BESIDE = re.compile(r"\.\./[\w-]+/[\w-]+")
WEIGHTLESS = {"tokenizer", "tokenizer_2", "scheduler", "feature_extractor"}
_WEIGHT_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
_PIECES, _PIECE_BYTES = 17, 1 << 16  # of each weight file, for its fingerprint
_MAX_HEADER_BYTES = 100_000_000  # safetensors' own limit


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint.

    Raises:
        WeightsError: the file is missing or holds no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(f"{_short(path)} is missing; get the checkpoint again.") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{_short(path)} can't be read as JSON; get the checkpoint again.") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{_short(path)} holds no JSON object; get the checkpoint again.")
    return value


def weight_files(component: Path) -> list[Path]:
    """A component's weight files, safetensors first, then pickles; shards as their index lists them.

    Empty if there are none. A missing shard is listed all the same.
    """
    for suffix in ("safetensors", "bin"):
        for stem in _WEIGHT_STEMS:
            single = component / f"{stem}.{suffix}"
            if single.is_file():
                return [single]
            index = component / f"{stem}.{suffix}.index.json"
            if index.is_file():
                names = sorted(set(read_json(index).get("weight_map", {}).values()))
                return [component / name for name in names]
    return []


def system_of(folder: Path) -> str:
    """Which system a folder's model_index.json names; without one TANGO's own layout, or AudioLDM.

    Raises:
        WeightsError: the file is damaged, or names a pipeline that is not known here.
    """
    if is_audiogen(folder):
        raise WeightsError(f"{folder.name} makes drafts, not takes: choose a model of another kind.")
    if not (folder / INDEX_FILE).is_file():
        return "tango" if is_published_tango(folder) else "audioldm"
    pipeline = str(read_json(folder / INDEX_FILE).get("_class_name"))
    if pipeline not in SYSTEMS:
        known = ", ".join(SYSTEMS)
        raise WeightsError(f"{folder.name} is made for '{pipeline}'; give a folder made for {known}.")
    return SYSTEMS[pipeline]


def is_published_tango(folder: Path) -> bool:
    """Whether a folder is in the layout of TANGO's authors, who have no folder a component."""
    return all((folder / name).is_file() for name in PUBLISHED_CONFIGS)


def is_audiogen(folder: Path) -> bool:
    """Whether a folder is an AudioGen's: what makes drafts, and no takes."""
    return any((folder / name).is_file() for name in AUDIOGEN_FILES)


def component(folder: Path, name: str) -> Path:
    """Where a component lies: in the folder, or as its `shared.json` says, in the model's beside it."""
    own = folder / name
    if own.is_dir() or not (folder / SHARED_FILE).is_file():
        return own
    place = read_json(folder / SHARED_FILE).get(name)
    return folder.resolve() / place if isinstance(place, str) and _BESIDE.fullmatch(place) else own


def verify(folder: Path) -> list[str]:
    """What is wrong with a checkpoint folder, a sentence each; empty if it looks whole.

    Reads configs and the headers of weight files, not the weights.
    """
    if not folder.is_dir():
        return [f"The folder {folder.name} does not exist."]
    if is_audiogen(folder):
        return [problem for name in AUDIOGEN_FILES if (problem := _weight_problem(folder / name))]
    if is_published_tango(folder):
        return [problem for name in PUBLISHED_FILES if (problem := _weight_problem(folder / name))]
    try:
        places = {name: component(folder, name) for name in COMPONENTS[system_of(folder)]}
    except WeightsError as error:
        return [str(error)]
    problems = []
    for name, place in places.items():
        if not place.is_dir():
            problems.append(f"The component {name} is missing.")
            continue
        problems += _verify_component(place)
    return problems


def fingerprint(folder: Path) -> str:
    """Tells the weights of a folder from others of its name, wherever it lies and whenever it was copied.

    From the sizes of the weight files and pieces of them: other weights differ everywhere.

    Raises:
        WeightsError: the folder's index is damaged.
        OSError: a file can't be read.
    """
    if is_published_tango(folder):
        files = [folder / name for name in PUBLISHED_FILES]
    else:
        places = (component(folder, name) for name in COMPONENTS[system_of(folder)])
        files = [file for place in places for file in weight_files(place)]
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.parent.name}/{file.name} {size}\n".encode())
        with open(file, "rb") as weights:
            for piece in range(_PIECES):
                weights.seek(piece * max(0, size - _PIECE_BYTES) // (_PIECES - 1))
                digest.update(weights.read(_PIECE_BYTES))
    return digest.hexdigest()[:32]


def require(folder: Path) -> None:
    """Raise `WeightsError` with the first of `verify`'s problems, if there is any."""
    problems = verify(folder)
    if problems:
        raise WeightsError(f"The checkpoint in {folder.name} is damaged. {problems[0]} Get it again.")


def _verify_component(component: Path) -> list[str]:
    try:
        if component.name.startswith("tokenizer"):
            return _tokenizer_problems(component)
        if component.name == "scheduler":
            read_json(component / "scheduler_config.json")
            return []
        config = "preprocessor_config.json" if component.name in WEIGHTLESS else "config.json"
        read_json(component / config)
        if component.name in WEIGHTLESS:
            return []
        files = weight_files(component)
    except WeightsError as error:
        return [str(error).split(";")[0] + "."]
    if not files:
        return [f"The weights of {component.name} are missing."]
    return [problem for file in files if (problem := _weight_problem(file))]


def _tokenizer_problems(component: Path) -> list[str]:
    if (component / "tokenizer.json").is_file():
        read_json(component / "tokenizer.json")
        return []
    if (component / "vocab.json").is_file() and (component / "merges.txt").is_file():
        read_json(component / "vocab.json")
        return []
    if (component / "spiece.model").is_file():
        return []
    return [f"The vocabulary of {component.name} is missing."]


def _weight_problem(file: Path) -> str | None:
    """What is wrong with one weight file, from its header or directory."""
    if not file.is_file():
        return f"{_short(file)} is missing."
    if file.suffix != ".safetensors":
        # A pickle from torch.save is a zip archive, whose directory stands at the very end.
        return None if zipfile.is_zipfile(file) else f"{_short(file)} is truncated or no archive of weights."
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER_BYTES):
            return f"{_short(file)} is truncated."
        try:
            header = json.loads(stream.read(length))
            end = max(
                (entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"),
                default=0,
            )
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return f"{_short(file)} has no readable header."
    if size != 8 + length + end:
        return f"{_short(file)} is {size} bytes long instead of {8 + length + end}."
    return None


def _short(path: Path) -> str:
    """The component and file name: enough to find it, without the machine's folders."""
    return f"{path.parent.name}/{path.name}"
