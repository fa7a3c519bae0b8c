"""The palette's words against what the shipped models know and what their recipes said of each sound."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from studio.core.palette import GROUPS, Modifier, PaletteSound, palette_of
from studio.core.settings import data_dir
from studio.core.vocabulary import Family, Vocabulary
from studio.recipes.corpus.captions import with_adjectives
from studio.recipes.corpus.lexicon import load_lexicon

SOUNDS = [sound for group in GROUPS for sound in group.sounds]
MODELS = sorted(path.parent.name for path in (data_dir("assets") / "pocket").glob("*/vocabulary.json"))


def shipped(model: str) -> Vocabulary:
    file: Path = data_dir("assets") / "pocket" / model / "vocabulary.json"
    return Vocabulary.model_validate_json(file.read_bytes())


def said(sound: PaletteSound, *modifiers: Modifier) -> str:
    """What a prompt says of a sound and its modifiers."""
    before = [modifier.text for modifier in modifiers if not modifier.after]
    after = [modifier.text for modifier in modifiers if modifier.after]
    return " ".join([with_adjectives(before, sound.said), *after])


def test_there_are_models_to_hold_it_against() -> None:
    assert {"audioldm", "audioldm2", "dcldm", "tango"} <= set(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_every_family_has_one_place(model: str) -> None:
    families = [sound.family for group in palette_of(shipped(model)) for sound in group.sounds]
    assert sorted(families) == sorted(shipped(model).families)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sound", SOUNDS, ids=lambda sound: sound.family)
def test_every_phrase_is_known(model: str, sound: PaletteSound) -> None:
    known = shipped(model)
    assert known.knows(sound.label)
    for modifiers in product(*((None, *choice) for choice in sound.choices)):
        phrase = said(sound, *(modifier for modifier in modifiers if modifier))
        assert known.knows(phrase), phrase


@pytest.mark.parametrize("sound", SOUNDS, ids=lambda sound: sound.family)
def test_modifiers_are_those_that_the_family_was_trained_with(sound: PaletteSound) -> None:
    lexicon = load_lexicon()
    name = sound.family.replace(" ", "_")
    words = lexicon.family(name)
    own = [lexicon.wording(name, axis, value) for axis, value in words.values]
    wordings = [*own, lexicon.near, lexicon.distant, lexicon.reverb]
    for modifier in (modifier for choice in sound.choices for modifier in choice):
        sides = [wording.after if modifier.after else wording.before for wording in wordings]
        assert any(modifier.text in side.train for side in sides), modifier.text


def test_scenes_of_two_are_known() -> None:
    known = shipped("audioldm")
    for one, other in product(SOUNDS, SOUNDS):
        assert known.knows(f"{one.said} and {other.said}")


def test_a_model_of_less_has_less() -> None:
    rain = Family(sources=frozenset({"rain"}), companions=frozenset())
    (group,) = palette_of(Vocabulary(families={"rain": rain}))
    assert [sound.family for sound in group.sounds] == ["rain"]
    assert palette_of(Vocabulary(families={})) == ()


def test_words_that_stand_together_exclude_each_other() -> None:
    for sound in SOUNDS:
        texts = [modifier.text for choice in sound.choices for modifier in choice]
        assert len(texts) == len(set(texts)), sound.family
        assert not [text for text in texts if f" {text} " in f" {sound.said} "]
