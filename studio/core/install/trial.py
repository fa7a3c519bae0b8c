"""Does this interpreter hold what the project needs, and does the compiled part of it load?

launch.py runs this file by its path, in the environment that it made or found; so it keeps to the standard
library. A package whose metadata is there may still lack a library of its own, and an import may succeed only
because the system happens to have it: both are told apart from a package that works.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import io
import json
import os
import re
import sys
import tomllib
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution, version
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
# Without the bare ".so": what is named so is a library, which only its package knows how to load.
_TAGGED = tuple(suffix for suffix in EXTENSION_SUFFIXES if suffix != ".so")
_LIBRARY = re.compile(r"\.(so(\.[\d.]+)?|dylib|dll|pyd)$")
# Its wheel for any platform holds no library, and takes whatever the system has.
_BRINGS_A_LIBRARY = {"soundfile"}
_FORMATS = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III", "AIFF": "PCM_16"}
# What the linker says of a library that is missing, cut short, or made for another system.
_NOT_LOADED = re.compile(
    r"shared object|undefined symbol|file too short|invalid ELF|\bversion `|wrong ELF class|static TLS|"
    r"DLL load failed|not a valid Win32|Library not loaded|[Ss]ymbol not found|image not found|"
    r"incompatible architecture|code signature"
)


@dataclass(frozen=True)
class Fault:
    """A package that doesn't load, or (`borrows`) only with the system's library in the place of its own."""

    name: str
    version: str
    why: str
    borrows: bool = False
    needed: bool = True


# --- requirements ----------------------------------------------------------------------------------------


def version_numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: "2.13.0+cpu" → (2, 13, 0)."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def satisfies(version: str, requirement: str) -> bool:
    """Whether `version` meets the bounds (>=, <, ==) of a requirement such as "torch>=2.11,<2.14"."""

    def padded(numbers: tuple[int, ...]) -> tuple[int, ...]:
        return numbers + (0,) * (4 - len(numbers))

    have = padded(version_numbers(version))
    for sign, bound in re.findall(r"(>=|<|==)\s*([\d.]+)", requirement.split(";")[0]):
        want = padded(version_numbers(bound))
        if not {">=": have >= want, "<": have < want, "==": have == want}[sign]:
            return False
    return True


def read_project() -> dict[str, Any]:
    """The project's pyproject.toml."""
    return tomllib.loads(PROJECT.read_text(encoding="utf-8"))


def requirements_of(project: dict[str, Any], groups: Sequence[str]) -> list[str]:
    """Direct requirements of the project and of `groups` in a parsed pyproject.toml."""
    found = list(project["project"]["dependencies"])
    for group in groups:
        found += group_requirements(project, group)
    return found


def group_requirements(project: dict[str, Any], group: str) -> list[str]:
    """Requirements of a group, those of the groups that it includes among them."""
    found: list[str] = []
    for item in project["dependency-groups"][group]:
        found += [item] if isinstance(item, str) else group_requirements(project, item["include-group"])
    return found


def name_of(requirement: str) -> str:
    """The package that a requirement is about, as indexes write it: "typing_extensions>=4" → with a dash."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0]).lower()


def installed(groups: Sequence[str]) -> dict[str, str]:
    """Package → version of all that is directly required; empty if one is missing or out of bounds."""
    found = {}
    for requirement in requirements_of(read_project(), groups):
        name = name_of(requirement)
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            return {}
        if not satisfies(found[name], requirement):
            return {}
    return found


def asked_for(project: dict[str, Any]) -> dict[str, list[str]]:
    """What packages are taken to require, where the project tells uv to overlook their own words."""
    entries = project.get("tool", {}).get("uv", {}).get("dependency-metadata", ())
    return {name_of(entry["name"]): entry.get("requires-dist", []) for entry in entries}


def closure(requirements: Sequence[str], instead: Mapping[str, Sequence[str]]) -> dict[str, Distribution]:
    """What is installed of the requirements and of all that they require in turn, extras apart.

    A package comes after those it requires, so that the first of several faults is the cause of the others.
    `instead` is what stands in the place of some packages' own requirements.
    """
    found: dict[str, Distribution] = {}
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        try:
            package = distribution(name)
        except PackageNotFoundError:
            return  # for another platform, or replaced by an override
        for line in instead.get(name, package.requires or ()):
            if "extra ==" not in line:
                visit(name_of(line))
        found[name] = package

    for requirement in requirements:
        visit(name_of(requirement))
    return found


# --- what loads ------------------------------------------------------------------------------------------


def modules_of(package: Distribution, *, deep: bool) -> Iterator[tuple[str, bool]]:
    """What to import of a package with compiled parts, and whether it must work: (module, essential).

    The importable names at its top, then, if `deep`, every extension module in it, which an import of the
    top may leave for later. One of those may want what only some systems have; then only the linker's word
    counts against it.
    """
    if not libraries_of(package) and name_of(package.metadata["Name"]) not in _BRINGS_A_LIBRARY:
        return
    files = [file for file in package.files or () if ".." not in file.parts]
    tops = {file.parts[0].removesuffix(".py") for file in files if file.parts[1:] in ((), ("__init__.py",))}
    tops = {top for top in tops if top.isidentifier()}
    extensions = []
    for file in files:
        suffix = next((suffix for suffix in _TAGGED if file.name.endswith(suffix)), None)
        parts = [*file.parts[:-1], file.name.removesuffix(suffix or "")]
        if suffix and all(part.isidentifier() for part in parts) and not {"test", "tests"} & set(parts):
            extensions.append(".".join(parts))
    owners = {module.partition(".")[0] for module in extensions}
    for top in sorted(tops & owners or tops):
        yield top, True
    for module in extensions if deep or not tops else ():
        if module not in tops:
            yield module, not tops


def libraries_of(package: Distribution) -> list[PackagePath]:
    """The compiled files of a package."""
    return [file for file in package.files or () if _LIBRARY.search(file.name)]


def write_and_read() -> None:
    """Half a second of every format of sound that the studio writes or reads, in memory."""
    import numpy as np
    import soundfile as sf

    for container, subtype in _FORMATS.items():
        file = io.BytesIO()
        sf.write(file, np.zeros(8000, np.float32), 16000, format=container, subtype=subtype)
        file.seek(0)
        if not len(sf.read(file)[0]):
            raise OSError(f"{container} written is not read again")


def fault_of(name: str, packages: dict[str, Distribution], *, needed: bool) -> Fault | None:
    """Load a package, only its top if it isn't `needed`; what is wrong, with it or one that it uses."""
    for module, essential in modules_of(packages[name], deep=needed):
        try:
            importlib.import_module(module)
        except Exception as error:
            if essential or (isinstance(error, ImportError) and _NOT_LOADED.search(str(error))):
                culprit = raised_in(error, packages) or name
                return Fault(culprit, packages[culprit].version, reason(error), needed=needed)
    if name not in _BRINGS_A_LIBRARY:
        return None
    version, libraries = packages[name].version, libraries_of(packages[name])
    try:
        write_and_read()
    except Exception as error:
        return Fault(name, version, reason(error))
    try:
        for file in libraries:
            ctypes.CDLL(str(packages[name].locate_file(file)))
    except OSError as error:
        return Fault(name, version, reason(error), borrows=True)
    return None if libraries else Fault(name, version, "it holds no library of its own", borrows=True)


def raised_in(error: BaseException, packages: dict[str, Distribution]) -> str | None:
    """The package whose code gave up: one may use another that it doesn't require, as torch does numpy."""
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    for file in reversed(files):
        for name, package in packages.items():
            root = Path(str(package.locate_file("")))
            if file.is_relative_to(root):
                top = file.relative_to(root).parts[0]
                if any(one.parts[0] == top for one in package.files or ()):
                    return name
    return None


def reason(error: BaseException) -> str:
    """The line of what was said that tells most."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if _NOT_LOADED.search(line)]
    return (telling or lines or [type(error).__name__])[-1]


def main(words: Sequence[str]) -> int:
    """Try the packages; a JSON line for each that is being tried, and one for each fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", nargs="*", default=[])
    parser.add_argument("--perhaps", nargs="*", default=[], help="groups without which the studio works too")
    parser.add_argument("--only", nargs="*", help="packages")
    options = parser.parse_args(words)
    project = read_project()
    instead = asked_for(project)
    needed = closure(requirements_of(project, options.groups), instead)
    lines = [line for group in options.perhaps for line in group_requirements(project, group)]
    perhaps = closure(lines, instead)
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a package prints
    packages = {**needed, **perhaps}
    for name in packages:
        if options.only is None or name in options.only:
            entry = {"trying": name, "version": packages[name].version, "needed": name in needed}
            print(json.dumps(entry), file=report, flush=True)
            fault = fault_of(name, packages, needed=name in needed)
            if fault is not None:
                print(json.dumps(asdict(fault)), file=report, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
