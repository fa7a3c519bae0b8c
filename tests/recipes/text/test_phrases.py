"""What the caption tower reads: no withheld phrasing among a family's words, every text with its meaning."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np

from studio.backends.catalog import vocabulary as known_words
from studio.core.settings import Settings
from studio.recipes.corpus.captions import without_article
from studio.recipes.corpus.clip import describe
from studio.recipes.corpus.lexicon import load_lexicon
from studio.recipes.text.duets import dressed, duets, lone_phrases, wardrobe
from studio.recipes.text.phrases import (
    OTHER_CAPTIONS,
    REQUESTS,
    among_words,
    distillation_texts,
    family_bank,
    family_phrases,
    known_phrases,
    other_captions,
    voice_captions,
)
from studio.recipes.text.vocabulary import vocabulary

COMMON = ["table", "green", "seven"]


def test_no_family_phrase_is_withheld_from_training() -> None:
    held_out = {
        without_article(text)
        for words in load_lexicon().families.values()
        for text in (*words.nouns.held_out, *words.clauses.held_out)
    }
    for name, phrases in family_phrases().items():
        assert len(phrases) > 30, name
        assert not held_out & {without_article(phrase) for phrase in phrases}, name


def test_synonyms_are_in_no_caption_pool() -> None:
    for words in load_lexicon().families.values():
        assert words.synonyms
        assert not set(words.synonyms) & {*words.nouns.train, *words.nouns.held_out}


def test_texts_come_with_what_they_mean() -> None:
    captions = ["a distant dog", "heavy rain"]
    texts, meant = distillation_texts(["hail", "bark"], COMMON, captions, 60)
    assert len(texts) == len(meant)
    assert texts[0] == meant[0] == ""
    assert meant[-2:] == captions, "rough captions mean the captions"
    added = [(text, sense) for text, sense in zip(texts[:-2], meant[:-2], strict=True) if text != sense]
    assert added, "some phrases stand among words"
    for text, sense in added:
        assert sense in text
        around = text.replace(sense, "").strip()
        assert around in REQUESTS or set(around.split()) <= set(COMMON)
    assert distillation_texts(["hail", "bark"], COMMON, captions, 60) == (texts, meant)


def test_the_bank_keeps_the_order_of_families() -> None:
    bank = family_bank(["dog", "rain"], COMMON, 100)
    assert len(bank) == 200
    known = family_phrases()
    for text, name in ((bank[0], "dog"), (bank[99], "dog"), (bank[100], "rain"), (bank[199], "rain")):
        assert any(phrase in text for phrase in known[name])


def test_other_captions_name_the_clip_in_synonyms() -> None:
    labels = [[voice.family for voice in describe(seed).voices] for seed in range(40)]
    rows = other_captions(labels, COMMON)
    assert rows == other_captions(labels, COMMON)
    assert [len(texts) for texts in rows] == [OTHER_CAPTIONS] * 40
    synonyms = 0
    for seed, texts in enumerate(rows):
        words = [load_lexicon().family(voice.family) for voice in describe(seed).voices]
        for text in texts:
            synonyms += any(without_article(synonym) in text for known in words for synonym in known.synonyms)
    assert synonyms > 0.5 * OTHER_CAPTIONS * len(rows)


def test_a_scene_s_sounds_have_captions_of_their_own() -> None:
    voices = describe(3, scene=True).voices
    labels = [["rain"], ["dog"], ["bell"], [voice.family for voice in voices]]
    (scene,) = voice_captions(labels)
    for voice, texts in zip(voices, scene, strict=True):
        words = load_lexicon().family(voice.family)
        known = [*words.nouns.train, *words.clauses.train]
        known += [noun for wording in words.values.values() for noun in wording.nouns.train]
        for text in texts:
            assert any(without_article(phrase).split()[-1] in text for phrase in known), text


def test_a_duet_names_both_its_sounds() -> None:
    texts, pairs = duets(["hail", "thump"], COMMON, 200)
    assert (texts, pairs) == duets(["hail", "thump"], COMMON, 200)
    named = [name for pair in pairs for name in pair]
    assert any(name.look == name.sound == "hail" for name in named)
    assert any(name.look != "hail" for name in named if name.sound == "hail"), "some are dressed"
    whole = 0
    for text, pair in zip(texts, pairs, strict=True):
        whole += all(name.look.lower() in text.lower() for name in pair)
    assert whole > 100, "but for articles dropped and letters swapped"


def test_lone_phrases_name_every_sound_bare_and_some_dressed_or_among_words() -> None:
    count = len(known_phrases()) + 400
    phrases = lone_phrases(["hail", "thump"], COMMON, count)
    assert phrases == lone_phrases(["hail", "thump"], COMMON, count)
    assert len(phrases) == count
    bare = {name.sound for name in phrases if name.text == name.look == name.sound}
    assert {"hail", *known_phrases()} <= bare
    more = phrases[len(known_phrases()) + 2 :]
    assert any(name.look != name.sound and name.text == name.look for name in more)
    assert any(name.text != name.look for name in more)
    for name in more:
        assert without_article(name.sound) in name.look
        assert name.look in name.text


def test_sounds_are_dressed_in_words_that_training_may_see_and_that_fit_them() -> None:
    lexicon = load_lexicon()
    shared = lexicon.near, lexicon.distant, lexicon.reverb
    withheld = {
        text for wording in shared for pool in (wording.before, wording.after) for text in pool.held_out
    }
    clothes = wardrobe()
    assert withheld
    for dress in clothes.values():
        assert not withheld & {*dress.before, *dress.after}
    assert "small" in clothes[""].before, "many families' word"
    assert "torrential" in clothes["rain"].before
    assert "torrential" not in {*clothes[""].before, *clothes["dog"].before}
    rng = np.random.default_rng(0)
    looks = {dressed(rng, "a dog", [clothes[""], clothes["dog"]]) for _ in range(50)}
    assert "a dog" in looks
    assert all("dog" in look for look in looks)
    assert any(look.endswith("dog") and look != "a dog" for look in looks)
    assert any(look.startswith("a dog ") for look in looks)


def test_a_sound_stays_whole_among_words() -> None:
    for seed in range(20):
        assert "a big dog" in among_words(np.random.default_rng(seed), "a big dog", COMMON)


def test_synonyms_give_no_evaluation_prompt_away() -> None:
    source = resources.files("studio.evaluation").joinpath("wild_prompts.json").read_text()
    wild = {without_article(entry["prompt"].lower()) for entry in json.loads(source)["prompts"]}
    for name, words in load_lexicon().families.items():
        assert not wild & {without_article(word) for word in words.synonyms}, name


def test_no_way_of_asking_is_a_withheld_template() -> None:
    for pool in load_lexicon().templates.values():
        for template in pool.held_out:
            lead = template.split("{")[0].strip().lower()
            assert not lead or lead not in REQUESTS


def test_the_shipped_words_are_those_of_the_lexicon() -> None:
    assert known_words("pocket/audioldm", Settings()) == vocabulary()
