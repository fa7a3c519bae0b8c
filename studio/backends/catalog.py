"""Which checkpoints exist, where they are, how large, under which licence; and how to get one ready.

torch, diffusers and huggingface_hub load only when a function needs them, so that listing is quick.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from studio.backends import checkpoint
from studio.backends.checkpoint import verify
from studio.backends.companions import COMPANIONS, cached
from studio.backends.hub import download as get
from studio.backends.hub import plan
from studio.backends.reading import MAX_CONFIG_BYTES, is_folder, quoted, read_bytes
from studio.backends.registry import AUDIOGEN, FOLDED_UNET, REGISTRY, TONE, Registry
from studio.core.defaults import ModelDefaults
from studio.core.errors import ModelNotFoundError, StudioError
from studio.core.request import ModelChoice
from studio.core.settings import Settings
from studio.core.values import Passes
from studio.core.vocabulary import VOCABULARY_FILE, Vocabulary

if TYPE_CHECKING:
    from studio.backends.acoustic.base import Codec, Drafter
    from studio.backends.base import Backend

__all__ = ["ModelInfo", "create_backend", "list_models", "resolve", "verify", "vocabulary"]

DRAFTER = AUDIOGEN.name  # the system of what makes drafts: no tab offers it as a model for takes
TRIAL = TONE.name  # the system of what tests run on: it is there by its id, and no list offers it
_HUB_ID = re.compile(r"[A-Za-z0-9]([\w.-]*\w)?/\w([\w.-]*\w)?", re.ASCII)
_LONGEST_ID = 96  # the Hub's own
_NOWHERE = Path()
_HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "voiceldm-*.ckpt", *AUDIOGEN.layout.weights]
# Its code is Apache-2.0, its VAE and vocoder are cvssp's; of its own weights nobody here has read a licence.
_VOICELDM_LICENCE = "CC-BY-NC-SA-4.0 in part"


@dataclass(frozen=True)
class ModelInfo:
    """One checkpoint that can be chosen. `size_mb` is the download's, 0 where nothing is downloaded."""

    id: str
    title: str
    system: str
    source: Literal["embedded", "hub", "builtin"]
    licence: str
    size_mb: int
    note: str
    installed: bool = False


MODELS = (
    ModelInfo(
        "pocket/audioldm", "Pocket AudioLDM", "audioldm", "embedded", "Apache-2.0", 0,
        "Ships with Longwave; knows the sound families of its own corpus.",
    ),
    ModelInfo(
        "pocket/audioldm2", "Pocket AudioLDM 2", "audioldm2", "embedded", "Apache-2.0", 0,
        "Ships with Longwave; the same families, for long clips with sparse attention.",
    ),
    ModelInfo(
        "pocket/dcldm", "Pocket DC-LDM", "dcldm", "embedded", "Apache-2.0", 0,
        "Ships with Longwave; the same families, by a text and an acoustic draft.",
    ),
    ModelInfo(
        "pocket/tango", "Pocket TANGO", "tango", "embedded", "Apache-2.0", 0,
        "Ships with Longwave; what the pocket DC-LDM is made from.",
    ),
    ModelInfo(
        "pocket/voiceldm", "Pocket VoiceLDM", "voiceldm", "embedded",
        "Apache-2.0, but for the man's voice", 0,
        "Ships with Longwave; says English words inside the same families, and reads scripts. The man's "
        "voice is not cleared for commercial use: see its card.",
    ),
    ModelInfo(
        "pocket/audiogen", "Pocket AudioGen", DRAFTER, "embedded", "Apache-2.0", 0,
        "Ships with Longwave; makes drafts for DC-LDM, needs audiocraft.",
    ),
    ModelInfo(
        "cvssp/audioldm-s-full-v2", "AudioLDM small v2", "audioldm", "hub", "CC-BY-NC-SA-4.0", 1700,
        "Any sound, non-commercial use; the checkpoint of the InfiniteAudio paper's system.",
    ),
    ModelInfo(
        "cvssp/audioldm-m-full", "AudioLDM medium", "audioldm", "hub", "CC-BY-NC-SA-4.0", 2600,
        "Any sound, non-commercial use.",
    ),
    ModelInfo(
        "cvssp/audioldm-l-full", "AudioLDM large", "audioldm", "hub", "CC-BY-NC-SA-4.0", 3900,
        "Any sound, non-commercial use; wants a GPU.",
    ),
    ModelInfo(
        "cvssp/audioldm2", "AudioLDM 2", "audioldm2", "hub", "CC-BY-NC-SA-4.0", 4500,
        "Any sound, non-commercial use; the checkpoint of the LiteFocus paper.",
    ),
    ModelInfo(
        "cvssp/audioldm2-large", "AudioLDM 2 large", "audioldm2", "hub", "CC-BY-NC-SA-4.0", 6100,
        "Any sound, non-commercial use; wants a GPU.",
    ),
    ModelInfo(
        "cvssp/audioldm2-music", "AudioLDM 2 music", "audioldm2", "hub", "CC-BY-NC-SA-4.0", 4500,
        "Music, non-commercial use.",
    ),
    ModelInfo(
        "declare-lab/tango", "TANGO", "tango", "hub", "CC-BY-NC-SA-4.0", 5300,
        "Any sound, non-commercial use; the DC-LDM paper's baseline.",
    ),
    ModelInfo(
        "declare-lab/tango-full-ft-audiocaps", "TANGO full", "tango", "hub", "CC-BY-NC-SA-4.0", 5300,
        "Any sound, non-commercial use; trained on more.",
    ),
    ModelInfo(
        "glory20h/voiceldm-m", "VoiceLDM medium", "voiceldm", "hub", _VOICELDM_LICENCE, 3100,
        "Speech within a scene, non-commercial use; look up the licence of its own weights on its page.",
    ),
    ModelInfo(
        "glory20h/voiceldm-s", "VoiceLDM small", "voiceldm", "hub", _VOICELDM_LICENCE, 2200,
        "Speech within a scene, smaller; non-commercial use, and as the page of its own weights says.",
    ),
    ModelInfo(
        "facebook/audiogen-medium", "AudioGen medium", DRAFTER, "hub", "CC-BY-NC-4.0", 6900,
        "Drafts of any sound, non-commercial use; needs audiocraft, wants a GPU.",
    ),
    ModelInfo(
        "tone", "Test tone", "tone", "builtin", "Apache-2.0", 0,
        "A sine whatever the prompt says; shows that sound arrives.",
    ),
)  # fmt: skip


def list_models(settings: Settings) -> list[ModelInfo]:
    """The catalog, `installed` telling which can be used without a download."""
    return [
        ModelInfo(**{**vars(model), "installed": model.source == "builtin" or _is_here(model.id, settings)})
        for model in MODELS
    ]


def resolve(model_id: str, settings: Settings, *, download: bool = True) -> Path:
    """The folder of a checkpoint: embedded, a folder of the user's, or the Hub's cache.

    A Hub checkpoint that is not in the cache yet is downloaded, unless `download` is False.

    Raises:
        ModelNotFoundError: nothing of this name, or the Hub can't be reached.
        WeightsError: the download is incomplete.
    """
    embedded = settings.assets / model_id
    if model_id.startswith("pocket/") and ".." not in model_id:
        if is_folder(embedded):
            return embedded
        raise ModelNotFoundError(
            f"The embedded model {quoted(model_id)} is not in {settings.assets.name}; reinstall Longwave."
        )
    local = Path(os.path.expanduser(model_id))  # which leaves a stranger's home as it is
    if model_id.strip() and is_folder(local):
        return local
    if not is_hub_id(model_id):
        raise ModelNotFoundError(f"There is no model {quoted(model_id)}; see 'longwave models list'.")
    return _from_hub(model_id, download=download)


def create_backend(choice: ModelChoice, settings: Settings, registry: Registry = REGISTRY) -> Backend:
    """Load the chosen checkpoint by its system's loader.

    Raises:
        ModelNotFoundError: as `resolve`.
        WeightsError: the checkpoint is incomplete, damaged, or of another architecture.
        InvalidRequestError: the machine lacks the device.
        OutOfResourcesError: it does not fit into memory.
    """
    builtin = next((model for model in MODELS if model.id == choice.id and model.source == "builtin"), None)
    if builtin is not None:
        folder, system = _NOWHERE, registry.system(builtin.system)
    else:
        folder = resolve(choice.id, settings)
        system = registry.system_of(folder)
    own = {"passes": choice.passes} if system.folds else {}
    backend = system.load(folder, choice.device, choice.dtype, model_id=choice.id, **own)
    from studio.backends import extension

    if isinstance(backend, extension.Extended):
        backend.extend_by(partial(extension.load_extension, settings.assets / extension.FOLDER))
    return backend


def create_drafter(model_id: str, device: str, settings: Settings) -> Drafter:
    """Load an AudioGen; raises as `create_backend`, and `ModelNotFoundError` where audiocraft is missing."""
    return AUDIOGEN.load(resolve(model_id, settings), device, model_id=model_id)


def create_codec(model_id: str, device: str, settings: Settings) -> Codec | None:
    """Load an AudioGen's codec as it was exported for transformers; None where it lies in the AudioGen alone.

    Raises as `create_drafter`.
    """
    from studio.backends.acoustic import codec

    folder = resolve(model_id, settings)
    if (folder / codec.FOLDER).is_dir():
        return codec.load(folder, device, model_id=model_id)
    return None


def fingerprint(model_id: str, settings: Settings) -> str:
    """What tells an AudioGen's checkpoint from another that had its name; empty for one that is not here."""
    try:
        folder = resolve(model_id, settings, download=False)
        files = [(folder / name).stat() for name in AUDIOGEN.layout.weights]
    except (StudioError, OSError):
        return ""
    return " ".join(f"{file.st_size}:{file.st_mtime_ns}" for file in files)


def weights_fingerprint(model_id: str, settings: Settings, passes: Passes = "two") -> str:
    """What tells a model's weights, in takes of so many passes, from others of its name; empty where there
    are none, or none here.
    """
    try:
        return checkpoint.fingerprint(resolve(model_id, settings, download=False), passes=passes)
    except (StudioError, OSError):
        return ""


def vocabulary(model_id: str, settings: Settings) -> Vocabulary | None:
    """The words that a model was trained with; None for one that does not say."""
    try:
        file = resolve(model_id, settings, download=False) / VOCABULARY_FILE
        return Vocabulary.model_validate_json(read_bytes(file, MAX_CONFIG_BYTES))
    except (StudioError, OSError, ValueError):
        return None


def defaults_of(model_id: str, settings: Settings, registry: Registry = REGISTRY) -> ModelDefaults:
    """What takes of a model begin with: as its folder says, which our own do; else as its system's do.

    Of one that is not here and that no row lists, as those of a folder that doesn't say what it is. Never
    raises: what is wrong with a folder is told when it is opened.
    """
    row = next((model for model in MODELS if model.id == model_id), None)
    known = {spec.name: spec.defaults for spec in registry.systems}
    if row is not None and row.source != "embedded":
        return known.get(row.system, ModelDefaults())
    try:
        folder = resolve(model_id, settings, download=False)
        return checkpoint.defaults_in(folder) or registry.system_of(folder).defaults
    except (StudioError, OSError):
        return known[row.system if row is not None and row.system in known else registry.unnamed]


def speaks(model_id: str, settings: Settings, registry: Registry = REGISTRY) -> bool:
    """Whether a model says words, as far as is known: False of one that is not here and that no row lists."""
    row = next((model for model in MODELS if model.id == model_id), None)
    try:
        if row is not None:
            return registry.system(row.system).capabilities.speaks
        return registry.system_of(resolve(model_id, settings, download=False)).capabilities.speaks
    except (StudioError, OSError, KeyError):  # what makes drafts is no system of the registry's
        return False


def folds(model_id: str, settings: Settings) -> bool:
    """Whether takes of a model can be had in one pass, as far as is known."""
    try:
        return checkpoint.unet_in(resolve(model_id, settings, download=False), "one") == FOLDED_UNET
    except (StudioError, OSError):
        return False


def find(model_id: str, settings: Settings) -> Path | None:
    """The folder of a checkpoint that is here and whole; None where it is not, or has no folder.

    Never raises.
    """
    try:
        folder = resolve(model_id, settings, download=False)
    except (StudioError, OSError):
        return None
    return None if verify(folder) else folder


def licence_of(model_id: str) -> str:
    """The licence that the catalog states for a model; empty for one that it doesn't list."""
    return next((model.licence for model in MODELS if model.id == model_id), "")


def is_hub_id(model_id: str) -> bool:
    """Whether a model's id may be one of the Hub's, by the Hub's rules."""
    rare = "--" in model_id or ".." in model_id or model_id.endswith(".git")
    return len(model_id) <= _LONGEST_ID and not rare and _HUB_ID.fullmatch(model_id) is not None


def _is_here(model_id: str, settings: Settings) -> bool:
    return find(model_id, settings) is not None


def _from_hub(model_id: str, *, download: bool) -> Path:
    """A Hub repository's files in the local cache."""
    folder = cached(model_id, _HUB_FILES)
    whole = folder and all(companion.place() for companion in COMPANIONS.get(model_id, ()))
    if folder and whole and (not download or not verify(folder)):
        return folder
    if not download:
        raise ModelNotFoundError(f"The model '{model_id}' is not downloaded yet.")
    return get(plan(model_id))
