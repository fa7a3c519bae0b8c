"""A take that goes on from a recording: the recording whole, a join, then what the model makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from studio.app import build_studio
from studio.backends.systems.tone import ToneBackend, tone
from studio.core.errors import InvalidRequestError
from studio.core.events import AudioChunk, Failed, Finished
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.pipeline.checkpoint import SavePoint
from studio.pipeline.continuation import FADE_S, Join, join, lead_latents
from studio.pipeline.recording import HEARD_S, Recording
from studio.pipeline.renderer import Renderer
from studio.pipeline.start import FromRecording
from studio.samplers.fifo import FifoPlan
from studio.service.recordings.read import read_recording
from tests.service.service_fakes import RATE

HOP = 640
FADE = round(FADE_S * RATE)
# 40 frames of buffer are whole cycles of the tone, so what is decoded meets the recording in phase.
SAMPLER = {"kind": "endless", "base_steps": 6, "group_size": 2, "buffer_frames": 40, "warmup_steps": 3}


def recording(folder: Path, samples: np.ndarray) -> Recording:
    sf.write(folder / "field.wav", samples, RATE, subtype="FLOAT")
    return read_recording(folder / "field.wav")


def plan(buffer_frames: int) -> FifoPlan:
    return FifoPlan.build([100, 500], 2, buffer_frames, 4)


class Counting(ToneBackend):
    """Decodes to a number that tells nothing but how many samples were asked for; remembers what it heard."""

    heard: np.ndarray | None = None

    def encode_audio(self, samples: np.ndarray) -> torch.Tensor:
        self.heard = samples
        return super().encode_audio(samples)


def test_the_take_is_the_recording_then_sound_without_a_gap(tmp_path: Path) -> None:
    field = recording(tmp_path, tone(0, 96_000, RATE))
    request = parse_request(prompt="tone", seed=3, duration_s=8.0, sampler=SAMPLER)
    events = list(Renderer()(request, ToneBackend(), CancelToken(), None, FromRecording(field)))
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    position = chunks[0].start_sample
    assert position == 96_000 - round(HEARD_S * RATE), "what was heard often enough is not made again"
    for chunk in chunks:
        assert chunk.start_sample == position
        position = chunk.end_sample
    assert position == 8 * RATE
    sound = np.concatenate([chunk.samples for chunk in chunks])
    wanted = tone(chunks[0].start_sample, len(sound), RATE)
    fade = slice(96_000 - FADE - chunks[0].start_sample, 96_000 - chunks[0].start_sample)
    angle = np.pi / 2 * (np.arange(FADE) + 0.5) / FADE
    wanted[fade] *= (np.sin(angle) + np.cos(angle)).astype(np.float32)
    np.testing.assert_allclose(sound, wanted, atol=1e-3)
    first_saved = next(event for event in events if isinstance(event, SavePoint))
    assert first_saved.samples >= 96_000, "a save point never leaves the join half done"


def test_powers_add_across_the_join() -> None:
    """Two sounds that agree in all but their phase: no dip and no bump."""
    rng = np.random.default_rng(0)
    before, after = (rng.normal(0, 0.1, 16_000).astype(np.float32) for _ in range(2))

    class Stream:
        def push(self, latents: torch.Tensor) -> np.ndarray:
            start = 1600 * int(latents)
            return after[start : start + 1600]

        def flush(self) -> np.ndarray:
            return np.zeros(0, np.float32)

    joined = Join(Stream(), before[:8000], skip=4000)  # type: ignore[arg-type]
    out = np.concatenate([*(joined.push(torch.tensor(i)) for i in range(10)), joined.flush()])
    assert joined.joined
    assert len(out) == 12_000
    levels = [np.sqrt(np.mean(out[i : i + 2000] ** 2)) for i in range(0, 12_000, 2000)]
    np.testing.assert_allclose(levels, 0.1, rtol=0.1)
    np.testing.assert_array_equal(out[8000:], after[12_000:])
    assert abs(np.corrcoef(out[:400], before[:400])[0, 1]) > 0.99


def test_the_lead_is_what_the_u_net_was_trained_on(tmp_path: Path) -> None:
    field, backend = recording(tmp_path, tone(0, 20 * RATE + 100, RATE)), Counting()
    lead = lead_latents(field, plan(8), backend)
    assert lead.shape == (1, 8, 32, 16)
    assert backend.heard is not None
    np.testing.assert_array_equal(backend.heard, field.samples[-64 * HOP :])
    assert join(field, 32, backend).fade_samples == FADE
    short = recording(tmp_path, tone(0, 27 * HOP + 100, RATE))
    assert lead_latents(short, plan(8), backend).shape[2] == 24, "as much as divides as the U-Net wants it"
    assert lead_latents(field, plan(100), backend).shape[2] == 100, "a longer buffer is filled"
    with pytest.raises(InvalidRequestError, match="shorter buffer"):
        lead_latents(short, plan(100), backend)


def test_the_studio_keeps_the_recording_in_the_take(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    field = recording(tmp_path, rng.uniform(-0.5, 0.5, 96_000).astype(np.float32))
    studio = build_studio(Settings(outputs=tmp_path / "takes", model_id="tone", device="cpu"))
    try:
        request = parse_request(prompt="x", seed=1, duration_s=7.0, sampler=SAMPLER, model={"id": "tone"})
        job = studio.submit(request, recording=field)
        list(studio.events(job.id))
        assert isinstance(job.outcome, Finished), job.outcome
        assert job.outcome.path is not None
        take, _ = sf.read(job.outcome.path, dtype="float32")
        assert len(take) == 7 * RATE
        np.testing.assert_allclose(take[: 96_000 - FADE], field.samples[:-FADE], atol=1 / 32767)
        record = next(studio.library.takes()).about
        assert record.source is not None
        assert (record.source.file, record.source.duration_s) == ("field.wav", 6.0)
        assert str(tmp_path) not in job.outcome.path.with_suffix(".json").read_text(), "no one's folders"
        assert job.first_sample == field.silent_samples
        tall = {**SAMPLER, "buffer_frames": 400}
        job = studio.submit(request.model_copy(update={"sampler": _sampler(tall)}), recording=field)
        list(studio.events(job.id))
        assert isinstance(job.outcome, Failed)
        assert "shorter buffer" in job.outcome.message
        assert job.outcome.path is None, "a copy of the recording is no take"
        assert len(list(studio.library.takes())) == 1
    finally:
        studio.close()


def _sampler(values: dict[str, object]) -> object:
    return parse_request(prompt="x", sampler=values).sampler
