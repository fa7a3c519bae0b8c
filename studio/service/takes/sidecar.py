"""The file beside a take that says how it was made, and what of it the library's index keeps."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from studio.core.errors import InvalidRequestError
from studio.core.files import replace_file
from studio.core.preset import (
    MAX_PRESET_BYTES,
    UNUSABLE,
    Preset,
    describes_take,
    parse_preset,
)
from studio.core.text import one_line, read_text

TICK_S = 0.01  # a file's times advance by no more than this at once, on disks that keep nanoseconds


class Entry(NamedTuple):
    """What is known of a sidecar: of a take's its record, of a damaged one the reason, of any other nothing.

    `file`, `status`, `favourite`, `created` and `duration_s` are the record's own, `title` is its name,
    `group_id` its group's; `words` is what a search looks in but for the sound's name, in lower case;
    `record` is the text. `reason` is a sentence, and `certain` says that the file is a take's, whether a
    sound lies beside it or not.
    """

    file: str = ""
    status: str = ""
    favourite: bool = False
    created: str = ""
    title: str = ""
    duration_s: float = 0.0
    group_id: str = ""
    words: str = ""
    record: str = ""
    reason: str = ""
    certain: bool = False


def write_sidecar(path: Path, record: Preset, *, sync: bool = False) -> None:
    """Replace the file at once; `sync` puts it on the disk itself. Raises `OSError`."""
    replace_file(path, f"{record.to_json()}\n".encode(), sync=sync)


def prompts_of(settings: Mapping[str, Any]) -> str:
    """Everything that a take was asked for, for a search."""
    lane = settings.get("lane") or ()
    words = str((settings.get("speech") or {}).get("text") or "")
    asked = (settings.get("prompt", ""), *(point["prompt"] for point in lane), *([words] if words else []))
    return " · ".join(dict.fromkeys(map(one_line, asked)))


def stamp_of(about: os.stat_result) -> str:
    """What tells that a file has changed."""
    return f"{about.st_mtime_ns} {about.st_ctime_ns} {about.st_size} {about.st_ino}"


def read_entry(path: Path, about: os.stat_result) -> Entry:
    """What a sidecar says, which was looked `about` before.

    Raises:
        OSError: it can't be read, which may be over the next time.
    """
    if not stat.S_ISREG(about.st_mode):
        return Entry(reason="Its record is no ordinary file.")
    if about.st_size > MAX_PRESET_BYTES:
        return Entry(reason=f"Its record is {about.st_size / 1e6:.0f} MB large: no take's is.")
    _wait_for_the_next_tick(about.st_mtime_ns)
    try:
        text = read_text(path, MAX_PRESET_BYTES)
    except InvalidRequestError as error:
        return Entry(reason=str(error))
    described = describes_take(text)
    if described is None:
        return Entry(reason="Its record is damaged: its text is not JSON.")
    if not described:
        return Entry()
    try:
        record = parse_preset(text)
        if not record.settings.get("prompt"):  # else it was tried there
            record.request()  # or what follows would have to doubt every setting
    except InvalidRequestError as error:
        why = str(error).removeprefix(UNUSABLE)
        return Entry(reason=f"Its record can't be used: {why}", certain=True)
    return _entry_of(record, text)


def _entry_of(record: Preset, text: str) -> Entry:
    take = record.take
    if take is None:
        return Entry()
    return Entry(
        file=take.file,
        status=take.status,
        favourite=take.favourite,
        created=take.created,
        title=record.name,
        duration_s=take.duration_s,
        group_id=take.group.id if take.group else "",
        words=f"{record.name} {prompts_of(record.settings)} {record.settings.get('seed')}".lower(),
        record=text,
    )


def _wait_for_the_next_tick(changed_ns: int) -> None:
    """Or a change right after the reading could leave the file's times as they are."""
    left_s = TICK_S - (time.time_ns() - changed_ns) / 1e9
    if 0 < left_s <= TICK_S:
        time.sleep(left_s)
