"""Real recordings, laid out by family: which there are, and how one is played."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from studio.core.errors import InvalidRequestError
from studio.recipes import references
from studio.recipes.corpus.families import FAMILIES


def test_every_recording_is_of_a_family() -> None:
    mapping = references.read_mapping()
    assert set(mapping["sonic_pi"].values()) | set(mapping["soundfont"]) <= set(FAMILIES)
    assert len(mapping["sonic_pi"]) + len(mapping["soundfont"]) == 31


def test_a_note_in_midi() -> None:
    """By the format: 6 s are 5760 of its ticks, in seven bits a byte."""
    content = references.midi(3, 122)
    assert content[:14] == b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x01\xe0"
    assert content[14:18] == b"MTrk"
    events = content[22:]
    assert int.from_bytes(content[18:22], "big") == len(events)
    assert events[:11] == b"\x00\xb0\x00\x03\x00\xc0\x7a\x00\x90\x3c\x64"
    assert events[11:13] == bytes([0x80 | 5760 >> 7, 5760 & 0x7F])
    assert events.endswith(b"\xff\x2f\x00")


def test_recordings_are_laid_out_by_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    for name in references.read_mapping()["sonic_pi"]:
        (samples / f"{name}.flac").write_bytes(b"sound")
    (tmp_path / "font.sf2").write_bytes(b"font")
    player = tmp_path / "bin" / "fluidsynth"
    player.parent.mkdir()
    player.write_text('#!/bin/sh\nwhile [ "$1" != -F ]; do shift; done\necho played > "$2"\n')
    player.chmod(player.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{player.parent}:/usr/bin:/bin")
    assert references.lay_out(tmp_path / "out", samples, tmp_path / "font.sf2") == 31
    assert (tmp_path / "out" / "birds" / "misc_crow.flac").is_file()
    assert (tmp_path / "out" / "rain" / "soundfont-1-122.wav").read_text() == "played\n"
    player.write_text("#!/bin/sh\necho no font >&2\nexit 1\n")
    with pytest.raises(InvalidRequestError, match="no font"):
        references.lay_out(tmp_path / "again", samples, tmp_path / "font.sf2")


def test_without_the_packages_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequestError, match="apt-get install sonic-pi-samples"):
        references.lay_out(tmp_path, tmp_path / "none")
    assert references.main([]) == 2
    assert "Say where" in capsys.readouterr().err
