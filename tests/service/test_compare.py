"""What is compared: one prompt and seed, every strategy, and joined clips with their joins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.core.request import parse_request
from studio.core.sampling import ConcatSampler, EndlessSampler
from studio.core.settings import data_dir
from studio.dsp.resample import resample
from studio.evaluation.tagging import AudioTagger
from studio.recipes.corpus.clip import make_clip
from studio.service.compare import difference, methods, variants

JUDGE = data_dir("assets") / "pocket" / "judge"


def test_all_are_of_one_prompt_seed_and_number_of_steps() -> None:
    request = parse_request(
        prompt="rain", seed=7, duration_s=None, sampler={"kind": "endless", "base_steps": 12}
    )
    *endless, joined = variants(request, 15.0)
    samplers = [variant.request.sampler for variant in endless]
    assert [s.strategy for s in samplers if isinstance(s, EndlessSampler)] == [
        "equal", "initial", "middle", "last",
    ]  # fmt: skip
    assert {s.base_steps for s in samplers if isinstance(s, EndlessSampler)} == {12}
    assert isinstance(joined.request.sampler, ConcatSampler)
    assert joined.request.sampler.steps == samplers[0].steps == 8
    assert joined.joins_s == pytest.approx((5.12, 10.24))
    assert not any(variant.joins_s for variant in endless)
    for variant in (*endless, joined):
        about = variant.request
        assert (about.prompt, about.seed, about.duration_s) == ("rain", 7, 15.0)


def test_a_clip_that_is_just_long_enough_has_no_join() -> None:
    assert variants(parse_request(prompt="rain"), 5.12)[-1].joins_s == ()


@pytest.mark.parametrize("seconds", [None, 0, -1, 121, float("nan")])
def test_lengths_that_can_t_be_compared(seconds: float | None) -> None:
    with pytest.raises(InvalidRequestError, match="up to 120 seconds"):
        variants(parse_request(prompt="rain"), seconds)


def test_a_lane_can_t_be_compared() -> None:
    lane = [{"at_s": 3, "prompt": "wind"}]
    with pytest.raises(InvalidRequestError, match="prompt lane"):
        variants(parse_request(prompt="rain", lane=lane), 10)


def test_every_method_has_the_same_seed_and_its_own_settings() -> None:
    focus = {"kind": "lite_focus", "ratio": 0.3}
    request = parse_request(mode="sparse", prompt="rain", seed=5, sampler={"kind": "clip"}, attention=focus)
    dense, lite, merged = methods(request)
    assert [v.request.attention.kind for v in (dense, lite, merged)] == [
        "dense",
        "lite_focus",
        "token_merging",
    ]
    assert lite.request == request, "as it was asked for"
    assert {v.request.seed for v in (dense, lite, merged)} == {5}


def test_a_difference_shows_where_two_takes_differ(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)
    sf.write(tmp_path / "a.wav", tone, 16000)
    sf.write(tmp_path / "b.wav", np.where(np.arange(32000) < 16000, tone, 0.0), 16000)
    assert difference(tmp_path / "a.wav", tmp_path / "a.wav", 40).max() == 0
    apart = difference(tmp_path / "a.wav", tmp_path / "b.wav", 40)
    assert apart.shape == (40, 64)
    assert apart[:16].max() < 60
    assert apart[26:].max() == 255


@pytest.mark.skipif(not (JUDGE / "judge.json").is_file(), reason="the judge is not shipped")
def test_the_judge_names_what_it_hears(tmp_path: Path) -> None:
    tagger = AudioTagger(JUDGE.parents[1])
    clip = make_clip(900_000_123, family="rain", scene=False)
    sf.write(tmp_path / "a.wav", clip.samples, 16000)
    (first, share), (_, less) = tagger.tag(tmp_path / "a.wav")
    assert first == "rain"
    assert 0.5 < share <= 1.0
    assert share >= less >= 0
    wide = resample(clip.samples, 16000, 48000)
    sf.write(tmp_path / "wide.wav", np.stack([wide, 0.5 * wide], axis=1), 48000)
    (again, as_sure), _ = tagger.tag(tmp_path / "wide.wav")
    assert (again, as_sure) == ("rain", pytest.approx(share, abs=0.15)), "of any rate and channels"
    sf.write(tmp_path / "short.wav", clip.samples[:20000], 16000)
    assert len(tagger.tag(tmp_path / "short.wav")) == 2
    (tmp_path / "no.wav").write_text("no sound")
    with pytest.raises(InvalidRequestError, match=r"no\.wav"):
        tagger.tag(tmp_path / "no.wav")
    assert AudioTagger(tmp_path).tag(tmp_path / "a.wav") == [], "no judge, no verdict"
