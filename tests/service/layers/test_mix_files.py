"""A mix as a file: below its ceiling, at its loudness, a take of the Library; its stems; and no trace of one
that was stopped.
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.core.errors import CancelledError, InvalidRequestError
from studio.core.scene import Scene, parse_scene
from studio.core.settings import Settings
from studio.dsp.true_peak import TruePeakMeter
from studio.pipeline.cancel import CancelToken
from studio.pipeline.renderer import Renderer
from studio.service.jobs.errands import Stage
from studio.service.layers.mix import Mix
from studio.service.layers.scenes import find_scene
from studio.service.layers.sounds import Found
from studio.service.layers.write import write_mix, write_stems
from studio.service.studio import Studio
from studio.service.takes.files.coding import Coding
from studio.service.takes.place import Place
from studio.testing import FakeBackend
from tests.service.service_fakes import render_ramp
from tests.waiting import until

RATE = 16000
RAIN = {"prompt": "rain", "duration_s": 1.0, "seed": 4, "bandwidth": "16k"}


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(Settings(outputs=tmp_path / "out"), lambda choice: FakeBackend(), Renderer())
    yield made
    made.close()


def scene_of(*layers: dict[str, Any], **more: Any) -> Scene:
    return parse_scene({"name": "Test", "layers": list(layers), **more})


def noise(path: Path, level: float, seed: int = 0, seconds: float = 1.0) -> Found:
    sound = np.random.default_rng(seed).normal(0, level, (round(seconds * RATE), 2)).clip(-1, 1)
    sf.write(path, sound, RATE, subtype="FLOAT")
    return Found(path, path.stem)


def true_peak_db(sound: np.ndarray) -> float:
    meter = TruePeakMeter(RATE, sound.shape[1])
    meter.push(sound)
    return 20 * float(np.log10(max(meter.peak(), 1e-9)))


@settings(max_examples=15, deadline=None)
@given(
    gains=st.lists(st.floats(-20, 24), min_size=1, max_size=3),
    ceiling=st.sampled_from([-1.0, -3.0, -0.1]),
    lufs=st.sampled_from([None, -14.0, -6.0]),
    bits=st.sampled_from([16, 24, 32]),
    seed=st.integers(0, 99),
)
def test_no_true_peak_passes_the_ceiling(
    tmp_path_factory: pytest.TempPathFactory,
    gains: list[float],
    ceiling: float,
    lufs: float | None,
    bits: int,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("mix")
    takes = [noise(folder / f"{n}.wav", 0.2, seed + n) for n in range(len(gains))]
    layers = [{"take": "x", "gain_db": gain} for gain in gains]
    scene = scene_of(*layers, ceiling_dbtp=ceiling, lufs=lufs)
    out = folder / "out.wav"
    with Mix(scene, takes) as mix:
        write_mix(mix, Place(out, True), folder, coding=Coding(bits), cancel=CancelToken())
    sound, _ = sf.read(out, always_2d=True)
    assert len(sound) == RATE
    assert true_peak_db(sound) <= ceiling + 0.01


def test_what_is_below_the_ceiling_is_left_to_the_bit(tmp_path: Path) -> None:
    scene = scene_of({"take": "x"})
    with Mix(scene, [noise(tmp_path / "a.wav", 0.05)]) as mix:
        whole = np.concatenate(list(mix.blocks()))
        made = write_mix(
            mix, Place(tmp_path / "b.wav", True), tmp_path, coding=Coding(32), cancel=CancelToken()
        )
    assert made.note == ""
    np.testing.assert_array_equal(sf.read(tmp_path / "b.wav", dtype="float32")[0], whole)


def test_stems_are_as_long_as_the_mix_and_add_up_to_it(tmp_path: Path) -> None:
    takes = [noise(tmp_path / f"{n}.wav", 0.3, n, 1 + n / 2) for n in range(3)]
    scene = scene_of({"take": "x", "offset_s": 0.5}, {"take": "y", "mute": True}, {"take": "z", "pan": 0.3})
    with Mix(scene, takes) as mix:
        whole = np.concatenate(list(mix.blocks()))
        out = write_stems(mix, tmp_path / "stems.zip", tmp_path, CancelToken())
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ["1_0.wav", "3_2.wav", "scene.json"], "what is mute is not there"
        parts = [sf.read(BytesIO(archive.read(name)), dtype="float32")[0] for name in archive.namelist()[:2]]
    assert np.abs(whole).max() > 1.0, "before the limiter"
    np.testing.assert_array_equal(parts[0] + parts[1], whole)


def test_a_mix_is_a_take_that_names_its_scene_and_what_was_missing_is_made(studio: Studio) -> None:
    layers = ({"name": "Rain", "request": RAIN, "gain_db": -3}, {"request": {**RAIN, "prompt": "waves"}})
    shares: list[float] = []
    made = studio.mixes.mix(
        scene_of(*layers, lufs=-20), stems=True, tell=lambda stage: shares.append(stage.share)
    )
    assert shares == sorted(shares)
    mixed = studio.library.get(made.take)
    assert mixed.about.mix == made.scene
    assert mixed.record.settings["prompt"] == "rain + waves"
    assert mixed.about.figures["lufs"] == pytest.approx(-20, abs=0.3)
    takes = [layer.take for layer in made.scene.layers]
    assert [studio.library.get(take).record.settings["prompt"] for take in takes] == ["rain", "waves"]
    assert made.stems is not None
    assert zipfile.is_zipfile(made.stems)
    assert find_scene(str(mixed.path), studio.settings.presets) == made.scene, "it stands in the sound too"
    count = len(list(studio.library.takes()))
    again = studio.mixes.mix(made.scene)
    assert len(list(studio.library.takes())) == count + 1, "nothing is made twice"
    assert again.scene == made.scene


def test_takes_that_are_gone_are_made_anew_or_told_of(studio: Studio) -> None:
    made = studio.mixes.mix(scene_of({"request": RAIN}))
    studio.library.delete(made.scene.layers[0].take)
    assert studio.mixes.missing(made.scene) == [0]
    bare = scene_of({"take": made.take}, {"take": made.scene.layers[0].take})
    with pytest.raises(InvalidRequestError, match=r"Layer 2: its take '.*' is not in the Library any more: "):
        studio.mixes.begin_mix(bare, suffix=".wav", coding=Coding(), stems=False)
    anew = studio.mixes.complete(made.scene, cancel=CancelToken())
    assert studio.library.get(anew.layers[0].take).path.is_file()


def test_one_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    asked, let = threading.Event(), threading.Event()

    def render(request: Any, backend: Any, cancel: CancelToken, *rest: Any) -> Iterator[Any]:
        asked.set()
        while not let.is_set():
            cancel.check()
        yield from render_ramp(request, backend, cancel)

    studio = Studio(Settings(outputs=tmp_path), lambda choice: FakeBackend(), render)
    try:
        first, second = (
            studio.mixes.begin_mix(scene_of({"request": RAIN}), suffix=".flac", coding=Coding(), stems=True)
            for _ in range(2)
        )
        assert asked.wait(60)
        assert [one.phase for one in studio.mixes.running()] == ["making", "waiting"]
        for one in (second, first):
            studio.mixes.stop(one)
        until(lambda: not studio.mixes.running())
        assert studio.mixes.look(first).phase == "stopped"
        assert not list(tmp_path.rglob("*mix*.flac"))
        assert not list(tmp_path.rglob("*.zip"))
    finally:
        let.set()
        studio.close()


def test_a_mix_that_is_cancelled_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    scene, place = scene_of({"take": "x"}, lufs=-12), Place(tmp_path / "b.flac", True)
    with Mix(scene, [noise(tmp_path / "a.wav", 0.1, seconds=10)]) as mix:
        for last in ("Mixing", "Writing the file"):
            cancel = CancelToken()

            def tell(stage: Stage, last: str = last, cancel: CancelToken = cancel) -> None:
                if stage.said == last:
                    cancel.set()

            with pytest.raises(CancelledError):
                write_mix(mix, place, tmp_path, cancel=cancel, tell=tell)
        with pytest.raises(CancelledError):
            write_stems(mix, tmp_path / "b.zip", tmp_path, cancel)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix in (".flac", ".zip", ".part")) == []


def test_an_hour_takes_no_more_memory_than_a_minute(tmp_path: Path) -> None:
    import tracemalloc

    take = noise(tmp_path / "a.wav", 0.1)
    scene = scene_of(*[{"take": "x", "loop": True, "gain_db": -20}] * 8, length_s=3600)
    with Mix(scene, [take] * 8) as mix:
        blocks = mix.blocks()
        next(blocks)
        tracemalloc.start()
        for _, _ in zip(range(20), blocks, strict=False):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 16e6
