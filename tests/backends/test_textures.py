"""Which prompts are steady sounds alone, by the words that ship."""

from __future__ import annotations

import pytest

from studio.backends.textures import is_steady


@pytest.mark.parametrize(
    "prompt", ["rain", "heavy rain on a tin roof", "surf", "strong wind", "rain for sleeping", "a stream"]
)
def test_steady_sounds_alone_are_steady(prompt: str) -> None:
    assert is_steady(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "", "footsteps on gravel", "a drum beat", "rain and drums", "wind and a barking dog", "a glorbix",
        "rain on a glorbix", "a crackling fire", "applause", "distant thunder in the rain",
    ],
)  # fmt: skip
def test_events_and_what_may_be_one_are_not(prompt: str) -> None:
    assert not is_steady(prompt)
