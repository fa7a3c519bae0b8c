"""A sound as it is made."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from studio.core.events import AudioChunk, Event
from studio.core.request import GenerationRequest, parse_request
from studio.core.speech import Said
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.recording import Recording

Events = Generator[Event, None, None]


class Stream(Iterator[Event]):
    """A sound as it is made: an iterator of events, and the ways to change it meanwhile.

    Each `next` works until there is something to tell; nothing is made ahead of its reader. The model stays
    in use until the last event, or `close`.
    """

    def __init__(
        self,
        request: GenerationRequest,
        events: Events,
        control: TakeControl,
        cancel: CancelToken,
        recording: Recording | None = None,
    ) -> None:
        """Use `stream` or `Session.stream`."""
        self.request = request
        self.recording = recording
        self._events = events
        self._control = control
        self._cancel = cancel

    def __next__(self) -> Event:
        return next(self._events)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def chunks(self) -> Iterator[AudioChunk]:
        """The sound alone, in pieces that follow each other without a gap."""
        return (event for event in self if isinstance(event, AudioChunk))

    def change(self, prompt: str) -> None:
        """Let the scene become another from the next step on; safe from any thread.

        Raises:
            InvalidRequestError: it is no endless sampler's, or the prompt is empty.
        """
        scene = parse_request(prompt=prompt).prompt
        self._control.request_change(scene, ())

    def say(self, script: str) -> None:
        """Let an endless sound say something else: what follows what was said, where `script` begins like
        that, and else all of it; safe from any thread.

        Raises:
            InvalidRequestError: it is no endless sampler's, its model says nothing, or the words can't be
                said.
        """
        words = parse_request(prompt="x", speech={"text": script}).speech.text
        self._control.request_script(words)

    @property
    def said(self) -> tuple[Said, ...]:
        """What is said in it, and when, as far as it is planned by now."""
        return self._control.said

    def fade_out(self) -> None:
        """Let an endless sound fade out and end within seconds; safe from any thread."""
        self._control.request_fade_out()

    def cancel(self) -> None:
        """End it at the next denoising step, where `next` raises `CancelledError`; safe from any thread."""
        self._cancel.set()

    def close(self) -> None:
        """End it now and let go of the model; for the thread that reads it."""
        self._events.close()
