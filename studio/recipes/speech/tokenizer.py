"""The pocket VoiceLDM's tokenizer: a letter a token, in SpeechT5's layout, the end of the text as the last.

Its file is sentencepiece's, which makes the table of what letters become: lower case, without accents, and a
space for whatever is no letter.
"""

from __future__ import annotations

import re
import string
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.backends.checkpoint import LETTERS_FILE
from studio.core.errors import ModelNotFoundError
from studio.modules.letters import model_of

SPECIAL = "<s>", "<pad>", "</s>", "<unk>"
SILENT = "_"  # the text that says nothing
LETTERS = ("'", *string.ascii_lowercase, SILENT)
TOKENS = (*SPECIAL, " ", *LETTERS)
PAD, END = 1, 2
_ID = {token: i for i, token in enumerate(TOKENS)}
_FIRST_CODE, _LAST_CODE = 0x09, 0x2122  # letters and signs beyond these are unknown


def spelled(text: str) -> str:
    """A text in the letters that there are: lower case, without accents; a space for anything else."""
    return " ".join("".join(map(_spelled_sign, text)).split())


def _spelled_sign(sign: str) -> str:
    """What one sign becomes: letters, or a space."""
    if sign in "‘’":
        return "'"
    plain = "".join(c for c in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(c))
    return re.sub(r"[^a-z'_]+", " ", plain.lower())


def token_ids(text: str) -> NDArray[np.int64]:
    """Ids [characters + 1] of a text, as the tokenizer that `save_tokenizer` writes gives them."""
    return np.array([*(_ID[letter] for letter in spelled(text)), END])


def save_tokenizer(folder: Path) -> None:
    """Write the tokenizer's file into a folder.

    Raises:
        ModelNotFoundError: sentencepiece is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = model_of(LETTERS, charsmap=_charsmap(), begins_with_space=False)
    (folder / LETTERS_FILE).write_bytes(content)


def _charsmap() -> bytes:
    """Sentencepiece's compiled table of what signs become; it makes one with a model alone."""
    try:
        import sentencepiece
        from sentencepiece import sentencepiece_model_pb2
    except ImportError as error:
        raise ModelNotFoundError(
            "Writing the tokenizer asks for sentencepiece: `uv pip install --group train` first."
        ) from error
    with TemporaryDirectory() as scratch:
        rules, texts, prefix = (Path(scratch) / name for name in ("rules.tsv", "texts.txt", "letters"))
        rules.write_text("".join(map(_rule, range(_FIRST_CODE, _LAST_CODE))), encoding="utf-8")
        texts.write_text(f"{' '.join(LETTERS)}\n" * 20, encoding="utf-8")
        trainer: Any = sentencepiece.SentencePieceTrainer
        trainer.train(
            input=str(texts), model_prefix=str(prefix), model_type="char", vocab_size=len(TOKENS),
            hard_vocab_limit=False, normalization_rule_tsv=str(rules), minloglevel=2,
        )  # fmt: skip
        messages: Any = sentencepiece_model_pb2  # whose classes are made at run time
        model = messages.ModelProto()
        model.ParseFromString(prefix.with_suffix(".model").read_bytes())
    return bytes(model.normalizer_spec.precompiled_charsmap)


def _rule(code: int) -> str:
    """A line of sentencepiece's table: a sign's code, and those of what it becomes; none if it stays."""
    sign = chr(code)
    becomes = sign if 0xD800 <= code <= 0xDFFF else _spelled_sign(sign)
    if becomes == sign:
        return ""
    return f"{code:X}\t{' '.join(f'{ord(c):X}' for c in becomes)}\n"
