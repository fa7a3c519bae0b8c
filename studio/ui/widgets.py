"""Parts that every tab is made of. Their scripts are in `assets/page`; `attach` there brings them to life."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from studio.backends.catalog import ModelInfo
from studio.core.preset import shipped_presets
from studio.dsp.spectrogram import columns_png
from studio.ui.words import words

HIDDEN: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}

_PLAYER = """
<div class="lw-now">
  <span class="lw-state">{idle}</span><span class="lw-name"></span><span class="lw-made"></span>
</div>
"""
_PICTURE = """
<div class="lw-picture">
  <canvas {kind} role="img" aria-label="{label}"></canvas>
  <div class="lw-span" hidden>
    <span class="lw-in" role="slider" tabindex="0" aria-label="{begins}"></span>
    <span class="lw-out" role="slider" tabindex="0" aria-label="{ends}"></span>
  </div>
  <p class="lw-hint">{hint}</p>
</div>
"""
_DRAFT = """
<div class="lw-draft-pictures">
  <img class="lw-draft-picture" alt="{draft}" hidden>
  <img class="lw-draft-tokens" alt="{draft_tokens}" hidden>
  <p class="lw-hint">{draft_hint}</p>
</div>
<audio controls preload="metadata" aria-label="{draft_sound}" hidden></audio>
"""
_PAD = """
<div class="lw-pad" role="slider" aria-label="{label}" aria-valuemin="0" aria-valuemax="{most:g}">
  <span class="lw-pad-x" aria-hidden="true">{x}</span><span class="lw-pad-y" aria-hidden="true">{y}</span>
  <i></i></div>
"""
_POINT = """
import(new URL('page/pad.js', document.baseURI)).then(pad => pad.attach(element, props, watch, trigger, %g));
"""
_ATTENTION = """
<p class="lw-caption">{attention}</p>
<canvas data-window role="img" aria-label="{attention_label}"></canvas>
"""
_GAUGE = """
<div class="lw-gauge"><span class="lw-name">{name}</span><span class="lw-value">–</span>
  <span class="lw-note">{note}</span><canvas aria-hidden="true"></canvas></div>
"""
_HEADER = """
<header class="lw-header">
  <svg viewBox="0 0 64 24" aria-hidden="true"><path d="M1 12c5-14 9-14 14 0s9 14 14 0 9-14 14 0 9 14 14 0"/>
  </svg>
  <h1>Longwave</h1><p>{tagline}</p>
  <button type="button" class="lw-keys-open">{keys}</button>
  <button type="button" class="lw-theme" aria-label="{theme}" title="{theme}">◐</button>
</header>
"""
_PANES = """
<div class="lw-panes">
  <div role="tablist" aria-label="{panes}">
    <button type="button" role="tab" id="{tab}-sound-tab" aria-controls="{tab}-sound"
      aria-selected="true">{sound}</button>
    <button type="button" role="tab" id="{tab}-engine-tab" aria-controls="{tab}-engine" aria-selected="false"
      tabindex="-1">{engine}</button>
    <button type="button" role="tab" id="{tab}-inside-tab" aria-controls="{tab}-inside" aria-selected="false"
      tabindex="-1">{inside}</button>
  </div>
  <button type="button" class="lw-sheet-close" aria-label="{close}">×</button>
</div>
"""
_RESET = """
<span class="lw-modified" hidden>{modified}</span>
<button type="button" class="lw-reset" title="{help}" disabled>{reset}</button>
"""
_STRIP = """
<div class="lw-strip-of-takes" role="group" aria-label="{label}" hidden></div>
<p class="lw-strip-said" role="status" aria-live="polite"></p>
<button type="button" class="lw-ear-open lw-quiet" hidden>{by_ear}</button>
"""
_ATTACH = """
import(new URL('page/page.js', document.baseURI)).then(page => page.attach('%s', props, watch));
"""
_PLACE = "document.getElementById('%s-spectrogram').point = (x, y) => trigger('click', { x, y });"
_ATTACH_STRIP = """
import(new URL('page/page.js', document.baseURI)).then(page => page.attachStrip('%s', props, watch, trigger));
"""


def header() -> gr.HTML:
    """The studio's name, the list of keys, light and dark."""
    return _static(_HEADER.format(**vars(words.page)), None)


def player(tab: str) -> gr.HTML:
    """What plays in a tab. Its value is a `LiveView.state()`; the element carries the data-attributes."""
    return _lively(_PLAYER.format(idle=words.transport.idle), _ATTACH % tab, f"{tab}-player")


def take_strip(tab: str) -> gr.HTML:
    """The takes of this page, beside each other. Its value is a `Batch.takes()`."""
    return _lively(
        _STRIP.format(label=words.takes.strip, by_ear=words.ear.open),
        _ATTACH_STRIP % tab,
        f"{tab}-take-strip",
    )


def panes(tab: str) -> gr.HTML:
    """What of the inspector is shown: sound, engine, or the insides."""
    return _static(_PANES.format(tab=tab, **vars(words.form)), f"{tab}-panes")


def reset(tab: str) -> gr.HTML:
    """Whether the preset was changed, and the way back."""
    texts = {"modified": words.form.modified, "reset": words.form.reset, "help": words.form.reset_help}
    return _static(_RESET.format(**texts), f"{tab}-reset")


def will(tab: str, more: str = "") -> gr.HTML:
    """What a press of the main button will do, and beside it the way to many takes, and to `more`."""
    opener = (
        f'<button type="button" class="lw-set-open" aria-expanded="false">{words.sets.make_open}</button>'
    )
    return _static(f'<p class="lw-will"></p>{opener}{more}', f"{tab}-will")


def spectrogram(tab: str) -> gr.HTML:
    """The canvas that scrolls with what is heard, and shows all of a take that is finished."""
    return _picture(tab, "", {"label": words.stage.live, "hint": words.stage.live_hint})


def clip_spectrogram(tab: str) -> gr.HTML:
    """The canvas that shows a whole clip, while it is denoised and when it is heard.

    Its click says where on the picture: `x` and `y` from 0 to 1, from the left and from below.
    """
    return _picture(tab, "data-whole", {"label": words.stage.clip, "hint": words.stage.clip_hint})


def _picture(tab: str, kind: str, texts: dict[str, str]) -> gr.HTML:
    return _lively(picture_html(kind, **texts), _PLACE % tab, f"{tab}-spectrogram")


def picture_html(kind: str, label: str, hint: str) -> str:
    """A canvas with its span, for `assets/page/stage.js`: "data-whole" is of a kind that never scrolls."""
    texts = {"label": label, "hint": hint, "begins": words.stage.begins, "ends": words.stage.ends}
    return _PICTURE.format(kind=kind, **texts)


def draft_player(tab: str) -> gr.HTML:
    """The draft: its sound, its spectrogram above its tokens. The page fills it once there is one."""
    return _static(_DRAFT.format(**vars(words.stage)), f"{tab}-draft-player", "lw-card lw-draft")


def pad(tab: str, most: float, at: tuple[float, float]) -> gr.HTML:
    """A square to point at: its value is the point `x`, `y`, from 0 to `most` on either side.

    Pointed at or moved by keys, it triggers `input`.
    """
    return gr.HTML(
        value=dict(zip("xy", at, strict=True)),
        html_template=_PAD.format(
            label=words.stage.pad, x=words.stage.pad_text, y=words.stage.pad_draft, most=most
        ),
        js_on_load=_POINT % most,
        apply_default_css=False,
        elem_id=f"{tab}-pad",
    )


def attention(tab: str) -> gr.HTML:
    """The map of the window's attention, of the latest step that was looked at."""
    return _static(_ATTENTION.format(**vars(words.stage)), f"{tab}-attention", "lw-card")


def gauge(tab: str, figure: str, name: str, note: str) -> gr.HTML:
    """One figure with its course over time."""
    return _static(_GAUGE.format(name=name, note=note), f"{tab}-{figure}", "lw-card")


def status(tab: str) -> gr.HTML:
    """One line on how things stand, read out by screen readers."""
    return _static(f'<p role="status" aria-live="polite">{words.takes.ready}</p>', f"{tab}-status")


def take_url(take_id: str) -> str:
    """Where the page finds a take's sound, by its id in the library."""
    return f"library/sound?take={quote(take_id, safe='')}"


def picture_url(columns: NDArray[np.uint8]) -> str:
    """Mel columns [width, 64] as a picture that needs no request."""
    return f"data:image/png;base64,{b64encode(columns_png(columns)).decode('ascii')}"


def model_choice(elem_id: str, models: Sequence[ModelInfo], chosen: str, label: str) -> gr.Dropdown:
    """The catalog, with each model's licence; a folder or a Hub id may be typed instead."""
    choices = [(_model_label(model), model.id) for model in models]
    if chosen not in {model.id for model in models}:
        choices.insert(0, (chosen, chosen))
    return gr.Dropdown(
        choices,
        value=chosen,
        label=label,
        allow_custom_value=True,
        elem_id=elem_id,
    )


def preset_choice(tab: str, folder: Path) -> gr.Dropdown:
    """The shipped presets that are for this tab."""
    choices = [(preset.name, stem) for stem, preset in shipped_presets(folder).items() if preset.mode == tab]
    return gr.Dropdown(choices, value=None, label=words.form.preset, elem_id=f"{tab}-preset")


def seed(tab: str, value: str | float | None, label: str) -> gr.Textbox:
    """The seed, one drawn anew, and the last take's again."""
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    last = f"(seed) => window.longwave?.{tab}?.seed ?? seed"
    with gr.Row(elem_classes="lw-seed"):
        digits = seed_field(value, label, f"{tab}-seed")
        for text, name, js in ((words.form.random, "dice", "() => ''"), (words.form.last, "reuse", last)):
            button = gr.Button(text, size="sm", elem_id=f"{tab}-seed-{name}", min_width=60)
            button.click(None, digits, digits, js=js, **hidden)
    return digits


def seed_field(value: str | float | None, label: str, elem_id: str) -> gr.Textbox:
    """A seed by its digits: as a number of JavaScript one above 2⁵³ would become another."""
    return gr.Textbox(
        value,
        label=label,
        placeholder=words.form.seed_placeholder,
        max_lines=1,
        elem_id=elem_id,
        min_width=120,
    )


def _model_label(model: ModelInfo) -> str:
    place = "ready" if model.installed else f"{model.size_mb / 1000:.1f} GB download"
    if model.source == "embedded" and not model.installed:
        place = "not in this build"
    return f"{model.title} · {model.licence} · {place}"


def _lively(html: str, script: str, elem_id: str) -> gr.HTML:
    return gr.HTML(
        html_template=html,
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="lw-card",
    )


def _static(html: str, elem_id: str | None, classes: str = "") -> gr.HTML:
    return gr.HTML(
        html_template=html, js_on_load=None, apply_default_css=False, elem_id=elem_id, elem_classes=classes
    )
