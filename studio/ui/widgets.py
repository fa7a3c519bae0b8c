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

HIDDEN: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}

_PLAYER = """
<div class="lw-transport">
  <button type="button" class="lw-play" disabled title="Play or pause (Space)"
    aria-label="Play or pause (Space)">
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path class="lw-icon-play" d="M8 5v14l11-7z"/>
      <path class="lw-icon-pause" d="M7 5h4v14H7zm6 0h4v14h-4z"/>
    </svg>
  </button>
  <div class="lw-clock"><span class="lw-time">0:00</span><span class="lw-made"></span></div>
  <span class="lw-state">Ready</span>
  <label class="lw-level"><span>Level</span>
    <input type="range" min="0" max="100" value="80" aria-label="Level of playback"></label>
</div>
<div class="lw-done" hidden>
  <audio controls preload="metadata" aria-label="The finished take"></audio>
  <form class="lw-export" novalidate>
    <label>From <input name="start" placeholder="0:00" size="6" inputmode="numeric">
      <span class="lw-wrong"></span></label>
    <label>to <input name="end" placeholder="end" size="6" inputmode="numeric">
      <span class="lw-wrong"></span></label>
    <label>Loudness <select name="lufs"><option value="">as it is</option>
      <option value="-23">−23 LUFS</option><option value="-16">−16 LUFS</option>
      <option value="-14">−14 LUFS</option></select></label>
    <label hidden>Ceiling <input name="ceiling" value="-1" size="4" inputmode="decimal"
      title="What the true peak stays below"> dBTP
      <span class="lw-wrong"></span></label>
    <span class="lw-formats"></span>
    <p class="lw-told" role="status" aria-live="polite"></p>
  </form>
</div>
"""
_SPECTROGRAM = """
<canvas role="img" aria-label="Live spectrogram: time to the right, frequency upwards"></canvas>
<p class="lw-hint">The sound appears here a few seconds before you hear it.</p>
"""
_CLIP = """
<canvas data-whole role="img" aria-label="Spectrogram of the clip: time to the right, frequency upwards">
</canvas>
<p class="lw-hint">The clip emerges here from noise while it is made.</p>
"""
_DRAFT = """
<div class="lw-draft-pictures">
  <img class="lw-draft-picture" alt="Spectrogram of the draft" hidden>
  <img class="lw-draft-tokens" alt="The draft's tokens, a row for each codebook" hidden>
  <p class="lw-hint">The draft appears here first, to be heard while it is refined.</p>
</div>
<audio controls preload="metadata" aria-label="The draft" hidden></audio>
"""
_PAD = """
<div class="lw-pad" role="img" aria-label="Text to the right, acoustics upwards: point to set both scales">
  <span class="lw-pad-x">says</span><span class="lw-pad-y">made of</span><i></i></div>
"""
_POINT = """
const square = element.querySelector('.lw-pad');
const dot = square.querySelector('i');
const most = %g;
const show = () => {
  const { x = 0, y = 0 } = props.value ?? {};
  dot.style.left = `${Math.min(100, (100 * x) / most)}%%`;
  dot.style.bottom = `${Math.min(100, (100 * y) / most)}%%`;
};
const point = (event) => {
  const { left, bottom, width, height } = square.getBoundingClientRect();
  trigger('click', { x: (event.clientX - left) / width, y: (bottom - event.clientY) / height });
};
square.addEventListener('pointerdown', (event) => {
  square.setPointerCapture(event.pointerId);
  point(event);
});
square.addEventListener('pointermove', (event) => {
  if (event.buttons && event.timeStamp - (square.last ?? 0) > 60) {
    square.last = event.timeStamp;
    point(event);
  }
});
square.addEventListener('pointerup', point);
watch('value', show);
show();
"""
_ATTENTION = """
<p class="lw-caption">Where the model looks: a row for each frame of the window, a column for each frame
  it looks at, from the clean ones to noise.</p>
<canvas data-window role="img" aria-label="Attention of the window's frames to each other"></canvas>
"""
_GAUGE = """
<div class="lw-gauge"><span class="lw-name">{name}</span><span class="lw-value">–</span>
  <span class="lw-note">{note}</span><canvas aria-hidden="true"></canvas></div>
"""
_HEADER = """
<header class="lw-header">
  <svg viewBox="0 0 64 24" aria-hidden="true"><path d="M1 12c5-14 9-14 14 0s9 14 14 0 9-14 14 0 9 14 14 0"/>
  </svg>
  <h1>Longwave</h1><p>Sound without an end, from a sentence. Made on this machine.</p>
</header>
"""
_CLICK = """
const canvas = element.querySelector('canvas');
canvas.addEventListener('click', (event) => {
  const { left, bottom, width, height } = canvas.getBoundingClientRect();
  trigger('click', { x: (event.clientX - left) / width, y: (bottom - event.clientY) / height });
});
"""
_ATTACH = """
import(new URL('page/page.js', document.baseURI)).then(page => page.attach('%s', props, watch));
"""


def header() -> gr.HTML:
    """The studio's name."""
    return _static(_HEADER, None)


def player(tab: str) -> gr.HTML:
    """The live player. Its value is a `LiveView.state()`; the element carries the data-attributes."""
    return gr.HTML(
        html_template=_PLAYER,
        js_on_load=_ATTACH % tab,
        apply_default_css=False,
        elem_id=f"{tab}-player",
        elem_classes="lw-card",
    )


def spectrogram(tab: str) -> gr.HTML:
    """The canvas that scrolls with what is heard."""
    return _static(_SPECTROGRAM, f"{tab}-spectrogram", "lw-card")


def clip_spectrogram(tab: str) -> gr.HTML:
    """The canvas that shows a whole clip, while it is denoised and when it is heard.

    Its click says where on the picture: `x` and `y` from 0 to 1, from the left and from below.
    """
    return gr.HTML(
        html_template=_CLIP,
        js_on_load=_CLICK,
        apply_default_css=False,
        elem_id=f"{tab}-spectrogram",
        elem_classes="lw-card",
    )


def draft_player(tab: str) -> gr.HTML:
    """The draft: its sound, its spectrogram above its tokens. The page fills it once there is one."""
    return _static(_DRAFT, f"{tab}-draft-player", "lw-card lw-draft")


def pad(tab: str, most: float, at: tuple[float, float]) -> gr.HTML:
    """A square to point at: its value is the point `x`, `y`, from 0 to `most` on either side.

    Its click says where, `x` and `y` from 0 to 1, from the left and from below.
    """
    return gr.HTML(
        value=dict(zip("xy", at, strict=True)),
        html_template=_PAD,
        js_on_load=_POINT % most,
        apply_default_css=False,
        elem_id=f"{tab}-pad",
    )


def attention(tab: str) -> gr.HTML:
    """The map of the window's attention, of the latest step that was looked at."""
    return _static(_ATTENTION, f"{tab}-attention", "lw-card")


def gauge(tab: str, figure: str, name: str, note: str) -> gr.HTML:
    """One figure with its course over time."""
    return _static(_GAUGE.format(name=name, note=note), f"{tab}-{figure}", "lw-card")


def status(tab: str) -> gr.HTML:
    """One line on how things stand, read out by screen readers."""
    return _static('<p role="status" aria-live="polite">Ready.</p>', f"{tab}-status")


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
    return gr.Dropdown(choices, value=None, label="Preset", elem_id=f"{tab}-preset")


def seed(tab: str, value: str | float | None, label: str) -> gr.Textbox:
    """The seed, one drawn anew, and the last take's again."""
    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    last = f"(seed) => window.longwave?.{tab}?.seed ?? seed"
    with gr.Row(elem_classes="lw-seed"):
        digits = seed_field(value, label, f"{tab}-seed")
        for text, name, js in (("Any", "dice", "() => '-1'"), ("Last one", "reuse", last)):
            button = gr.Button(text, size="sm", elem_id=f"{tab}-seed-{name}", min_width=60)
            button.click(None, digits, digits, js=js, **hidden)
    return digits


def seed_field(value: str | float | None, label: str, elem_id: str) -> gr.Textbox:
    """A seed by its digits: as a number of JavaScript one above 2⁵³ would become another."""
    return gr.Textbox(value, label=label, max_lines=1, elem_id=elem_id, min_width=120)


def example_buttons(field: Any, examples: Sequence[str | float], suffix: str = "") -> None:
    """Values of a field to click."""
    with gr.Row(elem_classes="lw-examples"):
        for value in examples:
            gr.Button(f"{value}{suffix}", size="sm", min_width=40).click(
                None, None, field, js=f"() => {value!r}", show_progress="hidden", api_visibility="private"
            )


def _model_label(model: ModelInfo) -> str:
    place = "ready" if model.installed else f"{model.size_mb / 1000:.1f} GB download"
    if model.source == "embedded" and not model.installed:
        place = "not in this build"
    return f"{model.title} · {model.licence} · {place}"


def _static(html: str, elem_id: str | None, classes: str = "") -> gr.HTML:
    return gr.HTML(
        html_template=html, js_on_load=None, apply_default_css=False, elem_id=elem_id, elem_classes=classes
    )
