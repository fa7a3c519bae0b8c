"""The library's cards, details and buttons, over takes made without weights."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from studio.app import build_studio
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.service.jobs import Studio
from studio.ui import sparse
from studio.ui.form import FormValues
from studio.ui.library import LibraryView

FORM = (*FormValues(model="tone"), *sparse.FormValues(model="tone"))
INFINITE = slice(1, 1 + len(FormValues._fields))  # of what opens: the tab before them, the other tab's after


@pytest.fixture
def view(studio: Studio) -> LibraryView:
    wanted = parse_request(
        prompt='<img src=x onerror="alert(1)"> rain', seed=5, duration_s=1.0, model={"id": "tone"}
    )
    for _ in studio.events(studio.submit(wanted).id):
        pass
    return LibraryView(studio)


def the_take(studio: Studio) -> str:
    return next(studio.library.takes()).id


def test_a_take_is_a_card_and_no_prompt_is_markup(view: LibraryView, studio: Studio) -> None:
    listed, detail = view.listing(), view.detail(the_take(studio))
    assert listed.count("<button") == 1
    assert "seed 5" in listed
    assert "data:image/png;base64," in listed
    assert "<img src=x" not in listed + detail
    assert "&lt;img src=x" in listed
    assert "&lt;img src=x" in detail


def test_an_empty_list_says_what_to_do(view: LibraryView, tmp_path: Path) -> None:
    assert "Nothing like that" in view.listing("no such words")
    empty = build_studio(Settings(outputs=tmp_path / "none", model_id="tone"))
    assert "Generate" in LibraryView(empty).listing()
    empty.close()


def test_choose_rename_favour_delete(view: LibraryView, studio: Studio) -> None:
    click = gr.EventData(None, {"take": the_take(studio)})
    chosen, detail, name, listed, _, resume = view.choose("", False, click)
    assert "<audio" in detail
    assert resume["interactive"] is False, "a finished take does not go on"
    assert name
    assert 'aria-pressed="true"' in listed
    chosen, _, name, _, said, _ = view.rename(chosen, "Bed", "", False)
    assert (name, said) == ("Bed", "Renamed.")
    assert "★" in view.favour(chosen, "", False)[3]
    assert "empty" in view.rename(chosen, " ", "", False)[4]
    gone, detail, _, listed, said, _ = view.delete(chosen, "", False)
    assert gone == ""
    assert "Choose a take" in detail
    assert "No takes yet" in listed
    assert "trash" in said
    assert "refresh" in view.delete(chosen, "", False)[4]


def test_a_take_and_a_file_open_in_the_form(view: LibraryView, studio: Studio) -> None:
    take = studio.library.get(the_take(studio))
    for opened in (view.open_take(take.id, *FORM), view.open_file(str(take.path), *FORM)):
        filled = FormValues(*opened[INFINITE])
        assert filled.prompt.endswith("rain")
        assert (filled.seed, filled.duration_s, filled.endless, filled.model) == (5, 1.0, False, "tone")
        assert opened[-1] == ""


def test_a_take_becomes_the_beginning_of_the_next(view: LibraryView, studio: Studio) -> None:
    take = studio.library.get(the_take(studio))
    *_, said = opened = view.extend_take(take.id, *FORM)
    filled = FormValues(*opened[INFINITE])
    assert (filled.continue_from, filled.endless, said) == (str(take.path.resolve()), True, "")
    assert filled.prompt.endswith("rain")
    assert "not in the library" in view.extend_take("gone", *FORM)[-1]


def test_a_file_of_another_maker_is_told(view: LibraryView, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert "can't be used" in view.open_file(str(other), *FORM)[-1]
    assert view.open_file(None, *FORM)[-1] == ""
