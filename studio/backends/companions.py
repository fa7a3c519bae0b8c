"""What is needed of a checkpoint's repository on the Hub, and of those beside it: which files, and where they
lie once they are here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from studio.backends.reading import is_file
from studio.backends.registry import AUDIOGEN_FILES, PUBLISHED_FILES, VOICELDM

SMALL = (".json", ".txt", ".model")
_STEM = r"(diffusion_pytorch_model|model|pytorch_model)(-\d{5}-of-\d{5})?"
_SAFE, _PICKLED = re.compile(_STEM + r"\.safetensors"), re.compile(_STEM + r"\.bin")
_WHOLE = (*PUBLISHED_FILES, *AUDIOGEN_FILES, *(VOICELDM.published.one_of if VOICELDM.published else ()))
_CONFIGS = tuple(f"*{ending}" for ending in SMALL)


@dataclass(frozen=True)
class Companion:
    """A repository beside a checkpoint's own.

    Attributes:
        shows: files that are there once it has been got.
        wanted: patterns of the names that are needed, of those that checkpoints are opened from.
    """

    repository: str
    shows: tuple[str, ...]
    wanted: tuple[str, ...] = ("*",)

    def takes(self, name: str) -> bool:
        """Whether a file of the repository is needed."""
        return any(fnmatch(name, pattern) for pattern in self.wanted)

    def place(self) -> Path | None:
        """Where it lies in the Hub's cache; None where it doesn't."""
        found = cached(self.repository, list(self.wanted))
        return found if found and all(is_file(found / name) for name in self.shows) else None


T5_LARGE = Companion("t5-large", ("model.safetensors",))
FLAN_T5_LARGE = Companion("google/flan-t5-large", ("config.json",), _CONFIGS)
SOUND = Companion(
    "cvssp/audioldm-m-full",
    ("scheduler/scheduler_config.json", "vae/config.json", "vocoder/config.json"),
    ("scheduler/*", "vae/*", "vocoder/*"),
)
CLAP = Companion("laion/clap-htsat-unfused", ("config.json", "tokenizer_config.json"))
SPEECHT5 = Companion("microsoft/speecht5_tts", ("config.json", "spm_char.model"), _CONFIGS)

COMPANIONS: dict[str, tuple[Companion, ...]] = {
    "facebook/audiogen-medium": (T5_LARGE,),
    "declare-lab/tango": (FLAN_T5_LARGE,),
    "declare-lab/tango-full-ft-audiocaps": (FLAN_T5_LARGE,),
    "glory20h/voiceldm-s": (SOUND, CLAP, SPEECHT5),
    "glory20h/voiceldm-m": (SOUND, CLAP, SPEECHT5),
}


def needed(names: Sequence[str]) -> list[str]:
    """Those of a repository's files that a checkpoint is opened from."""
    by_folder: dict[str, list[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        if ".." not in path.parts and len(path.parts) <= 2 and not name.startswith((".", "/")):
            by_folder.setdefault(str(path.parent), []).append(name)
    chosen = [name for folder in by_folder.values() for name in folder if name.endswith(SMALL)]
    for folder, inside in by_folder.items():
        last = {name: PurePosixPath(name).name for name in inside}
        weights = [name for name in inside if _SAFE.fullmatch(last[name])]
        weights = weights or [name for name in inside if _PICKLED.fullmatch(last[name])]
        chosen += weights + [name for name in inside if folder == "." and _is_whole(name)]
    return sorted(set(chosen))


def _is_whole(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in _WHOLE)


def cached(repository: str, patterns: list[str]) -> Path | None:
    """Where a repository lies in the Hub's cache, whole or not; None, if it doesn't."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=patterns, local_files_only=True))
    except IncompleteSnapshotError as error:  # of files that nobody needs: `verify` knows better
        return Path(error.snapshot_path)
    except LocalEntryNotFoundError:
        return None
