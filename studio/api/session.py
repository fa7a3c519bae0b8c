"""Loaded models, and the sounds that are made with them."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

import numpy as np

from studio.api.sound import Sound
from studio.api.stream import Events, Stream
from studio.core.audio import SAMPLE_RATE
from studio.core.defaults import ModelDefaults
from studio.core.draft import POCKET_DRAFTS, RecordedDraft
from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk
from studio.core.modes import MODES
from studio.core.preset import Preset
from studio.core.request import GenerationRequest, ModelChoice, parse_request
from studio.core.settings import Settings
from studio.core.usual import with_usual
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import Edited, RenderEvent, for_readers
from studio.pipeline.control import TakeControl
from studio.pipeline.model_cache import ModelCache
from studio.pipeline.recording import Recording, check_continuation
from studio.pipeline.start import FRESH, FromRecording, Start

if TYPE_CHECKING:
    from studio.backends.base import Backend
    from studio.core.kit import KitPlan, KitPreset
    from studio.core.scene import Scene
    from studio.service.jobs.errands import Stage
    from studio.service.kit.make import Kit
    from studio.service.layers.write import Mixed

Told = TypeVar("Told")
Asked = str | Preset | GenerationRequest
ENDLESS = "An endless sound has no end to wait for: give duration_s, or read it by stream()."


class Session:
    """Models kept loaded between sounds, two at most, and the settings that sounds are made with.

    Threads may share one: they take turns, a step at a time. It starts none of its own. Use it as a context,
    or `close` it.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        create_backend: Callable[[ModelChoice], Backend] | None = None,
    ) -> None:
        """
        Args:
            settings: the models and the device of sounds that name none; `outputs` is where drafts are kept,
                by default a folder that goes with the session.
            create_backend: what loads a model, in place of the catalog, as tests want it.

        Raises:
            InvalidRequestError: Python was told to drop docstrings, which transformers reads.
        """
        from studio.app import build_renderer, resolve_choice
        from studio.backends import catalog

        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        if settings is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="longwave-")
            settings = Settings(outputs=Path(self._scratch.name))
        self.settings = settings
        self._render, self._drafts = build_renderer(settings)
        self._defaults_of = partial(catalog.defaults_of, settings=settings)
        create = create_backend or partial(catalog.create_backend, settings=settings)
        self._models = ModelCache(create, resolve=resolve_choice)
        self._turn = threading.RLock()  # a step may be where an abandoned stream is collected, and closed
        self._open: WeakSet[Stream] = WeakSet()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def generate(
        self,
        asked: Asked,
        *,
        duration_s: float | None = None,
        model: str | ModelChoice | None = None,
        seed: int | None = None,
        continue_from: str | Path | None = None,
        **settings: Any,
    ) -> Sound:
        """A whole sound.

        Args:
            asked: a prompt; or a preset, over which the rest goes; or a request, which says it all.
            duration_s: seconds; 10, or the preset's, where none are given.
            model: an id of the catalog or the Hub, or a folder; by default the mode's own.
            seed: 0 is one like any other; None draws one, which `Sound.request` then holds.
            continue_from: a sound file that the sound begins with and goes on from; `duration_s` counts it.
            settings: any other fields of `GenerationRequest`.

        Raises:
            InvalidRequestError: a value is out of its bounds, or the model can't do what is asked.
            ModelNotFoundError, WeightsError: the model is not there, or not whole.
            OutOfResourcesError: memory does not hold it.
        """
        request = self._request(asked, duration_s, model, seed, settings)
        if request.duration_s is None:
            raise InvalidRequestError(ENDLESS)
        with self._stream(request, continue_from) as stream:
            return _collected(stream)

    def stream(
        self,
        asked: Asked,
        *,
        duration_s: float | None = None,
        model: str | ModelChoice | None = None,
        seed: int | None = None,
        continue_from: str | Path | None = None,
        previews: bool = False,
        **settings: Any,
    ) -> Stream:
        """A sound as it is made: endless where a prompt comes without `duration_s`.

        Arguments and errors are those of `generate`; what a model raises comes with the first event.
        `previews` adds pictures of a clip on its way.
        """
        if isinstance(asked, str) and duration_s is None:
            settings = {**settings, "duration_s": None}
        request = self._request(asked, duration_s, model, seed, settings)
        return self._stream(request, continue_from, previews=previews)

    def edit(self, take: str | Path, kind: str, *, other: str | Path | None = None, **values: Any) -> Sound:
        """Another sound, made of one that lies in a file with its settings, as `Sound.save` leaves it.

        Args:
            take: the file.
            kind: repaint, extend, splice, loop or vary.
            other: the file that a splice goes on with.
            values: fields of the edit (`core.edit`): `start_s`, `end_s`, `prompt`, `seed`, ….

        Raises:
            InvalidRequestError: no such edit, a value out of its bounds, or a sound that can't be edited so.
            ModelNotFoundError, WeightsError: the model is not there, or not whole.
        """
        from studio.core.edit import Vary, parse_edit
        from studio.service.edits import notes_of, open_sound, start_of, varied_request

        chosen = parse_edit(kind, **values)
        files = [take] if other is None else [take, other]
        if (kind == "splice") != (other is not None):
            raise InvalidRequestError("A splice goes on with another sound: give it as other.")
        takes = [open_sound(Path(file)) for file in files]
        start = start_of(chosen, takes)
        request = varied_request(takes[0]) if isinstance(chosen, Vary) else takes[0].request
        pieces, told = [], None
        for event in self._in_turn(self._rendered(request, start)):
            if isinstance(event, Edited):
                told = event
            elif isinstance(event, AudioChunk):
                pieces.append(event.samples)
        notes = notes_of(start, told)
        return Sound(np.concatenate(pieces), takes[0].sample_rate, request, None, notes.said, notes)

    def kit(
        self,
        asked: Asked | KitPreset,
        out: str | Path,
        *,
        duration_s: float | None = None,
        model: str | ModelChoice | None = None,
        seed: int | None = None,
        plan: KitPlan | Mapping[str, Any] | None = None,
        cancel: CancelToken | None = None,
        tell: Callable[[Stage], None] = lambda stage: None,
        **settings: Any,
    ) -> Kit:
        """A kit at `out`, a ZIP: loops that belong together, one-shots, a sheet of pictures, a manifest.

        Args:
            asked: a prompt, a kit's preset (`load_kit_preset`), or as of `generate`.
            out: replaced if it exists; nothing is there before all of it is made.
            duration_s, model, seed, settings: of its loops, which are clips, as of `generate`.
            plan: what it holds (`KitPlan`), over the preset's.
            cancel: once set, ends it at its next step.
            tell: hears how far it is.

        Raises:
            CancelledError: `cancel` was set.
            InvalidRequestError: a value is out of its bounds, or no kit can be made of what is asked.
            ModelNotFoundError, WeightsError: the model is not there, or not whole.
            OutOfResourcesError: the disk is full.
        """
        from studio.api.kits import plan_of
        from studio.service.kit.make import make_kit

        asked, wanted = plan_of(asked, plan)
        own = settings if isinstance(asked, GenerationRequest) else {"mode": "sparse", **settings}
        request = self._request(asked, duration_s, model, seed, own)
        return make_kit(
            request, wanted, Path(out), lease=self._models.lease, render=self._render,
            turn=self._taken, cancel=cancel or CancelToken(), tell=tell,
        )  # fmt: skip

    def mix(
        self,
        scene: Scene | Mapping[str, Any] | str | Path,
        out: str | Path,
        *,
        stems: str | Path | None = None,
        lufs: float | None = None,
        ceiling_dbtp: float | None = None,
        bits: int | None = None,
        rate: int | None = None,
        cancel: CancelToken | None = None,
        tell: Callable[[Stage], None] = lambda stage: None,
    ) -> Mixed:
        """The layers of a scene as one sound at `out`, in the format that its ending names.

        Args:
            scene: a `Scene`, its fields, the path of its JSON or of a mix, or the name of one that ships. Its
                takes are named by their paths. What it asks for by requests is made first, and lies beside
                the mix, called after it.
            stems: a ZIP of the layers that are heard, aligned, as WAV of floats.
            lufs, ceiling_dbtp: hold instead of the scene's own.
            bits, rate: of the file, as an export has them.
            cancel: once set, ends it.
            tell: hears how far it is.

        Raises:
            CancelledError: `cancel` was set.
            InvalidRequestError: the scene can't be mixed, or not written there.
            ModelNotFoundError, WeightsError: the model of a request is not there, or not whole.
            OutOfResourcesError: the disk is full.
        """
        from studio.api.mixes import Hands, mixed

        return mixed(
            Hands(self.settings, self.generate, self.defaults), scene, Path(out),
            stems=None if stems is None else Path(stems),
            changed={"lufs": lufs, "ceiling_dbtp": ceiling_dbtp},
            coding={"bits": str(bits or ""), "rate": str(rate or "")}, cancel=cancel, tell=tell,
        )  # fmt: skip

    def recorded_draft(self, path: str | Path, model: str = POCKET_DRAFTS) -> RecordedDraft:
        """A sound file as the draft of a request; `model` names the AudioGen whose codec reads it.

        Raises:
            InvalidRequestError: no sound file.
            OutOfResourcesError: the disk is full.
        """
        return self._drafts.store_recording(_recording(path), model)

    def defaults(self, model: str | ModelChoice | Mapping[str, Any]) -> ModelDefaults:
        """What a model's sounds begin with where nobody says otherwise; never raises."""
        model_id = model.get("id") if isinstance(model, Mapping) else getattr(model, "id", model)
        return self._defaults_of(str(model_id or ""))

    def unload(self) -> int:
        """Let go of every model; the bytes that came back.

        Raises:
            InvalidRequestError: a stream is still open.
        """
        return self._models.unload(self._drafts.models.unload)

    def close(self) -> None:
        """End its streams, unload, and remove what it kept on disk.

        Raises:
            InvalidRequestError: another thread is still within a stream's step; it ends there.
        """
        for stream in tuple(self._open):
            stream.cancel()
            with suppress(ValueError):  # of a generator that another thread is in
                stream.close()
        self.unload()
        if self._scratch is not None:
            self._scratch.cleanup()

    @contextmanager
    def _taken(self, model: ModelChoice, cancel: CancelToken) -> Generator[None, None, None]:
        """A turn of the session's, for something that is made in one go."""
        with self._turn:
            cancel.check()
            yield

    def _request(
        self,
        asked: Asked,
        duration_s: float | None,
        model: str | ModelChoice | None,
        seed: int | None,
        settings: dict[str, Any],
    ) -> GenerationRequest:
        given = dict(settings)
        if duration_s is not None:
            given["duration_s"] = duration_s
        if seed is not None:
            given["seed"] = seed
        if isinstance(asked, GenerationRequest):
            if given or model is not None:
                raise TypeError("a GenerationRequest says it all: give a prompt or a preset with settings")
            return asked
        own = asked.settings if isinstance(asked, Preset) else {"prompt": asked}
        spec = MODES.get(str({**own, **given}.get("mode", "infinite")))  # an unknown one is refused below
        if model is not None:
            given["model"] = self._choice(model)
        elif "model" not in own:
            given["model"] = self._choice(
                self.settings.model_of(spec.name) if spec else self.settings.model_id
            )
        said = {**own, **given}
        return parse_request(**(with_usual(spec.name, said, self.defaults(said["model"])) if spec else said))

    def _choice(self, model: str | ModelChoice) -> ModelChoice:
        if isinstance(model, ModelChoice):
            return model
        return _parse_choice(model, self.settings)

    def _stream(
        self, request: GenerationRequest, continue_from: str | Path | None, *, previews: bool = False
    ) -> Stream:
        recording = None
        if continue_from is not None:
            recording = _recording(continue_from, request.sample_rate)
            check_continuation(request, recording)
        cancel, script = CancelToken(), request.speech.text
        control = TakeControl(request.prompt, request.lane, script=script, watched=previews)
        events = self._in_turn(self._events(request, cancel, control, recording))
        stream = Stream(request, events, control, cancel, recording)
        self._open.add(stream)
        return stream

    def _events(
        self,
        request: GenerationRequest,
        cancel: CancelToken,
        control: TakeControl,
        recording: Recording | None,
    ) -> Events:
        start = FRESH if recording is None else FromRecording(recording)
        with self._models.lease(request.model) as backend:
            yield from for_readers(self._render(request, backend, cancel, control, start))

    def _rendered(self, request: GenerationRequest, start: Start) -> Generator[RenderEvent, None, None]:
        with self._models.lease(request.model) as backend:
            yield from self._render(request, backend, CancelToken(), None, start)

    def _in_turn(self, events: Generator[Told, None, None]) -> Generator[Told, None, None]:
        """The same, one step of the session's sounds at a time: a model is patched for each."""
        try:
            while True:
                with self._turn:
                    event = next(events, None)
                if event is None:
                    return
                yield event
        finally:
            with self._turn:
                events.close()


def _parse_choice(model: str, settings: Settings) -> ModelChoice:
    """A model by its id, on the settings' device. Raises `FieldError`."""
    choice = {"id": model, "device": settings.device, "dtype": settings.dtype}
    return parse_request(prompt="x", model=choice).model


def _recording(path: str | Path, sample_rate: int = SAMPLE_RATE) -> Recording:
    from studio.service.recordings.read import read_recording

    return read_recording(Path(path), sample_rate)


def _collected(stream: Stream) -> Sound:
    recording, pieces, sample_rate = stream.recording, [], 0
    if recording is not None:
        from studio.pipeline.stereo import recorded_channels

        unheard = recording.samples[: recording.silent_samples]
        pieces.append(recorded_channels(stream.request, unheard, recording.sample_rate))
    for chunk in stream.chunks():
        pieces.append(chunk.samples)
        sample_rate = chunk.sample_rate
    return Sound(np.concatenate(pieces), sample_rate, stream.request, recording, stream.said)
