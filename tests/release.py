"""What is published, built, weighed and tried: the wheels go into an empty environment, and have to sound.

    python -m tests.release [--out dist] [--uv uv]

Builds Longwave's source distribution, the wheel of that, and the wheel `longwave-pocket`; each must stay
below 100 MB. Then they are installed by their files, in an environment that is thrown away, outside of the
checkout, and make an endless take and a long clip, of which the first needs no second wheel and the other
does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile as sf

ROOT = Path(__file__).resolve().parents[1]
MOST_BYTES = 100 * 10**6
TAKES = {"infinite": 3.0, "sparse": 5.12}


def build(uv: str, out: Path) -> list[Path]:
    """The three distributions, anew."""
    shutil.rmtree(out, ignore_errors=True)
    common = ["--quiet", "--python", sys.executable, "--out-dir", str(out)]
    subprocess.run([uv, "build", *common, str(ROOT)], check=True)
    subprocess.run([uv, "build", "--wheel", *common, str(ROOT / "packaging" / "pocket")], check=True)
    return sorted([*out.glob("*.whl"), *out.glob("*.tar.gz")])


def sounds(path: Path, seconds: float) -> bool:
    """Whether a file has so much sound, and not one value alone."""
    samples, rate = sf.read(path)
    return abs(len(samples) / rate - seconds) < 0.01 and float(np.abs(samples).max()) > 0.01


def installed(uv: str, files: Sequence[Path], place: Path) -> Path:
    """The command `longwave` of an empty environment that the wheels were put into."""
    environment = place / "environment"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    wheels = [str(file) for file in files if file.suffix == ".whl"]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(environment), *wheels], check=True)
    return environment / ("Scripts" if os.name == "nt" else "bin") / "longwave"


def main(words: Sequence[str] | None = None) -> int:
    """Build, weigh, install, listen."""
    parser = argparse.ArgumentParser(prog="python -m tests.release", description="What is published, tried.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--uv", default=shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv"))
    options = parser.parse_args(words)
    files = build(options.uv, options.out)
    good = len(files) == 3
    for file in files:
        size = file.stat().st_size
        good &= size < MOST_BYTES
        print(f"{file.name}: {size / 1e6:.1f} MB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        longwave = installed(options.uv, files, place)
        for mode, seconds in TAKES.items():
            out = place / f"{mode}.wav"
            take = ["render", mode, "--prompt", "heavy rain", "--seconds", str(seconds), "--out", str(out)]
            subprocess.run([longwave, *take], check=True, cwd=place, env={**os.environ, "PYTHONPATH": ""})
            good &= sounds(out, seconds)
            print(f"{mode}: {seconds:g} s of sound", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
