#!/usr/bin/env python3
"""Make Longwave's environment on the first run, then hand over to its command line.

    python3 launch.py                 serve the studio and open the browser
    python3 launch.py test [...]      run the test suite (words go on to pytest)
    python3 launch.py lint            run ruff and mypy
    python3 launch.py render ...      anything else goes on to the command line
    python3 launch.py --torch cpu     first choose PyTorch's build without CUDA

Standard library only, and syntax that an old Python reads, so that a wrong one gets a sentence and not a
traceback. The environment is `.venv` beside this file; uv makes it from `requirements.txt`.
"""

import ast
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PRIVATE_UV = ROOT / ".uv"
STAMP = VENV / "longwave.json"
ENTRY = "studio.app"
OLDEST, NEWEST = (3, 11), (3, 12)
PYTHONS = ">=3.11,<3.13"
OLDEST_UV = (0, 8)
DISK_NEEDED = {"cpu": 3 * 10**9, "cuda": 9 * 10**9}
GROUPS = {"test": ("test",), "lint": ("lint",)}
OPTIONAL = ("audiocraft",)  # the Dual tab's drafts: an environment of our own has it, one found may lack it
SUITE = ("-m", "not soak and not gpu")

# What an installer's output means, the most telling signs first.
REASONS = (
    (
        r"No space left|os error (28|112)\b|Disk quota|not enough space",
        "The disk is full: make some room (the packages take 2 to 6 GB) and run this again.",
    ),
    (
        r"Permission denied|Read-only file system|Access is denied",
        "The project's folder or the package cache can't be written: check permissions, run this again.",
    ),
    (
        r"certificate|UnknownIssuer",
        "The package index's certificate is not trusted: set pip's 'cert' or SSL_CERT_FILE, run this again.",
    ),
    (
        r"No interpreter found|No download found|python-build-standalone",
        "Longwave needs Python 3.11 or 3.12: install one from https://www.python.org and run this again.",
    ),
    (
        r"dns error|error sending request|failed to (fetch|download)|connect|timed out|name resolution",
        "The package index can't be reached: check the network or pip's index and proxy, run this again.",
    ),
    (
        r"No solution found|No matching distribution|not found in the package registry",
        "The package index lacks a version that requirements.txt names: set another index, run this again.",
    ),
)

Environ = Dict[str, str]


class LaunchError(Exception):
    """What went wrong and what to do about it, in one sentence."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


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
        # A Space is reached through its host's proxy, and has no screen.
        space = ["--host", "0.0.0.0", "--no-browser"] if environ.get("SPACE_ID") else []
        rest = ["serve", *space, *rest]
    return torch, rest


def command_for(python: str, words: Sequence[str]) -> List[List[str]]:
    """The processes that `words` ask for, in order; the last one's exit status counts if all before are 0."""
    if words[0] == "test":
        return [[python, "-m", "pytest", *SUITE, *words[1:]]]
    if words[0] == "lint":
        return [[python, "-m", "ruff", "check", "."], [python, "-m", "mypy"]]
    return [[python, "-m", ENTRY, *words]]


# --- is everything there already? ------------------------------------------------------------------------


def check_python(version: Sequence[int]) -> None:
    """Refuse an interpreter too old to run even the installer."""
    if tuple(version) < (3, 8):
        raise LaunchError(
            "Longwave needs Python 3.11 or 3.12 and this is Python %d.%d: install one from "
            "https://www.python.org and run it with launch.py." % tuple(version),
            2,
        )


def version_numbers(text: str) -> Tuple[int, ...]:
    """The leading numbers of a version: "2.13.0+cpu" → (2, 13, 0)."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def satisfies(version: str, requirement: str) -> bool:
    """Whether `version` meets the bounds (>=, <, ==) of a requirement such as "torch>=2.11,<2.14"."""

    def padded(numbers: Tuple[int, ...]) -> Tuple[int, ...]:
        return numbers + (0,) * (4 - len(numbers))

    have = padded(version_numbers(version))
    for sign, bound in re.findall(r"(>=|<|==)\s*([\d.]+)", requirement.split(";")[0]):
        want = padded(version_numbers(bound))
        if not {">=": have >= want, "<": have < want, "==": have == want}[sign]:
            return False
    return True


def requirements_of(project: Dict[str, Any], groups: Sequence[str]) -> List[str]:
    """Direct requirements of the project and of `groups` in a parsed pyproject.toml."""
    found = list(project["project"]["dependencies"])
    for group in groups:
        for item in project["dependency-groups"][group]:
            found += [item] if isinstance(item, str) else requirements_of_group(project, item)
    return found


def requirements_of_group(project: Dict[str, Any], item: Dict[str, str]) -> List[str]:
    """Requirements of a group that another one includes."""
    return [line for line in project["dependency-groups"][item["include-group"]] if isinstance(line, str)]


def already_importable(groups: Sequence[str]) -> bool:
    """Whether this very interpreter holds what is needed (a Space, an activated environment)."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return False
    import tomllib  # type: ignore[import-not-found, unused-ignore]  # exists on every supported Python
    from importlib.metadata import PackageNotFoundError, version

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for requirement in requirements_of(project, groups):
        name = re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]
        try:
            if not satisfies(version(name), requirement):
                return False
        except PackageNotFoundError:
            return False
    return True


def fingerprint() -> str:
    """Changes whenever the environment must be brought up to date."""
    digest = hashlib.sha256()
    for name in ("requirements.txt", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def read_stamp() -> Dict[str, Any]:
    """What the environment was last made from; empty if that is unknown."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
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


# --- uv, with pip's settings -----------------------------------------------------------------------------


def parse_pip_config(text: str) -> Dict[str, str]:
    """`pip config list` → option → value. The environment wins over [install], that over [global]."""
    ranks = {"global": 0, "install": 1, ":env:": 2}
    found = {}  # type: Dict[str, Tuple[int, str]]
    for line in text.splitlines():
        match = re.match(r"(global|install|:env:)\.([\w-]+)=(.+)$", line.strip())
        if not match:
            continue
        rank, option = ranks[match.group(1)], match.group(2)
        try:
            value = str(ast.literal_eval(match.group(3)))
        except (ValueError, SyntaxError):
            value = match.group(3)
        if option not in found or rank >= found[option][0]:
            found[option] = (rank, value)
    return {option: value for option, (_, value) in found.items()}


def pip_settings(environ: Mapping[str, str]) -> Dict[str, str]:
    """Pip's own settings, as pip reads them; its environment variables alone where there is no pip."""
    done = run_quietly([sys.executable, "-m", "pip", "config", "list"], environ)
    if done.returncode == 0:
        return parse_pip_config(done.stdout)
    pip = {key[4:]: value for key, value in environ.items() if key.startswith("PIP_")}
    return {key.lower().replace("_", "-"): value for key, value in pip.items()}


def uv_environ(pip: Mapping[str, str], environ: Mapping[str, str]) -> Environ:
    """`environ` plus uv's names for pip's settings. What is set for uv already stays as it is."""
    result = dict(environ)

    def give(value: Optional[str], name: str, *rivals: str) -> None:
        if value and not any(environ.get(key) for key in (name, *rivals)):
            result[name] = value

    def words(option: str) -> List[str]:
        return pip.get(option, "").split()

    give(",".join(words("find-links")), "UV_FIND_LINKS")
    give(pip.get("index-url"), "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    give(" ".join(words("extra-index-url")), "UV_INDEX", "UV_EXTRA_INDEX_URL")
    if "UV_INDEX" in result and "UV_INDEX" not in environ:
        # Pip weighs the versions of all its indexes together; uv would stop at the first that has the name.
        give("unsafe-best-match", "UV_INDEX_STRATEGY")
    give(" ".join(words("trusted-host")), "UV_INSECURE_HOST")
    cert = pip.get("cert", "")
    give(cert, "SSL_CERT_DIR" if os.path.isdir(cert) else "SSL_CERT_FILE")
    give(pip.get("client-cert"), "SSL_CLIENT_CERT")
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        give(pip.get("proxy"), name, name.lower())
    give(pip.get("timeout") or pip.get("default-timeout"), "UV_HTTP_TIMEOUT")
    return result


def run_quietly(
    command: Sequence[str], environ: Mapping[str, str], cwd: Optional[str] = None
) -> "subprocess.CompletedProcess[str]":
    """Run and capture; a program that can't be started counts as one that failed."""
    try:
        return subprocess.run(
            list(command),
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return subprocess.CompletedProcess(list(command), 127, "", str(error))


def scripts(folder: Path, name: str) -> str:
    """Path of a program inside a virtual environment."""
    return str(folder / "Scripts" / (name + ".exe") if os.name == "nt" else folder / "bin" / name)


def works(uv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether this uv starts (a version manager's shim may not) and is recent enough."""
    done = run_quietly([*uv, "--version"], environ)
    match = re.match(r"uv (\d+)\.(\d+)", done.stdout)
    return done.returncode == 0 and match is not None and tuple(map(int, match.groups())) >= OLDEST_UV


def find_uv(environ: Mapping[str, str]) -> List[str]:
    """The command that runs uv: from PATH, as a module, or from the project's private environment."""
    on_path = shutil.which("uv")
    candidates = [[on_path]] if on_path else []
    candidates += [[sys.executable, "-m", "uv"], [scripts(PRIVATE_UV, "uv")]]
    for candidate in candidates:
        if works(candidate, environ):
            return candidate
    return install_uv(environ)


def install_uv(environ: Mapping[str, str]) -> List[str]:
    """Put uv into `.uv` with pip, which reads its own settings."""
    say("Installing uv, which installs the rest ...")
    made = run_quietly([sys.executable, "-m", "venv", "--clear", str(PRIVATE_UV)], environ)
    if made.returncode:
        raise LaunchError(explain_venv(made.stdout + made.stderr))
    pip = [scripts(PRIVATE_UV, "python"), "-m", "pip", "install", "--quiet", "uv>=0.8"]
    done = run_quietly(pip, environ)
    uv = [scripts(PRIVATE_UV, "uv")]
    if done.returncode or not works(uv, environ):
        raise LaunchError(explain(done.stderr or "uv does not start", free_space(), DISK_NEEDED["cpu"]))
    return uv


# --- what to tell the user -------------------------------------------------------------------------------


def say(text: str) -> None:
    """One line to the terminal; standard output belongs to the command."""
    print("longwave: " + text, file=sys.stderr, flush=True)


def explain_venv(output: str) -> str:
    """Why `python -m venv` failed."""
    if re.search(r"ensurepip|No module named '?venv", output):
        return (
            "This Python comes without the module venv: install it (on Debian 'sudo apt install "
            "python3-venv') or install uv (https://docs.astral.sh/uv), then run this again."
        )
    return explain(output, free_space(), DISK_NEEDED["cpu"])


def explain(output: str, free: int, needed: int) -> str:
    """Turn an installer's output into one sentence that says what to do."""
    for pattern, sentence in REASONS:
        if re.search(pattern, output, re.I):
            return sentence
    if free < needed:
        return "The disk may be too full: make about %d GB of room and run this again." % (needed // 10**9)
    return "Installing the packages failed: delete the folder .venv and run this again."


def free_space() -> int:
    """Bytes free where packages go: the project's disk and the home's, which holds uv's cache."""
    places = [ROOT, Path(os.path.expanduser("~"))]
    return min(shutil.disk_usage(str(place)).free for place in places if place.exists())


# --- the environment -------------------------------------------------------------------------------------


def pinned_torch() -> str:
    """The version of torch that requirements.txt names."""
    match = re.search(r"^torch==([\w.]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    if not match:
        raise LaunchError("requirements.txt names no version of torch: restore the file from the repository.")
    return match.group(1)


def torch_backend(uv: Sequence[str], python: str, choice: str, environ: Environ) -> Environ:
    """The environment in which uv takes the right build of torch.

    Only Linux has the question: elsewhere the index's build has no CUDA. Without an NVIDIA driver 'auto'
    takes the CPU build where it can be had, because CUDA's libraries are 4 GB that nothing would use.
    """
    if not sys.platform.startswith("linux") or (choice == "auto" and os.path.exists("/proc/driver/nvidia")):
        return environ
    probe = [*uv, "pip", "install", "--dry-run", "--no-deps", "--python", python]
    probe.append("torch==%s+cpu" % pinned_torch())
    impatient = dict(environ, UV_HTTP_RETRIES="0")
    elsewhere = tempfile.gettempdir()  # away from pyproject.toml, whose overrides would hide the "+cpu"
    if run_quietly(probe, impatient, elsewhere).returncode == 0:
        return environ  # uv prefers the local version +cpu to the plain one by itself
    if run_quietly(probe, dict(impatient, UV_TORCH_BACKEND="cpu"), elsewhere).returncode == 0:
        return dict(environ, UV_TORCH_BACKEND="cpu")
    if choice == "cpu":
        raise LaunchError(
            "No index in reach has PyTorch's CPU build: add https://download.pytorch.org/whl/cpu to pip's "
            "extra-index-url, or run this again with '--torch auto'."
        )
    return environ


def make_environment(groups: Sequence[str], torch: Optional[str]) -> str:
    """Bring `.venv` up to date with requirements.txt and `groups`; give its interpreter."""
    python = scripts(VENV, "python")
    stamp = read_stamp()
    alive = run_quietly([python, "-c", ""], os.environ).returncode == 0
    if alive and is_current(stamp, fingerprint(), groups, torch):
        return python
    environ = uv_environ(pip_settings(os.environ), os.environ)
    environ.pop("VIRTUAL_ENV", None)
    uv = find_uv(environ)
    if not alive:
        stamp = {}
        make_venv(uv, environ)
    groups = sorted(set(groups) | set(stamp.get("groups", ())))
    choice = torch or stamp.get("torch") or "auto"
    say("Installing the packages into .venv; the first time this takes some minutes ...")
    install(uv, python, groups, torch_backend(uv, python, choice, environ))
    STAMP.write_text(json.dumps({"fingerprint": fingerprint(), "groups": groups, "torch": choice}))
    return python


def make_venv(uv: Sequence[str], environ: Environ) -> None:
    """Make an empty `.venv`, on this interpreter if it fits, else on one that uv finds or fetches."""
    fits = OLDEST <= sys.version_info[:2] <= NEWEST
    wanted = sys.executable if fits else PYTHONS
    done = run_quietly([*uv, "venv", "--quiet", "--clear", "--python", wanted, str(VENV)], environ)
    if done.returncode:
        raise LaunchError(explain(done.stderr, free_space(), DISK_NEEDED["cpu"]))


def install(uv: Sequence[str], python: str, groups: Sequence[str], environ: Environ) -> None:
    """Install what is pinned, showing uv's own progress; if that fails, ask again quietly for the reason.

    Bytecode is compiled here, so that the first start is as quick as any other.
    """
    command = [*uv, "pip", "install", "--python", python, "--compile-bytecode"]
    command += ["--requirements", str(ROOT / "requirements.txt")]
    for group in groups:
        command += ["--group", "%s:%s" % (ROOT / "pyproject.toml", group)]
    if subprocess.call(command, env=environ, cwd=str(ROOT), stdout=sys.stderr.fileno()) == 0:
        return
    reason = run_quietly([*command, "--dry-run"], environ)
    needed = DISK_NEEDED["cuda" if sys.platform.startswith("linux") else "cpu"]
    raise LaunchError(explain(reason.stderr if reason.returncode else "", free_space(), needed))


# --- handing over ----------------------------------------------------------------------------------------


def hand_over(commands: Sequence[Sequence[str]], words: Sequence[str]) -> int:
    """Run the commands with the project importable. The last one replaces this process where that works."""
    environ = dict(os.environ)
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH")]))
    if words[0] in GROUPS:
        os.chdir(str(ROOT))
    for command in commands[:-1]:
        status = subprocess.call(list(command), env=environ)
        if status:
            return status
    if os.name != "nt":  # so that signals and the exit status are the program's own
        os.execve(commands[-1][0], list(commands[-1]), environ)
    return subprocess.call(list(commands[-1]), env=environ)


def run(words: Sequence[str]) -> int:
    """Do what the command line asks; give the exit status."""
    check_python(sys.version_info[:2])
    torch, rest = parse_words(words, os.environ)
    groups = GROUPS.get(rest[0], ())
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
