"""Where an endless take stands, and what can go on from there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from studio.core.audio import RATES_HZ, SAMPLE_RATE, format_time
from studio.core.errors import InvalidRequestError
from studio.core.events import Event
from studio.core.request import GenerationRequest
from studio.core.sampling import Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from studio.samplers.fifo import FifoState  # a page that is opened does not wait for torch

SCHEMA_VERSION = 1  # files without one are 0.1.0's: the same, but for `made_of`
DAMAGED = (
    "What was saved of this take is damaged, so it can't go on where it stopped: its sound is whole, and a "
    "new take can go on from its end."
)
# What a state means nothing without. Prompts, lane and length may change: what is to come follows the new.
_SETTINGS = (
    "mode", "seed", "guidance_scale", "model", "sampler", "attention", "draft", "stereo", "width",
    "bandwidth",
)  # fmt: skip


@dataclass(frozen=True)
class MadeOf:
    """What a checkpoint depends on: it can go on with these settings and these weights alone.

    `weights` is the model's fingerprint, empty where there is none to tell.
    """

    weights: str
    settings: Mapping[str, Any]


def made_of(request: GenerationRequest, weights: str) -> MadeOf:
    """What a checkpoint of this request depends on."""
    own = request.own_settings
    return MadeOf(weights, {name: own[name] for name in _SETTINGS if name in own})


@dataclass(frozen=True)
class EndlessCheckpoint:
    """All that a take needs to go on after its first `samples`.

    `decoder` and `beside` are the states of the stream's decoder and of the draft or script that grows with
    the take, None where it has none: each is read by who wrote it alone. `strategy` is what the take's "auto"
    was measured to be, None where its request says. `made_of` is None where nobody kept a record of it.
    """

    samples: int
    fifo: FifoState
    decoder: Mapping[str, Any]
    beside: Mapping[str, Any] | None = None
    strategy: str | None = None
    made_of: MadeOf | None = None

    def to_dict(self) -> dict[str, Any]:
        """Mappings, tensors, strings and numbers alone, as `torch.load(weights_only=True)` opens them."""
        made = self.made_of
        values: dict[str, Any] = {
            "schema": SCHEMA_VERSION,
            "samples": self.samples,
            "fifo": self.fifo.to_dict(),
            "decoder": dict(self.decoder),
            "made_of": {} if made is None else {"weights": made.weights, "settings": dict(made.settings)},
        }
        if self.strategy is not None:
            values["strategy"] = self.strategy
        if self.beside is not None:
            values["hearing"] = dict(self.beside)  # 0.1.0's word, and files keep it
        return values

    @classmethod
    def from_dict(cls, values: object) -> EndlessCheckpoint:
        """Undo `to_dict`, of this version and of every older one.

        Raises:
            InvalidRequestError: it is none, or one of a newer Longwave, or a part of it is damaged.
        """
        if not isinstance(values, Mapping):
            raise InvalidRequestError(DAMAGED)
        samples, schema, made = values.get("samples"), values.get("schema", 0), values.get("made_of", {})
        if not isinstance(samples, int) or samples < 0:
            raise InvalidRequestError(DAMAGED)
        if not isinstance(schema, int) or not isinstance(made, Mapping):
            raise InvalidRequestError(DAMAGED)
        if schema > SCHEMA_VERSION:
            raise refusal(samples, "it was saved by a newer Longwave")
        strategy = values.get("strategy")
        try:
            if strategy is not None and strategy not in get_args(Strategy):
                raise ValueError("no strategy")
            heard = values.get("hearing")
            return cls(
                samples,
                _fifo(values["fifo"]),
                _state(values["decoder"]),
                None if heard is None else _state(heard),
                strategy,
                _made_of(made),
            )
        except (LookupError, TypeError, AttributeError, ValueError, RuntimeError) as error:
            raise damaged(samples, _rate_of(made.get("settings"))) from error

    def require_same(self, request: GenerationRequest, weights: str) -> None:
        """Raise `InvalidRequestError` where this is of other settings, or of other weights than are here."""
        if self.made_of is None:
            return
        now, rate = made_of(request, weights), _rate_of(self.made_of.settings)
        if self.made_of.weights and weights and self.made_of.weights != weights:
            raise refusal(self.samples, f"its model {request.model.id} has other weights now", rate)
        if self.made_of.settings != now.settings:
            raise refusal(self.samples, "its settings were changed since", rate)


@dataclass(frozen=True)
class SavePoint:
    """The take can go on from here. For its writer: readers never see it."""

    checkpoint: EndlessCheckpoint

    @property
    def samples(self) -> int:
        return self.checkpoint.samples


@dataclass(frozen=True)
class KeptLatents:
    """Clean latents [1, C, t, F] of the take from `start_frame` on. For its writer, as a `SavePoint`."""

    latents: Tensor
    start_frame: int


@dataclass(frozen=True)
class EditedPart:
    """So many `samples` of an edited take: those of one of its takes from `start` on; or new ones, where
    there is no `take`, with a `prompt` where they have one of their own.
    """

    samples: int
    take: int | None = None
    start: int = 0
    prompt: str = ""


@dataclass(frozen=True)
class Edited:
    """What an edited take consists of, told before its sound. For its writer, as a `SavePoint`.

    `ring` says that its end leads to its beginning, `encoded` that latents of what was known had to be made
    of the sound again, `spoken` that in what is new the take's words are said again. `notes` tell the user of
    what is not heard in it.
    """

    parts: tuple[EditedPart, ...]
    ring: bool
    encoded: bool
    spoken: bool = False
    notes: tuple[str, ...] = ()


RenderEvent: TypeAlias = Event | SavePoint | KeptLatents | Edited
FOR_WRITERS = (SavePoint, KeptLatents, Edited)


def for_readers(events: Iterable[RenderEvent]) -> Iterator[Event]:
    """A render's events without what is for the take's writer."""
    return (event for event in events if not isinstance(event, FOR_WRITERS))


def refusal(samples: int, why: str, rate: int = SAMPLE_RATE) -> InvalidRequestError:
    """That a take can't go on after its first `samples`, why, and what can be done with what there is."""
    return InvalidRequestError(
        f"This take can't go on where it stopped: {why}. Its {format_time(samples / rate)} of sound "
        "are whole, and a new take can go on from their end."
    )


def damaged(samples: int, rate: int = SAMPLE_RATE) -> InvalidRequestError:
    """That a part of what was saved can't be read."""
    return refusal(samples, "what was saved of it is damaged", rate)


def _rate_of(settings: object) -> int:
    """Of a saved take's sound; where its settings don't tell a bandwidth, it had none but the models' own."""
    told = settings.get("bandwidth", "16k") if isinstance(settings, Mapping) else "16k"
    return next((rate for name, rate in RATES_HZ.items() if name == told), SAMPLE_RATE)


def _fifo(values: object) -> FifoState:
    """A state whose tensors are tensors, and whose generator is one."""
    import torch

    from studio.samplers.fifo import FifoState
    from studio.samplers.variation import source_of

    state = FifoState.from_dict(_state(values))
    for latents in (state.buffer, state.queue):
        if not isinstance(latents, torch.Tensor) or latents.ndim != 4:
            raise ValueError("no latents")
    if not all(isinstance(count, int) and count >= 0 for count in (state.position, state.steps_done)):
        raise ValueError("no place in a take")
    source_of(state.generator_state)
    if state.side_state is not None:
        torch.Generator().set_state(state.side_state)
    return state


def _state(values: object) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise ValueError("no state")
    return values


def _made_of(values: Mapping[str, Any]) -> MadeOf | None:
    if not values:
        return None  # 0.1.0 kept no record of it
    return MadeOf(str(values.get("weights") or ""), _state(values.get("settings", {})))
