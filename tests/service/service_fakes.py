"""A backend and renders that need neither weights nor torch."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from studio.backends.capabilities import Capabilities
from studio.core.events import AudioChunk, Event, StepDone
from studio.core.request import GenerationRequest, ModelChoice, parse_request
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import EndlessCheckpoint

RATE = 16000
SMALL_DISK_KB = 2048
CHUNK = 1600


def request(**values: Any) -> GenerationRequest:
    return parse_request(**{"prompt": "rain on tin", "seed": 42, "duration_s": 1.0, **values})


def endless(**values: Any) -> GenerationRequest:
    return request(**{"duration_s": None, **values})


def create_backend(choice: ModelChoice) -> Any:
    return SimpleNamespace(
        id=choice.id,
        device="cpu",
        geometry=SimpleNamespace(sample_rate=RATE),
        capabilities=Capabilities("pooled"),
        unload=lambda: None,
    )


def checkpoint(samples: int) -> EndlessCheckpoint:
    """Of a take whose window is as small as can be."""
    import torch

    from studio.samplers.fifo import FifoState

    generator = torch.Generator().manual_seed(0).get_state()
    state = FifoState(torch.zeros(1, 1, 0, 1), torch.zeros(1, 1, 1, 1), generator, 0, 0)
    return EndlessCheckpoint(samples, state, {})


def ramp(start: int, count: int) -> np.ndarray:
    """Samples whose value tells their place in the take."""
    return (((np.arange(start, start + count)) % 20001 - 10000) / 32767.0).astype(np.float32)


def render_ramp(
    wanted: GenerationRequest, backend: Any, cancel: CancelToken, control: Any = None, start: Any = None
) -> Iterator[Event]:
    """Steps of a tenth of a second of sound each, at once, for the wanted length or until cancelled."""
    total = None if wanted.duration_s is None else round(wanted.duration_s * RATE)
    position = step = 0
    while total is None or position < total:
        cancel.check()
        time.sleep(0.001)
        count = CHUNK if total is None else min(CHUNK, total - position)
        step += 1
        yield StepDone(step, None, 0.001)
        yield AudioChunk(ramp(position, count), RATE, position)
        position += count


class GatedRender:
    """Waits before the first sound until `gate` is set or the job is cancelled."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.running = threading.Event()

    def __call__(
        self,
        wanted: GenerationRequest,
        backend: Any,
        cancel: CancelToken,
        control: Any = None,
        start: Any = None,
    ) -> Iterator[Event]:
        self.running.set()
        while not self.gate.wait(0.01):
            cancel.check()
        yield from render_ramp(wanted, backend, cancel)


def raising(error: BaseException, after_chunks: int = 3) -> Any:
    """A render that fails after some sound."""

    def render(
        wanted: GenerationRequest, backend: Any, cancel: CancelToken, control: Any = None, start: Any = None
    ) -> Iterator[Event]:
        for index in range(after_chunks):
            yield AudioChunk(ramp(index * CHUNK, CHUNK), RATE, index * CHUNK)
        raise error

    return render
