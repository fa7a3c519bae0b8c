"""A tab's form, made from the table of fields: laid out, read as a request, joined to the page's scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from studio.backends.catalog import DRAFTER, ModelInfo, folds, speaks
from studio.core.binding import (
    GROUPS,
    Values,
    bind,
    efforts_of,
    fill,
    opening,
    opening_of_model,
    read_page,
    said_on_page,
    type_of,
)
from studio.core.defaults import DefaultsOf
from studio.core.draft import POCKET_DRAFTS, RecordedDraft
from studio.core.errors import InvalidRequestError
from studio.core.field import Depth, Field
from studio.core.fields import on_page
from studio.core.modes import MODES
from studio.core.preset import Preset, shipped_presets
from studio.core.request import GenerationRequest
from studio.core.settings import Settings
from studio.service.recordings.read import read_recording
from studio.service.studio import Studio
from studio.ui import widgets
from studio.ui.recorded import recording_field
from studio.ui.widgets import HIDDEN

# In the browser alone: no value of the form goes to the server before a take is asked for.
_TELL = "(...values) => [Object.fromEntries({names}.map((name, index) => [name, values[index]]))]"
_TAKE = "(asked, ...now) => {names}.map((name, index) => (name in asked ? asked[name] : now[index]))"
_ASK = (
    "document.getElementById('%s-ask').ask = (values) => { props.value = values; trigger('input', values); };"
)
_ATTACH = (
    "import(new URL('page/page.js', document.baseURI)).then(page => page.attachForm('%s', props, watch, %s));"
)


def read_form(mode: str, values: Values, studio: Studio) -> GenerationRequest:
    """The request that a form's values make; a recording to draft from is put by for it.

    Raises:
        InvalidRequestError: names the first field at fault, or what is wrong with the recording.
        OutOfResourcesError: the disk is full.
    """
    settings = studio.settings
    given = read_page(mode, _meant(mode, values, abilities(values["model"], settings)))
    recorded = own_audio(given, studio) if given.get("draft") == "recorded" else None
    model = {"id": given["model"], "device": settings.device, "dtype": settings.dtype}
    fixed = {"model": model}
    return bind(mode, given, studio.defaults_of, recorded=recorded, fitting=GROUPS, fixed=fixed)


def abilities(model: str | None, settings: Settings) -> dict[str, bool]:
    """What a model can do of what fields need (`field.Needs`)."""
    return {"speech": speaks(model or "", settings), "folding": folds(model or "", settings)}


def _meant(mode: str, values: Values, able: Mapping[str, bool]) -> Values:
    """A form's values without those that mean nothing to a model that is able to do no more."""
    needs = {name: field.page.needs for name, field in on_page(mode).items() if field.page}
    return {name: value for name, value in values.items() if able.get(needs.get(name, ""), True)}


def own_audio(values: Values, studio: Studio) -> RecordedDraft:
    """The recording among a form's or a caller's values, put by as a draft for its model to read.

    Raises:
        InvalidRequestError: there is none, or it can't be read.
        OutOfResourcesError: the disk is full.
    """
    if not values.get("recording"):
        raise InvalidRequestError("Choose your own audio for the draft, or let AudioGen make it.")
    model = values.get("draft_model") or POCKET_DRAFTS
    return studio.store_recording(read_recording(Path(values["recording"])), model)


class Form:
    """The fields of a tab. What is asked for first is up to the tab, which lays them out by their names."""

    def __init__(
        self, mode: str, settings: Settings, models: Sequence[ModelInfo], defaults_of: DefaultsOf
    ) -> None:
        """`models` are those that the tab offers, and AudioGens; `defaults_of` what one begins with."""
        self.mode = mode
        self.fields: dict[str, Any] = {}  # the components by the fields' names, as they are laid out
        self._said: dict[str, gr.Markdown] = {}  # what is said of a recording, below it
        model = settings.model_of(mode)
        self.opening = opening(mode, defaults_of(model), model=model)
        self._defaults_of = defaults_of
        self._of_model: gr.HTML  # what of it belongs to the model, once it is joined
        self._settings = settings
        self._models = models
        self._table = on_page(mode)
        self._preset: gr.Dropdown | None = None

    def put(self, *names: str, **look: Any) -> Any:
        """Lay fields out where one is; the last one's component. `look` are options of Gradio's."""
        for name in names:
            field = self._table[name]
            self.fields[name] = self._component(field, self.opening[name], look)
        return self.fields[names[-1]]

    def row(self, *names: str, classes: str | None = None, **look: Any) -> None:
        """Lay fields out beside each other."""
        with gr.Row(elem_classes=classes):
            self.put(*names, **look)

    def put_own_audio(self) -> None:
        """Lay out where one gives a recording, which shows while the draft is one."""
        recorded = self.opening["draft"] == "recorded"
        parts = [self.put("recording", height=120, visible=recorded), self._said["recording"]]
        draft = self.fields["draft"]
        draft.change(lambda kind: [gr.update(visible=kind == "recorded")] * 2, draft, parts, **HIDDEN)

    def rest(self, depth: Depth) -> None:
        """Lay out what the tab has named no place for."""
        for name, field in self._table.items():
            if name not in self.fields and field.page and field.page.depth == depth:
                self.put(name)

    @property
    def opens_with_words(self) -> bool:
        """Whether the model that it opens with says any."""
        return speaks(self.opening["model"], self._settings)

    @property
    def _renamed(self) -> list[str]:
        """The fields laid out that have another name while the model speaks."""
        return [name for name in self.fields if (page := self._table[name].page) and page.beside_words]

    def _rename(self, model: str | None) -> dict[Any, Any]:
        return {self.fields[name]: gr.update(label=self._label(name, model)) for name in self._renamed}

    def _label(self, name: str, model: str | None) -> str:
        """What a field is called while a model is chosen."""
        field = self._table[name]
        assert field.page is not None
        if field.page.beside_words and speaks(model or "", self._settings):
            return field.page.beside_words
        return field.page.label or field.title

    def choose_preset(self) -> gr.Dropdown:
        """Lay out the presets that ship for the tab; the page's scripts fill the form from one."""
        self._preset = widgets.preset_choice(self.mode, self._settings.presets)
        return self._preset

    def join(self) -> None:
        """Join the form to the page's scripts, once all is laid out: they see each value as it changes, and
        may set any. What they need to know of the fields goes with it.
        """
        self._of_model = _unseen(self.of_model(self.opening["model"]), f"{self.mode}-defaults")
        parts = self.fields | {"defaults": self._of_model}
        parts |= {"preset": self._preset} if self._preset is not None else {}
        names = json.dumps(list(parts))
        told = _unseen(
            {**self.opening, "defaults": self._of_model.value, "preset": None},
            f"{self.mode}-form",
            _ATTACH % (self.mode, json.dumps(self._about())),
        )
        asked = _unseen({}, f"{self.mode}-ask", _ASK % self.mode)
        components = list(parts.values())
        hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        changes = [part.change for part in components]
        gr.on(changes, None, components, told, js=_TELL.format(names=names), **hidden)
        asked.input(None, [asked, *components], components, js=_TAKE.format(names=names), **hidden)
        model = self.fields["model"]
        if renamed := [self.fields[name] for name in self._renamed]:
            model.change(self._rename, model, renamed, trigger_mode="always_last", **HIDDEN)
        model.change(self.of_model, model, self._of_model, trigger_mode="always_last", **HIDDEN)

    def of_model(self, model: str | None) -> dict[str, Any]:
        """What of the form belongs to a model: the values that it opens on, those with words that are spoken,
        and its choices of quality.
        """
        own = self._defaults_of(model or "")
        return {
            "model": model or "",
            "values": opening_of_model(self.mode, own),
            "spoken": opening_of_model(self.mode, own, spoken=True),
            "efforts": efforts_of(self.mode, own),
            "able": abilities(model, self._settings),
        }

    def _about(self) -> dict[str, Any]:
        """What the page's scripts know of the form: how it opens, what each field is called and how far down
        it lies, and what each preset sets.
        """
        shown = {name: field.page for name, field in self._table.items() if field.page}
        presets = shipped_presets(self._settings.presets).items()
        return {
            "opening": self.opening,
            "labels": {name: page.label or self._table[name].title for name, page in shown.items()},
            "depths": {name: page.depth for name, page in shown.items()},
            "parts": {name: f"{self.mode}-{page.part}" for name, page in shown.items()},
            "files": [name for name, page in shown.items() if page.widget == "file"],
            "presets": {stem: self._filled(one) for stem, one in presets if one.mode == self.mode},
            "endless": MODES[self.mode].sampler == "endless",
            "said": said_on_page(self.mode),
            "needing": {name: page.needs for name, page in shown.items() if page.needs},
        }

    def _filled(self, preset: Preset) -> dict[str, Any]:
        """The values that a preset sets; where it names no model, what it leaves out is the form's to say."""
        return fill(self.mode, preset, self._defaults_of(preset.model_id) if preset.model_id else None)

    @property
    def shows(self) -> list[Any]:
        """The components to which `shown` gives values."""
        return [*self.fields.values(), self._of_model]

    def shown(self, values: Mapping[str, Any]) -> dict[Any, Any]:
        """Values by the fields' names as Gradio takes them: by component. Those that come with a model stay
        what they are, as what belongs to it comes with them.
        """
        told = {self._of_model: self.of_model(values["model"])} if "model" in values else {}
        return {self.fields[name]: value for name, value in values.items()} | told

    def _component(self, field: Field, value: Any, look: dict[str, Any]) -> Any:
        page = field.page
        assert page is not None
        kind = type_of(field, self.mode) if field.path else type(value)
        elem_id, label = f"{self.mode}-{page.part}", self._label(field.name, self.opening["model"])
        about = {"label": label, "elem_id": elem_id, **({"info": page.info} if page.info else {}), **look}
        if page.needs and not abilities(self.opening["model"], self._settings)[page.needs]:
            look = {**look, "elem_classes": "lw-hidden"}  # the page's scripts show it, once a model can
            about |= look
        step = {} if page.step is None else {"step": page.step}
        if page.widget == "seed":
            return widgets.seed(self.mode, value, label)
        if page.widget == "digits":
            return widgets.seed_field(value, label, elem_id)
        if page.widget == "model":
            drafts = field.path == "draft.model"
            offered = [model for model in self._models if (model.system == DRAFTER) == drafts]
            return widgets.model_choice(elem_id, offered, value, label)
        if page.widget == "file":
            file, self._said[field.name] = recording_field(elem_id, label, **{"height": 140, **look})
            return file
        if page.widget == "slider":
            return gr.Slider(*page.span, value, **step, **about)
        if page.widget == "radio":
            return gr.Radio(list(page.choices), value=value, **about)
        if page.choices:
            return gr.Dropdown(list(page.choices), value=value, **about)
        if kind is bool:
            return gr.Checkbox(value, **about)
        if page.widget is None and kind in (int, float):
            return gr.Number(value, **({"precision": 0} if kind is int else {}), **step, **about)
        return gr.Textbox(value, **({"placeholder": page.placeholder} if page.placeholder else {}) | about)


def _unseen(value: dict[str, Any], elem_id: str, on_load: str = "") -> gr.HTML:
    """What the page's scripts and the server tell each other, beside what is seen."""
    return gr.HTML(
        value=value,
        html_template="<i></i>",
        js_on_load=on_load,
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="lw-hidden",
    )
