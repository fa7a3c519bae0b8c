"""Letters and their ids: as sentencepiece numbers them, and any bytes are read or refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.modules.letters import Letters, model_of

ALPHABET = "abcdefghijklmnopqrstuvwxyz'.,!"
TEXTS = (
    "the storm will reach the coast", "", "_", "  a   b ", "x__y é1 2", " ", "a\tb", "don't. stop!", "ab\n",
    "ﬁne ½ Ａ", "E\u0301a", "日本x", "😀😀 a", "a\u00a0b", "▁a",
)  # fmt: skip


def test_ids_are_speecht5s():
    letters = Letters(model_of(ALPHABET))
    assert len(letters) == 5 + len(ALPHABET)
    assert letters.ids("ab c", 1000) == [4, 5, 6, 4, 7, 2]
    assert letters.ids("", 1000) == [2]
    assert letters.ids("_", 1000) == [4, 3, 2], "nothing is said: a space and what is no letter"
    assert letters.ids("a123b", 1000) == [4, 5, 3, 6, 2], "unknown ones together are one"


def test_words_are_the_ids_between_spaces():
    letters = Letters(model_of(ALPHABET))
    assert letters.words(" ab  c, ") == [(1, 3), (4, 6)]
    assert letters.words("a日本x b") == [(1, 4), (5, 6)], "unknown letters together are one"
    assert letters.words("") == letters.words("  ") == []
    for text in TEXTS:
        ids = letters.ids(text, 1000)
        spaces = {place for place, number in enumerate(ids[:-1]) if number == 4}
        held = [place for first, end in letters.words(text) for place in range(first, end)]
        assert sorted({*range(len(ids) - 1)} - spaces) == held


def test_a_batch_is_padded_and_masked():
    ids, mask = Letters(model_of(ALPHABET))(["abc", "a", ""], 1000)
    assert ids.tolist() == [[4, 5, 6, 7, 2], [4, 5, 2, 1, 1], [2, 1, 1, 1, 1]]
    assert mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]
    assert ids.dtype == mask.dtype == torch.long


def test_a_long_text_ends_at_the_limit_with_its_end():
    letters = Letters(model_of(ALPHABET))
    assert letters.ids("a" * 20, 6) == [4, 5, 5, 5, 5, 2]
    assert len(letters.ids("a" * 998, 1000)) == 1000
    assert letters.ids("a" * 998, 1000) == letters.ids("a" * 2000, 1000)


@pytest.mark.parametrize("source", ["ours", "trained"])
def test_it_is_sentencepieces(source: str, tmp_path: Path):
    sentencepiece = pytest.importorskip("sentencepiece")
    from transformers import SpeechT5Tokenizer

    model = model_of(ALPHABET)
    if source == "trained":  # with the rules of `nmt_nfkc`, as SpeechT5's own
        written = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["the quick brown fox jumps over the lazy dog", "Don't stop. Éa"] * 20),
            model_writer=written, vocab_size=45, model_type="char", hard_vocab_limit=False,
            bos_id=0, pad_id=1, eos_id=2, unk_id=3, minloglevel=2,
        )  # fmt: skip
        model = written.getvalue()
    (tmp_path / "spm_char.model").write_bytes(model)
    own, theirs = Letters(model), SpeechT5Tokenizer.from_pretrained(tmp_path)
    assert len(own) == theirs.vocab_size
    for text in TEXTS:
        assert own.ids(text, 1000) == theirs(text).input_ids, text
    padded = theirs(["the fox", "a"], padding=True, return_tensors="pt")
    ids, mask = own(["the fox", "a"], 1000)
    assert torch.equal(ids, padded.input_ids)
    assert torch.equal(mask, padded.attention_mask)


def test_a_model_of_words_is_none_of_letters():
    with pytest.raises(ValueError, match="'the'"):
        Letters(model_of(["a", "the"]))


@pytest.mark.parametrize("name", ["<pad>", "</s>", "<unk>"])
def test_what_it_lacks_is_named(name: str):
    whole = model_of("a")
    with pytest.raises(ValueError, match=f"no {name}"):
        Letters(whole.replace(name.encode(), b"<" + b"x" * (len(name) - 2) + b">"))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\xff" * 40, b"\x0a", b"\x0a\xff\xff\xff\xff\x7f", b"\x08\x01", b"\x0b",
     model_of("ab")[:-3], model_of("ab")[:50], b"\x1a\x04\x12\x02ab" + model_of("a"), b"\x0a\x00"],
)  # fmt: skip
def test_other_bytes_are_refused(content: bytes):
    with pytest.raises(ValueError, match="it"):
        Letters(content)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=80), st.integers(0, 100))
def test_damage_anywhere_ends_in_an_error_or_in_ids(damage: bytes, place: int):
    whole = model_of(ALPHABET)
    try:
        letters = Letters(whole[:place] + damage + whole[place + len(damage) :])
    except ValueError:
        return
    assert letters.ids("ab", 1000)[-1] < len(letters)


def test_a_model_may_begin_without_a_space():
    assert Letters(model_of(ALPHABET, begins_with_space=False)).ids("ab c", 1000) == [5, 6, 4, 7, 2]
