"""The tab "Library": every take, found again, kept in order, opened as settings, put away and got back."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.service.studio import Studio
from studio.service.takes.tags import SUFFIXES as TAGGED
from studio.ui.panels import cards
from studio.ui.panels.library_view import NOBODY, LibraryView, Shown
from studio.ui.tabs.dual import DualTab
from studio.ui.tabs.infinite import InfiniteTab
from studio.ui.tabs.sparse import SparseTab

TAB = "library"
_PICK = """
element.addEventListener('click', (event) => {
  const card = event.target.closest('[data-take]');
  if (card) trigger('click', { take: card.dataset.take });
});
"""


def build(
    studio: Studio, tabs: gr.Tabs, tab: gr.Tab, player: InfiniteTab, clips: SparseTab, drafted: DualTab
) -> None:
    """Lay the `tab` out; takes are opened in the others of the `tabs`, and resumed in `player`."""
    view = LibraryView(studio)
    parts: dict[str, Any] = {}
    with gr.Row(elem_classes="lw-search"):
        words = gr.Textbox(
            label="Search",
            placeholder="Words of the name or prompt, or a seed",
            elem_id=f"{TAB}-search",
            scale=4,
        )
        favourites = gr.Checkbox(label="Favourites", elem_id=f"{TAB}-favourites", min_width=110)
        refresh = gr.Button("Refresh", elem_id=f"{TAB}-refresh", min_width=90)
    with gr.Row(elem_classes="lw-columns"):
        with gr.Column(scale=7, min_width=320):
            parts["listing"] = gr.HTML(js_on_load=_PICK, apply_default_css=False, elem_id=f"{TAB}-list")
        with gr.Column(scale=4, min_width=320, elem_classes="lw-form"):
            parts |= _lay_out_chosen()
            file = gr.File(
                label="Settings from a file made here",
                file_types=[".json", *TAGGED], elem_id=f"{TAB}-file", height=140,
            )  # fmt: skip
            trash = _lay_out_trash()
    parts |= trash
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    chosen, asked, shown = parts["chosen"], [words, favourites], [parts[name] for name in Shown._fields]
    gr.on(
        [words.change, favourites.change, refresh.click, tab.select], view.refresh, [chosen, *asked], shown,
        trigger_mode="always_last", **hidden,
    )  # fmt: skip
    parts["listing"].click(view.choose, asked, shown, **hidden)
    parts["rename"].click(view.rename, [chosen, parts["name"], *asked], shown, **hidden)
    parts["favour"].click(view.favour, [chosen, *asked], shown, **hidden)
    parts["delete"].click(view.delete, [chosen, *asked], shown, **hidden)
    parts["erase"].click(view.erase, [chosen, *asked], shown, **hidden)
    parts["undo"].click(view.restore, [parts["undone"], *asked], shown, **hidden)
    parts["trash"].click(view.put_back, asked, shown, **hidden)
    parts["empty"].click(lambda: gr.update(visible=True), None, parts["sure"], queue=False, **hidden)
    parts["keep"].click(lambda: gr.update(visible=False), None, parts["sure"], queue=False, **hidden)
    emptied = parts["really"].click(view.empty, [chosen, *asked], shown, **hidden)
    emptied.then(lambda: gr.update(visible=False), None, parts["sure"], queue=False, **hidden)
    fields = [*player.form.fields, *clips.fields, *drafted.fields]
    filled = [tabs, *fields, parts["said"]]
    parts["opened"].click(view.open_take, [chosen, *fields], filled, **hidden)
    parts["extend"].click(view.extend_take, [chosen, *fields], filled, **hidden)
    taken = file.upload(view.open_file, [file, *fields], filled, **hidden)
    taken.then(lambda: None, None, file, queue=False, **hidden)  # the next one can be dropped at once
    shows = parts["resume"].click(lambda: gr.Tabs(selected="infinite"), None, tabs, queue=False, **hidden)
    player.follow(shows.then, player.handlers.resume, [chosen, player.followed[3]])


def _lay_out_chosen() -> dict[str, Any]:
    """The take that was chosen, and what can be done with it: nothing before there is one."""
    parts: dict[str, Any] = {
        "chosen": gr.State(""),
        "undone": gr.State(""),
        "detail": gr.HTML(cards.NONE.format(NOBODY), apply_default_css=False, elem_id=f"{TAB}-detail"),
        "name": gr.Textbox(label="Name", elem_id=f"{TAB}-name", max_lines=1),
    }
    with gr.Row(elem_classes="lw-actions"):
        parts["opened"] = _button("Open its settings", "open", 120, variant="primary")
        parts["extend"] = _button("Go on from its end", "extend", 120)
        parts["favour"] = _button("Favourite", "favour", 90)
    with gr.Row(elem_classes="lw-actions"):
        parts["resume"] = _button("Resume", "resume", 90)
        parts["rename"] = _button("Rename", "rename", 90)
        parts["delete"] = _button("Delete", "delete", 90)
    parts["why"] = gr.Markdown("", elem_id=f"{TAB}-why", elem_classes="lw-said")
    parts["said"] = gr.Markdown("", elem_id=f"{TAB}-said", elem_classes="lw-said")
    parts["undo"] = _button("Undo", "undo", 90, visible=False)
    parts["erase"] = _button("Delete for good", "erase", 90, visible=False)
    return parts


def _lay_out_trash() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Accordion("Trash", open=False, elem_id=f"{TAB}-trash-part") as parts["part"]:
        parts["trash"] = gr.HTML(js_on_load=_PICK, apply_default_css=False, elem_id=f"{TAB}-trash")
        parts["empty"] = _button("Empty the trash", "empty", 120)
        with gr.Column(visible=False) as parts["sure"]:
            gr.Markdown("What is in the trash can't be got back then.", elem_classes="lw-said")
            with gr.Row(elem_classes="lw-actions"):
                parts["really"] = gr.Button("Delete it all", size="sm", elem_id=f"{TAB}-really", min_width=90)
                parts["keep"] = gr.Button("Keep it", size="sm", elem_id=f"{TAB}-keep", min_width=90)
    return parts


def _button(text: str, name: str, width: int, **options: Any) -> gr.Button:
    return gr.Button(text, elem_id=f"{TAB}-{name}", min_width=width, interactive=False, **options)
