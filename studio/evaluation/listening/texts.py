"""The text of each item: from captions of the user's, or from what Longwave wrote beside its takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from studio.core.errors import InvalidRequestError
from studio.core.preset import MAX_PRESET_BYTES, parse_preset
from studio.core.text import one_line, read_text
from studio.evaluation.suites.captions import read_captions

MAX_TEXT_CHARS = 1000


def texts_of(items: Mapping[str, Sequence[Path]], captions: Path | None) -> list[str]:
    """The text of each item, empty where it has none: the first of its captions or, where there is none, the
    prompt in a sidecar of one of its files.

    Args:
        items: the files of each, by the name that they share.
        captions: as `read_captions` reads them.

    Raises:
        InvalidRequestError: the captions can't be read.
    """
    given = read_captions(captions) if captions else {}
    texts = (
        given[name][0] if name in given else next(filter(None, map(_prompt_beside, paths)), "")
        for name, paths in items.items()
    )
    return [one_line(text)[:MAX_TEXT_CHARS] for text in texts]


def _prompt_beside(sound: Path) -> str:
    try:
        settings = parse_preset(read_text(sound.with_suffix(".json"), MAX_PRESET_BYTES)).settings
    except (OSError, ValueError, InvalidRequestError):
        return ""
    return str(settings.get("prompt") or "")
