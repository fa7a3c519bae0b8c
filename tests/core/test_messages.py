"""Whatever is wrong with a request is one plain sentence: the field's label, what it may be, no code."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from studio.core import attention, draft, request, sampling
from studio.core.errors import InvalidRequestError
from studio.core.fields import FIELDS
from studio.core.messages import NAMES, FieldError, first_error, first_problem
from studio.core.preset import Preset, parse_preset
from studio.core.prompt_schedule import parse_lane
from studio.core.request import GenerationRequest, PromptPoint, parse_request

GROUPS: dict[str, list[type[BaseModel]]] = {
    "sampler": [sampling.EndlessSampler, sampling.ClipSampler, sampling.ConcatSampler],
    "attention": [attention.DenseAttention, attention.LiteFocusAttention, attention.TokenMergingAttention],
    "draft": [draft.NoDraft, draft.AudioGenDraft, draft.RecordedDraft],
    "model": [request.ModelChoice],
}
HASH = "0" * 64
LABELS = NAMES | {field.place: field.title for field in FIELDS if field.path}
BAD: list[Any] = [
    None, "", "x", "x" * 100_000, "\x00", -1, -0.5, 1.5, 1e30, -(10**30), 10**30, math.nan, math.inf, -math.inf, True,
    [], [None], [[]], ["x"], ["x"] * 1000, {}, {"kind": "nonesuch"}, {"kind": None}, {"no_such_key": 1}, object(),
    b"\xff", ("a", 1), {1, 2}, "nan", "1e400", float(2**60), "\ud800", 10**400,
]  # fmt: skip
# ruff: noqa: E501 - sentences as they are
# No word of the validator's, no name of a class, no field as the code calls it.
CODE = re.compile(
    r"[Ii]nput|should|[Vv]alid|pydantic|union|literal|tuple|NoneType|dict|instance|discriminator|\bNone\b"
    r"|\bnan\b|\binf\b|_[sS]\b|prompt_|_prompt|negative_|guidance_|lane_|duration_|base_|skip_|group_|buffer_"
    r"|warmup_|attention_|clip_s|crossfade_|acoustic_|top_[kp]|at_s|sha256|object at"
)


def bad_requests() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in GenerationRequest.model_fields:
        for value in BAD:
            yield name, {name: value}
    for group, models in GROUPS.items():
        for model in models:
            tag = {"kind": model.model_fields["kind"].default} if "kind" in model.model_fields else {}
            whole = {**tag, **({"sha256": HASH} if model is draft.RecordedDraft else {})}
            for name in [*model.model_fields, "unknown"]:
                for value in BAD:
                    yield f"{group}.{name}", {group: {**whole, name: value}}
    for name in PromptPoint.model_fields:
        for value in BAD:
            yield (
                f"lane.{name}",
                {"lane": [{"at_s": 1, "prompt": "wind"}, {"at_s": 2, "prompt": "x", name: value}]},
            )
    yield "draft.sha256", {"draft": {"kind": "recorded"}}
    yield "lane.prompt", {"lane": [{"at_s": 1}]}


def test_every_field_has_a_label_and_every_refusal_is_a_plain_sentence() -> None:
    refused: dict[str, set[str]] = {}
    for name, error in refusals():
        refused.setdefault(name, set()).add(str(error))
    wanted = {
        f"{group}.{name}" for group, models in GROUPS.items() for one in models for name in one.model_fields
    }
    wanted |= {*GenerationRequest.model_fields, "lane.at_s", "lane.prompt"}
    assert wanted - set(refused) == set(), "each field refuses something"
    for name, sentences in refused.items():
        for sentence in sentences:
            # What the user wrote is shown as it is.
            told = re.sub(r"\(it is [^)]*\)|^'[^']*'", "", sentence)
            assert not CODE.search(told), (name, sentence)
            assert re.fullmatch(r"[^\n]{10,230}\.", sentence), (name, sentence)
            assert not re.search(r"[A-Z]\w+Error|\{|\}|\[", told), (name, sentence)


def refusals() -> Iterator[tuple[str, FieldError]]:
    for name, values in bad_requests():
        try:
            parse_request(**{"prompt": "rain", **values})
        except FieldError as error:
            yield name, error


def test_a_field_is_told_the_same_whatever_is_wrong_with_its_type() -> None:
    said: dict[str, set[str]] = {}
    for _, error in refusals():
        if error.problem.startswith("must be"):
            said.setdefault(error.field, set()).add(re.sub(r" \(it is .*\)$", "", error.problem))
    of_a_group = {"sampler", "attention", "draft", "model"}
    several = {field: texts for field, texts in said.items() if len(texts) > 1 and field not in of_a_group}
    # A lane's entries and the ratio of two kinds of attention have two; a seed's text is read by hand.
    assert set(several) <= {"lane", "attention.ratio", "attention.blocks", "seed", "draft.seed"}, several


def test_each_sentence_begins_with_the_label_of_its_field() -> None:
    for name, error in refusals():
        parts = error.field.removesuffix(".kind").split(".")
        labels = {LABELS.get(error.field), LABELS.get(parts[0])}
        labels |= {field.title for field in FIELDS if field.place == error.field}
        labels |= {text for path, text in LABELS.items() if path.endswith(f".{parts[-1]}")}
        begins = any(text and str(error).startswith(f"{text} ") for text in labels)
        unknown = not error.field and "is no setting of Longwave" in str(error)
        assert begins or unknown, (name, str(error))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"duration_s": 0.0}, "Length (seconds) must be a number above 0 and at most 86,400 (it is 0)."),
        ({"duration_s": math.nan}, "Length (seconds) must be a number above 0 and at most 86,400 (it is not a number)."),
        ({"guidance_scale": None}, "Guidance must be a number from 0 to 100 (it is empty)."),
        ({"guidance_scale": 101, "mode": "dual"}, "Follow the text must be a number from 0 to 100 (it is 101)."),
        ({"sampler": {"kind": "clip", "steps": 2.5}}, "Steps must be a whole number from 1 to 1,000 (it is 2.5)."),
        ({"sampler": {"kind": "no"}}, "Sampler must be one of clip, concat or endless (it is no)."),
        ({"model": {"dtype": "x"}}, "Number format must be one of auto, float32, float16 or bfloat16 (it is x)."),
        ({"attention": {"kind": "token_merging", "ratio": 1}}, "Token merging share must be a number above 0 and below 1 (it is 1)."),
        ({"prompt": "a" * 2001}, "Prompt must be text of up to 2,000 characters (it is 2,001 long)."),
        ({"seed": -2}, "Seed must be a whole number from 0 to 9,223,372,036,854,775,807 (it is -2)."),
        ({"lane": [{"at_s": -1, "prompt": "x"}]}, "Time of a change (1 in the lane) must be a number from 0 to 86,400 (it is -1)."),
        ({"nonesuch": 1}, "'nonesuch' is no setting of Longwave: take it out."),
        ({"sampler": {"kind": "clip", "nonesuch": 1}}, "'nonesuch' is no setting of Longwave: take it out."),
        ({"duration_s": 700, "sampler": {"kind": "clip"}}, "Length (seconds) must be at most 600 for a clip in one piece."),
    ],
)  # fmt: skip
def test_bounds_are_told_plainly(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_request(**{"prompt": "rain", **values})
    assert str(caught.value) == sentence


def test_a_lane_s_and_a_preset_s_mistakes_are_told_in_the_same_words() -> None:
    with pytest.raises(InvalidRequestError, match=r"Time of a change must be a number from 0 to 86,400"):
        parse_lane("999999 | rain")
    for values in (
        {"name": ""},
        {"name": 3},
        {"settings": 3},
        {"name": "x", "take": {"file": 3}},
    ):
        with pytest.raises(ValidationError) as caught:
            Preset(**{"name": "x", "settings": {}, **values})
        assert not CODE.search(first_problem(caught.value, Preset)), first_problem(caught.value, Preset)
    with pytest.raises(InvalidRequestError, match=r"can't be used. Name must be text of 1 to 200 characters"):
        parse_preset('{"name": "", "settings": {}}')
    with pytest.raises(InvalidRequestError, match=r"Length \(seconds\) must be"):
        parse_preset('{"name": "x", "settings": {"prompt": "x", "duration_s": "long"}}')


def test_the_field_is_named_for_whoever_shows_it() -> None:
    for values, field in [
        ({"duration_s": 0}, "duration_s"),
        ({"sampler": {"kind": "endless", "skip_factor": 0}}, "sampler.skip_factor"),
        ({"prompt": ""}, "prompt"),
        ({"sampler": {"kind": "x"}}, "sampler.kind"),
        ({"lane": [{"at_s": 0, "prompt": ""}]}, "lane.prompt"),
    ]:
        with pytest.raises(ValidationError) as caught:
            GenerationRequest(**{"prompt": "rain", **values})
        assert first_error(caught.value, GenerationRequest).field == field


def test_every_choice_of_a_literal_is_offered() -> None:
    with pytest.raises(FieldError) as caught:
        parse_request(prompt="x", sampler={"kind": "endless", "strategy": "best"})
    assert all(choice in str(caught.value) for choice in get_args(sampling.Strategy))
