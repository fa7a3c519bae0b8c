"""What belongs to a model moves with the model that is chosen; what somebody set stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import free_port, open_pane, open_section, open_tab, served
from test_page_state import loaded_again
from test_page_studio import wait_for_value

from studio.app import defaults_of
from studio.backends.systems.tone import ToneBackend
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.pipeline.renderer import Renderer
from studio.service.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

AUDIOLDM, AUDIOLDM2 = "cvssp/audioldm-s-full-v2", "cvssp/audioldm2"
GUIDANCE, BASE, GROUP, BUFFER = (
    f"#infinite-{part} input" for part in ("guidance", "base-steps", "group-size", "buffer")
)


@pytest.fixture(scope="module")
def model_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page with the catalog's models, over a render that needs none of their weights; and a take of one
    whose guidance is another model's.
    """
    settings = Settings(
        outputs=tmp_path_factory.mktemp("outputs"), port=free_port(), open_browser=False, device="cpu"
    )
    made = partial(Studio, create_backend=lambda choice: ToneBackend(), render=Renderer())
    with served(settings, lambda one: made(one, defaults=partial(defaults_of, settings=one))) as site:
        sampler = {"kind": "endless", "base_steps": 24, "group_size": 1}
        take = parse_request(
            prompt="surf", seed=5, duration_s=1.0, model={"id": AUDIOLDM}, guidance_scale=4.0, sampler=sampler
        )
        list(site.studio.events(site.studio.submit(take).id))
        yield site


def expert(page: Page) -> None:
    """Open the section of the sampler's own numbers."""
    open_pane(page, "engine")
    open_section(page, "infinite-advanced")


def choose(page: Page, model: str, tab: str = "infinite") -> None:
    """Choose a model of the list, or type one."""
    open_pane(page, "engine", tab)
    page.fill(f"#{tab}-model input", model)
    page.press(f"#{tab}-model input", "Enter")


def effort(page: Page, tab: str = "infinite") -> str:
    return page.eval_on_selector(f"#{tab}-effort input:checked", "one => one.value")


def test_fields_that_nobody_set_are_the_chosen_models(model_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(model_site.url)
    wait_for_value(page, GUIDANCE, "4")
    expert(page)
    choose(page, AUDIOLDM)
    for field, value in ((GUIDANCE, "2.5"), (BASE, "100"), (GROUP, "1"), (BUFFER, "8")):
        wait_for_value(page, field, value)
    wait_for_value(page, "#infinite-warmup input", "67")
    assert effort(page) == "balanced"
    page.wait_for_selector("#infinite-engine-tab .lw-badge:has-text('1 changed')")  # the model itself
    assert page.locator("#infinite-sound-tab .lw-badge").count() == 0
    page.click("#infinite-effort input[value=careful]")
    wait_for_value(page, BASE, "200")
    choose(page, "pocket/audioldm")
    for field, value in ((GUIDANCE, "4"), (BASE, "40"), (GROUP, "8")):
        wait_for_value(page, field, value)
    assert effort(page) == "careful", "the quality is the model's too"


def test_fields_that_somebody_set_stay(model_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(model_site.url)
    page.fill(GUIDANCE, "6")
    page.press(GUIDANCE, "Tab")
    expert(page)
    page.fill(BUFFER, "12")
    page.press(BUFFER, "Tab")
    choose(page, AUDIOLDM2)
    wait_for_value(page, BASE, "100")
    assert (page.input_value(GUIDANCE), page.input_value(BUFFER)) == ("6", "12")
    loaded_again(page)
    expert(page)
    for field, value in ((BASE, "100"), (GUIDANCE, "6"), (BUFFER, "12")):
        wait_for_value(page, field, value)
    page.click("#infinite-reset .lw-reset")
    wait_for_value(page, GUIDANCE, "3.5")
    wait_for_value(page, BUFFER, "8")
    assert page.input_value(BASE) == "100", "as the page opens on this model"


@pytest.fixture
def own_folder(tmp_path: Path) -> str:
    """A model's folder that says what its takes begin with."""
    index = {"_class_name": "AudioLDMPipeline", "_defaults": {"guidance": {"text": 7.5}, "buffer_frames": 4}}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    return str(tmp_path)


def test_a_folder_that_says_its_own_is_asked(
    model_site: Any, visit: Callable[..., Page], own_folder: str
) -> None:
    page = visit(model_site.url)
    expert(page)
    choose(page, own_folder)
    wait_for_value(page, GUIDANCE, "7.5")
    wait_for_value(page, BUFFER, "4")
    assert page.input_value(BASE) == "24", "the rest is the studio's own"


def test_a_take_that_is_opened_stays_what_it_is(
    model_site: Any, visit: Callable[..., Page], own_folder: str
) -> None:
    """Its guidance is what the form's model before it begins with: it was asked for all the same."""
    page = visit(model_site.url)
    expert(page)
    open_tab(page, "Library")
    page.click(".lw-take")
    page.click("#library-open:not([disabled])")
    wait_for_value(page, "#infinite-seed input", "5")
    wait_for_value(page, GROUP, "1")
    page.wait_for_selector("#infinite-sound-tab .lw-badge")  # its guidance is not its model's
    assert effort(page) == "own"
    choose(page, own_folder)
    wait_for_value(page, BUFFER, "4")  # which was its model's; so all that is known of that has come
    assert (page.input_value(GUIDANCE), page.input_value(BASE)) == ("4", "24")


def test_what_a_preset_leaves_out_is_the_chosen_models(model_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(model_site.url)
    expert(page)
    choose(page, AUDIOLDM)
    wait_for_value(page, GUIDANCE, "2.5")
    page.click("#infinite-preset input")
    page.get_by_role("option", name="Campfire").click()
    wait_for_value(page, "#infinite-prompt textarea", "a crackling fire")
    assert (page.input_value(GUIDANCE), page.input_value(BASE)) == ("2.5", "100")
    assert page.locator("#infinite-reset .lw-modified").is_hidden()
    choose(page, "pocket/audioldm")
    wait_for_value(page, BASE, "24")
    assert page.locator("#infinite-reset .lw-modified").is_hidden(), "what it leaves out is no change of it"


def test_clips_have_theirs(model_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(model_site.url)
    open_tab(page, "Sparse")
    choose(page, AUDIOLDM2, "sparse")
    wait_for_value(page, "#sparse-steps input", "200")
    wait_for_value(page, "#sparse-guidance input", "3.5")
    assert effort(page, "sparse") == "balanced"


def test_words_to_say_have_scales_of_their_own(model_site: Any, visit: Callable[..., Page]) -> None:
    page = visit(model_site.url)
    choose(page, "glory20h/voiceldm-m")
    wait_for_value(page, GUIDANCE, "9")
    open_pane(page, "sound")
    scale = "#infinite-speech-scale input[type=number]"
    page.wait_for_selector(scale)
    wait_for_value(page, scale, "1")
    assert page.locator("#infinite-sound-tab .lw-badge").count() == 0
    page.fill("#infinite-say textarea", "Mind the gap.")
    wait_for_value(page, GUIDANCE, "5")
    wait_for_value(page, scale, "7")
    page.fill(scale, "3")
    page.press(scale, "Tab")
    page.fill("#infinite-say textarea", "")
    wait_for_value(page, GUIDANCE, "9")
    assert page.input_value(scale) == "3", "which somebody set"
