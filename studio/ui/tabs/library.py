"""The tab "Library": every take, found again, kept in order, opened as settings, put away and got back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial, wraps
from typing import Any

import gradio as gr

from studio.service.looks import Looks
from studio.service.studio import Studio
from studio.service.takes.export import FORMATS
from studio.service.takes.tags import SUFFIXES as TAGGED
from studio.ui.panels import look, take_detail
from studio.ui.panels.library_view import PAGE, Asked, LibraryView, Opened, Shown
from studio.ui.panels.quality import name_field, quality_field
from studio.ui.tabs.take_tab import TakeTab
from studio.ui.words import words

TAB = "library"
TEXT = words.library
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_ATTACH = (
    "import(new URL('page/library.js', document.baseURI))"
    ".then(({{ library }}) => library.{part}(element, watch, trigger));"
)
_FORMATS = "".join(f'<option value="{suffix}">{suffix[1:].upper()}</option>' for suffix in FORMATS)
_BULK = f"""
<div class="lw-bulk" role="group" aria-label="{TEXT.bulk_name}" hidden>
  <span class="lw-bulk-count" role="status"></span>
  <button type="button" data-do="all">{TEXT.select_all}</button>
  <button type="button" data-do="favour">{TEXT.favourite}</button>
  <label>{TEXT.format} <select><option value="">{TEXT.as_it_is}</option>
    {_FORMATS}</select></label>
  {quality_field()}
  {name_field()}
  <button type="button" data-do="export">{TEXT.export_all}</button>
  <button type="button" data-do="delete">{TEXT.delete}</button>
  <button type="button" data-do="clear" aria-label="{TEXT.clear_help}">{TEXT.clear}</button>
  <span class="lw-told" role="status"></span>
</div>
"""
_CLOSE = f"""
<div class="lw-pane-head"><h2>{TEXT.details}</h2>
  <button type="button" class="lw-pane-close" aria-label="{TEXT.close}">✕</button></div>
"""


def build(studio: Studio, looks: Looks, tabs: gr.Tabs, tab: gr.Tab, others: Sequence[TakeTab]) -> None:
    """Lay the `tab` out; takes are opened in the `others` of the `tabs`, and resumed in their first.

    `looks` are what checks takes, here as in the others.
    """
    view = LibraryView(studio)
    asked, refresh = _lay_out_search()
    parts: dict[str, Any] = {"most": asked["most"]}
    with gr.Row(elem_classes="lw-library-told"):
        parts["about"] = gr.Markdown("", elem_id=f"{TAB}-about", elem_classes="lw-said")
        parts["said"] = gr.Markdown("", elem_id=f"{TAB}-said", elem_classes="lw-said")
        parts["undo"] = _button(TEXT.undo, "undo", 90, visible=False)
        parts["erase"] = _button(TEXT.erase, "erase", 90, visible=False)
    with gr.Row(elem_classes="lw-library", elem_id=f"{TAB}-columns"):
        with gr.Column(scale=7, min_width=240, elem_classes="lw-library-takes"):
            parts["listing"] = _html("", "list", "listing")
            gr.HTML(
                html_template=_BULK, js_on_load=_ATTACH.format(part="bulk"),
                apply_default_css=False, elem_id=f"{TAB}-bulk",
            )  # fmt: skip
        with gr.Column(scale=4, min_width=240, elem_classes="lw-library-pane", elem_id=f"{TAB}-pane"):
            parts |= _lay_out_chosen()
            look.build(looks, TAB, looks.of_library, parts["chosen"])
    with gr.Row(elem_classes="lw-library-rest"):
        file = gr.File(
            label=TEXT.file, file_types=[".json", *TAGGED], elem_id=f"{TAB}-file", height=84, min_width=240
        )
        parts |= _lay_out_trash()
    _bind_buttons(view, parts, asked, [refresh.click, tab.select])
    forms = {other.form.mode: other.form for other in others}
    filled = [tabs, *(part for form in forms.values() for part in form.shows), parts["said"]]

    def opened(found: Opened) -> dict[Any, Any]:
        """What the page shows of it."""
        said = {parts["said"]: found.said}
        if not found.mode:
            return said
        return {tabs: gr.Tabs(selected=found.mode), **forms[found.mode].shown(found.values), **said}

    chosen = parts["chosen"]
    parts["opened"].click(answered(view.open_take, opened), chosen, filled, **HIDDEN)
    parts["extend"].click(answered(view.extend_take, opened), chosen, filled, **HIDDEN)
    taken = file.upload(answered(view.open_file, opened), file, filled, **HIDDEN)
    taken.then(lambda: None, None, file, queue=False, **HIDDEN)  # the next one can be dropped at once
    player = others[0]
    shows = parts["resume"].click(lambda: gr.Tabs(selected="infinite"), None, tabs, queue=False, **HIDDEN)
    player.follow(shows.then, player.handlers.resume, [chosen, player.followed[3]])


def _lay_out_search() -> tuple[dict[str, Any], gr.Button]:
    """The components that `Asked` is made of, by its names, and the button that looks again."""
    orders = [
        (TEXT.newest, "newest"), (TEXT.oldest, "oldest"), (TEXT.by_name, "name"),
        (TEXT.longest, "longest"), (TEXT.shortest, "shortest"),
    ]  # fmt: skip
    with gr.Row(elem_classes="lw-search"):
        search = gr.Textbox(
            label=TEXT.search, placeholder=TEXT.search_hint, elem_id=f"{TAB}-search", scale=4, min_width=200
        )
        order = gr.Dropdown(
            orders, value="newest", label=TEXT.sort, filterable=False, elem_id=f"{TAB}-sort", min_width=150
        )
        favourites = gr.Checkbox(label=TEXT.favourites, elem_id=f"{TAB}-favourites", min_width=110)
        refresh = gr.Button(TEXT.refresh, elem_id=f"{TAB}-refresh", min_width=90)
    return {"words": search, "favourites": favourites, "order": order, "most": gr.State(PAGE)}, refresh


def _bind_buttons(
    view: LibraryView, parts: dict[str, Any], asked: dict[str, Any], refreshed: list[Any]
) -> None:
    """Make the tab show the list as it is `asked` for, and its buttons do what they say."""
    shown = [parts[one.name] for one in fields(Shown)]

    def show(found: Shown) -> dict[Any, Any]:
        return {parts[name]: value for name, value in vars(found).items() if value is not None}

    def run(event: Any, do: Callable[..., Shown], *given: str, **more: Any) -> Any:
        """At an event show what `do` makes of the parts of these names, and of what is asked."""
        inputs = {**{name: parts[name] for name in given}, **asked}
        return event(asking(do, show), None, shown, inputs_kwargs=inputs, **more, **HIDDEN)

    refreshing = [*(part.change for name, part in asked.items() if name != "most"), *refreshed]
    run(partial(gr.on, refreshing), view.refresh, "chosen", trigger_mode="always_last")
    run(parts["rename"].click, view.rename, "chosen", "name")
    run(parts["favour"].click, lambda chosen, asked: view.favour([chosen], chosen, asked), "chosen")
    run(parts["delete"].click, lambda chosen, asked: view.delete([chosen], chosen, asked), "chosen")
    run(parts["erase"].click, view.erase, "doomed", "chosen")
    run(parts["undo"].click, view.restore, "undone")
    for list_of_takes in (parts["listing"], parts["trash"]):
        inputs = {"chosen": parts["chosen"], **asked}
        acts = acted(view, show)  # each: what is pressed while another is answered would be lost of itself
        list_of_takes.click(acts, None, shown, inputs_kwargs=inputs, trigger_mode="multiple", **HIDDEN)
    parts["empty"].click(lambda: gr.update(visible=True), None, parts["sure"], queue=False, **HIDDEN)
    parts["keep"].click(lambda: gr.update(visible=False), None, parts["sure"], queue=False, **HIDDEN)
    emptied = run(parts["really"].click, view.empty, "chosen")
    emptied.then(lambda: gr.update(visible=False), None, parts["sure"], queue=False, **HIDDEN)


def answered(handler: Callable[..., Any], answer: Callable[[Any], dict[Any, Any]]) -> Callable[..., Any]:
    """The handler, with what it finds told to Gradio by component."""

    @wraps(handler)
    def run(*asked: Any) -> dict[Any, Any]:
        return answer(handler(*asked))

    return run


def asking(handler: Callable[..., Shown], show: Callable[[Shown], dict[Any, Any]]) -> Callable[..., Any]:
    """A handler whose last value is an `Asked`, of which Gradio has the parts by their names."""
    names = [one.name for one in fields(Asked)]

    def run(**given: Any) -> dict[Any, Any]:
        asked = Asked(**{name: given.pop(name) for name in names})
        return show(handler(*given.values(), asked))

    return run


def acted(view: LibraryView, show: Callable[[Shown], dict[Any, Any]]) -> Callable[..., Any]:
    """What a script does on the list, or in the trash, with what it says of it."""

    def run(event: gr.EventData, **given: Any) -> dict[Any, Any]:
        chosen = given.pop("chosen")
        return show(view.act(Asked(**given), chosen, event._data or {}))

    run.__annotations__["event"] = gr.EventData  # which is how Gradio knows it
    return run


def _lay_out_chosen() -> dict[str, Any]:
    """The take that was chosen, and what can be done with it: nothing before there is one."""
    gr.HTML(html_template=_CLOSE, js_on_load=_ATTACH.format(part="pane"), apply_default_css=False)
    parts: dict[str, Any] = {
        "chosen": gr.State(""),
        "undone": gr.State(()),
        "doomed": gr.State(()),
        "detail": _html(take_detail.nobody(), "detail", "detail"),
    }
    with gr.Row(elem_classes="lw-actions"):
        parts["opened"] = _button(TEXT.load, "open", 120, variant="primary")
        parts["extend"] = _button(TEXT.continue_take, "extend", 120)
    with gr.Row(elem_classes="lw-actions"):
        parts["favour"] = _button(TEXT.favour, "favour", 120)
        parts["delete"] = _button(TEXT.delete, "delete", 80)
        parts["resume"] = _button(TEXT.resume, "resume", 80)
    parts["why"] = gr.Markdown("", elem_id=f"{TAB}-why", elem_classes="lw-said")
    with gr.Row(elem_classes="lw-rename"):
        parts["name"] = gr.Textbox(label=TEXT.name, elem_id=f"{TAB}-name", max_lines=1, min_width=120)
        parts["rename"] = _button(TEXT.rename, "rename", 80)
    return parts


def _lay_out_trash() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Accordion(TEXT.trash, open=False, elem_id=f"{TAB}-trash-part") as parts["part"]:
        parts["trash"] = _html("", "trash", "trash")
        parts["empty"] = _button(TEXT.empty_trash, "empty", 120)
        with gr.Column(visible=False) as parts["sure"]:
            gr.Markdown(TEXT.sure, elem_classes="lw-said")
            with gr.Row(elem_classes="lw-actions"):
                parts["really"] = gr.Button(TEXT.really, size="sm", elem_id=f"{TAB}-really", min_width=90)
                parts["keep"] = gr.Button(TEXT.keep, size="sm", elem_id=f"{TAB}-keep", min_width=90)
    return parts


def _html(value: str, name: str, part: str) -> gr.HTML:
    """What the server writes and the page's script brings to life."""
    return gr.HTML(
        value, js_on_load=_ATTACH.format(part=part), apply_default_css=False, elem_id=f"{TAB}-{name}"
    )


def _button(text: str, name: str, width: int, **options: Any) -> gr.Button:
    return gr.Button(text, elem_id=f"{TAB}-{name}", min_width=width, interactive=False, **options)
