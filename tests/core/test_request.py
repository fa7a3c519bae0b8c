"""A request holds only what the studio can do, and says in one sentence what it can't."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset, parse_preset
from studio.core.request import GenerationRequest, parse_request
from studio.core.sampling import EndlessSampler
from studio.core.values import MAX_SEED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", "  \x00 "),
        ("prompt", "a" * 10_000),
        ("duration_s", -1.0),
        ("duration_s", 0.0),
        ("duration_s", 1e9),
        ("duration_s", math.nan),
        ("guidance_scale", math.nan),
        ("guidance_scale", math.inf),
        ("seed", -2),
        ("sampler", {"kind": "endless", "skip_factor": 0}),
        ("sampler", {"kind": "endless", "base_steps": 2}),
        ("sampler", {"kind": "no such"}),
        ("unheard_of", 1),
    ],
)
def test_bad_values_end_in_one_sentence(field: str, value: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(**{"prompt": "rain", field: value})
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400


def test_a_seed_is_drawn_once_and_zero_is_a_seed() -> None:
    assert parse_request(prompt="rain", seed=0).seed == 0
    drawn = parse_request(prompt="rain", seed=None)
    assert 0 <= drawn.seed <= MAX_SEED
    assert GenerationRequest.model_validate_json(drawn.model_dump_json()).seed == drawn.seed
    assert parse_request(prompt="rain", seed=-1).seed >= 0


@pytest.mark.parametrize("seed", [0, 7, 2**53 - 1, 2**53 + 1, 2**63 - 1])
def test_a_seed_is_exact_as_a_number_and_as_its_digits(seed: int) -> None:
    for said in (seed, str(seed), f" {seed}\n", f"+{seed}", f"{seed}.0"):
        assert parse_request(prompt="rain", seed=said).seed == seed
    own = {"kind": "audiogen", "seed": str(seed)}
    assert parse_request(prompt="rain", draft=own).draft.seed == seed  # type: ignore[union-attr]
    if seed < 2**53:
        assert parse_request(prompt="rain", seed=float(seed)).seed == seed


@pytest.mark.parametrize("seed", ["-1", "\N{MINUS SIGN}1", "", " ", -1.0])
def test_any_seed_is_drawn(seed: object) -> None:
    assert 0 <= parse_request(prompt="rain", seed=seed).seed < 2**32
    assert parse_request(prompt="rain", draft={"kind": "audiogen", "seed": seed}).draft.seed is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("seed", "says"),
    [
        (2.0**53, "as text"),
        (2.0**62, "as text"),
        (math.inf, "as text"),
        (1.5, "whole number"),
        ("1.5", "whole number"),
        ("1e3", "whole number"),
        ("12 000", "whole number"),
        ("٣", "whole number"),
        ("9" * 5000, "whole number"),
        (2**63, "whole number from 0 to"),
        (str(2**63), "whole number from 0 to"),
        ("-7", "whole number from 0 to"),
    ],
)
def test_a_seed_that_is_not_one_is_told(seed: object, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"Seed .*{says}"):
        parse_request(prompt="rain", seed=seed)


def test_only_the_endless_sampler_runs_without_a_length() -> None:
    assert parse_request(prompt="rain", duration_s=None).duration_s is None
    with pytest.raises(InvalidRequestError, match="endless"):
        parse_request(prompt="rain", duration_s=None, sampler={"kind": "clip"})


def test_control_characters_leave_the_prompt() -> None:
    assert parse_request(prompt="heavy\x00 rain\u0007 \U0001f327").prompt == "heavy rain \U0001f327"


@given(
    prompt=st.text(min_size=1, max_size=200).filter(
        lambda text: any(ch.isprintable() and not ch.isspace() for ch in text)
    ),
    seed=st.integers(0, MAX_SEED),
    duration_s=st.none() | st.floats(0.1, 3600),
    guidance_scale=st.floats(0, 100),
    group_size=st.integers(1, 32),
)
def test_a_request_survives_a_preset(
    prompt: str, seed: int, duration_s: float | None, guidance_scale: float, group_size: int
) -> None:
    request = parse_request(
        prompt=prompt,
        seed=seed,
        duration_s=duration_s,
        guidance_scale=guidance_scale,
        sampler=EndlessSampler.model_validate({"group_size": group_size}),
    )
    preset = Preset(name="take", settings=request.model_dump(mode="json"))
    assert parse_preset(preset.model_dump_json()).request() == request


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not json", "not JSON"),
        ("[1]", "not an object"),
        ('{"schema_version": 99, "name": "x", "settings": {}}', "newer"),
        ('{"name": "x", "settings": {}, "colour": 1}', "colour"),
        ('{"name": "x", "settings": {"prompt": "rain", "duration_s": -1}}', "Length"),
    ],
)
def test_a_bad_preset_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        parse_preset(text)
