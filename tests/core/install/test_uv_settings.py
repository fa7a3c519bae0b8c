"""Which uv is used, with what of pip's settings, and which index it asks first."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from studio.core.install import uv as uv_module
from studio.core.install.environment import Installer
from studio.core.install.uv import (
    Indexes,
    default_index,
    fetch_uv,
    find_uv,
    parse_pip_config,
    pip_settings,
    uv_environ,
    works,
)

FIRST, SECOND, THIRD = (f"https://{name}.example/simple" for name in ("first", "second", "third"))


def done(code: int = 0, out: str = "", err: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, out, err)


def test_pip_settings_become_uv_settings(tmp_path: Path) -> None:
    text = "\n".join(
        [
            "global.find-links='/wheels /more'",
            "global.extra-index-url='https://a/simple https://b/simple'",
            "global.index-url='https://loses/simple'",
            "install.index-url='https://wins/simple'",
            ":env:.cert='/ca.pem'",
            ":env:.default-timeout='99'",
            "freeze.timeout='1'",
        ]
    )
    environ = uv_environ(parse_pip_config(text), {"HOME": str(tmp_path)})
    assert environ == {
        "HOME": str(tmp_path),
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_DEFAULT_INDEX": "https://wins/simple",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_HTTP_TIMEOUT": "99",
    }


def test_what_is_set_for_uv_stays() -> None:
    own = {"UV_INDEX_URL": "https://mine/simple", "UV_FIND_LINKS": "/mine", "https_proxy": "http://mine"}
    pip = {"index-url": "https://pip/simple", "find-links": "/pip", "proxy": "http://pip"}
    environ = uv_environ(pip, own)
    assert "UV_DEFAULT_INDEX" not in environ
    assert "HTTPS_PROXY" not in environ
    assert environ["UV_FIND_LINKS"] == "/mine"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_stays_and_pips_comes_to_it(name: str) -> None:
    assert uv_environ({}, {name: "http://proxy:3128"})[name] == "http://proxy:3128"
    assert "http://other" not in uv_environ({"proxy": "http://other"}, {name: "http://proxy:3128"}).get(
        "HTTPS_PROXY", ""
    )
    assert uv_environ({"proxy": "http://other"}, {})["HTTPS_PROXY"] == "http://other"


def test_pips_variables_count_where_there_is_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_module, "run_quietly", lambda *_: done(1, "", "No module named pip"))
    assert pip_settings({"PIP_INDEX_URL": "https://i", "PATH": "/bin"}) == {"index-url": "https://i"}


# --- no home ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the cache elsewhere")
@pytest.mark.parametrize("home", [None, "", "/dev/null", "/proc", "missing"])
def test_without_a_home_the_cache_goes_beside_the_environment(home: str | None, tmp_path: Path) -> None:
    environ = uv_environ({}, {} if home is None else {"HOME": str(tmp_path / home) if home else ""})
    assert environ["UV_CACHE_DIR"] == str(uv_module.LOCAL / "cache")
    assert environ["UV_PYTHON_INSTALL_DIR"] == str(uv_module.LOCAL / "python")


def test_a_home_that_can_be_written_keeps_the_cache(tmp_path: Path) -> None:
    assert "UV_CACHE_DIR" not in uv_environ({}, {"HOME": str(tmp_path)})
    assert not list(tmp_path.iterdir())


def test_a_place_set_for_the_cache_wins() -> None:
    assert uv_environ({}, {"UV_CACHE_DIR": "/mine"})["UV_CACHE_DIR"] == "/mine"
    assert "UV_CACHE_DIR" not in uv_environ({}, {"XDG_CACHE_HOME": "/mine"})


# --- the order of the indexes ----------------------------------------------------------------------------


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """A uv whose default index is FIRST."""
    monkeypatch.setattr(uv_module, "run_quietly", lambda *_: done(0, f"--index-url {FIRST}\n"))


@pytest.mark.usefixtures("public")
def test_the_default_index_is_asked_before_pips_extra_ones() -> None:
    pip = {"extra-index-url": f"{SECOND}\n{THIRD}"}
    indexes = Indexes(["uv"], pip, {})
    asked = [(order["UV_INDEX"].split(), order["UV_INDEX_STRATEGY"]) for order in indexes.orders]
    assert asked == [
        ([FIRST, SECOND, THIRD], "unsafe-first-match"),
        ([FIRST, SECOND, THIRD], "unsafe-best-match"),
        ([SECOND, THIRD], "unsafe-best-match"),
    ]
    assert [order["UV_DEFAULT_INDEX"] for order in indexes.orders] == [FIRST, FIRST, THIRD]
    assert [one["UV_DEFAULT_INDEX"] for one in indexes.alone] == [FIRST, SECOND, THIRD]


@pytest.mark.usefixtures("public")
def test_a_package_is_looked_for_without_find_links_in_the_end() -> None:
    pip = {"extra-index-url": SECOND, "find-links": "/wheels"}
    indexes = Indexes(["uv"], pip, uv_environ(pip, {}))
    asked = [(one["UV_DEFAULT_INDEX"], one.get("UV_FIND_LINKS")) for one in indexes.alone]
    assert asked == [(FIRST, "/wheels"), (SECOND, "/wheels"), (FIRST, None), (SECOND, None)]


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("name", ["UV_INDEX", "UV_EXTRA_INDEX_URL"])
def test_indexes_set_for_uv_are_the_only_ones(name: str) -> None:
    own = {name: "https://mine/simple"}
    indexes = Indexes(["uv"], {"extra-index-url": SECOND}, own)
    assert indexes.orders == indexes.alone == [own]


@pytest.mark.usefixtures("public")
def test_a_strategy_set_for_uv_stays() -> None:
    indexes = Indexes(["uv"], {"extra-index-url": SECOND}, {"UV_INDEX_STRATEGY": "first-index"})
    assert {order["UV_INDEX_STRATEGY"] for order in indexes.orders} == {"first-index"}


def test_a_uv_that_does_not_name_its_index_keeps_its_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_module, "run_quietly", lambda *_: done(2))
    assert Indexes(["uv"], {"extra-index-url": SECOND}, {}).orders == [{}]


# --- uv's own answer -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_uv() -> list[str]:
    """A uv that this machine has."""
    import os

    found = find_uv(os.environ)
    if found is None:
        pytest.skip("there is no uv here")
    return found


def add_wheel(index: Path, name: str, version: str, tag: str) -> None:
    """A wheel that holds the name of its index, in a folder laid out as an index is."""
    file = index / "files" / f"{name}-{version}-{tag}.whl"
    file.parent.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{name}.txt", index.name)
        files = [f"{name}.txt", *(f"{info}/{file}" for file in ("METADATA", "WHEEL", "RECORD"))]
        wheel.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in files))
    page = index / "simple" / name / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    with open(page, "a") as text:
        text.write(f'<a href="{file.as_uri()}">{file.name}</a>\n')


ANY, OTHER = "py3-none-any", "py3-none-emscripten_3_1_58_wasm32"
WORDS = {"": "default", "extra-": "extra"}


@pytest.mark.parametrize(
    ("default", "extra", "from_default"),
    [
        ([("lwsound", "1.0", ANY)], [("lwsound", "1.0", ANY)], True),  # both have it
        ([("lwother", "1.0", ANY)], [("lwsound", "1.0", ANY)], False),  # no such name
        ([("lwsound", "0.9", ANY)], [("lwsound", "1.0", ANY)], False),  # no such version
        ([("lwsound", "1.0", OTHER)], [("lwsound", "1.0", ANY)], False),  # no wheel that fits
    ],
)
def test_extra_indexes_give_only_what_the_default_one_lacks(
    default: list[tuple[str, str, str]],
    extra: list[tuple[str, str, str]],
    from_default: bool,
    real_uv: list[str],
    tmp_path: Path,
) -> None:
    for folder, wheels in (("default", default), ("extra", extra)):
        for wheel in wheels:
            add_wheel(tmp_path / folder, *wheel)
    pip = {f"{word}index-url": (tmp_path / folder / "simple").as_uri() for word, folder in WORDS.items()}
    environ = uv_environ(pip, plain_environ(tmp_path))
    indexes = Indexes(real_uv, pip, environ)
    installer = Installer(real_uv, sys.executable, indexes)
    words = ["--target", str(tmp_path / "there"), "--no-deps", "lwsound==1.0"]
    chosen, said = installer.resolve(words, indexes.orders, str(tmp_path))
    assert chosen is not None, said
    subprocess.run([*installer.command, "--quiet", *words], env=chosen, cwd=tmp_path, check=True)
    assert (tmp_path / "there" / "lwsound.txt").read_text() == ("default" if from_default else "extra")


def plain_environ(folder: Path) -> dict[str, str]:
    """Nothing of this machine's settings for uv or pip."""
    import os

    kept = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_"))}
    return {**kept, "UV_CACHE_DIR": str(folder / "cache"), "UV_NO_CONFIG": "1"}


def test_uv_names_its_default_index(real_uv: list[str], tmp_path: Path) -> None:
    environ = plain_environ(tmp_path)
    assert (default_index(real_uv, environ) or "").startswith("https://")
    assert default_index(real_uv, {**environ, "UV_DEFAULT_INDEX": SECOND}) == SECOND


# --- finding and fetching it -----------------------------------------------------------------------------


def test_a_shim_that_does_not_start_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(command: Sequence[str], *_: object) -> subprocess.CompletedProcess[str]:
        good = list(command[1:3]) == ["-m", "uv"]
        return done(0 if good else 127, "uv 0.13.8" if good else "")

    monkeypatch.setattr(uv_module.shutil, "which", lambda name: "/shims/" + name)
    monkeypatch.setattr(uv_module, "run_quietly", answer)
    assert find_uv({}) == [sys.executable, "-m", "uv"]


def test_no_uv_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_module, "run_quietly", lambda *_: done(127))
    assert find_uv({}) is None


@pytest.mark.parametrize(("text", "good"), [("uv 0.13.8", True), ("uv 0.4.30", False), ("pyenv: uv", False)])
def test_an_old_uv_is_passed_over(monkeypatch: pytest.MonkeyPatch, text: str, good: bool) -> None:
    monkeypatch.setattr(uv_module, "run_quietly", lambda *_: done(0, text))
    assert works(["uv"], {}) is good


@pytest.mark.parametrize("pip", [True, False])
def test_uv_is_fetched_whether_or_not_python_has_pip(
    pip: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And into a folder whose name has a colon, where venv makes nothing."""
    monkeypatch.setattr(uv_module, "LOCAL", tmp_path / "takes: spring" / ".uv")
    asked: list[list[str]] = []

    def answer(
        command: Sequence[str], environ: Mapping[str, str], cwd: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        asked.append(list(command))
        assert (environ["PIP_USER"], environ["PIP_REQUIRE_VIRTUALENV"]) == (
            "0",
            "0",
        ) or "--version" in command
        if list(command[1:]) == ["-m", "pip", "--version"]:
            return done(0 if pip else 1)
        return done(0, "uv 0.13.8")

    monkeypatch.setattr(uv_module, "run_quietly", answer)
    found, said = fetch_uv({"PIP_USER": "1", "PIP_REQUIRE_VIRTUALENV": "1"} if pip else PIP_FREE)
    assert (found, said) == (uv_module.private_uv(), "")
    made = [command for command in asked if "venv" in command]
    assert all(":" not in command[-1] for command in made)
    assert len(made) == (0 if pip else 1)
    installing = next(command for command in asked if "--target" in command)
    assert installing[installing.index("--target") + 1] == str(uv_module.LOCAL)
    assert (installing[0] == sys.executable) is pip


PIP_FREE = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}


def test_what_pip_says_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_module, "run_quietly", lambda *_: done(1, "", "ensurepip is not available"))
    assert fetch_uv({}) == (None, "ensurepip is not available")
