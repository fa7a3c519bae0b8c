"""Texts letter by letter, as SpeechT5 numbers them: sentencepiece's character models without sentencepiece.

Such a model is a list of letters with a few rules about spaces. It is read here as the protobuf message that
it is (`sentencepiece_model.proto`): nothing has to be installed for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from tokenizers import normalizers
from torch import Tensor

_SPACE = "▁"
_START, _PAD, _END, _UNKNOWN = "<s>", "<pad>", "</s>", "<unk>"
_NORMAL, _UNKNOWN_KIND, _CONTROL = 1, 2, 3  # kinds of pieces
_CHARACTERS = 4  # a kind of model
_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES = 0, 1, 2, 5  # wire types
_LARGEST_VARINT = 10  # bytes


class Letters:
    """Texts → ids, by a sentencepiece model of characters."""

    def __init__(self, model: bytes) -> None:
        """Read the content of such a model's file.

        Raises:
            ValueError: it is none, or has pieces of several letters.
        """
        self._ids: dict[str, int] = {}
        self._charsmap: normalizers.Normalizer | None = None
        self._begins_with_space = self._joins_spaces = self._marks_spaces = True
        for number, value in _fields(model):
            if number == 1:
                self._add(dict(_fields(_bytes(value))))
            elif number == 3:
                self._read_rules(dict(_fields(_bytes(value))))
        if missing := [name for name in (_PAD, _END, _UNKNOWN) if name not in self._ids]:
            raise ValueError(f"it has no {missing[0]}")
        self.pad = self._ids[_PAD]

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self._ids)

    def __call__(self, texts: Sequence[str], limit: int) -> tuple[Tensor, Tensor]:
        """Ids [B, K] of texts, cut at `limit` and padded to the longest, and which count: mask [B, K]."""
        found = [torch.tensor(self.ids(text, limit)) for text in texts]
        lengths = torch.tensor([len(ids) for ids in found])
        padded = torch.nn.utils.rnn.pad_sequence(found, batch_first=True, padding_value=self.pad)
        return padded, (torch.arange(padded.shape[1]) < lengths[:, None]).long()

    def ids(self, text: str, limit: int) -> list[int]:
        """A text's ids with the end's behind them, at most `limit`.

        Letters that there is no id for are unknown, and one where they stand together.
        """
        return [*(number for number, _ in islice(self._read(text), limit - 1)), self._ids[_END]]

    def words(self, text: str) -> list[tuple[int, int]]:
        """The ids [first, end) of each word of a text, where its `ids` have room for all of it."""
        spans: list[tuple[int, int]] = []
        before = True  # a space, or the beginning
        for place, (_, space) in enumerate(self._read(text)):
            if not space:
                spans.append((place, place + 1) if before else (spans.pop()[0], place + 1))
            before = space
        return spans

    def _read(self, text: str) -> Iterator[tuple[int, bool]]:
        """A text's ids without the end's, and whether each is of a space."""
        unknown, last = self._ids[_UNKNOWN], -1
        for letter in self._normal(text):
            number = self._ids.get(letter, unknown)
            if number != unknown or last != unknown:
                yield number, letter in (_SPACE, " ")
            last = number

    def _normal(self, text: str) -> str:
        if self._charsmap is not None:
            text = self._charsmap.normalize_str(text)
        if self._joins_spaces:
            text = " ".join(filter(None, text.split(" ")))
        if text and self._begins_with_space:
            text = f" {text}"
        return text.replace(" ", _SPACE) if self._marks_spaces else text

    def _add(self, piece: dict[int, bytes | int]) -> None:
        text = _bytes(piece.get(1, b"")).decode()
        if len(text) > 1 and piece.get(3, _NORMAL) == _NORMAL:
            raise ValueError(f"it is no model of letters: it has '{text[:20]}'")
        self._ids.setdefault(text, len(self._ids))

    def _read_rules(self, rules: dict[int, bytes | int]) -> None:
        if charsmap := _bytes(rules.get(2, b"")):
            try:
                self._charsmap = normalizers.Precompiled(charsmap)
            except Exception as error:  # the library raises nothing narrower
                raise ValueError("its rules of letters can't be read") from error
        self._begins_with_space, self._joins_spaces, self._marks_spaces = (
            bool(rules.get(number, True)) for number in (3, 4, 5)
        )


def model_of(letters: Iterable[str], *, charsmap: bytes = b"", begins_with_space: bool = True) -> bytes:
    """The content of a sentencepiece model of these letters, for `Letters` and for sentencepiece itself.

    Ids are those of SpeechT5: start, padding, end and unknown from 0 on, then the space, then the letters.

    Args:
        charsmap: sentencepiece's compiled table of what letters become before they are looked up.
        begins_with_space: whether a space is set before each text.
    """
    kinds = {_UNKNOWN: _UNKNOWN_KIND} | dict.fromkeys((_START, _PAD, _END), _CONTROL)
    order = (_START, _PAD, _END, _UNKNOWN, _SPACE, *letters)
    pieces = b"".join(
        _sized(1, _sized(1, text.encode()) + b"\x15" + bytes(4) + _number(3, kinds.get(text, _NORMAL)))
        for text in order
    )
    rules = _sized(1, b"custom") + _sized(2, charsmap) if charsmap else _sized(1, b"identity")
    own = {3: _CHARACTERS, 40: 3, 41: 0, 42: 2, 43: 1}  # kind of model; unknown, start, end, padding
    return (
        pieces
        + _sized(2, b"".join(_number(key, value) for key, value in own.items()))
        + _sized(3, rules + _number(3, begins_with_space))
    )


def _fields(content: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a protobuf message: their numbers, and their values as integers or bytes.

    Raises:
        ValueError: it is none.
    """
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(content, place)
            yield number, value
            continue
        if kind not in (_EIGHT_BYTES, _SIZED, _FOUR_BYTES):
            raise ValueError("it is no sentencepiece model")
        size = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(kind, 0)
        if kind == _SIZED:
            size, place = _varint(content, place)
        if size > len(content) - place:
            raise ValueError("it is truncated")
        yield number, content[place : place + size]
        place += size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    value = 0
    for shift, byte in enumerate(content[place : place + _LARGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * shift
        if not byte & 0x80:
            return value, place + shift + 1
    raise ValueError("it is truncated")


def _bytes(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ValueError("it is no sentencepiece model")
    return value


def _sized(number: int, content: bytes) -> bytes:
    return _written(number << 3 | _SIZED) + _written(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _written(number << 3 | _VARINT) + _written(value)


def _written(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
