"""The caption tower's tokenizer: byte-level BPE of our own, in `RobertaTokenizer`'s format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerBase, RobertaTokenizerFast

MAX_TOKENS = 77  # AudioLDM's pipeline pads to this length
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def train_tokenizer(texts: Iterable[str], folder: Path, vocab_size: int = 12_000) -> PreTrainedTokenizerBase:
    """Learn merges from `texts` (lower-cased by us beforehand: prompts come in any case)."""
    bpe = ByteLevelBPETokenizer(add_prefix_space=True, lowercase=True)
    bpe.train_from_iterator(texts, vocab_size=vocab_size, min_frequency=2, special_tokens=SPECIAL)
    folder.mkdir(parents=True, exist_ok=True)
    backend = folder / "bpe.json"
    bpe.save(str(backend))
    tokenizer = RobertaTokenizerFast(
        tokenizer_file=str(backend),
        add_prefix_space=True,
        model_max_length=MAX_TOKENS,
        do_lower_case=True,  # read by `modules.text.tokenize`
    )
    backend.unlink()
    tokenizer.save_pretrained(folder)
    return tokenizer
