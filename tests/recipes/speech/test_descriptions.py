"""Descriptions of speech: whom they name, and which forms are withheld."""

from __future__ import annotations

import random

import pytest

from studio.recipes.speech.descriptions import (
    ALONE,
    QUIET,
    TOGETHER,
    WHO,
    WITHHELD,
    describe_speech,
    withheld_descriptions,
)

WOMEN, MEN = set(WHO[0]), set(WHO[1])


@pytest.mark.parametrize("scene", [None, "heavy rain on a tin roof"])
@pytest.mark.parametrize("voice", [0, 1])
def test_a_description_names_its_own_voice_or_nobody(voice: int, scene: str | None) -> None:
    rng = random.Random(voice)
    told = [describe_speech(rng, voice, scene) for _ in range(600)]
    for one in told:
        assert one.voice in (voice, None)
        assert "{" not in one.text
        if scene is not None:
            assert scene in one.text
        if one.voice is not None:
            assert any(who in one.text for who in WHO[voice])
        if not one.speaks:
            assert one.text in ((scene,) if scene else QUIET)
    named = sum(one.voice == voice for one in told)
    assert 0.75 * 600 < named < 0.9 * 600


def test_withheld_forms_are_none_that_was_trained_on() -> None:
    assert not set(WITHHELD) & {*ALONE, *TOGETHER}
    told = withheld_descriptions(["rain", "wind"])
    assert [(one.voice, one.speaks) for one in told] == [(0, True), (1, True)] * 2
    assert len({one.text for one in told}) == 4
    assert not WOMEN & MEN
