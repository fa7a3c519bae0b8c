#!/usr/bin/env python3
"""Make Longwave's environment on the first run, then hand over to its command line.

    python3 launch.py                 serve the studio and open the browser
    python3 launch.py test [...]      run the test suite (words go on to pytest)
    python3 launch.py lint            run ruff, mypy and import-linter
    python3 launch.py docs            make the documentation's site, in build/site
    python3 launch.py render ...      anything else goes on to the command line
    python3 launch.py --torch cpu     first choose PyTorch's build without CUDA

Standard library only, and syntax that an old Python reads, so that a wrong one gets a sentence and not a
traceback; likewise what it imports of studio/core/install. The environment is `.venv` beside this file; uv
makes it from `requirements.txt`, and it counts as ready when every compiled package in it was loaded once.
"""

import contextlib
import errno
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, MutableMapping, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path:  # Python may have been told not to put it there
    sys.path.insert(0, str(ROOT))

from studio.core.install import environment  # noqa: E402
from studio.core.install.environment import NEWEST, OLDEST, OPTIONAL, VENV, say  # noqa: E402
from studio.core.install.sentences import LaunchError  # noqa: E402
from studio.core.install.uv import LOCAL, run_quietly, scripts  # noqa: E402

STORAGE = "/data"  # a Space's own disk, if it has one
PROXIES = (
    "127.0.0.1,10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16"  # of a Space: in its host's network
)
STAMP = VENV / "longwave.json"
TRIED = LOCAL / "tried.json"  # the same of an environment that is not ours
ENTRY = "studio.app"
GROUPS = {"test": ("test", "aisfx", "ray", "mcp"), "lint": ("lint",), "docs": ("docs",)}
ASKED = {"--mcp": "mcp"}  # words that ask for what a group installs
# In as many processes as tests/conftest.py says. One that dies ends the run: pytest-xdist begins another in
# its place, but leaves it waiting for tests where whole files are handed out.
SUITE = ("-n", "auto", "--max-worker-restart=0", "-m", "not soak and not gpu")
# Runs a module as `python -m` does, with the project's folder, and not the current one, at the head of the
# path. The folder is an argument: in PYTHONPATH its name could hold no colon.
RUNNER = (
    "import sys; sys.path[:] = [sys.argv.pop(1)] + [p for p in sys.path if p]; import runpy; "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
# import-linter is a script alone, and can't be run as a module.
LAYERS = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports(no_cache=True))"


# --- words on the command line ---------------------------------------------------------------------------


def parse_words(words: Sequence[str], environ: Mapping[str, str]) -> Tuple[Optional[str], List[str]]:
    """Split off `--torch`; give the choice (None if not made) and the words of the command line."""
    torch, rest = None, []  # type: Tuple[Optional[str], List[str]]
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word == "--torch" or word.startswith("--torch="):
            torch = word[len("--torch=") :] if "=" in word else (pending.pop(0) if pending else "")
            if torch not in ("auto", "cpu"):
                raise LaunchError("--torch takes auto or cpu: try 'python3 launch.py --torch cpu'.", 2)
        else:
            rest.append(word)
    if not rest or (rest[0].startswith("-") and rest[0] not in ("--help", "--version")):
        rest = ["serve", *(space_words() if environ.get("SPACE_ID") else []), *rest]
    return torch, rest


def space_words() -> List[str]:
    """How a Hugging Face Space is served: through its host's proxy, without a screen, to strangers."""
    place = STORAGE if os.access(STORAGE, os.W_OK) else tempfile.gettempdir()
    return ["--host", "0.0.0.0", "--no-browser", "--visitors", os.path.join(place, "longwave-visitors")]


def prepare_space(environ: MutableMapping[str, str]) -> None:
    """Let a Space tell its visitors apart, who all come by its proxy, and write where it may."""
    environ.setdefault("FORWARDED_ALLOW_IPS", PROXIES)
    for name in ("MPLCONFIGDIR", "HF_HOME"):
        environ.setdefault(name, os.path.join(tempfile.gettempdir(), "longwave-" + name.lower()))


def command_for(python: str, words: Sequence[str]) -> List[List[str]]:
    """The processes that `words` ask for, in order; the last one's exit status counts if all before are 0."""
    program = [python, "-c", RUNNER, str(ROOT)]
    if words[0] == "test":
        return [[*program, "pytest", *SUITE, *words[1:]]]
    if words[0] == "lint":
        ruff = [*program, "ruff"]
        return [
            [*ruff, "check", "."],
            [*ruff, "format", "--check", "."],
            [*program, "mypy"],
            [python, "-c", LAYERS],
        ]
    if words[0] == "docs":
        return [[*program, "docs.build", *words[1:]]]
    return [[*program, ENTRY, *words]]


# --- is everything there already? ------------------------------------------------------------------------


def check_python(version: Sequence[int]) -> None:
    """Refuse an interpreter too old to run even the installer."""
    if tuple(version) < (3, 8):
        raise LaunchError(
            "Longwave needs Python 3.11 or 3.12 and this is Python %d.%d: install one from "
            "https://www.python.org and run it with launch.py." % tuple(version),
            2,
        )


def already_importable(groups: Sequence[str]) -> bool:
    """Whether this interpreter holds what is needed, and it loads: a Space, an activated environment."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST or os.path.realpath(sys.prefix) == os.path.realpath(VENV):
        return False
    from studio.core.install.trial import installed

    versions = installed(groups)
    if not versions:
        return False
    stamp = {"python": sys.executable, "fingerprint": fingerprint(), "versions": versions}
    if read_stamp(TRIED) == stamp:
        return True
    # Not isolated as our own: its packages may be the user's. One that the system lends a library works too.
    for fault in environment.try_packages(sys.executable, groups, os.environ, "-P"):
        if fault["needed"] and not fault["borrows"]:
            say("The package %s doesn't load in this environment: making one in .venv." % fault["name"])
            return False
    with contextlib.suppress(OSError):
        TRIED.parent.mkdir(exist_ok=True)
        TRIED.write_text(json.dumps(stamp), encoding="utf-8")
    return True


def fingerprint() -> str:
    """Changes whenever the environment must be brought up to date, or tried for more than it was."""
    digest = hashlib.sha256()
    for path in (ROOT / "requirements.txt", ROOT / "pyproject.toml", environment.TRIAL):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_stamp(path: Path) -> Dict[str, Any]:
    """What the environment was last made from; empty if that is unknown."""
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def is_current(stamp: Dict[str, Any], wanted: str, groups: Sequence[str], torch: Optional[str]) -> bool:
    """Whether the environment that left `stamp` already is what is asked for."""
    return (
        stamp.get("fingerprint") == wanted
        and set(groups) <= set(stamp.get("groups", ()))
        and torch in (None, stamp.get("torch"))
    )


# --- the environment -------------------------------------------------------------------------------------


def make_environment(groups: Sequence[str], torch: Optional[str]) -> str:
    """Bring `.venv` up to date with requirements.txt and `groups`; give its interpreter."""
    python = scripts(VENV, "python")
    if is_ready(python, groups, torch):
        return python
    with alone():
        if is_ready(python, groups, torch):  # another has made it meanwhile
            return python
        stamp = read_stamp(STAMP)
        groups = sorted(set(groups) | set(stamp.get("groups", ())))
        choice = torch or stamp.get("torch") or "auto"
        with contextlib.suppress(OSError):
            STAMP.unlink()  # it isn't so any more while packages are being changed
        environment.build(groups, choice, stamp.get("torch"))
        stamp = {"fingerprint": fingerprint(), "groups": groups, "torch": choice}
        STAMP.write_text(json.dumps(stamp), encoding="utf-8")
    return python


def is_ready(python: str, groups: Sequence[str], torch: Optional[str]) -> bool:
    """Whether `.venv` starts and is what is asked for."""
    current = is_current(read_stamp(STAMP), fingerprint(), groups, torch)
    return current and run_quietly([python, "-c", ""], os.environ).returncode == 0


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the project's lock, or wait for it; the system takes it back from a process that died."""
    LOCAL.mkdir(exist_ok=True)
    with open(str(LOCAL / "lock"), "a") as file:
        if not lock(file.fileno(), wait=False):
            say("Another launch.py is making the environment; waiting for it ...")
            lock(file.fileno(), wait=True)
        yield


def lock(descriptor: int, wait: bool) -> bool:
    """Lock a file for this process; False if another holds it and this is not to wait."""
    if os.name == "nt":
        import msvcrt
        import time

        while True:
            try:
                os.lseek(descriptor, 0, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
                return True
            except OSError:
                if not wait:
                    return False
                time.sleep(0.5)
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        # A disk without locks, some network's, is no reason not to start.
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


# --- handing over ----------------------------------------------------------------------------------------


def hand_over(commands: Sequence[Sequence[str]], words: Sequence[str]) -> int:
    """Run the commands. The last one replaces this process where that works."""
    if words[0] in GROUPS:
        os.chdir(str(ROOT))
    for command in commands[:-1]:
        status = subprocess.call(list(command))
        if status:
            return status
    if os.name != "nt":  # so that signals and the exit status are the program's own
        os.execv(commands[-1][0], list(commands[-1]))
    return subprocess.call(list(commands[-1]))


def run(words: Sequence[str]) -> int:
    """Do what the command line asks; give the exit status."""
    check_python(sys.version_info[:2])
    os.environ.pop("PYTHONOPTIMIZE", None)  # 2 strips docstrings, which transformers can't do without
    torch, rest = parse_words(words, os.environ)
    if os.environ.get("SPACE_ID"):
        prepare_space(os.environ)
    groups = (*GROUPS.get(rest[0], ()), *(group for word, group in ASKED.items() if word in rest))
    python = sys.executable if already_importable(groups) else make_environment((*groups, *OPTIONAL), torch)
    return hand_over(command_for(python, rest), rest)


def main(words: Sequence[str]) -> int:
    """`run`, with every failure told in one sentence."""
    try:
        return run(words)
    except LaunchError as error:
        say(str(error))
        return error.code
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except OSError as error:
        if error.errno == errno.ENOSPC:
            say("The disk is full: make some room and run this again.")
        else:
            say("%s: check the project's folder and run this again." % error)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
