"""The library's cards, details and buttons, over takes made without weights."""

from __future__ import annotations

import errno
import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gradio as gr
import pytest

from studio.app import build_studio
from studio.core.fields import fields_of
from studio.core.request import parse_request
from studio.core.settings import Settings
from studio.service.studio import Studio
from studio.ui.panels.library_view import PAGE, Asked, LibraryView, Opened
from tests.waiting import until


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


ANY = Asked()


def the_take(studio: Studio) -> str:
    return next(studio.library.takes()).id


def make(studio: Studio, *requests: Any) -> None:
    """Takes made together, as one job."""
    list(studio.events(studio.submit_all(requests).id))


def test_a_take_is_a_card_and_no_prompt_is_markup(view: LibraryView, studio: Studio) -> None:
    listed, detail = view.listing(), view.choose(the_take(studio)).detail
    assert listed.count("<article") == 1
    assert "seed 5" in listed
    assert ">Infinite<" in listed
    assert "library/picture?take=" in listed
    assert "data:image" not in listed
    assert "<img src=x" not in listed + detail
    assert "&lt;img src=x" in listed
    assert "&lt;img src=x" in detail


def test_a_card_says_how_it_is_played_and_exported(view: LibraryView, studio: Studio) -> None:
    take = studio.library.get(the_take(studio))
    (told,) = re.findall('data-source="([^"]*)"', view.listing())
    source = json.loads(html.unescape(told))
    assert source["id"] == take.id
    assert (source["lengthS"], source["file"], source["mode"]) == (1.0, take.path.name, "infinite")
    for name in ("url", "exportUrl", "prepareUrl", "pictureUrl"):
        address = urlsplit(source[name])
        assert parse_qs(address.query)["take"] == [take.id]
        assert address.path.startswith("library/")


def test_an_empty_list_says_what_to_do(view: LibraryView, tmp_path: Path) -> None:
    assert "No takes match." in view.listing(Asked("no such words"))
    empty = build_studio(Settings(outputs=tmp_path / "none", model_id="tone"))
    assert "Generate" in LibraryView(empty).listing()
    assert LibraryView(empty).refresh("", ANY).about == ""
    empty.close()


def test_choose_rename_favour_delete(view: LibraryView, studio: Studio) -> None:
    shown = view.act(ANY, "", {"action": "choose", "takes": [the_take(studio)]})
    assert "lw-detail-save" in shown.detail
    assert shown.name
    assert shown.listing is None, "the list stays, and the focus in it"
    assert all(getattr(shown, button)["interactive"] for button in ("opened", "extend", "rename", "delete"))
    assert 'aria-pressed="true"' in view.refresh(shown.chosen, ANY).listing
    shown = view.rename(shown.chosen, "Bed", ANY)
    assert (shown.name, shown.said) == ("Bed", "Renamed.")
    chosen = shown.chosen
    shown = view.favour([chosen], chosen, ANY)
    assert "★" in shown.listing
    assert (shown.said, shown.favour["value"]) == ("Added to favourites.", "Remove from favourites")
    shown = view.favour([chosen], chosen, ANY)
    assert "★" not in shown.listing
    assert (shown.said, shown.favour["value"]) == ("Removed from favourites.", "Add to favourites")
    assert "empty" in view.rename(chosen, " ", ANY).said
    shown = view.delete([chosen], chosen, ANY)
    assert shown.chosen == ""
    assert "Choose a take" in shown.detail
    assert "No takes yet" in shown.listing
    assert "trash" in shown.said
    assert "refresh" in view.delete([chosen], "", ANY).said


def test_with_nothing_chosen_nothing_can_be_pressed(view: LibraryView) -> None:
    shown = view.refresh("", ANY)
    buttons = ("opened", "extend", "favour", "resume", "rename", "delete", "empty")
    assert [getattr(shown, button)["interactive"] for button in buttons] == [False] * len(buttons)
    for said in (
        view.delete([""], "", ANY).said,
        view.rename("", "Bed", ANY).said,
        view.favour([""], "", ANY).said,
        view.open_take("").said,
        view.extend_take("").said,
    ):
        assert said == "No take is chosen: choose one in the list."


def test_why_a_take_can_t_be_resumed(view: LibraryView, studio: Studio, tmp_path: Path) -> None:
    take = studio.library.get(the_take(studio))
    shown = view.choose(take.id)
    assert (shown.resume["interactive"], shown.why) == (
        False, "Resume is for interrupted takes: this one is finished.",
    )  # fmt: skip
    record = json.loads(take.sidecar.read_text())
    take.sidecar.write_text(json.dumps({**record, "take": {**record["take"], "status": "interrupted"}}))
    shown = view.choose(take.id)
    assert shown.resume["interactive"] is False
    assert "before it was first saved" in shown.why
    assert ">interrupted<" in view.listing()
    take.path.with_suffix(".state").touch()
    shown = view.choose(take.id)
    assert (shown.resume["interactive"], shown.why) == (True, "")


def test_a_take_being_made_says_why_it_can_t_be_changed(view: LibraryView, studio: Studio) -> None:
    wanted = parse_request(prompt="surf", duration_s=None, model={"id": "tone"})
    job = studio.submit(wanted, listen=True)
    until(lambda: next(studio.library.takes("surf"), None) is not None)
    shown = view.choose(next(studio.library.takes("surf")).id)
    buttons = ("extend", "favour", "resume", "rename", "delete")
    assert [getattr(shown, button)["interactive"] for button in buttons] == [False] * len(buttons)
    assert shown.opened["interactive"]
    assert "still being made" in shown.why
    assert ">being made<" in view.listing()
    studio.stop(job.id)
    until(lambda: job.ended)


def test_a_deleted_take_comes_back(view: LibraryView, studio: Studio) -> None:
    """At once, and later from the trash, which says what it holds and can be emptied."""
    first = the_take(studio)
    deleted = view.delete([first], first, ANY)
    assert deleted.undo == gr.update(visible=True, interactive=True)
    assert view.act(ANY, "", {"action": "look"}).undo is None, "it stays on offer while others are looked at"
    shown = view.restore(deleted.undone, ANY)
    assert (shown.chosen, shown.said, shown.undo["visible"]) == (first, "Put back.", False)
    assert "The trash is empty" in shown.trash
    assert shown.part["label"] == "Trash"
    deleted = view.delete([first], first, ANY)
    assert "&lt;img src=x" in deleted.trash
    assert "<img src=x" not in deleted.trash
    assert re.fullmatch(r"Trash · 1 take, \d+ kB", deleted.part["label"])
    (kept,) = studio.library.trash.takes()
    shown = view.act(ANY, "", {"action": "restore", "takes": [kept.id]})
    assert the_take(studio) == shown.chosen == first
    assert "not in the trash" in view.restore([kept.id], ANY).said
    view.delete([first], first, ANY)
    shown = view.empty("", ANY)
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
    shown = view.delete([take.id], take.id, ANY)
    assert "empty the trash, or delete the take for good" in shown.said
    assert shown.erase == gr.update(visible=True, interactive=True)
    assert shown.chosen == take.id
    shown = view.erase(shown.doomed, take.id, ANY)
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
    shown = view.refresh(take.id, ANY)
    assert "damaged" in shown.detail
    assert "can only be deleted" in shown.why
    assert (shown.delete["interactive"], shown.opened["interactive"]) == (True, False)
    shown = view.delete([take.id], take.id, ANY)
    assert "Moved" in shown.said
    assert "damaged" in shown.trash
    assert not take.path.exists(), "its sound goes with it"
    view.restore(shown.undone, ANY)
    assert take.path.exists()


def test_takes_made_together_are_in_one_box_and_say_what_differs(view: LibraryView, studio: Studio) -> None:
    one = parse_request(prompt="surf", seed=1, duration_s=0.5, model={"id": "tone"})
    make(studio, one, one.model_copy(update={"guidance_scale": 7.0}))
    (box,) = re.findall('<section class="lw-group".*</section>', view.listing())
    assert "Comparison · 2 takes" in box
    label = next(field.label for field in fields_of("infinite") if field.name == "guidance_scale")
    assert re.findall('lw-tag-differs">([^<]*)<', box) == [f"{label}: 4", f"{label}: 7"]
    make(studio, *(one.model_copy(update={"seed": seed}) for seed in (9, 8, 7)))
    box, _ = re.findall('<section class="lw-group".*?</section>', view.listing())
    assert "Variations · 3 takes" in box
    assert re.findall('lw-tag-differs">([^<]*)<', box) == ["Seed: 9", "Seed: 8", "Seed: 7"]
    deleted = next(take for take in studio.library.takes() if take.record.settings["seed"] == 8)
    studio.library.delete(deleted.id)
    assert "Variations · 2 of 3" in view.listing()


def test_a_box_is_not_cut_where_the_list_is(view: LibraryView, studio: Studio) -> None:
    one = parse_request(prompt="surf", seed=1, duration_s=0.5, model={"id": "tone"})
    make(studio, *(one.model_copy(update={"seed": seed}) for seed in range(3)))
    listed = view.listing(Asked(most=2))
    assert listed.count("<article") == 3
    assert "Show 1 more" in listed
    shown = view.act(Asked(most=2), "", {"action": "more"})
    assert shown.most == 2 + PAGE
    assert shown.listing.count("<article") == 4
    assert "lw-takes-more" not in shown.listing


def test_several_at_once(view: LibraryView, studio: Studio) -> None:
    one = parse_request(prompt="surf", seed=1, duration_s=0.5, model={"id": "tone"})
    make(studio, *(one.model_copy(update={"seed": seed}) for seed in range(3)))
    ids = [take.id for take in studio.library.takes("surf")]
    studio.library.favour(ids[0], True)
    shown = view.act(ANY, "", {"action": "favour", "takes": ids})
    assert shown.said == "Added 3 takes to favourites."
    assert shown.listing.count("lw-star") == 3
    shown = view.act(ANY, "", {"action": "favour", "takes": ids})
    assert shown.said == "Removed 3 takes from favourites."
    shown = view.act(ANY, ids[0], {"action": "delete", "takes": ids})
    assert (shown.said, shown.chosen) == ("Moved 3 takes to the trash.", "")
    assert "3 takes" in shown.part["label"]
    assert shown.about.startswith("1 take · ")
    shown = view.restore(shown.undone, ANY)
    assert shown.said == "Put back 3 takes."
    assert sorted(take.id for take in studio.library.takes("surf")) == sorted(ids)


def test_the_settings_that_are_not_the_usual_ones_are_told(view: LibraryView, studio: Studio) -> None:
    usual = parse_request(prompt="surf", seed=1, duration_s=0.5, model={"id": "tone"})
    for request in (usual, usual.model_copy(update={"guidance_scale": 7.5, "prompt": "loud"})):
        list(studio.events(studio.submit(request).id))
    label = next(field.label for field in fields_of("infinite") if field.name == "guidance_scale")
    assert f"{label}: 7.5" in view.choose(next(studio.library.takes("loud")).id).detail
    assert f"{label}:" not in view.choose(next(studio.library.takes("surf")).id).detail


@pytest.mark.parametrize("action", [{}, {"action": "format"}, {"action": "choose"}], ids=str)
def test_a_page_of_another_version_breaks_nothing(view: LibraryView, action: dict[str, Any]) -> None:
    assert view.act(ANY, "", action).listing is None


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
