"""What a bench of dual clips measures, on tiny networks and a drafter of another rate than AudioGen's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.backends.acoustic.base import AcousticDraft
from studio.backends.systems import dcldm
from studio.backends.systems.dcldm import DcLdmBackend
from studio.core.request import parse_request
from studio.evaluation.benchmarks import dual
from studio.pipeline.drafts import AcousticModelPool, Drafts
from tests.backends.conftest import make_dcldm, make_tango, wake
from tests.pipeline.drafting_fakes import FakeDrafter


class SlowCodec(FakeDrafter):
    """25 tokens a second."""

    def __init__(self) -> None:
        super().__init__()
        self.frame_rate = 25.0

    def decode(self, tokens: NDArray[np.int16]) -> AcousticDraft:
        return AcousticDraft(tokens, self.latents(tokens[None]), np.zeros(640 * tokens.shape[1], np.float32))


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> DcLdmBackend:
    place = tmp_path_factory.mktemp("dual")
    return dcldm.load(wake(make_dcldm(make_tango(place / "tango"), place / "dual")), "cpu", "float32")


def test_a_step_is_timed_with_a_draft_as_long_as_the_clips(
    backend: DcLdmBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = parse_request(
        mode="dual", prompt="rain", seed=1, duration_s=2.56, sampler={"kind": "clip", "steps": 3},
        draft={"kind": "audiogen"},
    )  # fmt: skip
    heard: set[tuple[int, int] | None] = set()
    predict = backend.predict_noise

    def listen(latents: torch.Tensor, timesteps: torch.Tensor, at: int, said: Any) -> torch.Tensor:
        acoustic = None if said.acoustic is None else said.acoustic.states.shape[1]
        heard.add((latents.shape[2], acoustic) if acoustic else None)
        return predict(latents, timesteps, at, said)

    monkeypatch.setattr(backend, "predict_noise", listen)
    drafter = SlowCodec()
    drafts = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), tmp_path)
    figures = dual.bench_dual(request, backend, drafts, lambda _: None)
    assert heard == {(64, 64), None}, "64 latent frames and 64 tokens of 2.56 s, or no draft at all"
    assert figures["steps"] == 3
    assert figures["seconds"] == 2.56
    assert 0 <= figures["branch_share"] < 1
    assert figures["refine_s"] > 0
