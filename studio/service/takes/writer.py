"""A take on the disk while it grows, and the sidecar that says how it was made."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio import __version__
from studio.core.audio import NO_SOUND, sound_before_fault, to_int16
from studio.core.errors import InvalidRequestError, NoSoundError, StudioError
from studio.core.files import disk_error
from studio.core.preset import SYNTHETIC, Bands, Group, Preset, PromptChange, Source, TakeRecord, load_preset
from studio.core.request import GenerationRequest, PromptPoint
from studio.core.speech import Said, Sentence, within
from studio.pipeline.checkpoint import EndlessCheckpoint
from studio.pipeline.recording import Recording
from studio.service.takes.export import convert
from studio.service.takes.files.encode import close_take
from studio.service.takes.latents import GrowingLatents
from studio.service.takes.naming import LATENTS, take_stem
from studio.service.takes.place import Place, open_new
from studio.service.takes.record import EditNotes, comment_of, cues_of, with_script
from studio.service.takes.savepoint import INTERVAL_S, SUFFIX, write_savepoint
from studio.service.takes.sidecar import write_sidecar
from studio.service.takes.wav import GrowingWav

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

STATUSES_WHOLE = ("finished", "stopped")
_NOTHING = np.zeros(0, np.int16)


class TakeWriter:
    """Writes a take as WAV while it grows and turns it into its final format at the end.

    The growing file is a valid WAV after every write, so whatever ends the process, what was made plays. Its
    sidecar is there from the start with status "running"; a "running" take that no job works on was
    interrupted.
    """

    def __init__(self, request: GenerationRequest, wav: GrowingWav, place: Place, created: datetime) -> None:
        """Use `begin` or `reopen`."""
        self._request = request
        self._wav = wav
        self._place = place
        self._created = created
        self._saved_at = -math.inf
        self._name = request.prompt[:200]
        self._favourite = False
        self._source: Source | None = None
        self._group: Group | None = None
        self._unheard = _NOTHING
        self._said: tuple[Said, ...] = ()
        self._notes: EditNotes | None = None
        self._loop: tuple[int, int] | None = None
        self._latents: GrowingLatents | None = None

    @classmethod
    def begin(
        cls,
        request: GenerationRequest,
        sample_rate: int,
        outputs: Path,
        out: Path | None = None,
        recording: Recording | None = None,
        when: datetime | None = None,
        group: Group | None = None,
        name: str = "",
        version: tuple[Path, str] | None = None,
        latents: bool = False,
    ) -> TakeWriter:
        """Open the files: in `outputs`/DATE under a name made from the request, or exactly at `out`.

        What of a `recording` nobody waits to hear is written before the first sound. `group` are the takes
        that this one is made together with. The take is called `name`, or by its prompt. A `version` of
        another take lies in that one's folder, by a stem that follows from its own. With `latents` those that
        the take's sound is decoded from are kept beside it, in the library.

        Raises:
            InvalidRequestError: `out` has an unknown suffix, or the folder can't be written.
            OutOfResourcesError: the disk is full.
        """
        created = when or datetime.now()
        folder, stem = version or (outputs / f"{created:%Y-%m-%d}", take_stem(request, created))
        final = out or folder / f"{stem}.flac"
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            wav, place = open_new(final, sample_rate, request.channels, chosen=out is not None)
        except OSError as error:
            raise disk_error(error, final) from error
        take = cls(request, wav, place, created)
        take._group = group
        take._name = name or take._name
        if latents and out is None:
            take._latents = GrowingLatents(wav.path.with_suffix(LATENTS))
        if recording is not None:
            take._source = recording.source
            take._unheard = _unheard(request, recording, sample_rate)
        try:
            take._write_sidecar(wav.path, "running", {})
        except OSError as error:
            take.finish("failed", {})  # closes and removes the empty file
            raise disk_error(error, final) from error
        return take

    @classmethod
    def reopen(
        cls, request: GenerationRequest, path: Path, samples: int, latent_frames: int | None = None
    ) -> TakeWriter:
        """Go on with the growing file `path` of the library after its first `samples`, and with the latents
        beside it after `latent_frames`, where they are kept.

        Raises:
            InvalidRequestError: the file can't be written, or does not hold them.
            OutOfResourcesError: the disk is full.
        """
        sidecar = path.with_suffix(".json")
        record = load_preset(sidecar)
        created = datetime.fromisoformat(record.take.created) if record.take else datetime.now()
        try:
            place = Place(path.with_suffix(".flac"), chosen=False)
            take = cls(request, GrowingWav.reopen(path, samples, request.channels), place, created)
            take._name = record.name
            if record.take is not None:
                take._favourite, take._source = record.take.favourite, record.take.source
                take._group, take._said = record.take.group, record.take.said
                if record.take.edit is not None:  # a variation: nothing else that is edited goes on
                    take._notes = EditNotes(record.name, record.take.edit)
            if latent_frames is not None:
                take._latents = GrowingLatents.reopen(path.with_suffix(LATENTS), latent_frames)
            take._write_sidecar(path, "running", {})
        except BlockingIOError as error:
            raise InvalidRequestError("This take goes on already, in another Longwave.") from error
        except OSError as error:
            raise disk_error(error, path) from error
        except ValueError as error:
            raise InvalidRequestError(
                f"{path.name} is shorter than what was saved of it: start a new take of its settings."
            ) from error
        return take

    @property
    def path(self) -> Path:
        """The growing file."""
        return self._wav.path

    @property
    def duration_s(self) -> float:
        """Seconds on disk."""
        return self._wav.frames / self._wav.sample_rate

    def write(self, samples: NDArray[np.float32]) -> NDArray[np.int16]:
        """Append samples in [−1, 1], [n] of a mono take, else [n, 2]; the 16-bit samples that the file now
        holds, for the listener.

        Raises:
            OutOfResourcesError: the disk is full; what fitted is kept.
            InvalidRequestError: the file was deleted or moved.
            NoSoundError: a sample is no number; what came before it is kept.
        """
        sound = sound_before_fault(samples)
        pcm = to_int16(sound)
        try:
            if len(self._unheard):
                self._wav.write(self._unheard)
                self._unheard = _NOTHING
            self._wav.write(pcm)
        except OSError as error:
            raise self._lost(error) from error
        if len(sound) < len(samples):
            raise NoSoundError(NO_SOUND)
        return pcm

    def require_file(self) -> None:
        """Raise `InvalidRequestError` where the growing file was taken away."""
        try:
            self._wav.require_file()
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> StudioError:
        """What the user should read when the growing file can't be written."""
        path = self._wav.path
        if isinstance(error, FileNotFoundError):
            gone = path if path.parent.is_dir() else path.parent
            return InvalidRequestError(f"{gone} was deleted or moved meanwhile: start the take again.")
        return disk_error(error, path)

    def change_lane(self, points: tuple[PromptPoint, ...]) -> None:
        """Record the lane as it is played from now on.

        Raises:
            OutOfResourcesError: the disk is full.
        """
        self._request = self._request.model_copy(update={"lane": points})
        try:
            self._write_sidecar(self._wav.path, "running", {})
        except OSError as error:
            raise self._lost(error) from error

    def tell_said(self, said: tuple[Said, ...], script: tuple[Sentence, ...] | None = None) -> None:
        """Record what is said in the take, which may lie beyond its sound so far; and the `script` as it was
        read, where that is another than the request's.

        Raises:
            OutOfResourcesError: the disk is full.
        """
        self._said = said
        if script is not None:
            self._request = with_script(self._request, script)
        try:
            self._write_sidecar(self._wav.path, "running", {})
        except OSError as error:
            raise self._lost(error) from error

    def tell_edit(self, notes: EditNotes) -> None:
        """Record of what the take is made, by which edit.

        Raises:
            OutOfResourcesError: the disk is full.
        """
        self._notes, self._said, self._name, self._loop = notes, notes.said, notes.name, notes.loop
        try:
            self._write_sidecar(self._wav.path, "running", {})
        except OSError as error:
            raise self._lost(error) from error

    def tell_loop(self, loop: tuple[int, int]) -> None:
        """Let the record say, once the take is whole, which samples [first, after the last) play round."""
        self._loop = loop

    def keep_latents(self, latents: Tensor, start_frame: int) -> None:
        """Keep latents [channels, C, t, F] from `start_frame` on beside the take, where they are kept."""
        if self._latents is not None:
            self._latents.append(latents, start_frame)

    def save(self, checkpoint: EndlessCheckpoint) -> None:
        """Keep where the take stands, now and then, so that it can go on after a kill.

        Raises:
            OutOfResourcesError: the disk is full.
        """
        if self._wav.frames == 0 or time.monotonic() - self._saved_at < INTERVAL_S:
            return
        if self._place.chosen:  # only the library's takes can go on
            return
        try:
            self._wav.sync()  # first the sound: a state is worth nothing without it
            write_savepoint(self._wav.path.with_suffix(SUFFIX), checkpoint)
        except OSError as error:
            raise self._lost(error) from error
        self._saved_at = time.monotonic()

    def finish(self, status: str, figures: Mapping[str, float]) -> Path | None:
        """Close the take; its path, or None where there is no sound (nothing is left on disk then).

        A take that failed stays the WAV it is: its disk may be full. One whose conversion fails likewise.
        Never raises for what the disk does, since the sound is safe by now.
        """
        growing = self._wav.path
        try:
            if self._wav.frames == 0 or not growing.exists():
                self.discard()
                return None
            if self._latents is not None:
                self._latents.close()
            path = self._conclude(status, figures)
            self._write_last_sidecar(path, status, figures)
            if status in STATUSES_WHOLE:
                growing.with_suffix(SUFFIX).unlink(missing_ok=True)
            return path
        except OSError:
            log.exception("Could not conclude the take %s", growing)
            return growing if growing.exists() else None

    def discard(self) -> None:
        """Leave nothing; the record first: a kill in between leaves none of a take without sound.

        Raises:
            OSError: as the disk says.
        """
        growing = self._wav.path
        if self._latents is not None:
            self._latents.discard()
        for path in (growing.with_suffix(SUFFIX), growing.with_suffix(".json"), growing):
            path.unlink(missing_ok=True)
        self._wav.close()

    def _conclude(self, status: str, figures: Mapping[str, float]) -> Path:
        growing, final = self._wav.path, self._place.final
        if status not in STATUSES_WHOLE:
            self._wav.close()
            return growing
        comment = comment_of(self._record(final, status, figures))
        if final.suffix.lower() == ".wav":
            close_take(self._wav, comment)
            os.replace(growing, final)
            return final
        self._wav.close()
        try:
            convert(growing, final, comment)
        except StudioError as error:
            log.warning("The take stays a WAV: %s", error)
            return growing
        growing.unlink(missing_ok=True)
        return final

    def _write_last_sidecar(self, path: Path, status: str, figures: Mapping[str, float]) -> None:
        """The record beside the take's own file; that beside what grew goes, where the two differ."""
        growing = self._wav.path.with_suffix(".json")
        sidecar = growing if path == self._wav.path else self._place.sidecar()
        write_sidecar(sidecar, self._record(path, status, figures))
        if sidecar != growing:
            growing.unlink(missing_ok=True)

    def _record(self, path: Path, status: str, figures: Mapping[str, float]) -> Preset:
        take = TakeRecord(
            file=path.name,
            created=self._created.isoformat(timespec="milliseconds"),
            version=__version__,
            duration_s=self.duration_s,
            sample_rate=self._wav.sample_rate,
            bands=Bands.of(self._request),
            status=status,
            cues=self._cues(),
            said=within(self._said, 0.0, self.duration_s),
            figures=dict(figures),
            favourite=self._favourite,
            source=self._source,
            group=self._group,
            loop=self._loop if status == "finished" else None,
            edit=None if self._notes is None else self._notes.edit,
            markers=() if self._notes is None else self._notes.markers,
        )
        settings = self._request.model_dump(mode="json")
        about = SYNTHETIC if take.said else ""
        return Preset(name=self._name, description=about, settings=settings, take=take)

    def _cues(self) -> tuple[PromptChange, ...]:
        if self._notes is not None and self._notes.cues is not None:
            return self._notes.cues
        return cues_of(self._request, self.duration_s)

    def _write_sidecar(self, path: Path, status: str, figures: Mapping[str, float]) -> None:
        write_sidecar(self._wav.path.with_suffix(".json"), self._record(path, status, figures))


def _unheard(request: GenerationRequest, recording: Recording, sample_rate: int) -> NDArray[np.int16]:
    """What of a recording nobody waits to hear, in the take's channels."""
    samples = recording.samples[: recording.silent_samples]
    if request.channels > 1:
        from studio.pipeline.stereo import recorded_channels  # torch, which a page that opens waits for not

        samples = recorded_channels(request, samples, sample_rate)
    return to_int16(samples)
