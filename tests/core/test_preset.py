"""The one schema of presets and takes: what a take's record may say of its loop."""

import pytest

from studio.core.errors import InvalidRequestError
from studio.core.preset import Preset, TakeRecord, parse_preset

TAKE = {
    "file": "a.flac", "created": "2026-01-31T14:02:11", "version": "0.1.0", "duration_s": 2.0,
    "sample_rate": 16000,
}  # fmt: skip


def test_a_record_without_a_loop_opens_as_a_take_that_does_not_loop() -> None:
    assert TakeRecord(**TAKE).loop is None


def test_a_loop_is_read_back_from_the_record() -> None:
    written = Preset(
        name="rain", settings={"prompt": "rain"}, take=TakeRecord(**TAKE, loop=(160, 32000))
    ).to_json()
    read = parse_preset(written).take
    assert read is not None
    assert read.loop == (160, 32000)


@pytest.mark.parametrize("loop", [(32000, 160), (5, 5), (-1, 5), (1,)])
def test_a_loop_that_is_none_is_refused_in_a_sentence(loop: tuple[int, ...]) -> None:
    text = Preset(name="rain", settings={"prompt": "rain"}, take=TakeRecord(**TAKE)).to_json()
    with pytest.raises(InvalidRequestError, match="loop"):
        parse_preset(text.replace('"loop": null', f'"loop": {list(loop)}'))
