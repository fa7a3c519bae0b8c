"""What a model that speaks is given to say along the frames of a take.

A published VoiceLDM attends to all of its content at every frame and knows no place in it: it says a clip's
words in one piece. A model with a band (`SpeakingBackend.content_band`) attends to the content beside a
frame: its sentences are laid out along the take, as many as there are, and memory holds those of the window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from studio.backends.base import Tokens
from studio.core.audio import format_time
from studio.core.messages import FieldError
from studio.core.script import Script
from studio.core.speech import Said, Sentence, Speech

if TYPE_CHECKING:
    from studio.backends.base import Backend, SpeakingBackend
    from studio.pipeline.control import TakeControl

LEAD_S = 0.4  # before the first sentence
TEXT, LABEL = "speech.text", "What is said"
MUTE = "is for models that speak: choose one, or leave it empty"
PLACELESS = (
    "is nothing for an endless take of this model, which says all its words at once: make a clip of it "
    "(Sparse), choose a model that reads scripts, or leave it empty"
)
TIMELESS = "has times, and this model says all its words in one piece: take the times out"


class SpeechSource(Protocol):
    """What is said along a take."""

    def speaks(self, start_frame: int, frames: int) -> bool:
        """Whether anything is said at these latent frames."""
        ...

    def window(self, start_frame: int, frames: int) -> Tokens:
        """Content [2, L, D] for these latent frames: of no words, then of those that are said."""
        ...


def speaking_backend(backend: Backend) -> SpeakingBackend:
    """The backend as one that speaks. Raises `FieldError` for any other."""
    from studio.backends.base import speaks

    if not speaks(backend):
        raise FieldError(TEXT, LABEL, MUTE)
    return backend


class WholeSpeech:
    """A clip's words in one piece, which every frame attends to, as VoiceLDM's authors have it."""

    def __init__(
        self, backend: SpeakingBackend, sentences: tuple[Sentence, ...], frames: int, control: TakeControl
    ) -> None:
        """Encode them for a clip of so many latent frames, and tell `control` of them.

        Raises:
            FieldError: there are times among them, or they take longer than the clip.
        """
        if any(sentence.at_s is not None for sentence in sentences):
            raise FieldError(TEXT, LABEL, TIMELESS)
        text = " ".join(sentence.text for sentence in sentences)
        length = len(_frames_of(text, backend))
        _require_room(length, frames, backend)
        control.tell_said(text, 0.0, length / backend.geometry.frame_rate)
        self._content = backend.encode_speech(["", text])

    def speaks(self, start_frame: int, frames: int) -> bool:
        """At every frame, as far as the model can tell."""
        return True

    def window(self, start_frame: int, frames: int) -> Tokens:
        """[2, L, D], the same at every frame."""
        return self._content


class SpokenTrack:
    """Sentences laid along the latent frames of a take, each from its time on or after the one before it.

    It grows as far as its windows look, and forgets what they have passed, but for `control`, which keeps
    what was said when. A change of the script is taken up at the end of a window: what is said there by then
    is said to its end.
    """

    def __init__(
        self, backend: SpeakingBackend, speech: Speech, control: TakeControl, start_frame: int = 0
    ) -> None:
        """Of a model with a band, for a take that `control` steers; nothing is said before `start_frame`."""
        self._backend, self._control = backend, control
        self._rate = backend.geometry.frame_rate
        self._pause = round(speech.pause_s * self._rate)
        self._silence = backend.silence.float().cpu()
        self._script = Script(speech.sentences)
        self._frames = self._silence.new_zeros(0, len(self._silence))
        self._spans: tuple[tuple[int, int], ...] = ()  # of the sentences that are kept, in frames of the take
        self._first = 0  # the take's frame that the first kept one is
        self._free = start_frame + round(LEAD_S * self._rate)  # from here on the next sentence may begin

    @property
    def laid(self) -> int:
        """Frames of the take whose content is settled."""
        return self._first + len(self._frames)

    def speaks(self, start_frame: int, frames: int) -> bool:
        """Whether a sentence or a part of one lies at these latent frames."""
        self._advance(start_frame, frames)
        end = start_frame + frames
        return any(begin < end and until > start_frame for begin, until in self._spans)

    def window(self, start_frame: int, frames: int) -> Tokens:
        """[2, frames, D]: of no words, then of the script at these frames."""
        self._advance(start_frame, frames)
        start = start_frame - self._first
        said = self._frames[start : start + frames]
        return Tokens(torch.stack([self._silence.expand_as(said), said]))

    def _advance(self, start_frame: int, frames: int) -> None:
        if (wanted := self._control.take_script()) is not None:
            self._script = self._script.changed(wanted)
            self._control.change_script(self._script.coming)
        self._lay(start_frame + frames)
        self._forget(start_frame)

    def lay_whole(self, frames: int) -> None:
        """Lay all of a clip. Raises `FieldError` where it is longer than the clip."""
        self._lay(frames)
        while (sentence := self._script.next) is not None:
            self._say(sentence, max(self._begin(sentence), self.laid))
        _require_room(self._free - self._pause, frames, self._backend)

    def _lay(self, until: int) -> None:
        while self.laid < until:
            sentence = self._script.next
            begin = until if sentence is None else max(self._begin(sentence), self.laid)
            if sentence is None or begin >= until:
                self._append(self._silence.expand(until - self.laid, -1))
            else:
                self._say(sentence, begin)

    def _begin(self, sentence: Sentence) -> int:
        at = 0 if sentence.at_s is None else round(sentence.at_s * self._rate)
        return max(at, self._free)

    def _say(self, sentence: Sentence, begin: int) -> None:
        content = _frames_of(sentence.text, self._backend)
        self._append(self._silence.expand(begin - self.laid, -1))
        self._append(content)
        self._free = self.laid + self._pause
        self._spans = (*self._spans, (begin, self.laid))
        self._script = self._script.said()
        words = [(first / self._rate, last / self._rate) for first, last in self._words_of(sentence.text)]
        self._control.tell_said(sentence.text, begin / self._rate, self.laid / self._rate, words)

    def _words_of(self, text: str) -> Sequence[tuple[float, float]]:
        """The frames of a sentence at which each of its words is said; none where the model can't tell."""
        places = self._backend.word_frames(text)
        return places if len(places) == len(text.split()) else ()

    def _append(self, content: Tensor) -> None:
        self._frames = torch.cat([self._frames, content])

    def _forget(self, before: int) -> None:
        if before > self._first:
            self._frames, self._first = self._frames[before - self._first :].clone(), before
            self._spans = tuple(span for span in self._spans if span[1] > before)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later track needs to go on: tensors, texts and integers."""
        spans = torch.tensor(self._spans, dtype=torch.long).view(-1, 2)
        kept = {"frames": self._frames, "first": self._first, "spans": spans, "free": self._free}
        said = [one.model_dump() for one in self._control.said]
        changed = self._control.script is not None
        return kept | self._script.to_dict() | {"said": said, "changed": changed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`'s value. Of another script than was said until then what follows is said.

        Raises:
            ValueError: it is none, or another model's.
        """
        frames = state["frames"]
        if not isinstance(frames, Tensor) or frames.ndim != 2 or frames.shape[1] != len(self._silence):
            raise ValueError("no content of this model")
        self._frames, self._first, self._free = frames, int(state["first"]), int(state["free"])
        self._spans = tuple((int(begin), int(until)) for begin, until in state["spans"].tolist())
        self._go_on(state)

    def _go_on(self, state: Mapping[str, Any]) -> None:
        """With the request's script, which is what was said and then what is to come; else the state's."""
        before, wanted = Script.from_dict(state), self._script.sentences
        said = tuple(Said(**one) for one in state["said"])
        self._control.restore_said(said)
        follows = [one.text for one in said] == [one.text for one in wanted[: len(said)]]
        self._script = Script(wanted, len(said)) if follows else before
        if state["changed"] or wanted != before.sentences:
            self._control.change_script(self._script.coming)


class SaidAgain:
    """The words of a take that is there, at the frames where they were said."""

    def __init__(self, backend: SpeakingBackend, said: Sequence[Said]) -> None:
        """Of a model with a band."""
        rate = backend.geometry.frame_rate
        self._backend, self._silence = backend, backend.silence.float().cpu()
        self._spans = [(round(one.start_s * rate), round(one.end_s * rate), one.text) for one in said]
        self._content: dict[str, Tensor] = {}

    def speaks(self, start_frame: int, frames: int) -> bool:
        """Whether a sentence or a part of one lies at these latent frames."""
        return any(begin < start_frame + frames and until > start_frame for begin, until, _ in self._spans)

    def window(self, start_frame: int, frames: int) -> Tokens:
        """[2, frames, D]: of no words, then of those that were said at these frames."""
        silent = self._silence.expand(frames, -1)
        said = silent.clone()
        for begin, until, text in self._spans:
            first, last = max(begin, start_frame), min(until, start_frame + frames)
            if first < last:
                if text not in self._content:
                    self._content[text] = _frames_of(text, self._backend)
                part = self._content[text][first - begin : last - begin]
                said[first - start_frame : first - start_frame + len(part)] = part
        return Tokens(torch.stack([silent, said]))


def clip_speech(
    backend: Backend, speech: Speech, frames: int, control: TakeControl | None = None
) -> SpeechSource | None:
    """What is said in a clip of so many latent frames, which `control` is told; None where nothing is.

    Raises:
        FieldError: the model doesn't speak, or the clip is too short for it.
    """
    from studio.pipeline.control import TakeControl

    if not speech.sentences:
        return None
    speaking, control = speaking_backend(backend), control or TakeControl("")
    if speaking.content_band is None:
        return WholeSpeech(speaking, speech.sentences, frames, control)
    track = SpokenTrack(speaking, speech, control)
    track.lay_whole(frames)
    return track


def streaming_speech(
    backend: Backend, speech: Speech, control: TakeControl, start_frame: int = 0
) -> SpokenTrack | None:
    """What is said in an endless take from a frame on; None where the model says nothing, and isn't asked to.

    A model that reads scripts has a track without words, too: they may come while it plays.

    Raises:
        FieldError: the model doesn't speak, or knows no place in its words.
    """
    from studio.backends.base import speaks

    if not speech.sentences and not (speaks(backend) and backend.content_band is not None):
        control.say_nothing()
        return None
    speaking = speaking_backend(backend)
    if speaking.content_band is None:
        raise FieldError(TEXT, LABEL, PLACELESS)
    return SpokenTrack(speaking, speech, control, start_frame)


def _frames_of(text: str, backend: SpeakingBackend) -> Tensor:
    """Content [L, D] of a text, float32 on the CPU. Raises `FieldError` where the model reads less."""
    try:
        return backend.speech_frames(text).float().cpu()
    except ValueError as error:
        raise FieldError(TEXT, LABEL, str(error)) from error


def _require_room(needed: int, frames: int, backend: SpeakingBackend) -> None:
    if needed > frames:
        rate = backend.geometry.frame_rate
        needs, has = format_time(needed / rate), format_time(frames / rate)
        raise FieldError(TEXT, LABEL, f"takes {needs} to say, and the take is {has} long: make it longer")
