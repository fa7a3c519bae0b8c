"""Drafts for takes: made once, and kept on disk by what they were made of."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from studio.backends.acoustic.base import Sampling, unconditional_draft
from studio.core.audio import SAMPLE_RATE
from studio.core.draft import RecordedDraft
from studio.core.errors import InvalidRequestError, StudioError
from studio.core.files import disk_error, replacing, replacing_path
from studio.dsp.resample import resample
from studio.pipeline.recording import Recording

if TYPE_CHECKING:
    from studio.backends.acoustic.base import AcousticDraft, Codec, Drafter, OnTokens

log = logging.getLogger(__name__)

Loaded = TypeVar("Loaded")
FOLDER = "drafts"  # beside the days' takes
MAX_KEPT = 512
UNCONDITIONAL_SEED = 0  # the empty text's draft is the same for every take


@dataclass(frozen=True)
class GeneratedDraft:
    """AudioGen's answer to a take's prompt: everything that decides it but the prompt and the length."""

    model: str
    seed: int
    sampling: Sampling = Sampling()


DraftPlan: TypeAlias = GeneratedDraft | RecordedDraft


class AcousticModelPool:
    """Loads what makes drafts; the latest of either kind is kept."""

    def __init__(
        self, drafter: Callable[[str, str], Drafter], codec: Callable[[str, str], Codec | None]
    ) -> None:
        """Each takes a model's id and a device, and raises a `StudioError` where it can't be loaded.

        `codec` gives None for a model whose codec lies within the drafter alone.
        """
        self._drafter, self._codec = _Latest(drafter), _Latest(codec)

    def drafter(self, model: str, device: str) -> Drafter:
        return self._drafter.get(model, device)

    def codec(self, model: str, device: str) -> Codec:
        """What encodes recordings."""
        return self._codec.get(model, device) or self.drafter(model, device)

    def opener(self, model: str, device: str) -> Codec:
        """What turns tokens into a draft: the codec alone where AudioGen has one apart."""
        try:
            return self.codec(model, device)
        except StudioError:
            return self.drafter(model, device)

    def unload(self) -> None:
        """Let go of what is loaded; the next draft loads it again."""
        self._drafter.forget()
        self._codec.forget()


class _Latest(Generic[Loaded]):
    """What was loaded last."""

    def __init__(self, load: Callable[[str, str], Loaded]) -> None:
        self._load = load
        self._held: tuple[tuple[str, str], Loaded] | None = None
        self._lock = threading.Lock()

    def get(self, model: str, device: str) -> Loaded:
        with self._lock:
            if self._held is None or self._held[0] != (model, device):
                self._held = None  # the memory first
                self._held = (model, device), self._load(model, device)
            return self._held[1]

    def forget(self) -> None:
        with self._lock:
            self._held = None


class Drafts:
    """The drafts of a studio."""

    def __init__(
        self, models: AcousticModelPool, outputs: Path, fingerprint: Callable[[str], str] = str
    ) -> None:
        """`fingerprint` tells checkpoints of the same id apart: other weights, other drafts."""
        self.models = models
        self._folder = outputs / FOLDER
        self._fingerprint = fingerprint
        self._noticed: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def from_text(
        self,
        wanted: GeneratedDraft,
        prompt: str,
        duration_s: float,
        device: str,
        on_progress: OnTokens | None = None,
    ) -> AcousticDraft:
        """AudioGen's answer to a prompt, the kept one where it was asked before.

        Raises:
            ModelNotFoundError: AudioGen is not here.
            InvalidRequestError: the draft would be too long.
        """
        place = self._place(wanted, prompt, duration_s)
        kept = self._kept(place)
        if kept is not None:
            return self.models.opener(wanted.model, device).decode(kept)
        made = self.models.drafter(wanted.model, device).draft(
            prompt, duration_s, seed=wanted.seed, sampling=wanted.sampling, on_progress=on_progress
        )
        self._keep(place, made.tokens)
        return made

    def unconditional(self, model: str, duration_s: float, device: str) -> AcousticDraft:
        """AudioGen's answer to the empty text: the one that its DC-LDM has heard where that ships with it.

        Raises:
            ModelNotFoundError: neither it nor AudioGen is here.
        """
        shipped = unconditional_draft(self.models.opener(model, device), duration_s)
        if shipped is not None:
            return shipped
        return self.from_text(GeneratedDraft(model, UNCONDITIONAL_SEED), "", duration_s, device)

    def of_recording(
        self, wanted: RecordedDraft, device: str, duration_s: float | None = None
    ) -> AcousticDraft:
        """A recording that was put by, or its first `duration_s`.

        Raises:
            InvalidRequestError: its file is gone.
        """
        codec = self.models.codec(wanted.model, device)
        path = self._folder / f"{wanted.sha256}.flac"
        try:
            samples, rate = sf.read(path, _samples(path, duration_s), dtype="float32")
        except (OSError, sf.LibsndfileError) as error:
            name = wanted.file or "The draft's recording"
            raise InvalidRequestError(f"{name} is not here any more: give it again.") from error
        if len(samples) < rate / codec.frame_rate:
            raise InvalidRequestError(f"{wanted.file} is too short to be heard: give a longer recording.")
        return codec.encode(_at_rate(samples, rate, codec.sample_rate))

    def store_recording(self, recording: Recording, model: str) -> RecordedDraft:
        """Keep a recording for takes that hear it, and name it.

        Raises:
            OutOfResourcesError: the disk is full.
        """
        digest = recording.source.sha256
        path = self._folder / f"{digest}.flac"
        try:
            if not _is_whole(path, len(recording.samples)):
                self._folder.mkdir(parents=True, exist_ok=True)
                with replacing_path(path) as partial:
                    sf.write(partial, recording.samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        except (OSError, sf.LibsndfileError) as error:
            raise disk_error(error if isinstance(error, OSError) else OSError(str(error)), path) from error
        self._noticed[digest] = recording.notes
        while len(self._noticed) > MAX_KEPT:
            self._noticed.popitem(last=False)
        return RecordedDraft(model=model, sha256=digest, file=recording.source.file)

    def noticed(self, draft: RecordedDraft) -> tuple[str, ...]:
        """What a recording's reader noticed before it was put by, as far back as that is remembered."""
        return self._noticed.get(draft.sha256, ())

    def _place(self, wanted: GeneratedDraft, prompt: str, duration_s: float) -> Path:
        made_of = {
            "model": wanted.model, "weights": self._fingerprint(wanted.model), "prompt": prompt,
            "seed": wanted.seed, "duration_s": duration_s, **asdict(wanted.sampling),
        }  # fmt: skip
        digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
        return self._folder / f"{digest}.npy"

    def _kept(self, place: Path) -> NDArray[np.int16] | None:
        """The tokens kept there; a damaged file counts as none."""
        try:
            tokens = np.array(np.lib.format.open_memmap(place, mode="r"))
        except (OSError, ValueError, EOFError):
            return None
        if tokens.ndim != 2 or tokens.dtype != np.int16:
            return None
        os.utime(place)
        return np.asarray(tokens, np.int16)

    def _keep(self, place: Path, tokens: NDArray[np.int16]) -> None:
        """A draft that can't be kept is made again: nothing fails for it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(place) as file:
                np.save(file, tokens)
            kept = sorted(self._folder.glob("*.npy"), key=lambda path: path.stat().st_mtime)
            for old in kept[: max(0, len(kept) - MAX_KEPT)]:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("A draft could not be kept: %s", error)


def _at_rate(samples: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    if wanted != SAMPLE_RATE or rate != SAMPLE_RATE:
        raise InvalidRequestError(f"This draft's codec speaks {wanted} Hz, not {SAMPLE_RATE}: use another.")
    return resample(samples, rate)


def _samples(path: Path, duration_s: float | None) -> int:
    """How many samples of the file so many seconds are; all of them are −1."""
    return -1 if duration_s is None else math.ceil(duration_s * sf.info(path).samplerate)


def _is_whole(path: Path, samples: int) -> bool:
    try:
        return bool(sf.info(path).frames == samples)
    except (OSError, sf.LibsndfileError):
        return False
