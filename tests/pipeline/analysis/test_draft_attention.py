"""What a finished take attends to in its draft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.backends.systems import dcldm
from studio.core.draft import NoDraft
from studio.core.errors import InvalidRequestError
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.pipeline.drafts import AcousticModelPool, Drafts
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from tests.backends.conftest import make_dcldm, make_tango, wake
from tests.pipeline.drafting_fakes import FakeDrafter

DUAL = {
    "mode": "dual",
    "prompt": "rain",
    "seed": 5,
    "duration_s": 1.28,
    "sampler": {"kind": "clip", "steps": 2},
}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Any:
    place, drafter = tmp_path_factory.mktemp("dual"), FakeDrafter()
    folder = wake(make_dcldm(make_tango(place / "tango"), place / "dual"))
    drafts = Drafts(AcousticModelPool(lambda *_: drafter, lambda *_: drafter), place / "outputs")
    made = Studio(
        Settings(outputs=place / "outputs"), lambda _: dcldm.load(folder, "cpu", "float32"),
        Renderer(drafts), drafts=drafts,
    )  # fmt: skip
    yield made
    made.close()


def finished(studio: Studio, **values: Any) -> str:
    job = studio.submit(parse_request(**{**DUAL, **values}))
    for _ in studio.events(job.id):
        pass
    assert job.status == "finished", job.outcome
    return job.id


def test_rows_are_shares_of_the_draft(studio: Studio) -> None:
    job = finished(studio, draft={"kind": "audiogen"})
    last, other = studio.listening(job, "", 1), studio.listening(job, "down1", 1)
    assert last.blocks == ("down1", "up1")
    assert (last.block, other.block) == ("up1", "down1")
    assert last.weights.shape == (32, 64), "a row for each latent frame, a column for each token"
    np.testing.assert_allclose(last.weights.sum(axis=1), 1, rtol=1e-4)
    assert not np.allclose(last.weights, other.weights)
    np.testing.assert_array_equal(last.weights, studio.listening(job, "", 1).weights)
    cleaner = studio.listening(job, "", 2)
    assert not np.allclose(last.weights, cleaner.weights)
    assert (last.step, cleaner.step, cleaner.steps) == (1, 2, 2)
    beyond = studio.listening(job, "", 50)
    assert beyond.step == 2, "past the last step is the last"
    np.testing.assert_array_equal(beyond.weights, cleaner.weights)


def test_steps_that_the_strength_left_out_are_not_counted(studio: Studio) -> None:
    half = finished(studio, draft={"kind": "audiogen", "strength": 0.5})
    seen = studio.listening(half, "", 1)
    assert (seen.step, seen.steps) == (1, 1)
    request = studio.job(half).request
    assert request.skipped_steps == 1
    assert request.model_copy(update={"draft": NoDraft()}).skipped_steps == 0


def test_what_can_not_be_looked_at(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="Generate a clip with a draft first"):
        studio.listening("", "", 1)
    with pytest.raises(InvalidRequestError, match="Generate a clip with a draft first"):
        studio.listening(finished(studio), "", 1)
    job = finished(studio, draft={"kind": "audiogen"})
    with pytest.raises(InvalidRequestError, match=r"hears its draft in down1, up1, not in mid"):
        studio.listening(job, "mid", 1)
    with pytest.raises(InvalidRequestError, match="Choose a step"):
        studio.listening(job, "", 0)
    outcome = studio.job(job).outcome
    assert outcome is not None
    assert outcome.path is not None
    outcome.path.unlink()
    with pytest.raises(InvalidRequestError, match="Can't read"):
        studio.listening(job, "", 1)
