"""What older versions wrote opens: takes, presets, and save points, which go on as if nothing had been.

`fixtures/outputs-0.1.0` is such a folder. Its older day is of the time before save points had a schema, when
nobody kept what they were made of; the other is of schema 1.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.app import build_studio
from studio.backends import latent
from studio.backends.decode import EARLIER
from studio.core.events import Finished
from studio.core.preset import Preset, load_preset
from studio.core.settings import Settings
from studio.pipeline.checkpoint import EndlessCheckpoint
from studio.service.studio import Studio
from studio.service.takes.library import Library, settings_of
from studio.service.takes.savepoint import read_savepoint

FOLDER = Path(__file__).parents[1] / "fixtures" / "outputs-0.1.0"
STATES = sorted(FOLDER.rglob("*.state"))
ROUNDING = 64  # of 32767: what other processors' arithmetic may make of the same take


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "outputs"))


def test_the_library_lists_them(outputs: Path) -> None:
    takes, unreadable = Library(outputs).find()
    assert unreadable == []
    assert sorted((take.path.suffix, take.status) for take in takes) == [
        (".flac", "finished"), (".flac", "finished"), (".wav", "interrupted"), (".wav", "interrupted"),
    ]  # fmt: skip
    found = {take.record.name for take in Library(outputs).takes("rain")}
    assert found == {"rain on a tin roof"}


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.json")), ids=lambda path: path.stem)
def test_their_settings_open(file: Path) -> None:
    preset = load_preset(file)
    assert preset.request().model.id == "pocket/audioldm"
    assert preset.settings["prompt"] == preset.request().prompt


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.flac")), ids=lambda path: path.stem)
def test_the_settings_within_a_sound_are_its_sidecars(file: Path) -> None:
    inside, beside = settings_of(file), load_preset(file.with_suffix(".json"))
    assert isinstance(inside, Preset)
    assert inside.request() == beside.request()
    assert sf.info(file).frames == round(1.28 * 16000)


def test_one_save_point_is_older_than_schemas_and_one_is_of_the_first() -> None:
    older, newer = (read_savepoint(path) for path in STATES)
    assert older.made_of is None
    assert newer.made_of is not None
    assert newer.made_of.settings["seed"] == 0
    assert older.samples == newer.samples == 23040
    for state in (older, newer):
        again = EndlessCheckpoint.from_dict(state.to_dict())
        assert again.samples == state.samples


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("older") / "outputs"
    shutil.copytree(FOLDER, folder)
    studio = build_studio(Settings(outputs=folder))
    yield studio
    studio.close()


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES, ids=lambda path: path.stem)
def test_a_save_point_goes_on_to_the_very_sound_of_a_take_that_nobody_stopped(
    studio: Studio, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, _ = sf.read(state.with_suffix(".wav"), dtype="int16")
    saved = read_savepoint(state).samples
    (take,) = [take for take in studio.library.takes() if take.path.stem == state.stem]
    gone_on = _sound(studio, studio.resume(take.id).id)
    with monkeypatch.context() as then:
        then.setattr(latent, "CONVOLUTIONAL", EARLIER)  # as blocks were cut when it was saved
        nobody_stopped = build_studio(Settings(outputs=tmp_path))
        whole = _sound(nobody_stopped, nobody_stopped.submit(take.record.request()).id)
        nobody_stopped.close()
    np.testing.assert_array_equal(gone_on[:saved], written[:saved])
    assert len(gone_on) == len(whole) == 4 * 16000
    if np.array_equal(whole[:saved], written[:saved]):
        np.testing.assert_array_equal(gone_on, whole)
    else:  # other arithmetic, the processor's or that version's: the beginning is another in the last bits
        assert np.abs(gone_on.astype(int) - whole).max() <= ROUNDING


def _sound(studio: Studio, job_id: str) -> np.ndarray:
    *_, end = studio.events(job_id)
    assert isinstance(end, Finished), end
    assert end.path is not None
    samples, _ = sf.read(end.path, dtype="int16")
    return np.asarray(samples)
