"""The pocket VoiceLDM's tokenizer: a letter a token, in SpeechT5's layout, the end of the text as the last."""

from __future__ import annotations

import re
import string
import unicodedata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SPECIAL = "<s>", "<pad>", "</s>", "<unk>"
SILENT = "_"  # the text that says nothing
LETTERS = (" ", "'", *string.ascii_lowercase, SILENT)
TOKENS = (*SPECIAL, *LETTERS)
PAD, END, UNKNOWN = 1, 2, 3
_ID = {token: i for i, token in enumerate(TOKENS)}


def spelled(text: str) -> str:
    """A text in the letters that there are: lower case, without accents; a space for anything else."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.sub(r"[^a-z'_]+", " ", plain.lower()).strip()


def token_ids(text: str) -> NDArray[np.int64]:
    """Ids [characters + 1] of a text, as the tokenizer that `save_tokenizer` writes gives them."""
    return np.array([*(_ID[letter] for letter in spelled(text)), END])


def save_tokenizer(folder: Path) -> None:
    """Write `tokenizer.json` and its config: what `AutoTokenizer` opens."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(_ID, SPECIAL[UNKNOWN]))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(),
        normalizers.Replace(Regex("[^a-z'_]+"), " "), normalizers.Strip(),
    ])  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[(SPECIAL[END], END)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
