"""What is said in a take that is edited, and what of it is not heard."""

from __future__ import annotations

import numpy as np
import torch

from studio.core.edit import parse_edit
from studio.core.request import parse_request
from studio.core.speech import Said, Speech
from studio.pipeline.control import TakeControl
from studio.pipeline.edits.make import DRAFTLESS, WORDLESS
from studio.pipeline.speech import SaidAgain, clip_speech
from studio.testing import FakeBackend, FakeSpeakingBackend
from tests.pipeline.edits_fakes import RATE, edited, take_of

SAID = (Said(text="stay inside", start_s=2.0, end_s=2.88),)


def asked(kind="repaint", **values):
    span = {"start_s": 1.6, "end_s": 4.0} if kind == "repaint" else {}
    return parse_edit(kind, **{"seed": 3, "steps": 4, **span, **values})


def test_a_clip_s_words_said_again_are_its_own_content():
    backend, control = FakeSpeakingBackend(), TakeControl("rain")
    track = clip_speech(backend, Speech(text="Stay inside.\n0:02 | Come out."), 100, control)
    again = SaidAgain(backend, control.said)
    for start, frames in ((0, 100), (12, 8), (40, 30), (90, 10)):
        assert torch.equal(again.window(start, frames).states, track.window(start, frames).states)
        assert again.speaks(start, frames) == track.speaks(start, frames)
    assert again.window(-4, 8).states.shape == (2, 8, 16)  # before the take's beginning nothing is said


def test_a_repainted_span_says_its_words_again_and_nothing_else():
    backend = FakeSpeakingBackend()
    silent, _, _ = edited(asked(), [take_of(backend, 150)], backend)
    spoken, told, _ = edited(asked(), [take_of(backend, 150, said=SAID)], backend)
    off = np.abs(spoken - silent)
    words, later = off[2 * RATE : round(2.88 * RATE)], off[round(3.2 * RATE) : round(3.9 * RATE)]
    assert words.mean() > 10 * later.mean()
    assert told.spoken
    assert told.notes == ()


def test_where_nothing_can_be_said_again_one_sentence_says_so():
    take = take_of(FakeBackend(), 150, said=SAID)
    placeless = FakeSpeakingBackend(content_band=None)
    for edit, backend in ((asked(), placeless), (asked("extend", right_s=1), FakeSpeakingBackend())):
        _, told, _ = edited(edit, [take], backend)
        assert (told.notes, told.spoken) == ((WORDLESS,), False)
    _, told, _ = edited(asked(strength=0), [take], placeless)
    assert told.notes == (), "nothing is new"


def test_a_take_that_heard_a_draft_says_that_what_is_new_does_not():
    request = parse_request(mode="dual", prompt="rain", seed=1, draft={"kind": "audiogen", "model": "x"})
    _, told, _ = edited(asked(), [take_of(FakeBackend(), 150, request=request)], FakeBackend())
    assert told.notes == (DRAFTLESS,)


def test_what_is_new_is_guided_as_the_take_was():
    """Where a model that speaks has a scale for words, the scene's counts what is beyond the prediction."""

    def made(guidance, scale):
        told = {"guidance_scale": guidance, "speech": {"scale": scale}}
        request, backend = parse_request(prompt="rain", seed=1, **told), FakeSpeakingBackend()
        return edited(asked(), [take_of(backend, 150, request=request)], backend)[0]

    np.testing.assert_array_equal(made(3.0, 2.0), made(4.0, None))
