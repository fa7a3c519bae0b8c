"""Ways in which a checkpoint's folder may be damaged, or made to do harm."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

Damage = Callable[[Path], None]


def first(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def write_header(file: Path, header: Any, body: bytes = b"\0" * 64) -> None:
    """A safetensors file of this header."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(content)) + content + body)


def entry(dtype: object = "F32", shape: object = None, offsets: object = None) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape or [4, 4], "data_offsets": offsets or [0, 64]}


HEADERS: dict[str, Any] = {
    "string offsets": {"a": entry(offsets=["0", "64"])},
    "negative offsets": {"a": entry(offsets=[-64, 0])},
    "reversed offsets": {"a": entry(offsets=[64, 0])},
    "huge offsets": {"a": entry(shape=[1 << 60], offsets=[0, 1 << 62])},
    "floating offsets": {"a": entry(offsets=[0.0, 64.0])},
    "three offsets": {"a": entry(offsets=[0, 32, 64])},
    "overlapping": {"a": entry(), "b": entry()},
    "a gap": {"a": entry(shape=[4], offsets=[0, 16]), "b": entry(shape=[8], offsets=[32, 64])},
    "unknown dtype": {"a": entry(dtype="F31")},
    "dtype of a list": {"a": entry(dtype=["F32"])},
    "true in the shape": {"a": entry(shape=[True, 16])},
    "wrong shape": {"a": entry(shape=[3, 3])},
    "huge shape": {"a": entry(shape=[1 << 50] * 8)},
    "shape of a number": {"a": entry(shape=16)},
    "a list": [1, 2, 3],
    "a number in a tensor's place": {"a": 5},
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "no JSON": b"\xff\xfe{",
    "nothing": b"",
}
INDEXES: dict[str, Any] = {
    "a list": [],
    "weight_map a list": {"weight_map": ["model.safetensors"]},
    "weight_map of numbers": {"weight_map": {"a": 5}},
    "weight_map empty": {"weight_map": {}},
    "out of the folder": {"weight_map": {"a": "../../secret.safetensors"}},
    "from the root": {"weight_map": {"a": "/etc/passwd"}},
    "a missing shard": {"weight_map": {"a": "model-00001-of-00002.safetensors"}},
    "a long name": {"weight_map": {"a": "x" * 5000 + ".safetensors"}},
    "a NUL": {"weight_map": {"a": "a\0.safetensors"}},
}
JSONS = {
    "empty": b"",
    "a list": b"[]",
    "null": b"null",
    "half": b'{"a": 1',
    "deep": b'{"a":' + b"[" * 100_000,
    "no text": b"\xff\xfe\x00{",
    "NaN": b'{"num_train_timesteps": NaN}',
    "huge": b'{"a": "' + b"x" * (2 << 20) + b'"}',
    "a long number": b'{"a": ' + b"9" * 10_000 + b"}",
}
VALUES: tuple[Any, ...] = (
    0, -1, 7, 10**6, 10**9, 10**30, 1e300, True, False, None, "8", "", [], {}, [[]], [10**9] * 3, [0],
    [-1, 2], [None], ["a"],
)  # fmt: skip


def replace_by_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def replace_by_device(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def replace_by_loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)


def swell(file: Path) -> None:
    """Larger than any file of its kind, without taking space."""
    with file.open("r+b") as stream:
        stream.truncate(1 << 33)


FILES: tuple[Damage, ...] = (
    replace_by_pipe, replace_by_folder, replace_by_device, replace_by_loop, empty, cut, swell,
)  # fmt: skip
