"""A finished clip can be asked what its tokens attend to, between takes and never during one."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

from studio.backends.systems.tone import ToneBackend
from studio.core.errors import InvalidRequestError
from studio.core.events import Finished
from studio.core.request import ModelChoice
from studio.core.settings import Settings
from studio.core.views import AttentionView, FocusShares
from studio.pipeline.analysis.self_attention import LEVELS, PATTERN_TOKENS, AttentionStudy
from studio.service.analyses import Analyses
from studio.service.studio import Studio
from tests.pipeline.test_attention import Unet
from tests.service.service_fakes import GatedRender, create_backend, request


class DraftAttention(Unet):
    """The fake with a U-Net, which takes a take's file for its latents."""

    def encode_audio(self, samples: np.ndarray) -> torch.Tensor:
        frames = len(samples) // self.geometry.hop_samples
        return torch.randn(1, 8, frames, 16, generator=torch.Generator().manual_seed(frames))


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "take.wav"
    sf.write(path, np.zeros(16000 * 4, np.float32), 16000)
    return path


@pytest.fixture
def study(take: Path) -> AttentionStudy:
    backend = DraftAttention()
    return AttentionStudy.of_take(request(duration_s=4.0), take, lambda: nullcontext(backend))


def test_a_token_looks_at_all_there_is_once(study: AttentionStudy) -> None:
    for block in study.blocks:
        look = study.look(block, 0.5, at_s=2.0, height=0.99)
        frames, bands = look.weights.shape
        assert look.weights.sum() == pytest.approx(1, abs=1e-5)
        assert (look.frame, look.band) == (frames // 2, bands - 1)
        assert look.focus[:, look.band].all(), "its own band"
        assert 1 / bands < look.size < 1
        assert len(look.edges_hz) == bands + 1
        assert look.edges_hz[-1] == pytest.approx(8000)
        assert look.pattern.shape[0] == min(PATTERN_TOKENS, frames * bands)
        assert look.first <= look.frame * bands + look.band < look.first + len(look.pattern)


def test_noise_and_place_decide_what_is_seen_and_nothing_else(study: AttentionStudy) -> None:
    block = study.blocks[0]
    first = study.look(block, 0.5, 1.0, 0.2)
    other, noisier = study.look(block, 0.5, 3.0, 0.2), study.look(block, 0.9, 1.0, 0.2)
    again = study.look(block, 0.5, 1.0, 0.2)
    np.testing.assert_array_equal(first.weights, again.weights)
    assert not np.allclose(first.weights, other.weights, atol=1e-7)
    assert not np.allclose(first.weights, noisier.weights, atol=1e-7)


def test_shares_of_every_block_and_level(study: AttentionStudy) -> None:
    said = list(study.measure())
    assert len(said) == LEVELS
    assert study.shares is not None
    assert study.shares.blocks == study.blocks
    assert study.shares.kept.shape == (len(study.blocks), LEVELS)
    assert ((study.shares.kept > 0) & (study.shares.kept < 1)).all()
    assert list(study.shares.timesteps) == sorted(study.shares.timesteps)


@pytest.mark.parametrize("part", ["focus", "compensation"])
def test_one_part_of_the_focus_set_alone(take: Path, part: str) -> None:
    backend = DraftAttention()
    switches = {"focus": part == "focus", "compensation": part == "compensation"}
    wanted = request(duration_s=4.0, attention={"kind": "lite_focus", "ratio": 0.25, **switches})
    study = AttentionStudy.of_take(wanted, take, lambda: nullcontext(backend))
    look = study.look(study.blocks[0], 0.5, 1.0, 0.5)
    frames, bands = look.focus.shape
    assert look.focus.sum() == (frames if part == "focus" else round(0.25 * frames) * bands)
    assert look.focus[:, look.band].all() == (part == "focus")
    list(study.measure())
    assert study.shares is not None
    assert study.shares.size[0] == pytest.approx(look.size)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("down9", 0.5, 1.0, 0.5), "no attention in down9"),
        (("mid", 1.5, 1.0, 0.5), "from 0 to 1"),
        (("mid", float("nan"), 1.0, 0.5), "from 0 to 1"),
        (("mid", 0.5, -1.0, 0.5), "from 0 to 1"),
    ],
)
def test_what_can_not_be_looked_at_is_refused(
    study: AttentionStudy, arguments: tuple[Any, ...], words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        study.look(*arguments)


def test_files_that_can_not_be_looked_at(take: Path, tmp_path: Path) -> None:
    def borrow() -> Any:
        return nullcontext(DraftAttention())

    with pytest.raises(InvalidRequestError, match="Can't read"):
        AttentionStudy.of_take(request(), tmp_path / "none.wav", borrow)
    sf.write(take, np.zeros(10, np.float32), 16000)
    with pytest.raises(InvalidRequestError, match="too short"):
        AttentionStudy.of_take(request(), take, borrow)
    with pytest.raises(InvalidRequestError, match="no attention"):
        AttentionStudy.of_take(request(), take, lambda: nullcontext(ToneBackend()))


def test_a_model_is_not_lent_while_a_take_is_made(tmp_path: Path) -> None:
    render = GatedRender()
    studio = Studio(Settings(outputs=tmp_path), create_backend, render)
    try:
        with studio.borrow(ModelChoice(device="cpu")) as backend:
            assert backend.geometry.sample_rate == 16000
            job = studio.submit(request(model={"device": "cpu"}))
            assert not render.gate.is_set()
        while job.status == "queued":
            threading.Event().wait(0.01)
        with pytest.raises(InvalidRequestError, match="being made"), studio.borrow(ModelChoice(device="cpu")):
            pass
        render.gate.set()
        list(studio.events(job.id))
        with studio.borrow(ModelChoice(device="cpu")):
            pass
    finally:
        studio.close()


def test_studies_are_of_jobs_that_have_a_take(take: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = SimpleNamespace(request=request(duration_s=4.0), outcome=None)
    backend = DraftAttention()
    studio: Any = SimpleNamespace(job=lambda _: job, borrow=lambda _: nullcontext(backend))
    studies = Analyses(studio)
    with pytest.raises(InvalidRequestError, match="Generate a clip first"):
        list(studies.look("a", "", 0.5, 1.0, 0.5))
    job.outcome = Finished(take, 4.0)
    seen = list(studies.look("a", "", 0.5, 1.0, 0.5))
    assert [type(one) for one in seen if not isinstance(one, str)] == [AttentionView, FocusShares]
    assert len(list(studies.look("a", "mid", 0.5, 1.0, 0.5))) == 3, "the shares are measured once"
    assert studies.duration_s("a") == 4.0
