"""The documentation says what is: its code runs, its commands exist, its files and links are there."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import soundfile as sf

import studio
from studio.app import build_studio, serve
from studio.backends.checkpoint import defaults_in
from studio.cli import Factories, build_cli
from studio.core.defaults import ModelDefaults
from studio.core.preset import parse_preset
from tests.e2e.conftest import served, tone_settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
    *sorted((ROOT / "docs").glob("*.md")),
]
SLOW = {"python-api.md", "http-api.md", "http-v1.md"}  # pocket models, or a server
NOT_RUN = "# Not run by the tests:"  # and why: the first line of a block that can't be
NOT_RUN_COUNT = 0
SERVED = "http://127.0.0.1:7860"
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CITED = re.compile(r"docs/([\w-]+\.md)(?:[,:]? \"([^\"]+)\")?")
_CODE = re.compile(r"`([^`\n]+)`")


class Block(NamedTuple):
    page: Path
    line: int
    language: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(page, text[: match.start()].count("\n") + 2, match[1], match[2])
        for match in _BLOCK.finditer(text)
    ]
    return [block for block in found if block.language in languages]


def prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def with_python(slow: bool) -> list[Path]:
    return [page for page in PAGES if blocks(page, "python") and (page.name in SLOW) == slow]


def run(page: Path, **replaced: str) -> int:
    """Run a page's Python in order, as one program; how many blocks were not to be run."""
    names: dict[str, Any] = {"__name__": "__main__"}
    skipped = 0
    for block in blocks(page, "python"):
        text = block.text
        for old, new in replaced.items():
            text = text.replace(old, new)
        # The line numbers of a traceback are the page's.
        code = compile("\n" * (block.line - 1) + text, str(page), "exec")
        if text.startswith(NOT_RUN):
            skipped += 1
        else:
            exec(code, names)
    return skipped


def run_shell(page: Path, shell: str, *_: str, **replaced: str) -> dict[str, float]:
    """Run a page's shell lines where one is; the sounds that lie there then, with their whole seconds."""
    for block in blocks(page, "sh"):
        text = block.text
        for old, new in replaced.items():
            text = text.replace(old, new)
        subprocess.run([shell, "-e", "-c", text], check=True, timeout=120)
    sounds = (path for path in Path().iterdir() if path.suffix in (".mp3", ".wav"))
    return {path.name: round(sf.info(path).duration, 0) for path in sorted(sounds)}


@pytest.mark.parametrize("page", with_python(slow=False), ids=lambda page: page.name)
def test_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page)


@pytest.mark.slow
def test_the_python_api_does_what_its_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        run(ROOT / "docs" / "python-api.md")
    finally:
        studio.unload()


@pytest.mark.slow
def test_the_http_api_does_what_its_pages_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with served(tone_settings(tmp_path / "outputs")) as site:
        run(ROOT / "docs" / "http-api.md", **{SERVED: site.url})
        address = {SERVED: site.url.rstrip("/")}
        run(ROOT / "docs" / "http-v1.md", **address)
        files = run_shell(ROOT / "docs" / "http-v1.md", require_tool("sh"), require_tool("curl"), **address)
    assert files == {"rain.mp3": 2.0, "waves.wav": 4.0}


def test_what_can_not_be_run_is_marked_and_counted() -> None:
    marked = [block for page in PAGES for block in blocks(page, "python") if block.text.startswith(NOT_RUN)]
    assert len(marked) == NOT_RUN_COUNT


def test_every_block_of_json_is_a_preset_a_sidecar_or_an_index(tmp_path: Path) -> None:
    found = blocks(ROOT / "docs" / "formats.md", "json")
    indexes = [block for block in found if "_class_name" in json.loads(block.text)]
    for block in indexes:
        (tmp_path / "model_index.json").write_text(block.text)
        assert defaults_in(tmp_path) not in (None, ModelDefaults()), block
    found = [block for block in found if block not in indexes]
    assert len(indexes) == 1
    assert found
    for block in found:
        assert parse_preset(block.text).request().prompt, block
    assert any("take" in json.loads(block.text) for block in found)


def command_lines() -> Iterator[tuple[str, str]]:
    """(place, words) of every command of ours that a page names, in a block or within a sentence."""
    for page in PAGES:
        for block in blocks(page, "", "sh"):
            for number, line in enumerate(block.text.splitlines(), start=block.line):
                yield f"{page.name}:{number}", line.strip()
        for code in _CODE.findall(prose(page)):
            yield page.name, code


def ours(line: str) -> list[list[str]]:
    """The words after `longwave`, one list for each of its alternatives `a | b`; none for other programs."""
    match = re.match(r"(?:longwave|python3 launch\.py|\w.* -m studio\.app) (.*)", line)
    words = re.findall(r'"[^"]*"|[^\s"]+', match[1]) if match else []
    if not words or words[0] in {"test", "lint", "docs", "#", "…"}:  # launch.py's own, or none
        return []
    alternatives: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            alternatives.append([alternatives[0][0]])
        else:
            alternatives[-1].append(word)
    return alternatives


def unknown_word(words: list[str]) -> str | None:
    """The first word that names no command or option of `longwave`."""
    import typer

    command: Any = typer.main.get_command(build_cli(Factories(serve=serve, studio=build_studio)))
    options = {name for parameter in command.params for name in parameter.opts}
    rest = list(words)
    while rest and hasattr(command, "commands"):
        word = rest.pop(0)
        if word.startswith("-"):
            return None if word in {*options, "--help"} else word
        if word.isupper():  # what its reader is to put there
            return None
        if word not in command.commands and hasattr(command, "unnamed"):
            word = command.unnamed
        if word not in command.commands:
            return word
        command = command.commands[word]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    named = (word.partition("=")[0].rstrip(",;.)") for word in rest if re.match(r"--[a-z]", word))
    return next((word for word in named if word not in known | {"--help"}), None)


def test_every_command_that_a_page_names_exists() -> None:
    found = [(place, words) for place, line in command_lines() for words in ours(line)]
    assert len(found) > 40
    wrong = [(place, unknown_word(words)) for place, words in found]
    assert [(place, word) for place, word in wrong if word] == []
    assert unknown_word(["render", "infinite", "--promt", "x"]) == "--promt"
    assert unknown_word(["rander"]) == "rander"
    assert unknown_word(["batch", "takes.csv", "--oot", "takes"]) == "--oot"


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by, as GitHub has it."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_ours_that_a_page_names_is_there(page: Path) -> None:
    files = re.compile(r"[\w./-]+/[\w.-]+\.(py|md|json|js|css|toml)")
    named = [name for name in _CODE.findall(prose(page)) if files.fullmatch(name) and "NAME" not in name]
    assert [
        name for name in named if not (ROOT / name).exists() and not (ROOT / "studio" / name).exists()
    ] == []


def test_every_section_that_the_code_cites_is_there() -> None:
    cited = 0
    for folder in ("studio", "tests", "launch.py", "assets/pocket/README.md"):
        place = ROOT / folder
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            for name, section in _CITED.findall(path.read_text(encoding="utf-8")):
                page = ROOT / "docs" / name
                cited += 1
                assert page.is_file(), (path, name)
                headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
                assert not section or section in headings, (path, section)
    assert cited > 4
