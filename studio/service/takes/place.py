"""Where a take lies: what its files are called as it grows and at the end; names of others are left alone."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.locks import Claim
from studio.core.preset import load_preset
from studio.service.takes.export import checked_suffix
from studio.service.takes.naming import free_stem
from studio.service.takes.wav import GrowingWav

MAX_STEM_BYTES = 200  # of a name of 255 at the most, what comes behind it included


@dataclass(frozen=True)
class Place:
    """Under a name of the library's, or exactly where its user has `chosen`."""

    final: Path
    chosen: bool

    def sidecar(self) -> Path:
        """Where the take's record goes. A file that bears that name and is none of its own is left alone.

        Raises:
            OSError: as the disk says.
        """
        return next(path for path in self._sidecars() if not self.chosen or self._may_be_at(path))

    def _sidecars(self) -> Iterator[Path]:
        yield self.final.with_suffix(".json")
        yield self.final.with_name(f"{self.final.name}.json")
        for number in itertools.count(2):
            yield self.final.with_name(f"{self.final.name}.{number}.json")

    def _may_be_at(self, path: Path) -> bool:
        """Whether nothing was there, in which case the name is ours now, or the record of this file."""
        try:
            open(path, "xb").close()
            return True
        except FileExistsError:
            pass
        try:
            about = load_preset(path).take
        except InvalidRequestError:
            return False
        if about is None:
            return False
        return about.file == self.final.name or not (path.parent / about.file).exists()

    def growing(self) -> Iterator[Path]:
        """Names for the file that grows until the take is whole, the likeliest first."""
        if not self.chosen:
            yield self.final.with_suffix(".wav")
            return
        cut = self.final.stem.encode("utf-8", "surrogateescape")[:MAX_STEM_BYTES]
        stem = cut.decode("utf-8", "ignore")
        yield self.final.with_name(f"{stem}.growing.wav")
        while True:
            yield self.final.with_name(f"{stem}.{secrets.token_hex(4)}.growing.wav")


def open_new(final: Path, sample_rate: int, channels: int = 1, *, chosen: bool) -> tuple[GrowingWav, Place]:
    """A file that grows under a name of nobody's, and the place it will have. Raises `OSError`."""
    while True:  # until no other process is quicker
        stem = final.stem if chosen else free_stem(final.parent, final.stem)
        place = Place(final.with_name(f"{stem}{final.suffix}"), chosen)
        for growing in place.growing():
            try:
                return GrowingWav(growing, sample_rate, channels), place
            except FileExistsError:
                continue


def claimed(out: Path) -> Claim:
    """The claim on a file that a take is to be written to.

    Raises:
        InvalidRequestError: it is of no format the studio writes, is a folder or a device, or another take is
            being written to it.
    """
    checked_suffix(out)
    if out.exists() and not out.is_file():
        raise InvalidRequestError(f"{out} is there and is no file: choose another name.")
    return Claim(out)
