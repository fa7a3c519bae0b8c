"""A listening test as a rater meets it: from a folder on disk, by keyboard or by finger, with nothing else
there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from axe import Inspection

from studio.evaluation.listening.answers import Key, read_answers
from tests.listening import small_test
from tests.test_cli import longwave

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark",
}  # fmt: skip
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
SMALL_TARGETS = """() => [...document.querySelectorAll('button, a, select, input, summary')]
  .filter((one) => one.checkVisibility())
  .map((one) => [one, one.getBoundingClientRect()])
  .filter(([, box]) => box.height < 44 || box.width < 44)
  .map(([one, box]) => `${one.id || one.className} ${box.width} × ${box.height}`)"""


@pytest.fixture
def rate(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a test for a rater in a context of their own; at the end it may have asked no other host."""
    contexts, outside, broken = [], [], []

    def open_page(made: Path | str, rater: str = "", script: str = "", **options: Any) -> Page:
        context = browser.new_context(**(options or DESK))
        contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("request", lambda request: outside.append(request.url) if not local(request.url) else None)
        page.on("pageerror", lambda error: broken.append(str(error)))
        address = made.as_uri() if isinstance(made, Path) else made
        page.goto(address + (f"?rater={rater}" if rater else ""))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert (outside, broken) == ([], [])


def local(url: str) -> bool:
    return url.startswith(("file:", "http://127.0.0.1:", "data:", "blob:"))


def begin(page: Page, *, skip: bool = True) -> None:
    """By keyboard: say what one listens with, and pass the examples."""
    page.wait_for_selector("#welcome")
    page.keyboard.press("Tab")
    page.keyboard.press("h")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#trial")
    if skip:
        page.focus("#skip")
        page.keyboard.press("Enter")
        page.wait_for_selector("#practice-note", state="hidden")


def heard(page: Page, key: str) -> None:
    """Press a key that plays a sound for the first time, and wait until it counts as heard."""
    before = page.locator("#buttons [data-heard]").count()
    page.keyboard.press(key)
    page.wait_for_function(
        "before => document.querySelectorAll('#buttons [data-heard]').length > before", arg=before
    )


def place(page: Page) -> str:
    return page.inner_text("#place")


def go_on(page: Page) -> None:
    """Press Enter, and wait for another sound or the end."""
    before = place(page)
    page.keyboard.press("Enter")
    page.wait_for_function("before => document.getElementById('place').innerText !== before", arg=before)


def download(page: Page, folder: Path) -> Path:
    page.focus("#save")
    with page.expect_download() as caught:
        page.keyboard.press("Enter")
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    return path


def trials_left(page: Page) -> bool:
    return page.is_visible("#trial")


def score_by_ear(key: Key, page: Page) -> str:
    """The digit for the sound that is on the page: each system has its own."""
    number = int(place(page).split()[1]) - 1
    rater = int(page.evaluate("new URLSearchParams(location.search).get('rater')"))
    _, system = key.place(key.orders[rater - 1][number].sounds[0])
    return str(2 + system)


@pytest.mark.slow
def test_two_raters_rate_everything_by_keyboard_and_are_scored(
    rate: Callable[..., Page], tmp_path: Path
) -> None:
    made, key = small_test(tmp_path, "ovl-rel", "one", "two", "three", items=3, raters=2, repeats=4)
    files = []
    for rater in (1, 2):
        page = rate(made.page, str(rater))
        begin(page)
        while trials_left(page):
            if rater == 2 and place(page) == "Sound 3 of 13":
                page.reload()  # nothing is lost, and one goes on where one was
                begin(page, skip=False)
                assert place(page) == "Sound 3 of 13"
            digit = score_by_ear(key, page)
            heard(page, " ")
            page.keyboard.press(digit)
            page.keyboard.press("5")
            go_on(page)
        assert page.inner_text("#done-head") == "Done. Thank you!"
        files.append(download(page, tmp_path))
    assert [file.name for file in files] == [f"answers-0{n}-{made.test[:8]}.json" for n in (1, 2)]
    told = json.loads(longwave("listen", "score", *files, "--key", made.key, "--json").stdout)
    assert {row["system"]: row["OVL"]["value"] for row in told["systems"]} == {"one": 2, "two": 3, "three": 4}
    assert {row["REL"]["value"] for row in told["systems"]} == {5}
    assert (told["kept"], told["dropped"], told["refused"], told["not_heard"]) == (2, [], [], [])
    sent = read_answers(files[1], key)
    assert sent.listening_on == "headphones"
    assert sent.finished
    assert all(answer.plays >= 1 and answer.took_s > 0 for answer in sent.answers)


def answer_and_move(page: Page, kind: str) -> None:
    """Answer a trial with what the keys of its kind are."""
    if kind == "abx":
        for key in "abx":
            heard(page, key)
        page.keyboard.press("2")
    else:
        heard(page, " ")
        for digits in ("85", "7", "100"):
            page.keyboard.type(digits)
            page.keyboard.press("ArrowDown")


@pytest.mark.parametrize("kind", ["abx", "ogl-rel-aq"])
def test_digits_arrows_and_letters_do_what_the_page_says(
    rate: Callable[..., Page], tmp_path: Path, kind: str
) -> None:
    made, key = small_test(tmp_path, kind, items=2, raters=1, repeats=1)
    page = rate(made.page, "1")
    begin(page)
    page.keyboard.press("1")
    assert "first" in page.inner_text("#trial-wrong")  # nothing is rated unheard
    answer_and_move(page, kind)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#back", state="visible")
    page.keyboard.press("n")
    go_on(page)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#back", state="hidden")
    chosen = page.eval_on_selector_all(
        "#questions [aria-pressed=true] b, #questions output", "all => all.map((one) => one.innerText)"
    )
    assert chosen == (["B"] if kind == "abx" else ["85", "7", "100"])
    page.focus("#stop")
    page.keyboard.press("Enter")
    first, second = read_answers(download(page, tmp_path), key).answers
    assert (first.choice, first.scores) == (
        ("B", {}) if kind == "abx" else (None, {"OGL": 85, "REL": 7, "AQ": 100})
    )
    assert second.unplayable


@pytest.mark.parametrize(("kind", "look"), [("ovl-rel", "phone"), ("ogl-rel-aq", "phone"), ("abx", "desk")])
def test_axe_finds_nothing_and_a_finger_hits_everything(
    rate: Callable[..., Page], axe: str, tmp_path: Path, kind: str, look: str
) -> None:
    made, _ = small_test(tmp_path, kind, items=3, raters=2, title="How does it sound?")
    page = rate(made.page, "9", **(PHONE if look == "phone" else DESK))
    inspection = Inspection(page, axe)
    small: list[str] = []

    def check(state: str) -> None:
        inspection.look(state)
        small.extend(f"{state}: {line}" for line in page.evaluate(SMALL_TARGETS) if look == "phone")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, state

    assert "“9” is no number of this test" in page.inner_text("#who-wrong")
    check("asked for a number")
    page.fill("#rater", "2")
    page.select_option("#listening-on", "earphones")
    page.click("#start")
    check("example")
    page.click("#skip")
    page.click("#next")
    assert page.inner_text("#trial-wrong")
    check("told to listen")
    for button in page.query_selector_all(".play"):
        button.click()
        page.wait_for_selector(".play[data-playing]")
    check("playing")
    for question in page.query_selector_all("fieldset"):
        answer = question.query_selector(".steps button:nth-child(2), input")
        assert answer is not None
        answer.click()
    page.wait_for_selector("#next:not(.waiting)")
    if look == "desk":
        page.click("summary")
    check("rated")
    page.click("#mute")
    check("does not play")
    page.click("#stop")
    page.wait_for_selector("#done")
    check("stopped")
    assert inspection.found == [], "\n".join(inspection.found)
    assert small == []


def test_a_narrow_phone_shows_it_all(rate: Callable[..., Page], tmp_path: Path) -> None:
    made, _ = small_test(tmp_path, items=2, raters=1)
    page = rate(made.page, "1", **{**PHONE, "viewport": {"width": 320, "height": 640}})
    begin(page)
    cut = page.eval_on_selector_all(
        ".steps button", "all => all.filter((one) => one.scrollWidth > one.clientWidth).length"
    )
    assert cut == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("blocked", ["clipboard", "both"])
def test_where_downloads_are_blocked_answers_can_be_copied(
    rate: Callable[..., Page], tmp_path: Path, blocked: str
) -> None:
    made, key = small_test(tmp_path, items=2, raters=1)
    script = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
    script += "window.copied = ''; document.execCommand = () => { copied = getSelection() + ''; return %s; };"
    page = rate(made.page, "1", script % ("false" if blocked == "both" else "true"))
    begin(page)
    heard(page, " ")
    page.keyboard.type("43")
    page.click("#stop")
    page.click("#copy")
    page.wait_for_selector("#copied:not(:empty)")
    told = page.inner_text("#copied")
    assert told.startswith("The browser does not let" if blocked == "both" else "Copied.")
    (tmp_path / "pasted.json").write_text(page.evaluate("copied") + "\n")
    (answer,) = read_answers(tmp_path / "pasted.json", key).answers
    assert answer.scores == {"OVL": 4, "REL": 3}


def test_a_sound_that_is_missing_is_told_and_marked(rate: Callable[..., Page], tmp_path: Path) -> None:
    made, key = small_test(tmp_path, items=2, raters=1)
    first = key.orders[0][0].sounds[0]
    (tmp_path / "test" / "sound" / f"{first}.flac").unlink()
    page = rate(made.page, "1")
    begin(page)
    page.wait_for_selector("#trial-wrong:has-text('does not play here')")
    page.click("#mute")
    page.click("#next")
    page.click("#stop")
    (answer,) = read_answers(download(page, tmp_path), key).answers
    assert answer.unplayable


def test_a_browser_that_keeps_nothing_says_so_and_works(rate: Callable[..., Page], tmp_path: Path) -> None:
    made, key = small_test(tmp_path, items=2, raters=1)
    script = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } });"
    page = rate(made.page, "1", script)
    begin(page)
    assert "keeps nothing" in page.inner_text("#trial-wrong")
    heard(page, " ")
    page.keyboard.type("43")
    page.click("#stop")
    assert len(read_answers(download(page, tmp_path), key).answers) == 1


def test_without_its_data_the_page_says_what_is_missing(rate: Callable[..., Page], tmp_path: Path) -> None:
    made, _ = small_test(tmp_path, items=2, raters=1)
    (tmp_path / "test" / "test.js").unlink()
    page = rate(made.page, "1")
    assert "test.js is missing" in page.inner_text("#broken-note")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


def test_any_static_host_serves_it(rate: Callable[..., Page], tmp_path: Path) -> None:
    small_test(tmp_path, "abx", items=2, raters=1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "test")))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        page = rate(f"http://127.0.0.1:{server.server_port}/", "1")
        begin(page)
        for key in "abx":
            heard(page, key)
        page.keyboard.press("1")
        assert page.eval_on_selector("[aria-pressed=true] b", "one => one.innerText") == "A"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
