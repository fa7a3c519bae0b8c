"""The blocks that live sound is sent in."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf
from numpy.typing import NDArray

from studio.service.live.codecs import BLOCK_S, CODECS, HEAD, encoder

RATE = 16000
SOUND = (8000 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)).astype("<i2")


def sent(codec: str, sizes: list[int]) -> bytes:
    """The sound as it goes out, handed over in pieces of these sizes and a last one of the rest."""
    encode = encoder(codec, RATE)
    return b"".join(map(encode.push, np.split(SOUND, np.cumsum(sizes)))) + encode.flush()


def blocks(stream: bytes) -> list[tuple[NDArray[np.int16], int, int, int]]:
    """Each block's samples, and how many of them lead, count and are beyond."""
    found, at = [], 0
    while at < len(stream):
        size, lead, count, tail = HEAD.unpack_from(stream, at)
        file = stream[at + HEAD.size : at + HEAD.size + size]
        samples, rate = sf.read(io.BytesIO(file), dtype="int16")
        assert rate == RATE
        assert len(samples) >= lead + count + tail
        samples = samples[: lead + count + tail]
        found.append((samples, lead, count, tail))
        at += HEAD.size + size
    return found


@pytest.mark.parametrize("sizes", [[], [100, 7, 16000], [400] * 50, [1, 0, 1]], ids=str)
def test_flac_is_the_sound_itself(sizes: list[int]) -> None:
    whole = np.concatenate([samples for samples, *_ in blocks(sent("flac", sizes))])
    np.testing.assert_array_equal(whole, SOUND)


@pytest.mark.parametrize("sizes", [[], [100, 7, 16000], [4000] * 6], ids=str)
def test_opus_blocks_lie_side_by_side_and_overlap(sizes: list[int]) -> None:
    found = blocks(sent("opus", sizes))
    assert sum(count for _, _, count, _ in found) == len(SOUND)
    start = 0
    for samples, lead, count, tail in found:
        assert lead == min(start, round(0.08 * RATE))
        theirs = SOUND[start - lead : start + count + tail]
        if count > RATE // 10:  # which it has come to itself in
            assert np.corrcoef(samples[lead:], theirs[lead:])[0, 1] > 0.99
        start += count
    assert found[-1][3] == 0
    assert all(tail == round(0.02 * RATE) for _, _, _, tail in found[:-1])


def test_opus_has_no_seam_that_is_heard() -> None:
    """Blended as the page does it, a tone stays as strong and in step as it is."""
    whole, beyond = [], np.zeros(0)
    for samples, lead, count, _ in blocks(sent("opus", [16037, 16037])):
        block = samples[lead:].astype(np.float64)
        weight = 1 - (np.arange(len(beyond)) + 0.5) / max(1, len(beyond))
        block[: len(beyond)] += (beyond - block[: len(beyond)]) * weight
        whole.append(block[:count])
        beyond = block[count:]
    heard = np.concatenate(whole)
    turns = np.exp(-2j * np.pi * 440 * np.arange(len(heard)) / RATE)
    tone = 2 * (heard * turns).reshape(-1, 400).mean(axis=1)[2:-2]  # eleven periods each
    np.testing.assert_allclose(np.abs(tone), 8000, rtol=0.02)
    assert np.abs(np.angle(tone / tone[0])).max() < 0.03


def test_a_long_piece_is_cut_so_that_it_is_heard_early() -> None:
    assert max(count for _, _, count, _ in blocks(sent("flac", []))) == BLOCK_S * RATE


def test_raw_is_two_bytes_a_sample_and_nothing_else() -> None:
    assert sent("raw", [100, 16000]) == SOUND.tobytes()


def test_a_stream_of_nothing_sends_nothing() -> None:
    assert [encoder(codec, RATE).flush() for codec in CODECS] == [b""] * 3


def test_two_channels_are_sent_as_one_stream() -> None:
    both = np.stack([SOUND, -SOUND // 2], axis=1)
    encode = encoder("flac", RATE, 2)
    stream = b"".join(map(encode.push, np.split(both, [1, 9000]))) + encode.flush()
    np.testing.assert_array_equal(np.concatenate([samples for samples, *_ in blocks(stream)]), both)
    raw = encoder("raw", RATE, 2)
    assert np.frombuffer(raw.push(both[:2]), "<i2").tolist() == both[:2].flatten().tolist()
