"""Sound files of anybody's: what comes out of them, and the sentence where nothing does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from studio.core.errors import InvalidRequestError
from studio.evaluation.sound_files import rate_of, read_mono, sound_files, stream_mono


def write(path: Path, seconds: float = 1.0, rate: int = 16000, channels: int = 1) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    sf.write(path, samples, rate, subtype="FLOAT")
    return samples.astype(np.float32)


def test_channels_are_averaged(tmp_path: Path) -> None:
    samples = write(tmp_path / "a.wav", channels=2)
    np.testing.assert_allclose(read_mono(tmp_path / "a.wav", 16000), samples.mean(1), atol=1e-6)


def test_a_part_is_what_it_is_of_the_whole(tmp_path: Path) -> None:
    samples = write(tmp_path / "a.wav", 2.0)[:, 0]
    part = read_mono(tmp_path / "a.wav", 16000, start_s=0.5, seconds=1.0)
    np.testing.assert_allclose(part, samples[8000:24000], atol=1e-6)


@pytest.mark.parametrize(("rate", "target"), [(44100, 16000), (16000, 44100), (16000, 16000)])
@pytest.mark.parametrize("block_s", [0.3, 1.0, 5.0])
def test_blocks_are_the_whole_in_pieces(tmp_path: Path, rate: int, target: int, block_s: float) -> None:
    write(tmp_path / "a.wav", 2.0, rate)
    blocks = list(stream_mono(tmp_path / "a.wav", target, block_s))
    assert {len(block) for block in blocks[:-1]} <= {round(block_s * target)}
    assert 0 < len(blocks[-1]) <= round(block_s * target)
    np.testing.assert_allclose(np.concatenate(blocks), read_mono(tmp_path / "a.wav", target), atol=1e-5)


def test_what_is_no_sound_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(InvalidRequestError, match=r"Can't read text\.wav"):
        read_mono(tmp_path / "text.wav", 16000)
    with pytest.raises(InvalidRequestError, match=r"Can't read none\.wav"):
        read_mono(tmp_path / "none.wav", 16000)
    write(tmp_path / "empty.wav", 0.0)
    with pytest.raises(InvalidRequestError, match="holds no sound"):
        read_mono(tmp_path / "empty.wav", 16000)
    with pytest.raises(InvalidRequestError, match="holds no sound"):
        list(stream_mono(tmp_path / "empty.wav", 16000, 1.0))
    sf.write(tmp_path / "nan.wav", np.full(100, np.nan), 16000, subtype="FLOAT")
    with pytest.raises(InvalidRequestError, match="numbers that are no sound"):
        read_mono(tmp_path / "nan.wav", 16000)
    sf.write(tmp_path / "slow.wav", np.zeros(100), 500)
    with pytest.raises(InvalidRequestError, match="claims 500 Hz"):
        rate_of(tmp_path / "slow.wav")
    write(tmp_path / "short.wav")
    with pytest.raises(InvalidRequestError, match="ends before 3 s"):
        read_mono(tmp_path / "short.wav", 16000, start_s=3.0)


def test_folders_are_read_with_their_folders(tmp_path: Path) -> None:
    for name in ("b.wav", "rain/a.wav", ".hidden/c.wav"):
        write(tmp_path / name, 0.1)
    (tmp_path / "notes.txt").write_text("none")
    assert [path.name for path in sound_files(tmp_path)] == ["b.wav", "a.wav"]
    with pytest.raises(InvalidRequestError, match="There is no folder"):
        sound_files(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidRequestError, match="holds no sound files"):
        sound_files(tmp_path / "empty")
