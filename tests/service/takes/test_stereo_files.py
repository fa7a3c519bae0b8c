"""Takes of two channels on the disk, live, and as what is taken from them."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.audio import to_int16
from studio.core.errors import NoSoundError
from studio.core.preset import Source, load_preset
from studio.core.request import GenerationRequest, parse_request
from studio.pipeline.recording import Recording
from studio.pipeline.stereo import recorded_channels
from studio.service.batch.folder import Made, SetFolder
from studio.service.batch.rows import Row
from studio.service.excerpt import as_flac, excerpt_of, keep
from studio.service.jobs.job import Job
from studio.service.live.pcm_stream import PcmStream, stream_for
from studio.service.takes.library import picture_of
from studio.service.takes.writer import TakeWriter

RATE = 16000
WHEN = datetime(2026, 1, 31, 14, 2, 11)
SOUND = np.random.default_rng(0).normal(0, 0.1, (2 * RATE, 2)).astype(np.float32)


def wanted(**values: object) -> GenerationRequest:
    return parse_request(**{"prompt": "rain", "seed": 5, "duration_s": 2.0, "stereo": "wide", **values})


def read(path: Path) -> np.ndarray:
    samples, rate = sf.read(path, dtype="int16", always_2d=True)
    assert rate == RATE
    return samples


def test_a_take_holds_both_channels_and_says_so(tmp_path: Path) -> None:
    take = TakeWriter.begin(wanted(), RATE, tmp_path, when=WHEN)
    for block in np.split(SOUND, [1, 700]):
        np.testing.assert_array_equal(take.write(block), to_int16(block))
    np.testing.assert_array_equal(read(take.path), to_int16(SOUND))
    path = take.finish("finished", {})
    assert path is not None
    np.testing.assert_array_equal(read(path), to_int16(SOUND))
    about = load_preset(path.with_suffix(".json"))
    assert about.take is not None
    assert about.take.duration_s == 2.0
    assert (about.settings["stereo"], about.settings["width"]) == ("wide", 0.7)


def test_it_goes_on_after_its_first_samples(tmp_path: Path) -> None:
    take = TakeWriter.begin(wanted(), RATE, tmp_path, when=WHEN)
    take.write(SOUND)
    take._wav.close()  # as a kill does
    again = TakeWriter.reopen(wanted(), take.path, RATE)
    again.write(SOUND[RATE:])
    path = again.finish("finished", {})
    assert path is not None
    np.testing.assert_array_equal(read(path), to_int16(SOUND))


def test_of_other_channels_it_does_not(tmp_path: Path) -> None:
    take = TakeWriter.begin(wanted(), RATE, tmp_path, when=WHEN)
    take.write(SOUND)
    take._wav.close()
    with pytest.raises(Exception, match="start a new take"):
        TakeWriter.reopen(wanted(stereo="mono"), take.path, RATE)


def test_a_fault_in_one_channel_ends_both(tmp_path: Path) -> None:
    take = TakeWriter.begin(wanted(), RATE, tmp_path, when=WHEN)
    broken = SOUND.copy()
    broken[300, 1] = np.nan
    with pytest.raises(NoSoundError):
        take.write(broken)
    np.testing.assert_array_equal(read(take.path), to_int16(SOUND[:300]))
    take.discard()


def test_what_nobody_waits_to_hear_of_a_recording_is_spread_too(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 6 * RATE).astype(np.float32)
    field = Recording(samples, Source(file="field.wav", sha256="0" * 64, duration_s=6.0))
    take = TakeWriter.begin(wanted(duration_s=8.0), RATE, tmp_path, recording=field, when=WHEN)
    take.write(SOUND)
    whole = recorded_channels(wanted(), samples, RATE)
    unheard = to_int16(whole[: field.silent_samples])
    np.testing.assert_array_equal(read(take.path), np.concatenate([unheard, to_int16(SOUND)]))
    take.discard()


def test_seconds_of_it_are_kept_and_taken_away(tmp_path: Path) -> None:
    take = TakeWriter.begin(wanted(duration_s=None), RATE, tmp_path / "takes")
    take.write(SOUND)
    job = Job(wanted(duration_s=None), PcmStream(8.0))
    job.file = take.path
    excerpt = excerpt_of(job, 1.0, 2.0)
    np.testing.assert_array_equal(excerpt.samples, to_int16(SOUND[RATE:]))
    _, flac = as_flac(excerpt)
    np.testing.assert_array_equal(sf.read(io.BytesIO(flac), dtype="int16")[0], excerpt.samples)
    kept = keep(excerpt, tmp_path / "kept")
    (path,) = (tmp_path / "kept").rglob("*.flac")
    assert kept.seconds == 1.0
    np.testing.assert_array_equal(read(path), excerpt.samples)
    take.discard()


def test_its_picture_is_of_what_both_channels_share(tmp_path: Path) -> None:
    sf.write(tmp_path / "both.wav", SOUND, RATE, subtype="FLOAT")
    sf.write(tmp_path / "middle.wav", SOUND.mean(axis=1), RATE, subtype="FLOAT")
    both, middle = (picture_of(tmp_path / name, 20) for name in ("both.wav", "middle.wav"))
    np.testing.assert_array_equal(both, middle)


def test_a_row_of_a_set_has_both_channels(tmp_path: Path) -> None:
    row = Row("a" * 32, 1, wanted())
    folder = SetFolder(tmp_path)
    folder.prepare()
    assert folder.write(Made(row, RATE, np.split(SOUND, [777])), [row.id]) == 2.0
    np.testing.assert_array_equal(read(folder.sound(row.id)), to_int16(SOUND))


def test_a_listener_is_told_the_channels() -> None:
    assert [stream_for(wanted(stereo=name), 8.0).channels for name in ("mono", "wide", "twin")] == [1, 2, 2]
