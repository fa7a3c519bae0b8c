"""The pocket VoiceLDM's letters: what the recipes number, and what the file that ships gives."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from studio.backends.checkpoint import LETTERS_FILE
from studio.core.errors import ModelNotFoundError
from studio.modules.letters import Letters
from studio.recipes.speech.tokenizer import END, TOKENS, save_tokenizer, spelled, token_ids

TEXTS = (
    "the storm will reach the coast", "Hello, World!", "Héllo,  it’s 5 o'clock", "", "_", " a\tb ", "STOP.",
    "The (big) dog—ran; away?", "naïve – café “x”",
)  # fmt: skip


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Letters:
    pytest.importorskip("sentencepiece", reason="group train is not installed")
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return Letters((folder / LETTERS_FILE).read_bytes())


@pytest.mark.parametrize("text", TEXTS)
def test_the_file_numbers_letters_as_training_did(letters: Letters, text: str) -> None:
    assert letters.ids(text, 1000) == token_ids(text).tolist()


def test_the_file_has_the_tokens_that_training_had(letters: Letters) -> None:
    assert len(letters) == len(TOKENS)


def test_texts_are_spelled_in_the_letters_that_there_are() -> None:
    assert spelled("Don’t STOP – it's 5 o'clock.") == "don't stop it's o'clock"
    ids = token_ids("Abc").tolist()
    assert [TOKENS[i] for i in ids] == ["a", "b", "c", "</s>"]
    assert ids[-1] == END


def test_without_sentencepiece_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ModelNotFoundError, match="--group train"):
        save_tokenizer(tmp_path)
