"""Checkpoint folders in diffusers' layout, looked at without loading them: no torch here, so it is quick."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path

from pydantic import ValidationError

from studio.backends import reading
from studio.backends.reading import (
    MAX_INDEX_BYTES,
    MAX_VOCABULARY_BYTES,
    Held,
    held_by,
    is_file,
    is_folder,
    quoted,
    read_json,
    short,
)
from studio.backends.registry import (
    AUDIOGEN_FILES,
    FOLDED_UNET,
    INDEX_FILE,
    PUBLISHED_CONFIGS,
    PUBLISHED_FILES,
    REGISTRY,
    TANGO,
    FilesLayout,
    Registry,
)
from studio.core.defaults import ModelDefaults
from studio.core.errors import StudioError, WeightsError
from studio.core.values import Passes

# And what is defined here.
__all__ = ["AUDIOGEN_FILES", "INDEX_FILE", "PUBLISHED_CONFIGS", "PUBLISHED_FILES", "read_json"]

log = logging.getLogger(__name__)

SHARED_FILE = "shared.json"  # ours: components that lie in the folder of a model beside this one
MEL_PADDING_FIELD = "_mel_padding"  # ours, in the index: diffusers passes over such names
DEFAULTS_FIELD = "_defaults"  # ours, likewise: what takes of this checkpoint begin with
SAME_WEIGHTS_FIELD = "_same_weights"  # ours, likewise: fingerprints of now and of the layout before
_BESIDE = re.compile(r"\.\./[\w-]+/[\w-]+")
WEIGHTLESS = {"tokenizer", "tokenizer_2", "scheduler", "feature_extractor", "speecht5"}
LETTERS_FILE = "spm_char.model"  # SpeechT5's vocabulary
_WEIGHT_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
_PIECES, _PIECE_BYTES = 17, 1 << 16  # of each weight file, for its fingerprint
_MAX_FILES = 1000  # of a component
_VOCABULARIES = (".txt", ".model", ".jinja")
_VOCABULARY_FILES = ("tokenizer.json", "spiece.model", LETTERS_FILE)
_SHARD = re.compile(r"[A-Za-z0-9][\w.-]{0,200}\.(safetensors|bin)")  # a name, so nothing outside its folder


def weight_files(component: Path) -> list[Path]:
    """A component's weight files, safetensors first, then pickles; shards as their index lists them.

    Empty if there are none. A missing shard is listed all the same.

    Raises:
        WeightsError: the index of the shards is damaged.
    """
    for suffix in ("safetensors", "bin"):
        for stem in _WEIGHT_STEMS:
            single = component / f"{stem}.{suffix}"
            if is_file(single):
                return [single]
            index = component / f"{stem}.{suffix}.index.json"
            if is_file(index):
                return [component / name for name in _shards(index, suffix)]
    return []


def _shards(index: Path, suffix: str) -> list[str]:
    places = read_json(index, MAX_INDEX_BYTES).get("weight_map")
    names = set(map(str, places.values())) if isinstance(places, dict) else set()
    sound = all(_SHARD.fullmatch(name) and name.endswith(suffix) for name in names)
    if not sound or not 0 < len(names) <= _MAX_FILES:
        raise WeightsError(f"{short(index)} names no files of weights; get the checkpoint again.")
    return sorted(names)


def held(component: Path) -> Held:
    """What all weight files of a component hold together.

    Raises:
        WeightsError: there are none, or one is damaged.
    """
    return sum((held_by(file) for file in weight_files(component)), Held(0, 0))


def is_published_tango(folder: Path) -> bool:
    """Whether a folder is in the layout of TANGO's authors, who have no folder a component."""
    return TANGO.published is not None and TANGO.published.is_in(folder)


def component(folder: Path, name: str) -> Path:
    """Where a component lies: in the folder, or as its `shared.json` says, in the model's beside it."""
    own = folder / name
    if is_folder(own) or not is_file(folder / SHARED_FILE):
        return own
    place = read_json(folder / SHARED_FILE).get(name)
    return folder.resolve() / place if isinstance(place, str) and _BESIDE.fullmatch(place) else own


def unet_in(folder: Path, passes: Passes, registry: Registry = REGISTRY) -> str:
    """The component that is the network of a folder's takes: of one pass the one with guidance folded in,
    where there is one.

    Raises:
        WeightsError: the folder's index is damaged.
    """
    folds = passes == "one" and registry.system_of(folder).folds and is_folder(component(folder, FOLDED_UNET))
    return FOLDED_UNET if folds else "unet"


def defaults_in(folder: Path) -> ModelDefaults | None:
    """What a folder's index says that takes of it begin with; None where it says nothing.

    Raises:
        WeightsError: the index is damaged, or what it says is out of bounds.
    """
    index = folder / INDEX_FILE
    said = read_json(index).get(DEFAULTS_FIELD) if is_file(index) else None
    if said is None:
        return None
    try:
        return ModelDefaults.model_validate(said)
    except ValidationError as error:
        place = ".".join(map(str, (DEFAULTS_FIELD, *error.errors()[0]["loc"])))
        raise WeightsError(
            f"{short(index)}: its {quoted(place)} can't be; get the checkpoint again."
        ) from error


def verify(folder: Path, registry: Registry = REGISTRY) -> list[str]:
    """What is wrong with a checkpoint folder, a sentence each; empty if it looks whole.

    Reads configs and the headers of weight files, not the weights. Never raises, whatever lies there.
    """
    try:
        return _problems(folder, registry)
    except StudioError as error:
        return [_sentence(error)]
    except Exception:  # a folder may hold anything, and a list of checkpoints is not to end over one
        log.debug("looking at %s", folder, exc_info=True)
        return [f"{folder.name} can't be read."]


def _problems(folder: Path, registry: Registry) -> list[str]:
    if not is_folder(folder):
        return [f"The folder {folder.name} does not exist."]
    if drafter := registry.drafter_of(folder):
        return _file_problems(folder, drafter.layout)
    defaults_in(folder)
    system = registry.published_in(folder) or registry.system_of(folder)
    places = {name: component(folder, name) for name in system.components}
    if (layout := system.published) and (layout.one_of or layout.is_in(folder)):
        beside = [place for place in places.values() if layout.one_of and is_folder(place)]
        own = _file_problems(folder, layout)
        return own + [problem for place in beside for problem in _verify_component(place)]
    if not any(is_folder(place) for place in places.values()):
        return [f"{folder.name} holds no model that the studio knows."]
    if system.folds and is_folder(folded := component(folder, FOLDED_UNET)):
        places[FOLDED_UNET] = folded
    problems = []
    for name, place in places.items():
        if not is_folder(place):
            problems.append(f"The component {name} is missing.")
            continue
        problems += _verify_component(place)
    return problems


def _file_problems(folder: Path, layout: FilesLayout) -> list[str]:
    for name in (*layout.configs, *layout.optional):
        if name in layout.configs or os.path.lexists(folder / name):
            read_json(folder / name)
    files = layout.files(folder)
    return _weight_problems(files) if files else [f"{folder.name} holds no {' or '.join(layout.one_of)}."]


def fingerprint(folder: Path, registry: Registry = REGISTRY, passes: Passes = "two") -> str:
    """Tells the weights of a folder from others of its name, wherever it lies and whenever it was copied:
    those that takes of so many passes are made with.

    From the sizes of the weight files and pieces of them: other weights differ everywhere.

    Raises:
        WeightsError: the folder's index is damaged.
        OSError: a file can't be read.
    """
    system = registry.published_in(folder) or registry.system_of(folder)
    layout = system.published
    files = layout.files(folder) if layout and layout.is_in(folder) else []
    if layout is None or layout.one_of or not files:
        unet = unet_in(folder, passes, registry)
        names = (unet if name == "unet" else name for name in system.components)
        places = (component(folder, name) for name in names)
        files += [file for place in places for file in weight_files(place)]
    digest = hashlib.sha256()
    for file in files:
        if not is_file(file):
            raise WeightsError(f"{short(file)} is missing.")
        size = file.stat().st_size
        digest.update(f"{file.parent.name}/{file.name} {size}\n".encode())
        with open(file, "rb") as weights:
            for piece in range(_PIECES):
                weights.seek(piece * max(0, size - _PIECE_BYTES) // (_PIECES - 1))
                digest.update(weights.read(_PIECE_BYTES))
    return _as_it_was(folder, digest.hexdigest()[:32])


def _as_it_was(folder: Path, found: str) -> str:
    """The fingerprint that the same weights had in the files that they lay in before, if they did.

    Save points of that time name it; weights that are exchanged since have one that no index lists.
    """
    index = folder / INDEX_FILE
    known = read_json(index).get(SAME_WEIGHTS_FIELD) if is_file(index) else None
    before = known.get(found) if isinstance(known, dict) else None
    return before if isinstance(before, str) else found


def require(folder: Path, registry: Registry = REGISTRY) -> None:
    """Raise `WeightsError` with the first of `verify`'s problems, if there is any."""
    problems = verify(folder, registry)
    if problems:
        raise WeightsError(f"The checkpoint in {folder.name} is damaged. {problems[0]} Get it again.")


def _verify_component(component: Path) -> list[str]:
    try:
        _require_modest(component)
        if component.name.startswith("tokenizer"):
            return _tokenizer_problems(component)
        if component.name == "scheduler":
            read_json(component / "scheduler_config.json")
            return []
        extracts = component.name == "feature_extractor"
        config = "preprocessor_config.json" if extracts else "config.json"
        read_json(component / config)
        if component.name in WEIGHTLESS:
            return []
        files = weight_files(component)
    except WeightsError as error:
        return [_sentence(error)]
    if not files:
        return [f"The weights of {component.name} are missing."]
    return _weight_problems(files)


def _require_modest(component: Path) -> None:
    """Every file beside the weights is small: the libraries read them whole, and by rules of their own."""
    with os.scandir(component) as entries:
        for number, entry in enumerate(entries):
            if number >= _MAX_FILES:
                raise WeightsError(f"{component.name} holds more files than a part of a model has.")
            path = Path(entry.path)
            if path.suffix == ".json":
                reading.parse_json_file(path, MAX_VOCABULARY_BYTES)
            elif path.suffix in _VOCABULARIES:
                reading.read_bytes(path, MAX_VOCABULARY_BYTES)


def _tokenizer_problems(component: Path) -> list[str]:
    whole = is_file(component / "vocab.json") and is_file(component / "merges.txt")
    if whole or any(is_file(component / name) for name in _VOCABULARY_FILES):
        return []
    return [f"The vocabulary of {component.name} is missing."]


def _weight_problems(files: list[Path]) -> list[str]:
    """What is wrong with weight files, from their headers or directories."""
    problems = []
    for file in files:
        try:
            held_by(file)
        except WeightsError as error:
            problems.append(_sentence(error))
    return problems


def _sentence(error: StudioError) -> str:
    """What is wrong, without what to do: that is said once, behind all that is wrong."""
    return str(error).split("; get ")[0].rstrip(".") + "."
