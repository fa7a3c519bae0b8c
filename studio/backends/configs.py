"""The configs beside weights: numbers that no network has are refused before a library computes by them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from studio.core.errors import WeightsError

_LARGEST = 1 << 20  # of whole numbers: vocabularies have 50,265 entries, clips 480,000 samples
_LARGEST_FLOAT = 1e12
# What lays activations out without showing in any weight, and is small in every network.
_SMALL = ("padding", "dilation", "upsample_rates", "scale_factor", "stride", "max_new_tokens")
_LARGEST_SMALL = 256
_MAX_VALUES = 20_000
_ATTENTIONS = (None, "eager", "sdpa")  # others are fetched from the Hub, and are code


def check_config(config: Mapping[str, Any], name: str) -> None:
    """Look at a network's config before a library is asked to build by it.

    Args:
        config: of the file's JSON.
        name: the component's.

    Raises:
        WeightsError: a number that can't be meant, or a part that would be code of somebody's.
    """
    for count, (key, value) in enumerate(_values(config)):
        if count >= _MAX_VALUES:
            raise WeightsError(f"The config of {name} is far too long; get the checkpoint again.")
        if "attn_implementation" in key and value not in _ATTENTIONS:
            raise WeightsError(
                f"The config of {name} asks for an attention of its own; use another checkpoint."
            )
        if key == "quantization_config":
            raise WeightsError(
                f"The weights of {name} are quantized, which is not known; use another checkpoint."
            )
        if not _possible(key, value):
            raise WeightsError(
                f"The config of {name} has an impossible number for {key[:60]}; get the checkpoint again."
            )


def whole(value: object, smallest: int, largest: int) -> bool:
    """Whether a value of a config is a whole number between two others; True and False are none."""
    return type(value) is int and smallest <= value <= largest


def real(value: object, smallest: float, largest: float) -> bool:
    """Whether a value of a config is a number between two others; True, False and nan are none."""
    return type(value) in {int, float} and smallest <= value <= largest  # type: ignore[operator]


def _possible(key: str, value: object) -> bool:
    if type(value) is int:
        small = any(word in key for word in _SMALL)
        return abs(value) <= (_LARGEST_SMALL if small else _LARGEST)
    return type(value) is not float or (math.isfinite(value) and abs(value) <= _LARGEST_FLOAT)


def _values(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every value under its nearest key, without recursion: configs are nested as their writer likes."""
    waiting: list[tuple[str, Any]] = list(config.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, item) for item in value]
        else:
            yield key, value
