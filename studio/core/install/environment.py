"""The project's own environment: made by uv, tried package by package, mended, and only then called ready."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from studio.core.install.sentences import (
    DISK_NEEDED,
    LaunchError,
    does_not_load,
    explain,
    explain_python,
    free_space,
    is_debian,
)
from studio.core.install.uv import (
    ROOT,
    Environ,
    Indexes,
    fetch_uv,
    find_uv,
    pip_settings,
    run_quietly,
    scripts,
    uv_environ,
)

VENV = ROOT / ".venv"
TRIAL = Path(__file__).with_name("trial.py")
OLDEST, NEWEST = (3, 11), (3, 12)
PYTHONS = ">=3.11,<3.13"
OPTIONAL = ("audiocraft",)  # the Dual tab's drafts: without them the rest works
ELSEWHERE = tempfile.gettempdir()  # away from pyproject.toml, whose overrides would hide torch's "+cpu"

Fault = Dict[str, Any]


def say(text: str) -> None:
    """One line to the terminal; standard output belongs to the command."""
    print("longwave: " + text, file=sys.stderr, flush=True)


def room() -> int:
    """Bytes free on the project's disk and the home's, which holds uv's cache."""
    return free_space([ROOT, Path(os.path.expanduser("~"))])


def build(groups: Sequence[str], torch: str, old_torch: Optional[str]) -> str:
    """Bring `.venv` up to date with requirements.txt and `groups`, and try it; give its interpreter.

    Args:
        groups: of pyproject.toml.
        torch: "auto" or "cpu", torch's build.
        old_torch: what it was when the environment was last made.

    Raises:
        LaunchError: it can't be made here.
    """
    pip = pip_settings(os.environ)
    environ = uv_environ(pip, os.environ)
    uv = find_uv(environ)
    if uv is None:
        say("Installing uv, which installs the rest ...")
        uv, output = fetch_uv(environ)
        if uv is None:
            raise LaunchError(explain(output, room(), DISK_NEEDED["cpu"]))
    indexes = Indexes(uv, pip, environ)
    python = scripts(VENV, "python")
    if run_quietly([python, "-c", ""], os.environ).returncode:
        make_venv(uv, environ)
    say("Installing the packages into .venv; the first time this takes some minutes ...")
    installer = Installer(uv, python, indexes)
    plain_again = not installer.install_cpu_torch(torch) and old_torch == "cpu"
    installer.install_all(groups, ["--reinstall-package", "torch"] if plain_again else [])
    say("Trying the packages ...")
    installer.mend([group for group in groups if group not in OPTIONAL])
    return python


def make_venv(uv: Sequence[str], environ: Environ) -> None:
    """Make an empty `.venv`, on this interpreter if it fits, else on one that uv finds or fetches."""
    fits = OLDEST <= sys.version_info[:2] <= NEWEST
    wanted = sys.executable if fits else PYTHONS
    done = run_quietly([*uv, "venv", "--quiet", "--clear", "--python", wanted, str(VENV)], environ)
    if done.returncode:
        reason = explain if fits else explain_python
        raise LaunchError(reason(done.stderr, room(), DISK_NEEDED["cpu"]))


def pinned_torch() -> str:
    """The version of torch that requirements.txt names."""
    match = re.search(r"^torch==([\w.]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    if not match:
        raise LaunchError("requirements.txt names no version of torch: restore the file from the repository.")
    return match.group(1)


def try_packages(
    python: str,
    groups: Sequence[str],
    environ: Mapping[str, str],
    flags: str = "-I",
    only: Sequence[str] = (),
) -> List[Fault]:
    """Load every compiled package once, in one process of `python`; what is wrong, causes before effects.

    Each fault has `name`, `version`, `why`, whether the package `borrows` the system's library, and whether
    it is `needed`. A package that ends the whole process is one of them.
    """
    command = [python, flags, str(TRIAL), "--groups", *groups, "--perhaps", *OPTIONAL]
    command += ["--only", *only] if only else []
    done = run_quietly(command, environ)
    faults, last = [], {}  # type: Tuple[List[Fault], Fault]
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        if "trying" in entry:
            last = entry
        else:
            faults.append(entry)
    if done.returncode:
        name = last.get("trying", "Python")
        why = "Python crashes when it is loaded"
        if not last:
            why = (done.stderr.strip().splitlines() or ["it does not start"])[-1]
        fault = {"name": name, "version": last.get("version", ""), "why": why}
        faults.append(dict(fault, borrows=False, needed=last.get("needed", True)))
    return sorted(faults, key=lambda fault: not fault["needed"])


class Installer:
    """uv's `pip install` into one environment, from several sources in turn."""

    def __init__(self, uv: Sequence[str], python: str, indexes: Indexes) -> None:
        self.command = [*uv, "pip", "install", "--python", python]
        self.python = python
        self.indexes = indexes

    def resolve(
        self, words: Sequence[str], orders: Sequence[Environ], cwd: str
    ) -> Tuple[Optional[Environ], str]:
        """The first of `orders` in which uv finds all that `words` ask for; None and what uv said first.

        What can't be built here is asked for as a wheel, which another index may have.
        """
        said = []
        for order in orders:
            environ, wheels = dict(order), order.get("UV_NO_BUILD_PACKAGE", "").split()
            while True:
                done = run_quietly([*self.command, "--dry-run", *words], environ, cwd)
                if done.returncode == 0:
                    return environ, ""
                said.append(done.stderr)
                unbuilt = re.search(r"Failed to build `([\w.-]+)==", done.stderr)
                if not unbuilt or unbuilt.group(1) in wheels:
                    break
                wheels.append(unbuilt.group(1))
                environ["UV_NO_BUILD_PACKAGE"] = " ".join(wheels)
        return None, said[0]

    def install(self, words: Sequence[str], environ: Environ, cwd: str) -> None:
        """Install, showing uv's own progress. Bytecode is compiled here, so that the first start is quick.

        Raises:
            LaunchError: it failed; uv has told the details.
        """
        command = [*self.command, "--compile-bytecode", *words]
        if subprocess.call(command, env=environ, cwd=cwd, stdout=sys.stderr.fileno()):
            reason = run_quietly([*self.command, "--dry-run", *words], environ, cwd)
            raise self.failure(reason.stderr if reason.returncode else "")

    def failure(self, said: str) -> LaunchError:
        """What is to be told when uv has said so much."""
        needed = DISK_NEEDED["cuda" if sys.platform.startswith("linux") else "cpu"]
        return LaunchError(explain(said, room(), needed))

    def install_cpu_torch(self, choice: str) -> bool:
        """Install torch's build without CUDA if that is wanted and can be had; whether it was.

        Only Linux has the question: elsewhere the index's build has no CUDA. Without an NVIDIA driver 'auto'
        takes the CPU build where it can be had, because CUDA's libraries are 4 GB that nothing would use. It
        goes first and by its own name, "+cpu", since to the rest any build of that version is as good.
        """
        orders = self.indexes.orders
        if not sys.platform.startswith("linux"):
            return False
        if choice == "auto" and (os.path.exists("/proc/driver/nvidia") or orders[0].get("UV_TORCH_BACKEND")):
            return False
        words = ["--no-deps", "torch==%s+cpu" % pinned_torch()]
        impatient = [dict(order, UV_HTTP_RETRIES="0") for order in orders]
        impatient.append(dict(orders[0], UV_HTTP_RETRIES="0", UV_TORCH_BACKEND="cpu"))
        environ, _ = self.resolve(words, impatient, ELSEWHERE)
        if environ is None and choice == "cpu":
            raise LaunchError(
                "No index in reach has PyTorch's CPU build: add https://download.pytorch.org/whl/cpu to "
                "pip's extra-index-url, or run this again with '--torch auto'."
            )
        if environ is not None:
            environ.pop("UV_HTTP_RETRIES")
            self.install(words, environ, ELSEWHERE)
        return environ is not None

    def install_all(self, groups: Sequence[str], words: Sequence[str]) -> None:
        """Install what is pinned."""
        # By name from the project's folder, whose own name may have a colon.
        words = [*words, "--requirements", "requirements.txt"]
        for group in groups:
            words += ["--group", group]
        environ, said = self.resolve(words, self.indexes.orders, str(ROOT))
        if environ is None:
            raise self.failure(said)
        self.install(words, environ, str(ROOT))

    def mend(self, groups: Sequence[str]) -> None:
        """Try every package; take one that doesn't load from another source.

        One that needs the system's library because no source has it with its own is left so.
        """
        given_up = set()  # type: set[str]
        while True:
            faults = [fault for fault in self.try_packages(groups) if fault["name"] not in given_up]
            if not faults:
                return
            fault = faults[0]
            left = self.take_from_another_source(fault, groups)
            if left is None:
                continue
            if left["needed"] and not left["borrows"]:
                raise LaunchError(does_not_load(left["name"], left["why"], is_debian()))
            if not left["needed"]:
                say("The package %s doesn't load: the Dual tab may have no drafts." % left["name"])
            given_up.add(left["name"])

    def try_packages(self, groups: Sequence[str], only: Sequence[str] = ()) -> List[Fault]:
        """`try_packages` in this environment."""
        return try_packages(self.python, groups, os.environ, only=only)

    def take_from_another_source(self, fault: Fault, groups: Sequence[str]) -> Optional[Fault]:
        """Install a package anew from each source in turn until it loads; else what is wrong at the end.

        Without uv's cache, which may hold the very file that is damaged.
        """
        name = fault["name"]
        if not fault["version"]:
            return fault
        words = ["--no-deps", "--no-cache", "--reinstall-package", name, "--only-binary", name]
        words.append("%s==%s" % (name, fault["version"]))
        say("The package %s doesn't load as it is (%s); looking for another ..." % (name, fault["why"]))
        borrowing = None
        for environ in [*self.indexes.alone, None]:
            if environ is None and borrowing is None:
                break  # none to go back to
            done = run_quietly([*self.command, *words], environ or borrowing or {}, ELSEWHERE)
            if done.returncode:
                continue
            left = [one for one in self.try_packages(groups, [name]) if one["name"] == name]
            if not left:
                return None
            fault = left[0]
            if fault["borrows"]:
                borrowing = environ
        return fault
