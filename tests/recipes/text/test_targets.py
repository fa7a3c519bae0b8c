"""What words mean: known ones recall their family, others both readings, and dress changes no family."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch.nn import functional as F

from studio.recipes.data.clips import Corpus
from studio.recipes.text.duets import Named
from studio.recipes.text.targets import Memory, WordTargets

EYE = torch.eye(6)
DOG, BELL, SAID_DOG, SAID_BELL, FAR, SELF = range(6)
PHRASES = Memory(
    keys=EYE[[DOG, DOG, BELL]],
    values=F.normalize(EYE[[SAID_DOG, SAID_DOG, SAID_BELL]] + 0.1 * EYE[SELF], dim=-1),
    families=["dog", "dog", "bell"],
)


def listen(texts: Sequence[str]) -> torch.Tensor:
    """The sentence encoder knows what a watchdog is, and takes a chime for a dog."""
    return EYE[[DOG if "dog" in text or "chime" in text else BELL for text in texts]]


def read(texts: Sequence[str]) -> torch.Tensor:
    """The tower takes all that is far off for a bell."""
    far = torch.tensor([["far" in text] for text in texts])
    bare = EYE[[SAID_DOG if "dog" in text else SELF for text in texts]]
    return torch.where(far, F.normalize(EYE[SAID_BELL] + EYE[FAR], dim=0), bare)


@pytest.fixture
def targets() -> WordTargets:
    return WordTargets(PHRASES, {"a dog": 0, "hound": 1, "chime": 2}, read, listen)


def test_a_text_recalls_what_the_texts_around_it_mean() -> None:
    torch.testing.assert_close(PHRASES.recall(EYE[[DOG, BELL]]), PHRASES.values[[0, 2]], atol=1e-6, rtol=0)


def test_a_text_recalls_those_of_its_family_alone_where_that_is_wanted() -> None:
    torch.testing.assert_close(PHRASES.recall(EYE[[DOG]], ["bell"]), PHRASES.values[[2]])


def test_known_phrases_mean_their_own_and_others_what_is_around_them(targets: WordTargets) -> None:
    meant = targets.sounds(["chime", "watchdog"])
    torch.testing.assert_close(meant, PHRASES.values[[2, 0]], atol=1e-6, rtol=0)


def test_phrases_of_families_mean_what_is_said_of_clips_with_captions_like_them() -> None:
    corpus = SimpleNamespace(
        captions=[["a dog barks", "dog"], ["ring", "a bell"], ["dog and bell"] * 2],
        labels=[["dog"], ["bell"], ["dog", "bell"]],
    )
    families = {"dog": ["puppy dog"], "bell": ["chime"]}
    clips = EYE[[SAID_DOG, SELF, FAR]]
    targets = WordTargets.of(cast(Corpus, corpus), clips, read, listen, families)
    torch.testing.assert_close(targets.sounds(["puppy dog", "chime"]), EYE[[SAID_DOG, SELF]])
    assert targets.phrases.families == ["dog", "bell"]


def test_dress_tells_how_and_not_what(targets: WordTargets) -> None:
    bare, far, among = targets.named(
        [
            Named("watchdog", "watchdog", "watchdog"),
            Named("watchdog far off", "watchdog", "watchdog far off"),
            Named("table watchdog far", "watchdog", "watchdog"),
        ]
    )
    torch.testing.assert_close(among, bare)
    assert far[FAR] > 0.3, "how it sounds is in it"
    assert far[SAID_BELL] < 0.1, "and it is no bell"
    assert far[SAID_DOG] > 0.7


def test_families_directions_are_a_basis() -> None:
    basis = PHRASES.directions()
    torch.testing.assert_close(basis.T @ basis, torch.eye(2))
