"""A real disk that fills up while a take grows."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile as sf

from studio.app import build_studio
from studio.backends.systems.tone import tone
from studio.core.audio import to_int16
from studio.core.events import Failed, Finished
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.service.jobs.intake import RESUMABLE
from tests.service.service_fakes import RATE, SMALL_DISK_KB


def test_what_fitted_is_kept_and_goes_on_once_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1024 * SMALL_DISK_KB // 2))
    studio = build_studio(Settings(outputs=small_disk, model_id="tone", device="cpu"))
    try:
        request = parse_request(prompt="rain", seed=1, duration_s=45.0, model={"id": "tone"})
        job = studio.submit(request)
        *_, end = studio.events(job.id)
        assert isinstance(end, Failed)
        assert end.message.startswith("The disk of")
        assert "free some space" in end.message
        assert end.path is not None
        kept, _ = sf.read(end.path, dtype="int16")
        assert len(kept) > 10 * RATE
        np.testing.assert_array_equal(kept, to_int16(tone(0, len(kept), RATE)))
        (take,) = studio.library.takes()
        assert take.status in RESUMABLE, "not even its last word fits the disk"
        refused = studio.submit(request)
        *_, end = studio.events(refused.id)
        assert isinstance(end, Failed), "still full: told again, and the service goes on"
        assert len(list(small_disk.rglob("*.wav"))) == 1, "no empty file is left of it"
        ballast.unlink()
        resumed = studio.resume(take.id)
        *_, end = studio.events(resumed.id)
        assert isinstance(end, Finished)
        assert end.path is not None
        whole, _ = sf.read(end.path, dtype="int16")
        np.testing.assert_array_equal(whole, to_int16(tone(0, 45 * RATE, RATE)))
    finally:
        studio.close()


def test_emptying_the_trash_frees_a_full_disk(small_disk: Path) -> None:
    studio = build_studio(Settings(outputs=small_disk, model_id="tone", device="cpu"))
    try:
        request = parse_request(prompt="rain", seed=1, duration_s=20.0, model={"id": "tone"})
        job = studio.submit(request)
        *_, end = studio.events(job.id)
        assert isinstance(end, Finished)
        with suppress(OSError), open(small_disk / "ballast", "wb", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass
        assert shutil.disk_usage(small_disk).free == 0
        (take,) = studio.library.takes()
        held = take.path.stat().st_size
        studio.library.delete(take.id)
        free = shutil.disk_usage(small_disk).free
        assert studio.library.trash.empty() > held
        assert shutil.disk_usage(small_disk).free - free >= held
        *_, end = studio.events(studio.submit(request.model_copy(update={"duration_s": 1.0})).id)
        assert isinstance(end, Finished)
    finally:
        studio.close()
