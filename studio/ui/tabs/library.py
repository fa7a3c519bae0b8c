"""The tab "Library": every take, found again, kept in order, opened as settings, put away and got back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import wraps
from typing import Any

import gradio as gr

from studio.service.studio import Studio
from studio.service.takes.tags import SUFFIXES as TAGGED
from studio.ui.panels import cards
from studio.ui.panels.library_view import NOBODY, LibraryView, Opened, Shown
from studio.ui.tabs.take_tab import TakeTab

TAB = "library"
_PICK = """
element.addEventListener('click', (event) => {
  const card = event.target.closest('[data-take]');
  if (card) trigger('click', { take: card.dataset.take });
});
"""


def build(studio: Studio, tabs: gr.Tabs, tab: gr.Tab, others: Sequence[TakeTab]) -> None:
    """Lay the `tab` out; takes are opened in the `others` of the `tabs`, and resumed in their first."""
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
    _bind_buttons(view, parts, [words, favourites], [refresh.click, tab.select])
    forms = {other.form.mode: other.form for other in others}
    filled = [tabs, *(field for form in forms.values() for field in form.fields.values()), parts["said"]]

    def opened(found: Opened) -> dict[Any, Any]:
        """What the page shows of it."""
        said = {parts["said"]: found.said}
        if not found.mode:
            return said
        return {tabs: gr.Tabs(selected=found.mode), **forms[found.mode].shown(found.values), **said}

    chosen = parts["chosen"]
    parts["opened"].click(answered(view.open_take, opened), chosen, filled, **hidden)
    parts["extend"].click(answered(view.extend_take, opened), chosen, filled, **hidden)
    taken = file.upload(answered(view.open_file, opened), file, filled, **hidden)
    taken.then(lambda: None, None, file, queue=False, **hidden)  # the next one can be dropped at once
    player = others[0]
    shows = parts["resume"].click(lambda: gr.Tabs(selected="infinite"), None, tabs, queue=False, **hidden)
    player.follow(shows.then, player.handlers.resume, [chosen, player.followed[3]])


def _bind_buttons(view: LibraryView, parts: dict[str, Any], asked: list[Any], refreshed: list[Any]) -> None:
    """Make the tab show the list as it is `asked` for, and its buttons do what they say."""
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    chosen, shown = parts["chosen"], [parts[one.name] for one in fields(Shown)]

    def show(found: Shown) -> dict[Any, Any]:
        return {parts[name]: value for name, value in vars(found).items()}

    gr.on(
        [*(part.change for part in asked), *refreshed], answered(view.refresh, show), [chosen, *asked], shown,
        trigger_mode="always_last", **hidden,
    )  # fmt: skip
    parts["listing"].click(answered(view.choose, show), asked, shown, **hidden)
    parts["rename"].click(answered(view.rename, show), [chosen, parts["name"], *asked], shown, **hidden)
    parts["favour"].click(answered(view.favour, show), [chosen, *asked], shown, **hidden)
    parts["delete"].click(answered(view.delete, show), [chosen, *asked], shown, **hidden)
    parts["erase"].click(answered(view.erase, show), [chosen, *asked], shown, **hidden)
    parts["undo"].click(answered(view.restore, show), [parts["undone"], *asked], shown, **hidden)
    parts["trash"].click(answered(view.put_back, show), asked, shown, **hidden)
    parts["empty"].click(lambda: gr.update(visible=True), None, parts["sure"], queue=False, **hidden)
    parts["keep"].click(lambda: gr.update(visible=False), None, parts["sure"], queue=False, **hidden)
    emptied = parts["really"].click(answered(view.empty, show), [chosen, *asked], shown, **hidden)
    emptied.then(lambda: gr.update(visible=False), None, parts["sure"], queue=False, **hidden)


def answered(handler: Callable[..., Any], answer: Callable[[Any], dict[Any, Any]]) -> Callable[..., Any]:
    """The handler, with what it finds told to Gradio by component."""

    @wraps(handler)
    def run(*asked: Any) -> dict[Any, Any]:
        return answer(handler(*asked))

    return run


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
