from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk
from studio.core.request import GenerationRequest, parse_request
from studio.core.speech import Speech
from studio.pipeline.batch import render_clips
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import EndlessCheckpoint, SavePoint
from studio.pipeline.control import TakeControl
from studio.pipeline.renderer import Renderer
from studio.pipeline.speech import LEAD_S, SpokenTrack, clip_speech, streaming_speech
from studio.pipeline.start import FRESH, FromCheckpoint, Start
from studio.testing import FakeBackend
from studio.testing.speaking import LETTER_FRAMES
from tests.pipeline.speaking_fakes import FakeSpeaker

CLIP = {"kind": "clip", "steps": 3}
FIFO = {"kind": "endless", "strategy": "equal", "base_steps": 6, "group_size": 2, "buffer_frames": 4}
RATE = 25


class Breathless(FakeSpeaker):
    """A model that reads nothing in one piece."""

    def speech_frames(self, text: str) -> Tensor:
        if text:
            raise ValueError("has more letters than it reads: make it shorter")
        return super().speech_frames(text)


def asked(text: str = "", **values: Any) -> GenerationRequest:
    speech = {"text": text, "pause_s": 0.4, **values.pop("speech", {})}
    return parse_request(
        **{"prompt": "rain", "seed": 3, "duration_s": 6.0, "sampler": CLIP} | values, speech=speech
    )


def samples(
    request: GenerationRequest, backend: Any, control: TakeControl | None = None, start: Start = FRESH
) -> np.ndarray:
    made = Renderer()(request, backend, CancelToken(), control, start)
    return np.concatenate([event.samples for event in made if isinstance(event, AudioChunk)])


def track(text: str, pause_s: float = 0.4) -> tuple[SpokenTrack, TakeControl]:
    control = TakeControl("rain")
    return SpokenTrack(FakeSpeaker(), Speech(text=text, pause_s=pause_s), control), control


def spans(control: TakeControl) -> list[tuple[str, float, float]]:
    return [(one.text, round(one.start_s * RATE), round(one.end_s * RATE)) for one in control.said]


def test_sentences_follow_each_other_with_a_pause_or_wait_for_their_time() -> None:
    lane, control = track("ab\n0:02 | cde\n0:01 | f")
    lane.window(0, 80)
    lead = round(LEAD_S * RATE)
    assert spans(control) == [("ab", lead, lead + 4), ("cde", 50, 56), ("f", 66, 68)]


def test_each_frame_has_the_content_of_its_place_whatever_the_windows() -> None:
    whole, _ = track("one. two\n0:01 | three")
    wanted = whole.window(0, 96).states[1]
    silence = FakeSpeaker().silence
    sliding, _ = track("one. two\n0:01 | three")
    for start in range(0, 64, 3):
        said = sliding.window(start, 32).states
        torch.testing.assert_close(said[1], wanted[start : start + 32])
        torch.testing.assert_close(said[0], silence.expand(32, -1))
    lead = round(LEAD_S * RATE)
    spoken = FakeSpeaker().speech_frames("one. two")
    torch.testing.assert_close(wanted[lead : lead + len(spoken)], spoken)
    assert len(sliding.state_dict()["frames"]) < 64, "what was passed is forgotten"


def test_each_word_is_told_of_within_its_sentence_in_order() -> None:
    lane, control = track("ab c. defg\n0:02 | hi")
    lane.window(0, 80)
    lead = round(LEAD_S * RATE)
    told = [[(round(begin * RATE), round(end * RATE)) for begin, end in one.words_s] for one in control.said]
    assert told == [[(lead, lead + 4), (lead + 6, lead + 10), (lead + 12, lead + 20)], [(50, 54)]]
    for one in control.said:
        edges = [one.start_s, *(edge for word in one.words_s for edge in word), one.end_s]
        assert edges == sorted(edges)


def test_a_track_goes_on_from_its_state() -> None:
    text = "first\nsecond\nthird one\nfourth"
    lane, _ = track(text)
    for start in range(0, 40, 4):
        lane.window(start, 24)
    other, _ = track(text)
    other.load_state_dict(lane.state_dict())
    for start in range(40, 120, 4):
        torch.testing.assert_close(other.window(start, 24).states, lane.window(start, 24).states)
    with pytest.raises((ValueError, LookupError)):
        other.load_state_dict({"frames": torch.zeros(3, 9)})


def test_another_script_is_taken_up_after_what_was_said_if_it_begins_alike() -> None:
    lane, control = track("ab\ncd\nef")
    lane.window(0, 26)
    assert [text for text, *_ in spans(control)] == ["ab", "cd"]
    control.request_script("ab\ncd\nxy")
    lane.window(4, 60)
    assert [text for text, *_ in spans(control)] == ["ab", "cd", "xy"]
    control.request_script("new")
    lane.window(8, 120)
    assert [text for text, *_ in spans(control)][-1] == "new"
    begins = [begin for _, begin, _ in spans(control)]
    assert begins == sorted(begins)


def test_an_endless_take_says_its_script_and_is_the_same_where_it_is_silent() -> None:
    control = TakeControl("rain")
    silent, spoken = FakeSpeaker(), FakeSpeaker()
    without = samples(asked(sampler=FIFO), silent)
    said = samples(asked("0:03 | hello", sampler=FIFO), spoken, control)
    assert spans(control) == [("hello", 75, 75 + 5 * LETTER_FRAMES)]
    first = int(2.0 * 16000)
    np.testing.assert_allclose(said[:first], without[:first], atol=1e-5)
    assert np.abs(said[3 * 16000 : 4 * 16000] - without[3 * 16000 : 4 * 16000]).max() > 1e-3
    assert set(silent.forwards) == {2}
    assert set(spoken.forwards) == {2, 4}, "four parts while words are near"


def test_a_take_that_stopped_goes_on_with_its_script() -> None:
    request = asked("one\ntwo\nthree\nfour", sampler=FIFO, duration_s=8.0)
    made, points = [], []
    for event in Renderer()(request, FakeSpeaker(), CancelToken()):
        if isinstance(event, AudioChunk):
            made.append(event.samples)
        elif isinstance(event, SavePoint):
            points.append(event.checkpoint)
    whole, point = np.concatenate(made), points[len(points) // 2]
    again = EndlessCheckpoint.from_dict(point.to_dict())
    rest = samples(request, FakeSpeaker(), None, FromCheckpoint(again))
    np.testing.assert_array_equal(rest, whole[point.samples :])


@pytest.mark.parametrize("band", [8, None])
def test_a_clip_says_its_words(band: int | None) -> None:
    control = TakeControl("rain")
    said = samples(asked("hello there"), FakeSpeaker(band), control)
    without = samples(asked(), FakeSpeaker(band))
    assert [one.text for one in control.said] == ["hello there"]
    assert np.abs(said - without).max() > 1e-3


def test_clips_side_by_side_say_each_their_own() -> None:
    wanted = [asked("hello", seed=1), asked("good bye", seed=2)]
    together = render_clips(wanted, FakeSpeaker(None))
    for request, made in zip(wanted, together, strict=True):
        np.testing.assert_allclose(made, samples(request, FakeSpeaker(None)), atol=1e-5)


def test_words_in_one_piece_are_its_content_at_every_frame() -> None:
    said = clip_speech(FakeSpeaker(None), Speech(text="good\nday"), 150)
    assert said is not None
    wanted = FakeSpeaker(None).encode_speech(["", "good day"])
    torch.testing.assert_close(said.window(40, 10).states, wanted.states)


@pytest.mark.parametrize(
    ("text", "backend", "sampler", "sentence"),
    [
        ("hello", FakeBackend(), CLIP, "What is said is for models that speak"),
        ("hello", FakeBackend(), FIFO, "What is said is for models that speak"),
        ("hello", FakeSpeaker(None), FIFO, "says all its words at once"),
        ("0:02 | hello", FakeSpeaker(None), CLIP, "take the times out"),
        ("hello " * 30, FakeSpeaker(8), CLIP, "takes 0:14 to say, and the take is 0:06 long"),
        ("hello " * 30, FakeSpeaker(None), CLIP, "to say, and the take is 0:06 long"),
        ("hello", Breathless(None), CLIP, "What is said has more letters than it reads"),
        ("hello", Breathless(8), FIFO, "What is said has more letters than it reads"),
    ],
)
def test_what_can_t_be_said_is_refused_in_a_sentence(
    text: str, backend: Any, sampler: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        samples(asked(text, sampler=sampler), backend)


def test_a_model_without_a_place_makes_endless_takes_of_no_words() -> None:
    assert streaming_speech(FakeSpeaker(None), Speech(), TakeControl("rain")) is None
    assert len(samples(asked(sampler=FIFO), FakeSpeaker(None))) == 6 * 16000


def test_lanes_of_a_model_that_speaks_mix_their_vectors() -> None:
    lane = ({"at_s": 2.0, "prompt": "wind"},)
    speaker = FakeSpeaker()
    samples(asked("hello", sampler=FIFO, lane=lane), speaker)
    assert max(speaker.forwards) == 4, "and ask for each part once"
