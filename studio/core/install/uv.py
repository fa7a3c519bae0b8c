"""uv: found or fetched, given pip's settings, and told in which order to ask the indexes."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parents[3]
LOCAL = ROOT / ".uv"  # what is fetched or kept for the installer, beside the environment
OLDEST_UV = (0, 8)
ENTRIES = re.compile(r"(global|install|:env:)\.([\w-]+)=(.+)$")

Environ = Dict[str, str]


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


# --- pip's settings --------------------------------------------------------------------------------------


def parse_pip_config(text: str) -> Dict[str, str]:
    """`pip config list` → option → value. The environment wins over [install], that over [global]."""
    ranks = {"global": 0, "install": 1, ":env:": 2}
    found = {}  # type: Dict[str, Tuple[int, str]]
    for line in text.splitlines():
        match = ENTRIES.match(line.strip())
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
    result.pop("VIRTUAL_ENV", None)

    def give(value: Optional[str], name: str, *rivals: str) -> None:
        if value and not any(environ.get(key) for key in (name, *rivals)):
            result[name] = value

    give(",".join(pip.get("find-links", "").split()), "UV_FIND_LINKS")
    give(pip.get("index-url"), "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    give(" ".join(pip.get("trusted-host", "").split()), "UV_INSECURE_HOST")
    cert = pip.get("cert", "")
    give(cert, "SSL_CERT_DIR" if os.path.isdir(cert) else "SSL_CERT_FILE")
    give(pip.get("client-cert"), "SSL_CLIENT_CERT")
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        give(pip.get("proxy"), name, name.lower(), "ALL_PROXY", "all_proxy")
    give(pip.get("timeout") or pip.get("default-timeout"), "UV_HTTP_TIMEOUT")
    if not can_keep_a_cache(environ):
        give(str(LOCAL / "cache"), "UV_CACHE_DIR", "XDG_CACHE_HOME")
        give(str(LOCAL / "python"), "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME")
    return result


def can_keep_a_cache(environ: Mapping[str, str]) -> bool:
    """Whether uv's ordinary place for its cache is there and can be written."""
    if os.name == "nt":
        return True
    home = environ.get("HOME", "")
    if not os.path.isdir(home):
        return False
    place = os.path.join(home, ".cache", "uv")
    while not os.path.exists(place):
        place = os.path.dirname(place)
    try:
        tempfile.TemporaryFile(dir=place).close()  # os.access says yes to root, whatever the disk says
    except OSError:
        return False
    return True


# --- the order of the indexes ----------------------------------------------------------------------------


class Indexes:
    """From where packages may come: uv's environments, the one to be tried first at the head of each list.

    Pip's extra indexes are asked only for what the default one lacks: a name, a version, or a wheel that fits
    this machine. uv asks its extra indexes before the default one, so that is named among them, in front.
    """

    def __init__(self, uv: Sequence[str], pip: Mapping[str, str], environ: Environ) -> None:
        extras = pip.get("extra-index-url", "").split()
        if environ.get("UV_INDEX") or environ.get("UV_EXTRA_INDEX_URL"):
            extras = []
        default = default_index(uv, environ) if extras else None
        if default is None:
            self.orders, self.alone = [environ], [environ]
        else:
            every = [default, *extras]
            base = dict(environ, UV_INDEX=" ".join(every), UV_DEFAULT_INDEX=every[0])
            # The first takes a version from the first index that has one, but stops at one without a wheel
            # for this machine; the second goes on to the next index then, and weighs all versions together.
            strategies = ["unsafe-first-match", "unsafe-best-match"]
            if environ.get("UV_INDEX_STRATEGY"):
                strategies = [environ["UV_INDEX_STRATEGY"]]
            self.orders = [dict(base, UV_INDEX_STRATEGY=strategy) for strategy in strategies]
            # Last, without the default index: it may be out of reach where a local one has everything.
            self.orders.append(
                dict(self.orders[-1], UV_INDEX=" ".join(extras), UV_DEFAULT_INDEX=extras[-1]),
            )
            self.alone = [dict(environ, UV_DEFAULT_INDEX=index) for index in every]
        if "find-links" in pip and pip["find-links"].split() == environ.get("UV_FIND_LINKS", "").split(","):
            self.alone = self.alone + [
                {key: value for key, value in one.items() if key != "UV_FIND_LINKS"} for one in self.alone
            ]


def default_index(uv: Sequence[str], environ: Mapping[str, str]) -> Optional[str]:
    """The index that uv asks for what no other has: pip's, one of uv's own settings, or the public one."""
    command = [*uv, "pip", "compile", "-", "--quiet", "--emit-index-url", "--python", sys.executable]
    done = run_quietly(command, environ, tempfile.gettempdir())
    match = re.search(r"^--index-url (\S+)", done.stdout, re.M)
    return match.group(1) if match else None


# --- uv itself -------------------------------------------------------------------------------------------


def works(uv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether this uv starts (a version manager's shim may not) and is recent enough."""
    done = run_quietly([*uv, "--version"], environ)
    match = re.match(r"uv (\d+)\.(\d+)", done.stdout)
    return done.returncode == 0 and match is not None and tuple(map(int, match.groups())) >= OLDEST_UV


def private_uv() -> List[str]:
    """The uv that `fetch_uv` has put beside the environment."""
    return [str(LOCAL / "bin" / ("uv.exe" if os.name == "nt" else "uv"))]


def find_uv(environ: Mapping[str, str]) -> Optional[List[str]]:
    """The command that runs uv: from PATH, as a module, or the project's own; None if there is none."""
    on_path = shutil.which("uv")
    candidates = [[on_path]] if on_path else []
    candidates += [[sys.executable, "-m", "uv"], private_uv()]
    for candidate in candidates:
        if works(candidate, environ):
            return candidate
    return None


def fetch_uv(environ: Mapping[str, str]) -> Tuple[Optional[List[str]], str]:
    """Fetch uv with pip, which reads its own settings; the command that runs it, or None and what was said.

    A Python without pip lends one from an environment made for that, which lies in a folder of its own: venv
    refuses a place whose name has a colon.
    """
    # What pip may be set to elsewhere, and can't be together with a target.
    free = dict(environ, PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0")
    words = ["-m", "pip", "install", "--quiet", "--upgrade", "--target", str(LOCAL), "uv>=0.8"]
    if run_quietly([sys.executable, "-m", "pip", "--version"], free).returncode == 0:
        done = run_quietly([sys.executable, *words], free)
    else:
        with tempfile.TemporaryDirectory() as folder:
            done = run_quietly([sys.executable, "-m", "venv", folder], free)
            if done.returncode == 0:
                done = run_quietly([scripts(Path(folder), "python"), *words], free)
    uv = private_uv()
    if done.returncode == 0 and works(uv, environ):
        return uv, ""
    return None, done.stdout + done.stderr
