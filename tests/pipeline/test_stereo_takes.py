"""Takes of two channels by every sampler: the mono take at width 0, and they go on as they were."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk
from studio.core.preset import Source
from studio.core.request import GenerationRequest, parse_request
from studio.pipeline.batch import render_clips
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import SavePoint, made_of
from studio.pipeline.collect import render_samples
from studio.pipeline.control import TakeControl
from studio.pipeline.recording import Recording
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FRESH, FromCheckpoint, FromRecording, Start
from studio.service.takes.savepoint import read_savepoint, write_savepoint
from studio.testing import FakeBackend, FakeSpeakingBackend
from tests.service.service_fakes import RATE

ENDLESS = MappingProxyType(
    {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 4, "warmup_steps": 3}
)
SAMPLERS = MappingProxyType(
    {
        "endless": dict(ENDLESS),
        "clip": {"kind": "clip", "steps": 4},
        "ddpm": {"kind": "clip", "steps": 4, "method": "ddpm"},
        "concat": {"kind": "concat", "steps": 4, "clip_s": 1.28, "crossfade_s": 0.2},
    }
)


def wanted(sampler: str = "endless", **values: Any) -> GenerationRequest:
    mode = "infinite" if sampler == "endless" else "sparse"
    told = {"mode": mode, "prompt": "rain", "seed": 3, "duration_s": 3.0, "sampler": SAMPLERS[sampler]}
    return parse_request(**{**told, **values})


def heard(request: GenerationRequest, start: Start = FRESH) -> list[Any]:
    return list(Renderer()(request, FakeBackend(), CancelToken(), None, start))


def sound(events: list[Any]) -> np.ndarray:
    return np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("stereo", ["wide", "twin"])
def test_at_width_nought_both_channels_are_the_mono_take(sampler: str, stereo: str) -> None:
    mono = render_samples(Renderer(), wanted(sampler), FakeBackend())
    both = render_samples(Renderer(), wanted(sampler, stereo=stereo, width=0), FakeBackend())
    assert both.dtype == mono.dtype
    np.testing.assert_array_equal(both, np.stack([mono, mono], axis=1))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_mean_of_a_wide_take_is_the_mono_take(sampler: str) -> None:
    mono = render_samples(Renderer(), wanted(sampler), FakeBackend())
    both = render_samples(Renderer(), wanted(sampler, stereo="wide"), FakeBackend())
    assert both.shape == (len(mono), 2)
    np.testing.assert_allclose(both.mean(axis=1, dtype=np.float64), mono, atol=1e-6)
    assert np.abs(both[:, 0] - both[:, 1]).max() > 0.01


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_channels_of_a_twin_are_two_of_one_scene(sampler: str) -> None:
    mono = render_samples(Renderer(), wanted(sampler), FakeBackend())
    near, far = (
        render_samples(Renderer(), wanted(sampler, stereo="twin", width=width), FakeBackend())
        for width in (1e-4, 1.0)
    )
    assert near.shape == far.shape == (len(mono), 2)
    scale = np.abs(mono).max()
    np.testing.assert_allclose(near, np.stack([mono, mono], axis=1), atol=0.2 * scale)
    apart = [np.abs(both[:, 0] - both[:, 1]).mean() for both in (near, far)]
    assert 0 < apart[0] < 0.2 * apart[1]
    assert np.asarray(np.corrcoef(far.T))[0, 1] > 0.5


def apart(both: np.ndarray) -> float:
    return float(np.abs(both[:, 0] - both[:, 1]).mean() / np.abs(both).mean())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_steady_sounds_part_further_than_what_may_have_events(sampler: str) -> None:
    """By the words alone: an unknown one, another beside it, words that are said, and a lane's count."""
    steady = apart(twin(sampler))
    for more in ({"prompt": "a glorbix"}, {"prompt": "rain and a dog"}, {"prompt": "rain on a piano"}):
        assert apart(twin(sampler, **more)) < 0.6 * steady, more
    if sampler == "endless":
        lane = [{"at_s": 2.5, "prompt": "a dog barks"}]
        assert apart(twin(sampler, lane=lane)) < 0.6 * steady
        assert apart(twin(sampler, lane=[{"at_s": 2.5, "prompt": "wind"}])) > 0.8 * steady


def twin(sampler: str, **values: Any) -> np.ndarray:
    return render_samples(Renderer(), wanted(sampler, stereo="twin", **values), FakeBackend())


def test_a_take_that_is_steered_to_events_parts_no_further_from_there_on() -> None:
    request = wanted(stereo="twin", duration_s=8.0)
    control, chunks = TakeControl(request.prompt), []
    for event in Renderer()(request, FakeBackend(), CancelToken(), control):
        if isinstance(event, AudioChunk):
            if event.start_sample <= 2 * RATE < event.end_sample:
                control.request_change("a dog barks", ())
            chunks.append(event.samples)
    whole = np.concatenate(chunks)
    assert apart(whole[-3 * RATE :]) < 0.6 * apart(whole[: 2 * RATE])


@pytest.mark.parametrize("sampler", ["clip", "ddpm"])
def test_twins_are_made_side_by_side(sampler: str) -> None:
    requests = [wanted(sampler, stereo="twin", seed=seed) for seed in (1, 2)]
    for request, made in zip(requests, render_clips(requests, FakeBackend()), strict=True):
        alone = render_samples(Renderer(), request, FakeBackend())
        np.testing.assert_allclose(made, alone, atol=1e-4)


class Asked(FakeBackend):
    """Remembers how many items it was asked for at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.items: set[int] = set()

    def predict_noise(self, latents: Any, *told: Any) -> Any:
        self.items.add(len(latents))
        return super().predict_noise(latents, *told)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_twin_is_one_batch_and_at_width_nought_half_of_it(sampler: str) -> None:
    for width, items in ((0.5, 4), (0.0, 2)):
        backend = Asked()
        render_samples(Renderer(), wanted(sampler, stereo="twin", width=width, duration_s=1.5), backend)
        assert backend.items == {items}


def test_a_lane_is_heard_in_both_channels() -> None:
    lane = [{"at_s": 1.0, "prompt": "birds"}]
    laned = wanted(lane=lane, lane_blend_s=0.5, stereo="twin")
    both = render_samples(Renderer(), laned, FakeBackend())
    plain = render_samples(Renderer(), wanted(stereo="twin"), FakeBackend())
    for channel in (0, 1):
        assert np.abs(both[2 * RATE :, channel] - plain[2 * RATE :, channel]).max() > 0.01


@pytest.mark.parametrize("sampler", ["endless", "clip"])
def test_words_are_said_in_both_channels(sampler: str) -> None:
    told = {"speech": {"text": "Stay inside."}, "duration_s": 2.5}
    mono, near, silent = (
        render_samples(Renderer(), wanted(sampler, **(told | more)), FakeSpeakingBackend())
        for more in ({}, {"stereo": "twin", "width": 1e-6}, {"speech": {"text": ""}})
    )
    off, without = np.abs(near - mono[:, None]).mean(axis=0), np.abs(silent - mono).mean()
    assert (off < 0.2 * without).all()


def test_alike_clips_are_made_side_by_side() -> None:
    requests = [wanted("clip", stereo="wide", seed=seed) for seed in (1, 2)]
    for request, made in zip(requests, render_clips(requests, FakeBackend()), strict=True):
        alone = render_samples(Renderer(), request, FakeBackend())
        np.testing.assert_allclose(made, alone, atol=1e-4)
    with pytest.raises(InvalidRequestError, match="stereo differs"):
        render_clips([requests[0], wanted("clip")], FakeBackend())


@pytest.mark.parametrize("stereo", ["wide", "twin"])
def test_a_take_goes_on_from_its_save_point_as_if_nothing_had_been(stereo: str, tmp_path: Path) -> None:
    request = wanted(stereo=stereo)
    events = heard(request)
    whole, points = sound(events), [event for event in events if isinstance(event, SavePoint)]
    for point in points[2::5]:
        write_savepoint(tmp_path / "a.state", point.checkpoint)
        rest = sound(heard(request, FromCheckpoint(read_savepoint(tmp_path / "a.state"))))
        np.testing.assert_array_equal(rest, whole[point.samples :])


def test_a_save_point_of_other_channels_is_refused() -> None:
    saved = next(event for event in heard(wanted(stereo="wide")) if isinstance(event, SavePoint))
    with pytest.raises(InvalidRequestError, match="can't go on"):
        heard(wanted(), FromCheckpoint(saved.checkpoint))
    mono = next(event for event in heard(wanted()) if isinstance(event, SavePoint))
    with pytest.raises(InvalidRequestError, match="can't go on"):
        heard(wanted(stereo="wide"), FromCheckpoint(mono.checkpoint))


def test_what_a_mono_take_depends_on_is_what_it_was() -> None:
    """Save points from before there was stereo go on, whatever the width of the form."""
    assert made_of(wanted(), "") == made_of(wanted(width=0.2), "")
    assert not {"stereo", "width"} & made_of(wanted(), "").settings.keys()
    assert made_of(wanted(stereo="wide"), "") != made_of(wanted(stereo="wide", width=0.2), "")


def test_a_recording_is_spread_as_what_follows_it() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 6 * RATE).astype(np.float32)
    field = Recording(samples, Source(file="field.wav", sha256="0" * 64, duration_s=6.0))
    mono, wide, middle, twin = (
        sound(heard(wanted(duration_s=8.0, stereo=stereo, width=width), FromRecording(field)))
        for stereo, width in (("mono", 0.7), ("wide", 0.7), ("twin", 0.0), ("twin", 0.7))
    )
    np.testing.assert_array_equal(twin[:RATE], middle[:RATE])
    assert np.abs(twin[-RATE:, 0] - twin[-RATE:, 1]).max() > 0.001
    np.testing.assert_allclose(wide.mean(axis=1, dtype=np.float64), mono, atol=1e-6)
    np.testing.assert_array_equal(middle, np.stack([mono, mono], axis=1))
    side = np.abs(wide[:, 0] - wide[:, 1])
    assert side[:100].max() > 0.01, "it does not begin where one begins to hear it"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"stereo": "surround"}, "Stereo must be one of mono, wide or twin"),
        ({"stereo": "wide", "width": 2}, r"Stereo width must be a number from 0 to 1 \(it is 2\)"),
        ({"stereo": "wide", "width": float("nan")}, "Stereo width must be a"),
    ],
)
def test_bad_input_ends_in_a_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        wanted(**values)
