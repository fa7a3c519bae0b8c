"""Names of exports by a pattern: always safe, bounded, and what a field has not is left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.palette import category_of
from studio.core.preset import Preset
from studio.service.takes.export_range import ExportRangeError
from studio.service.takes.naming import MAX_PATTERN_BYTES, pattern_stem
from tests.service.takes.files.file_fakes import record

FIELDS = ["date", "time", "prompt", "seed", "variation", "category", "mode", "model", "name", "span"]


def stem(pattern: str, about: Preset | None, span: str = "") -> str:
    return pattern_stem(pattern, about, "take", {"span": span})


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("{date}_{prompt}_{seed}_{variation}_{category}", "2026-01-31_light_rain_7_2_weather"),
        ("Ambience - {prompt}__{time}", "Ambience_-_light_rain__14-02-11"),
        ("{prompt}_{span}_{seed}", "light_rain_7"),
        ("{name}", "take"),
        ("../{prompt}/x", "light_rainx"),
        ("{{{seed}}}", "{7}"),
        ("", "untitled"),
    ],
)
def test_a_pattern_says_what_is_in_the_file(pattern: str, wanted: str) -> None:
    assert stem(pattern, record()) == wanted


def test_a_sound_without_a_record_has_its_name_alone() -> None:
    assert stem("{prompt}_{name}_{seed}", None) == "take"


@pytest.mark.parametrize(
    "pattern", ["{x}", "{}", "{0}", "{prompt:9}", "{seed!r}", "{prompt.x}", "{", "}", "{a\nb}"]
)
def test_what_is_no_field_is_one_sentence(pattern: str) -> None:
    with pytest.raises(ExportRangeError) as refused:
        stem(pattern, record())
    assert refused.value.field == "name"
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith(".")


@given(st.text(max_size=300), st.lists(st.sampled_from(FIELDS), max_size=8), st.text(max_size=300))
def test_any_pattern_and_prompt_make_a_safe_name(literal: str, fields: list[str], prompt: str) -> None:
    about = record()
    about = about.model_copy(update={"settings": {**about.settings, "prompt": prompt}})
    words = literal.replace("{", "{{").replace("}", "}}")
    made = stem(words.join(f"{{{field}}}" for field in fields) + words, about, "0.5-2s")
    assert 1 <= len(made.encode()) <= MAX_PATTERN_BYTES + 1  # a device of Windows gets one more
    assert not set(made) & set('\\/:*?"<>|')
    assert made.isprintable()
    assert not made.startswith((".", " "))


@pytest.mark.parametrize(
    ("prompt", "category"),
    [
        ("Heavy rain on a tin roof", "weather"),
        ("an engine in the rain", "machines"),
        ("Ocean waves, and birds", "weather"),
        ("a large crowd murmuring", "people"),
        ("brainstorm", "other"),
    ],
)
def test_a_category_is_that_of_the_sound_named_first(prompt: str, category: str) -> None:
    assert category_of(prompt) == category
