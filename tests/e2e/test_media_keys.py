"""The browser's media session, as the page binds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench import bench

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

BIND = """async () => {
  const { bindMediaKeys } = await import('./page/media.js');
  window.pressed = [];
  window.handlers = {};
  window.title = 'rain';
  navigator.mediaSession.setActionHandler = (action, handler) => { handlers[action] = handler; };
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () { window.element = this; return play.call(this); };
  const press = (name) => () => pressed.push(name);
  window.keys = bindMediaKeys({
    play: press('play'), pause: press('pause'), stop: press('stop'), title: () => window.title,
  });
}"""


def test_keys_reach_the_player_and_the_panel_shows_what_plays(browser: Browser) -> None:
    with bench({}) as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        page.click("button")
        page.evaluate(BIND)
        page.evaluate("Object.values(handlers).forEach((handler) => handler())")
        assert page.evaluate("pressed") == ["play", "pause", "stop"]
        page.evaluate("keys.update('playing')")
        session = "[navigator.mediaSession.playbackState, navigator.mediaSession.metadata.title]"
        assert page.evaluate(session) == ["playing", "rain"]
        page.wait_for_function("() => element.currentTime > 0 && !element.paused")  # or no key would come
        assert page.evaluate("element.loop && element.duration") >= 5
        page.evaluate("() => { window.title = 'thunder'; keys.update('paused'); }")
        assert page.evaluate(session) == ["paused", "thunder"]
        assert page.evaluate("element.paused")
        page.evaluate("keys.update('ended')")
        assert page.evaluate(session) == ["none", "thunder"]
        context.close()


def test_a_browser_without_media_keys_is_none_the_worse(browser: Browser) -> None:
    with bench({}) as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        page.evaluate("() => { Object.defineProperty(navigator, 'mediaSession', { value: undefined }); }")
        bind = "({ bindMediaKeys }) => bindMediaKeys({ title: () => '' }).update('playing')"
        page.evaluate(f"import('./page/media.js').then({bind})")
        context.close()
