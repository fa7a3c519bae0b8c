"""What a process that has made, exported and read sound has loaded came with the environment.

A library that some machine happens to have must never stand in for one that the environment lacks: it would
be missing elsewhere.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAPS = Path("/proc/self/maps")
# What a wheel may expect of any system with this kernel.
C_RUNTIME = re.compile(
    "|".join(
        [
            r"ld-linux[\w-]*|ld-\d[\d.]*",  # the loader of the C library,
            r"libc|libm|libmvec",  # the library itself and its arithmetic,
            r"libpthread|libdl|librt|libutil",  # what it has taken in since, and older ones hold apart,
            r"libresolv|libnss_\w+",  # and its look-up of names, which it loads when one is asked for
            r"libgcc_s|libstdc\+\+",  # the compiler's runtime
            r"libz",  # the manylinux rules name it beside those above
            r"libcuda|libnvidia-[\w-]+",  # the half of CUDA that goes with the driver in the kernel
        ]
    )
)
LIBRARY = re.compile(r"/([^/]+?)(-[\d.]+)?\.so(\.[\d.]+)*$")


def foreign_libraries() -> set[str]:
    """Mapped shared libraries that are no part of the environment, of Python's own or of the C runtime.

    Python itself may be the system's, and then its prefix holds all that the system has: only its standard
    library counts.
    """
    paths = {line.split(maxsplit=5)[5] for line in MAPS.read_text().splitlines() if "/" in line}
    roots = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]
    roots += [sys.prefix] if sys.prefix != sys.base_prefix else []
    inside = tuple(os.path.join(os.path.realpath(root), "") for root in roots)
    found = {path: match.group(1) for path in paths if (match := LIBRARY.search(path))}
    return {
        path
        for path, name in found.items()
        if not path.startswith(inside) and not C_RUNTIME.fullmatch(name)
        if not name.startswith("libpython3") and "/gconv/" not in path  # the C library's encodings
    }


def load_standard_library() -> None:
    """Import all that Python compiled for itself, so that what it needs (libssl, libffi, ...) is known."""
    folder = Path(sysconfig.get_path("stdlib")) / "lib-dynload"
    for file in sorted(folder.glob("*.so")):
        name = file.name.partition(".")[0]
        if not name.startswith(("_test", "xx", "_xx", "_ctypes_test")):
            try:
                importlib.import_module(name)
            except ImportError:
                continue  # a part that this system left out, such as Tk


def use_everything(folder: Path) -> None:
    """Two seconds of the pocket model through the command line, every format out and in, and the page."""
    import soundfile as sf
    from typer.testing import CliRunner

    from studio.app import build_app, build_studio
    from studio.cli import Factories, build_cli
    from studio.core.settings import Settings
    from studio.service.recordings.read import read_recording
    from studio.service.takes.export import FORMATS, export
    from studio.service.takes.files.coding import Coding

    made = folder / "made.wav"
    words = [
        "render",
        "infinite",
        "--prompt",
        "heavy rain",
        "--seconds",
        "2",
        "--seed",
        "0",
        "--out",
        str(made),
    ]
    cli = build_cli(Factories(serve=lambda settings: None, studio=build_studio))
    result = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    samples, rate = sf.read(made)
    sf.write(folder / "read.aiff", samples, rate)
    for suffix in FORMATS:
        export(made, folder / f"read{suffix}", coding=Coding(rate=48000))
    files = sorted(folder.glob("read.*"))
    assert [file.suffix for file in files] == [".aiff", ".flac", ".mp3", ".ogg", ".opus", ".wav"]
    for file in files:
        recording = read_recording(file)
        assert abs(len(recording.samples) - 2 * 16000) < 2000, file
        assert recording.samples.std() > 0.001, file
    build_app(Settings(outputs=folder)).close()


@pytest.mark.skipif(not MAPS.exists(), reason="only Linux tells what a process has loaded")
def test_every_library_came_with_the_environment(tmp_path: Path) -> None:
    environ = {**os.environ, "PATH": "", "CUDA_VISIBLE_DEVICES": ""}  # no ffmpeg to read a format instead
    program = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(program, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    load_standard_library()
    python_needs = foreign_libraries()
    use_everything(Path(sys.argv[1]))
    print(json.dumps(sorted(foreign_libraries() - python_needs)))
