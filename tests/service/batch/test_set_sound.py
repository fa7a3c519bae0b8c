"""What the shipped models make side by side is what they make alone, as near as the manual says."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.backends.catalog import create_backend
from studio.backends.device import cpu_has_bfloat16
from studio.core.preset import load_preset
from studio.core.settings import Settings
from studio.pipeline.cancel import CancelToken
from studio.pipeline.collect import render_samples
from studio.pipeline.model_cache import ModelCache
from studio.pipeline.renderer import Renderer
from studio.service.batch.folder import SetFolder
from studio.service.batch.maker import UnitMaker
from studio.service.batch.units import units_of
from studio.service.batch.work import work
from tests.service.batch.set_fakes import rows

pytestmark = pytest.mark.slow

ROUNDING = 5e-4  # of full scale: docs/batches.md, "Side by side"
OF_A_FILE = 1 / 32767  # which has 16 bits


@pytest.mark.parametrize(
    ("model", "dtype"),
    [("pocket/audioldm", "float32"), ("pocket/audioldm2", "float32"), ("pocket/audioldm", "bfloat16")],
)
def test_render_makes_a_row_again_by_its_sidecar(model: str, dtype: str, tmp_path: Path) -> None:
    if dtype == "bfloat16" and not cpu_has_bfloat16():
        pytest.skip("takes minutes where it is emulated")
    several = rows(
        2, 0.64, sampler={"kind": "clip", "steps": 4}, model={"id": model, "device": "cpu", "dtype": dtype}
    )
    models = ModelCache(partial(create_backend, settings=Settings()))
    make, sounds, found = UnitMaker(models.lease, Renderer()), list[list[bytes]](), list[Path]()
    for name in ("first", "again"):
        folder = SetFolder(tmp_path / name, ".wav")
        work(folder, units_of(several, 2), make, cancel=CancelToken())
        found = [path for row in several if (path := folder.found(row.id)) is not None]
        sounds.append([path.read_bytes() for path in found])
    assert len(sounds[0]) == 2
    assert sounds[0] == sounds[1], "a unit that is made again sounds the same to the bit"
    for path in found:
        request = load_preset(path.with_suffix(".json")).request()
        alone = render_samples(Renderer(), request, models.get(request.model))
        np.testing.assert_allclose(sf.read(path)[0], alone, atol=ROUNDING + OF_A_FILE)
        assert np.abs(alone).max() > 0.01
    models.unload()
