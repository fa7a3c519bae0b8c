"""The library's cards, details and buttons, over takes made without weights."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.app import build_studio
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.service.studio import Studio
from studio.ui.panels.cards import how
from studio.ui.panels.library_view import LibraryView, Opened


@pytest.fixture
def view(
    studio: Studio, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> LibraryView:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("scratch")))
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
    shown = view.choose("", False, click)
    assert "<audio" in shown.detail
    assert shown.name
    assert 'aria-pressed="true"' in shown.listing
    assert all(getattr(shown, button)["interactive"] for button in ("opened", "extend", "rename", "delete"))
    shown = view.rename(shown.chosen, "Bed", "", False)
    assert (shown.name, shown.said) == ("Bed", "Renamed.")
    chosen = shown.chosen
    assert "★" in view.favour(chosen, "", False).listing
    assert "empty" in view.rename(chosen, " ", "", False).said
    shown = view.delete(chosen, "", False)
    assert shown.chosen == ""
    assert "Choose a take" in shown.detail
    assert "No takes yet" in shown.listing
    assert "trash" in shown.said
    assert "refresh" in view.delete(chosen, "", False).said


def test_with_nothing_chosen_nothing_can_be_pressed(view: LibraryView) -> None:
    shown = view.refresh("", "", False)
    buttons = ("opened", "extend", "favour", "resume", "rename", "delete", "undo", "erase", "empty")
    assert [getattr(shown, button)["interactive"] for button in buttons] == [False] * len(buttons)
    for said in (
        view.delete("", "", False).said,
        view.rename("", "Bed", "", False).said,
        view.favour("", "", False).said,
        view.open_take("").said,
        view.extend_take("").said,
    ):
        assert said == "No take is chosen: choose one in the list."


def test_why_a_take_can_t_be_resumed(view: LibraryView, studio: Studio, tmp_path: Path) -> None:
    take = studio.library.get(the_take(studio))
    shown = view.refresh(take.id, "", False)
    assert (shown.resume["interactive"], shown.why) == (
        False, "Resume is for interrupted takes: this one is finished.",
    )  # fmt: skip
    record = json.loads(take.sidecar.read_text())
    take.sidecar.write_text(json.dumps({**record, "take": {**record["take"], "status": "interrupted"}}))
    shown = view.refresh(take.id, "", False)
    assert shown.resume["interactive"] is False
    assert "not saved on the way" in shown.why
    take.path.with_suffix(".state").touch()
    shown = view.refresh(take.id, "", False)
    assert (shown.resume["interactive"], shown.why) == (True, "")


def test_a_deleted_take_comes_back(view: LibraryView, studio: Studio) -> None:
    """At once, and later from the trash, which says what it holds and can be emptied."""
    first = the_take(studio)
    deleted = view.delete(first, "", False)
    assert deleted.undo == gr.update(visible=True, interactive=True)
    shown = view.restore(deleted.undone, "", False)
    assert (shown.chosen, shown.said, shown.undo["visible"]) == (first, "Put back.", False)
    assert "The trash is empty" in shown.trash
    assert shown.part["label"] == "Trash"
    deleted = view.delete(first, "", False)
    assert "&lt;img src=x" in deleted.trash
    assert "<img src=x" not in deleted.trash
    assert re.fullmatch(r"Trash · 1 take, \d+ kB", deleted.part["label"])
    (kept,) = studio.library.trash.takes()
    shown = view.put_back("", False, gr.EventData(None, {"take": kept.id}))
    assert the_take(studio) == shown.chosen == first
    assert "not in the trash" in view.restore(kept.id, "", False).said
    view.delete(first, "", False)
    shown = view.empty("", "", False)
    assert shown.said.startswith("The trash is empty: ")
    assert shown.empty["interactive"] is False
    assert not studio.library.trash.takes()


def test_a_full_disk_offers_to_delete_for_good(
    view: LibraryView, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, **_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    take = studio.library.get(the_take(studio))
    monkeypatch.setattr(Path, "mkdir", full)
    shown = view.delete(take.id, "", False)
    assert "empty the trash, or delete the take for good" in shown.said
    assert shown.erase == gr.update(visible=True, interactive=True)
    assert shown.chosen == take.id
    shown = view.erase(take.id, "", False)
    assert (shown.chosen, shown.erase["visible"]) == ("", False)
    assert not take.path.exists()
    assert not take.sidecar.exists()


def test_a_take_that_can_t_be_read_is_shown_with_its_reason(
    view: LibraryView, studio: Studio, tmp_path: Path
) -> None:
    take = studio.library.get(the_take(studio))
    take.sidecar.write_text("{<b>")
    listed = view.listing()
    assert "damaged" in listed
    shown = view.refresh(take.id, "", False)
    assert "damaged" in shown.detail
    assert (shown.delete["interactive"], shown.opened["interactive"]) == (True, False)
    shown = view.delete(take.id, "", False)
    assert "Moved" in shown.said
    assert "damaged" in shown.trash
    assert not take.path.exists(), "its sound goes with it"
    view.restore(shown.undone, "", False)
    assert take.path.exists()


def test_takes_of_a_comparison_say_what_differs() -> None:
    said = [
        how(parse_request(prompt="x", mode=mode, sampler={"kind": sampler}, **more))
        for mode, sampler, more in (
            ("dual", "clip", {"guidance_scale": 2, "draft": {"kind": "audiogen", "acoustic_scale": 7}}),
            ("dual", "clip", {"guidance_scale": 2, "draft": {"kind": "audiogen", "strength": 0.5}}),
            ("dual", "clip", {"guidance_scale": 2.25}),
            ("sparse", "clip", {}),
            ("sparse", "clip", {"attention": {"kind": "lite_focus", "ratio": 0.1}}),
            ("sparse", "clip", {"attention": {"kind": "token_merging"}}),
            ("infinite", "endless", {}),
            ("infinite", "concat", {}),
        )
    ]
    assert said == [
        "text 2 · acoustic 7",
        "text 2 · acoustic 2 · strength 0.5",
        "guidance 2.25",
        "dense attention · guidance 4",
        "LiteFocus 0.1 · guidance 4",
        "token merging 0.5 · guidance 4",
        "strategy auto · guidance 4",
        "joined clips · guidance 4",
    ]


def test_a_take_and_a_file_open_in_the_form(view: LibraryView, studio: Studio) -> None:
    take = studio.library.get(the_take(studio))
    for opened in (view.open_take(take.id), view.open_file(str(take.path))):
        filled = opened.values
        assert (opened.mode, opened.said) == ("infinite", "")
        assert filled["prompt"].endswith("rain")
        wanted = [filled[name] for name in ("seed", "duration_s", "endless", "model")]
        assert wanted == ["5", 1.0, False, "tone"]


def test_a_take_becomes_the_beginning_of_the_next(view: LibraryView, studio: Studio) -> None:
    take = studio.library.get(the_take(studio))
    opened = view.extend_take(take.id)
    filled = opened.values
    assert (opened.mode, filled["endless"], opened.said) == ("infinite", True, "")
    assert filled["continue_from"]
    assert Path(filled["continue_from"]).name == take.path.name
    assert Path(filled["continue_from"]).read_bytes() == take.path.read_bytes()
    assert filled["prompt"].endswith("rain")
    assert "not in the library" in view.extend_take("gone").said


def test_a_file_of_another_maker_is_told(view: LibraryView, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    refused = view.open_file(str(other))
    assert "can't be used" in refused.said
    assert (refused.mode, refused.values) == ("", {})
    assert view.open_file(None) == Opened()
