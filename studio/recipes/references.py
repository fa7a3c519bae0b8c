"""Real recordings to rank the families by, laid out from two packages of Debian:

apt-get install sonic-pi-samples fluid-soundfont-gs fluidsynth
python -m studio.recipes.references runs/references
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from studio.core.errors import InvalidRequestError, ModelNotFoundError, StudioError

SONIC_PI = Path("/usr/share/sonic-pi/samples")
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GS.sf2")
PACKAGES = "sonic-pi-samples fluid-soundfont-gs fluidsynth"
NOTE, VELOCITY = 60, 100
NOTE_S, TAIL_S = 6, 2
GAIN = "1.0"  # five times the usual: one note is quiet
_TICKS = 480  # a quarter note, which lasts for half a second where no tempo is set


def read_mapping() -> dict[str, Any]:
    """Which sound stands for which family."""
    return tomllib.loads(resources.files("studio.recipes").joinpath("references.toml").read_text())


def lay_out(folder: Path, samples: Path = SONIC_PI, soundfont: Path = SOUNDFONT) -> int:
    """Copy and play the recordings into a folder for each family; how many there are.

    Raises:
        InvalidRequestError: the packages are not installed, or a sound can't be played.
    """
    if not samples.is_dir() or not soundfont.is_file() or shutil.which("fluidsynth") is None:
        raise InvalidRequestError(f"The recordings are in packages of Debian: apt-get install {PACKAGES}.")
    mapping, made = read_mapping(), 0
    for name, family in mapping["sonic_pi"].items():
        place = folder / family
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(samples / f"{name}.flac", place / f"{name}.flac")
        made += 1
    for family, (bank, program) in mapping["soundfont"].items():
        place = folder / family
        place.mkdir(parents=True, exist_ok=True)
        _play(soundfont, bank, program, place / f"soundfont-{bank}-{program}.wav")
        made += 1
    return made


def sonic_pi(samples: Path = SONIC_PI) -> list[Path]:
    """The recordings of Debian's sonic-pi-samples (CC0), in order.

    Raises:
        ModelNotFoundError: the package is not installed.
    """
    files = sorted(samples.glob("*.flac"))
    if not files:
        raise ModelNotFoundError(
            "The recordings are in a package of Debian: apt-get install sonic-pi-samples."
        )
    return files


def midi(bank: int, program: int) -> bytes:
    """A MIDI file of one note of a General MIDI sound, and the silence in which it ends."""
    ticks_per_s = 2 * _TICKS
    events = (
        b"\x00\xb0\x00" + bytes([bank])
        + b"\x00\xc0" + bytes([program])
        + b"\x00\x90" + bytes([NOTE, VELOCITY])
        + _length(NOTE_S * ticks_per_s) + b"\x80" + bytes([NOTE, 0])
        + _length(TAIL_S * ticks_per_s) + b"\xff\x2f\x00"
    )  # fmt: skip
    header = b"MThd" + (6).to_bytes(4, "big") + bytes([0, 0, 0, 1]) + _TICKS.to_bytes(2, "big")
    return header + b"MTrk" + len(events).to_bytes(4, "big") + events


def _length(ticks: int) -> bytes:
    """A number in MIDI's own form: seven bits a byte, all but the last with the eighth set."""
    digits = [ticks & 0x7F]
    while ticks := ticks >> 7:
        digits.append(0x80 | ticks & 0x7F)
    return bytes(reversed(digits))


def _play(soundfont: Path, bank: int, program: int, out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        score = Path(folder, "note.mid")
        score.write_bytes(midi(bank, program))
        command = [
            "fluidsynth",
            "-ni",
            "-q",
            "-g",
            GAIN,
            "-r",
            "44100",
            "-F",
            str(out),
            str(soundfont),
            str(score),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not out.is_file():
        raise InvalidRequestError(f"fluidsynth can't play {out.name}: {done.stderr.strip()[-200:]}.")


def main(words: Sequence[str]) -> int:
    """Lay the recordings out in the folder that is named."""
    if len(words) != 1:
        print("Say where: python -m studio.recipes.references FOLDER", file=sys.stderr)
        return 2
    try:
        print(f"{lay_out(Path(words[0]))} recordings in {words[0]}")
    except StudioError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
