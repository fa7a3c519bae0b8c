"""What the tabs share whose takes are played as they are made: how one is begun, followed and ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.core.binding import Values
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.events import TERMINAL, Preview, Progress, Telemetry
from studio.core.messages import FieldError
from studio.service.jobs.job import Job
from studio.service.looks import Looks
from studio.service.recordings.read import read_recording
from studio.service.studio import Studio
from studio.ui.callers import client_of
from studio.ui.forms import Form, read_form
from studio.ui.panels import kits, sets
from studio.ui.panels.batches import Batch, Batches, varied
from studio.ui.panels.live import LiveView, LiveViews
from studio.ui.panels.offers import Offers
from studio.ui.widgets import HIDDEN
from studio.ui.words import words

MAX_LISTENERS = 16  # each holds one of the server's threads; the takes themselves queue in the service
_STOP_PLAYER = "(id) => {{ window.longwave?.{tab}?.stop(); return [id]; }}"

Following = tuple[Any, Any, Any, Any, Any]  # player, Generate, download, job id, strip of takes
SAME: Any = gr.skip()


@dataclass(frozen=True)
class Shared:
    """What all tabs have in common: the service, and takes that are listened to, made in a row, finished."""

    studio: Studio
    views: LiveViews
    batches: Batches
    offers: Offers
    looks: Looks

    @classmethod
    def of(cls, studio: Studio) -> Shared:
        """All of it anew, for a page over this service."""
        views = LiveViews()
        return cls(studio, views, Batches(studio), Offers(views), Looks(studio))


class TakeHandlers:
    """A tab's take from the press of a button to its end. A tab adds what its own buttons do."""

    def __init__(self, shared: Shared, mode: str) -> None:
        """`mode` is that of the tab's takes."""
        self._studio = shared.studio
        self._views = shared.views
        self._batches = shared.batches
        self._offers = shared.offers
        self.looks = shared.looks
        self._mode = mode

    def in_strip(self, token: str) -> Path | None:
        """The file of a take that this page has in its strip, while it is there."""
        return self._offers.path(token) if token else None

    def generate(self, **values: Any) -> Iterator[Following]:
        """Start a take of the form's values, or several, and follow."""
        yield from self._begin(values)

    def again(self, job_id: str, **values: Any) -> Iterator[Following]:
        """End what this page makes or plays, and start anew of the form's values, with another seed."""
        yield from self._begin({**values, "seed": -1}, instead_of=job_id)

    def resume(self, take_id: str, job_id: str) -> Iterator[Following]:
        """Go on with an interrupted take of the library and follow it, unless this page's own still plays."""
        try:
            if any(job.id == job_id and not job.ended for job in self._studio.jobs()):
                raise InvalidRequestError(words.takes.one_plays)
            job = self._studio.resume(take_id, listen=True)
        except StudioError as error:
            yield refusal(error), SAME, SAME, SAME, SAME
            return
        yield from self._follow(self._views.open(job, self._studio.events(job.id)))

    def reattach(self) -> Iterator[Following]:
        """A page was opened: follow what is made with nobody looking on, if anything is.

        Not where strangers may open pages: a take's sound is for who started it.
        """
        trusted = self._studio.settings.trusted
        view = self._views.alone(self._mode) if trusted else None
        batch = self._batches.alone(self._mode) if trusted else None
        if view is not None:
            yield from self._follow(view, found=True)
        elif batch is not None:
            yield from self._follow_batch(batch)
        else:
            yield SAME, SAME, SAME, SAME, SAME

    def turn_to(self) -> Any:
        """The tab itself, when a page is opened while a take of it is made with nobody looking on."""
        alone = self._views.alone(self._mode) or self._batches.alone(self._mode)
        return gr.Tabs(selected=self._mode) if self._studio.settings.trusted and alone else SAME

    def ready(self, job_id: str) -> Any:
        """Generate can be pressed again, unless another take has begun on this page meanwhile."""
        playing = any(job.id == job_id and not job.ended for job in self._studio.jobs())
        return gr.update(interactive=not playing)

    def ask_for_set(self, event: Mapping[str, Any], values: Values) -> dict[str, Any]:
        """What a set of the form's values would be, or its id once it is begun."""
        return sets.asked(self._studio, self._mode, event, values)

    def ask_for_kit(self, event: Mapping[str, Any], values: Values) -> dict[str, Any]:
        """The id of a kit of the form's values, once it is begun."""
        return kits.asked(self._studio, self._mode, event, values)

    def stop(self, job_id: str) -> None:
        """End the take that this page started, if it still runs and was not forgotten long after its end."""
        with suppress(InvalidRequestError):
            self._studio.stop(job_id)

    def _begin(self, values: Values, instead_of: str = "") -> Iterator[Following]:
        """What the values ask for, once they are known to make it; it may take another job's place."""
        try:
            count = int(values.get("variations") or 1)
            if count > 1:
                batch = self._submit_batch(values, count, instead_of)
            else:
                job = self._submit(values, instead_of)
        except StudioError as error:
            yield refusal(error), SAME, SAME, SAME, SAME
            return
        if count > 1:
            yield from self._follow_batch(batch)
        else:
            yield from self._follow(self._views.open(job, self._studio.events(job.id)))

    def _submit(self, values: Values, instead_of: str) -> Job:
        request = read_form(self._mode, values, self._studio)
        sound = values.get("continue_from")
        recording = read_recording(Path(sound), request.sample_rate) if sound else None
        self._end(instead_of)
        return self._studio.submit(
            request,
            listen=True,
            keep_running=bool(values.get("keep_running")),
            recording=recording,
            client=client_of(),
        )

    def _submit_batch(self, values: Values, count: int, instead_of: str) -> Batch:
        if values.get("continue_from"):
            raise InvalidRequestError(words.takes.no_variations_of_audio)
        # Without an end there would be no second one: each gets the length that the form has.
        request = read_form(self._mode, {**values, "endless": False}, self._studio)
        seeded = str(values.get("seed") or "").strip() not in ("", "-1", "\N{MINUS SIGN}1")
        self._end(instead_of)
        job = self._studio.submit_all(varied(request, count, seeded=seeded), client=client_of())
        return self._batches.open(job, count, keep_running=bool(values.get("keep_running")))

    def _end(self, job_id: str) -> None:
        if job_id:
            self._views.supersede(job_id)
            self.stop(job_id)

    def _follow(self, view: LiveView, *, found: bool = False) -> Iterator[Following]:
        """Yields until the job has ended; a page that `found` it gets the form's values too.

        A sync generator, because a Space's GPU calls allow no other. A closed tab ends it at the next yield,
        at the latest a second later; a job that plays is then ended by its watchdog, if no page comes back.
        """
        job = view.job
        try:
            waiting = gr.update(interactive=False)
            told = view.state() | ({"form": view.form()} if found else {})
            yield told, waiting, gr.update(interactive=False, link=None), job.id, SAME
            for event in self._studio.events(job.id):
                if view.superseded:
                    return
                if isinstance(event, (Progress, Preview, Telemetry)):
                    yield view.state(), SAME, SAME, SAME, SAME
                elif isinstance(event, TERMINAL):
                    view.wait()
                    yield view.state(), SAME, _download(view.stream.token, event.path), SAME, SAME
        finally:
            # Runs on the event loop when a tab is closed; only sets flags.
            if job.status == "queued" and not job.keep_running:
                self._studio.stop(job.id)

    def _follow_batch(self, batch: Batch) -> Iterator[Following]:
        """Yields how the takes come to be, one by one, until all are made or it is stopped."""
        job = batch.job
        with self._batches.followed(batch):
            waiting, nothing = gr.update(interactive=False), gr.update(interactive=False, link=None)
            yield batch.state(), waiting, nothing, job.id, batch.takes(self._offers)
            for event in self._studio.events(job.id):
                new = batch.see(event)
                if not new and not isinstance(event, (Progress, Telemetry)):
                    continue
                download = _download(batch.latest, batch.path) if isinstance(event, TERMINAL) else SAME
                yield batch.state(), SAME, download, SAME, batch.takes(self._offers) if new else SAME


def _download(token: str, path: Path | None) -> Any:
    """The button that downloads a take: by a token, never by a path."""
    if path is None:
        return SAME
    return gr.update(link=f"take/{token}?format={path.suffix.lower()}", interactive=True)


def refusal(error: StudioError) -> dict[str, Any]:
    """A player's value that says why there is no take, and at which field of the form."""
    label = error.label if isinstance(error, FieldError) else ""
    # The page hears of a value that changes: the same refusal a second time is news too.
    return {
        "token": "",
        "phase": "failed",
        "message": str(error),
        "label": label,
        "time": time.monotonic_ns(),
    }


@dataclass(frozen=True)
class TakeTab:
    """What others need of a tab: the form to fill, and how to follow a job on its player.

    `followed` are the components of a `Following`.
    """

    form: Form
    followed: list[Any]
    handlers: TakeHandlers

    def bind(self, again: gr.Button, stop: gr.Button) -> None:
        """Make Generate, New take and Stop do what they say."""
        job_id, fields = self.followed[3], self.form.fields
        self.follow(self.followed[1].click, self.handlers.generate, None, inputs_kwargs=fields)
        # As often as one likes: by default Gradio drops a press while the take of the one before still plays.
        self.follow(again.click, self.handlers.again, job_id, inputs_kwargs=fields, trigger_mode="multiple")
        quiet = _STOP_PLAYER.format(tab=self.form.mode)
        stop.click(self.handlers.stop, job_id, None, js=quiet, **HIDDEN)

    def follow(
        self, event: Any, handler: Callable[..., Iterator[Following]], inputs: Any, **options: Any
    ) -> None:
        """Run `handler` at a component's `event`, its take on this tab's player; Generate waits meanwhile."""
        run = event(
            handler, inputs, self.followed,
            show_progress="hidden", concurrency_limit=MAX_LISTENERS, concurrency_id="listeners",
            api_visibility="private", **options,
        )  # fmt: skip
        # Whatever ended the generator, a failure of the server included, one can start again. Not a moment
        # sooner: Gradio drops a click while the event before it is still pending.
        run.then(self.handlers.ready, self.followed[3], self.followed[1], **HIDDEN)
