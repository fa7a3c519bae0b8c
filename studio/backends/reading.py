"""What a checkpoint's files hold, read without trusting them: sizes are bounded before anything is allocated.

No torch here: headers, directories and small JSON files alone.
"""

from __future__ import annotations

import json
import logging
import math
import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from studio.core.errors import WeightsError

log = logging.getLogger(__name__)

MAX_CONFIG_BYTES = 1 << 20
MAX_INDEX_BYTES = 4 << 20
MAX_VOCABULARY_BYTES = 24 << 20  # the largest of the published tokenizers has 2.4 MB
_MAX_HEADER_BYTES = 16 << 20
_MAX_PICKLE_BYTES = 64 << 20  # the names and shapes in a torch archive; its numbers are entries of their own
_MAX_DIMENSIONS, _MAX_LENGTH = 8, 1 << 40
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
}  # fmt: skip
_SHOWN = 60  # letters of a damaged file's own words that a sentence repeats


@dataclass(frozen=True)
class Held:
    """How many tensors and numbers weight files hold, at the most."""

    tensors: int
    elements: int

    def __add__(self, other: Held) -> Held:
        return Held(self.tensors + other.tensors, self.elements + other.elements)


def short(path: Path) -> str:
    """The component and file name: enough to find it, without the machine's folders."""
    return f"{path.parent.name}/{path.name}"


def quoted(value: object) -> str:
    """Somebody else's words for a sentence of ours: in quotes, on one line, and not too many."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return f"'{text[:_SHOWN]}…'" if len(text) > _SHOWN else f"'{text}'"


def is_file(path: Path) -> bool:
    """Whether there is a regular file. Never raises: what can't be looked at is none."""
    return os.path.isfile(path)


def is_folder(path: Path) -> bool:
    """Whether there is a folder. Never raises: what can't be looked at is none."""
    return os.path.isdir(path)


def read_bytes(path: Path, limit: int) -> bytes:
    """A regular file's content: no pipe, which nobody may ever write to, and no device.

    Raises:
        WeightsError: there is none, it can't be read, or it has more than `limit` bytes.
    """
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            raise WeightsError(f"{short(path)} is no file; get the checkpoint again.")
        if about.st_size > limit:
            raise WeightsError(f"{short(path)} is far too large for what it is; get the checkpoint again.")
        with open(path, "rb") as stream:
            return stream.read(limit)
    except FileNotFoundError as error:
        raise WeightsError(f"{short(path)} is missing; get the checkpoint again.") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{short(path)} can't be read; get the checkpoint again.") from error


def parse_json(content: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, holds numbers that are none, or is nested too deeply.
    """
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parse_json_file(path: Path, limit: int) -> Any:
    """The value in a JSON file of a checkpoint.

    Raises:
        WeightsError: the file is missing, too large, or holds no JSON.
    """
    try:
        return parse_json(read_bytes(path, limit))
    except ValueError as error:
        raise WeightsError(f"{short(path)} can't be read as JSON; get the checkpoint again.") from error


def read_json(path: Path, limit: int = MAX_CONFIG_BYTES) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint.

    Raises:
        WeightsError: the file is missing, too large, or holds no JSON object.
    """
    value = parse_json_file(path, limit)
    if not isinstance(value, dict):
        raise WeightsError(f"{short(path)} holds no JSON object; get the checkpoint again.")
    return value


def held_by(file: Path) -> Held:
    """What one weight file holds, by its header or directory.

    Raises:
        WeightsError: it is missing, truncated, or its header does not describe its content.
    """
    try:
        if not is_file(file):
            raise WeightsError(f"{short(file)} is missing.")
        return _safetensors(file) if file.suffix == ".safetensors" else _archive(file)
    except WeightsError as error:
        raise WeightsError(f"{str(error).rstrip('.')}; get the checkpoint again.") from error
    except Exception as error:  # whatever a library makes of bytes that anybody may have written
        log.debug("reading %s", file, exc_info=True)
        raise WeightsError(f"{short(file)} can't be read; get the checkpoint again.") from error


def _safetensors(file: Path) -> Held:
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            raise WeightsError(f"{short(file)} is truncated.")
        if length > _MAX_HEADER_BYTES:
            raise WeightsError(f"{short(file)} has no readable header.")
        content = stream.read(length)
    try:
        header = parse_json(content)
        spans = [_span(entry) for name, entry in header.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{short(file)} has no readable header.") from error
    spans.sort()
    end = 0
    for begin, behind, _ in spans:
        if begin != end:
            raise WeightsError(f"{short(file)} has a header whose tensors overlap or leave gaps.")
        end = behind
    if size != 8 + length + end:
        raise WeightsError(f"{short(file)} is {size} bytes long instead of {8 + length + end}.")
    return Held(len(spans), sum(elements for _, _, elements in spans))


def _span(entry: dict[str, Any]) -> tuple[int, int, int]:
    """Where a tensor begins and ends, and how many numbers it has.

    Raises:
        ValueError, KeyError, TypeError: it is described wrongly.
    """
    shape, (begin, end), bits = entry["shape"], entry["data_offsets"], _BITS[entry["dtype"]]
    if not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS:
        raise ValueError("no shape")
    if not all(type(number) is int and 0 <= number <= _MAX_LENGTH for number in (begin, end, *shape)):
        raise ValueError("no sizes")
    elements = math.prod(shape)
    if elements * bits != 8 * (end - begin):
        raise ValueError("another size than its shape's")
    return begin, end, elements


def _archive(file: Path) -> Held:
    """A pickle from torch.save is a zip archive, whose directory stands at the very end."""
    if not zipfile.is_zipfile(file):
        raise WeightsError(f"{short(file)} is truncated or no archive of weights.")
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    total = sum(entry.file_size for entry in entries)
    if packed or total > file.stat().st_size:
        raise WeightsError(f"{short(file)} unpacks to more than it is.")
    if any(entry.filename.endswith(".pkl") and entry.file_size > _MAX_PICKLE_BYTES for entry in entries):
        raise WeightsError(f"{short(file)} has no readable header.")
    return Held(len(entries), total)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
