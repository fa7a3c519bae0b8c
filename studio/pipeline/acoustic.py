"""What a dual model hears beside the text, along the frames of a take: its draft, and the empty text's."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.backends.acoustic.base import tile_tokens
from studio.core.draft import RecordedDraft
from studio.core.errors import InvalidRequestError
from studio.core.events import Drafted, Event, Progress
from studio.dsp.mel import log_mel
from studio.dsp.spectrogram import mel_columns
from studio.pipeline.cancel import CancelToken
from studio.pipeline.control import TakeControl
from studio.pipeline.drafts import DraftPlan, Drafts
from studio.pipeline.preview import WIDTH
from studio.pipeline.progress import CallProgress

if TYPE_CHECKING:
    from studio.backends.acoustic.base import AcousticDraft, Codec, OnTokens
    from studio.backends.base import Backend, DualBackend

ANNOUNCED = 20  # times a draft says how far it is
DEAF = "This model hears no draft: choose one for the Dual tab, or take no draft."
PIECE_S, PAST_S = 5.0, 5.0  # an endless draft grows by pieces, each going on from what is before it


def dual_backend(backend: Backend) -> DualBackend:
    """The backend as one that hears drafts. Raises `InvalidRequestError` for any other."""
    from studio.backends.base import hears_drafts

    if not hears_drafts(backend):
        raise InvalidRequestError(DEAF)
    return backend


class EncodedAcoustics:
    """Draft and the empty text's draft of a clip, encoded before as the model hears them."""

    def __init__(self, states: Tensor) -> None:
        """`states` [2, L, 128]: of the empty text, then of the draft."""
        self._states = states

    def window(self, start_frame: int, frames: int) -> Tensor:
        """[2, L, 128], as given. A clip hears all of it at every frame."""
        return self._states


class ClipAcoustics(EncodedAcoustics):
    """Draft and the empty text's draft of a clip, which it encodes as the model hears them."""

    def __init__(self, backend: Backend, draft: AcousticDraft, unconditional: AcousticDraft) -> None:
        """Encode both.

        Raises:
            InvalidRequestError: the model hears no draft.
        """
        dual = dual_backend(backend)
        self.draft = draft
        super().__init__(torch.cat([dual.encode_draft(each) for each in _alike(unconditional, draft)]))


class StreamingAcoustics:
    """A draft that grows ahead of an endless take; memory holds what its window and its growth need.

    Each piece is drawn from a seed of its own: a take that goes on from `state_dict` hears what it would have
    heard.
    """

    def __init__(
        self,
        backend: Backend,
        grow: Callable[[NDArray[np.int16] | None, int], NDArray[np.int16]],
        codec: Codec,
        unconditional: NDArray[np.int16],
    ) -> None:
        """Take what makes it.

        Args:
            grow: (the tokens so far, or None; the piece's number) → the tokens [codebooks, l] that follow.
            codec: whose tokens they are.
            unconditional: the empty text's tokens, which go round.

        Raises:
            InvalidRequestError: the model hears no draft.
        """
        self._dual = dual_backend(backend)
        self._grow, self._codec, self._unconditional = grow, codec, unconditional
        self._rate = codec.frame_rate / backend.geometry.frame_rate  # tokens a latent frame
        self._kept = round(PAST_S * codec.frame_rate)
        self._tokens: NDArray[np.int16] | None = None
        self._first = 0  # the position of the first kept token
        self._pieces = 0

    def window(self, start_frame: int, frames: int) -> Tensor:
        """[2, L, 128]: of the empty text, then of the draft, both at these latent frames of the take."""
        start, end = round(start_frame * self._rate), round((start_frame + frames) * self._rate)
        while self._tokens is None or self._first + self._tokens.shape[1] < end:
            piece = self._grow(self._tokens, self._pieces)
            self._tokens = piece if self._tokens is None else np.concatenate([self._tokens, piece], axis=1)
            self._pieces += 1
        passed = min(start - self._first, self._tokens.shape[1] - self._kept)
        if passed > 0:
            self._tokens, self._first = self._tokens[:, passed:], self._first + passed
        heard = self._tokens[:, start - self._first : end - self._first]
        both = np.stack([tile_tokens(self._unconditional, end - start), heard])
        if self._dual.encoding == "AG":
            return self._codec.latents(both)
        return torch.cat([self._dual.encode_draft(self._codec.decode(tokens)) for tokens in both])

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later acoustics needs to go on: plain tensors and integers."""
        tokens = torch.zeros(0, 0) if self._tokens is None else torch.from_numpy(self._tokens.copy())
        return {"tokens": tokens, "first": self._first, "pieces": self._pieces}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`'s value."""
        tokens = state["tokens"].numpy()
        self._tokens = tokens.astype(np.int16) if tokens.size else None
        self._first, self._pieces = int(state["first"]), int(state["pieces"])


def streaming_acoustics(
    wanted: DraftPlan,
    lane: TakeControl,
    backend: Backend,
    drafts: Drafts,
    on_progress: OnTokens | None = None,
) -> StreamingAcoustics:
    """What an endless take hears.

    A recording begins again at its end; AudioGen goes on from its own, of the prompt that the lane has when a
    piece begins.

    Raises:
        InvalidRequestError: the model hears no draft, or the recording is gone.
        ModelNotFoundError: AudioGen is not here.
    """
    dual_backend(backend)
    device = str(backend.device)
    unconditional = drafts.unconditional(wanted.model, PIECE_S, device).tokens
    if isinstance(wanted, RecordedDraft):
        codec = drafts.models.codec(wanted.model, device)
        loop = drafts.of_recording(wanted, device).tokens
        piece = round(PIECE_S * codec.frame_rate)

        def go_round(_: NDArray[np.int16] | None, number: int) -> NDArray[np.int16]:
            return loop[:, np.arange(number * piece, (number + 1) * piece) % loop.shape[1]]

        return StreamingAcoustics(backend, go_round, codec, unconditional)
    drafter = drafts.models.drafter(wanted.model, device)
    past_tokens = round(min(PAST_S, drafter.segment_s / 2) * drafter.frame_rate)
    piece_s = min(PIECE_S, drafter.segment_s / 2)

    def go_on(so_far: NDArray[np.int16] | None, number: int) -> NDArray[np.int16]:
        past = None if so_far is None else so_far[:, -past_tokens:]
        known = 0 if past is None else past.shape[1]
        made = drafter.draft(
            lane.prompt_at(number * piece_s),
            known / drafter.frame_rate + piece_s,
            seed=(wanted.seed + number) % 2**63,
            sampling=wanted.sampling,
            past=past,
            on_progress=on_progress,
        )
        return made.tokens[:, known:]

    return StreamingAcoustics(backend, go_on, drafter, unconditional)


def prepare_acoustics(
    wanted: DraftPlan, prompt: str, duration_s: float, backend: Backend, drafts: Drafts, cancel: CancelToken
) -> Generator[Event, None, ClipAcoustics]:
    """Have a clip's draft made: says how far it is, gives it to hear, and what the model hears of it.

    Raises:
        CancelledError: `cancel` was set.
        InvalidRequestError: the model hears no draft, or the recording is gone.
        ModelNotFoundError: AudioGen is not here.
    """
    call, said = CallProgress(), [0]

    def on_tokens(made: int, total: int) -> None:
        cancel.check()
        if made * ANNOUNCED // total != said[0]:
            said[0] = made * ANNOUNCED // total
            call.tell(Progress(f"Drafting, {100 * made // total} %"))

    acoustics = yield from call.run(
        lambda: clip_acoustics(wanted, prompt, duration_s, backend, drafts, on_tokens)
    )
    codec = drafts.models.opener(wanted.model, str(backend.device))
    samples = acoustics.draft.samples
    # Drawn as long as the take, which stands beneath it.
    missing = round(duration_s * codec.sample_rate) - len(samples)
    drawn = np.pad(samples, (0, max(0, missing)))
    columns = mel_columns(log_mel(torch.from_numpy(drawn)).numpy(), WIDTH)
    yield Drafted(samples, codec.sample_rate, acoustics.draft.tokens, columns)
    return acoustics


def clip_acoustics(
    wanted: DraftPlan,
    prompt: str,
    duration_s: float,
    backend: Backend,
    drafts: Drafts,
    on_progress: OnTokens | None = None,
) -> ClipAcoustics:
    """What a clip hears; raises as `prepare_acoustics`."""
    dual_backend(backend)
    device = str(backend.device)
    if isinstance(wanted, RecordedDraft):
        draft = drafts.of_recording(wanted, device, duration_s)
    else:
        draft = drafts.from_text(wanted, prompt, duration_s, device, on_progress)
    return ClipAcoustics(backend, draft, drafts.unconditional(wanted.model, duration_s, device))


def _alike(unconditional: AcousticDraft, draft: AcousticDraft) -> tuple[AcousticDraft, AcousticDraft]:
    """Both as long as the shorter: one forward hears them side by side."""
    from studio.backends.acoustic.base import AcousticDraft

    tokens = min(unconditional.tokens.shape[1], draft.tokens.shape[1])
    samples = min(len(unconditional.samples), len(draft.samples))

    def cut(whole: AcousticDraft) -> AcousticDraft:
        return AcousticDraft(whole.tokens[:, :tokens], whole.latents[:, :tokens], whole.samples[:samples])

    return cut(unconditional), cut(draft)
