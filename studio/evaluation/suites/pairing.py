"""Which sounds of two folders belong together, and which captions to which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.evaluation.sound_files import rate_of, sound_files
from studio.evaluation.suites.captions import stem

NARROW_HZ = 16000
_NAMED = 3  # files that a sentence names


@dataclass(frozen=True)
class Sounds:
    """Two folders' files by the name that pairs them."""

    generated: dict[str, Path]
    reference: dict[str, Path]

    @property
    def shared(self) -> list[str]:
        """The names that are in both."""
        return [name for name in self.generated if name in self.reference]


def by_name(folder: Path) -> dict[str, Path]:
    """A folder's sound files by what they are paired by.

    Raises:
        InvalidRequestError: there is no such folder, no sound in it, or two files have one name.
    """
    found: dict[str, Path] = {}
    for path in sound_files(folder):
        name = stem(path.relative_to(folder).as_posix())
        if name in found:
            raise InvalidRequestError(
                f"{found[name].name} and {path.name} in {folder} have one name: keep one of them."
            )
        found[name] = path
    return found


def captions_of(files: Mapping[str, Path], captions: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Each file's captions, by its whole name or by the last part of it.

    Raises:
        InvalidRequestError: files have none.
    """
    found = {name: captions.get(name) or captions.get(Path(name).name) or () for name in files}
    if lacking := [name for name, texts in found.items() if not texts]:
        raise InvalidRequestError(
            f"{len(lacking)} of {len(files)} generated files have no caption ({some(lacking)}): "
            "add their captions, or take them out."
        )
    return found


def narrow_files(kind: str, files: Mapping[str, Path]) -> list[str]:
    """A sentence where files of a kind have too low a rate to be compared with others; none else."""
    narrow = [path.name for path in files.values() if rate_of(path) < NARROW_HZ]
    if not narrow:
        return []
    return [
        f"{len(narrow)} {kind} files are below {NARROW_HZ // 1000} kHz ({some(narrow)}): they lack what "
        "others have above half of their rate, which counts as a difference; compare sounds of one rate."
    ]


def some(names: Sequence[str]) -> str:
    """The first of some names, for a sentence."""
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
