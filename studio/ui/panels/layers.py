"""Layers, as the page shows them: scenes to begin from, the desk, how a mix stands."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.core.audio import format_time
from studio.core.scene import MAX_LAYERS, Scene, shipped_scenes
from studio.service.jobs.errands import Errand
from studio.service.layers.mix import Mix
from studio.service.layers.write import Mixed
from studio.service.takes.export import FORMATS
from studio.ui import widgets
from studio.ui.panels.quality import quality_field
from studio.ui.words import words

TEXT = words.layers
_ATTACH = """
import(new URL('page/layer_panel.js', document.baseURI)).then(({ attach }) => attach(element, %s));
"""
_CARD = (
    '<li><button type="button" class="lw-scene-card" data-scene="{stem}" title="{about}">'
    '<img src="layers/picture/{stem}" alt="" width="240" height="96" loading="lazy">'
    "<b>{name}</b><small>{told}</small></button></li>"
)
_DESK = """
<div class="lw-layers">
  <section aria-labelledby="layers-scenes"><h2 id="layers-scenes">{scenes}</h2>
    <ul class="lw-scene-cards">{cards}</ul></section>
  <section class="lw-desk" aria-labelledby="layers-desk">
    <h2 id="layers-desk" class="lw-unseen">{desk}</h2>
    <div class="lw-desk-head">
      <button type="button" class="lw-desk-play" aria-label="{play}" disabled>{play_icon}</button>
      <label class="lw-desk-name"><span class="lw-unseen">{name}</span>
        <input type="text" maxlength="200" placeholder="{name}"></label>
      <button type="button" class="lw-quiet lw-desk-new">{new}</button>
      <label class="lw-quiet lw-desk-open">{open}<input type="file" accept=".json,application/json"></label>
      <button type="button" class="lw-quiet lw-desk-save">{save}</button>
    </div>
    <p class="lw-desk-said" role="status" aria-live="polite"></p>
    <p class="lw-none lw-desk-none">{none}</p>
    <ol class="lw-desk-rows" aria-label="{rows}"></ol>
    <div class="lw-desk-making" hidden>
      <span></span> <button type="button" class="lw-set-begin lw-desk-make">{make}</button></div>
    <form class="lw-mix" aria-label="{mix}" novalidate>
      <label>{length} <input name="length_s" type="number" min="0.1" step="any" placeholder="{own_length}">
        </label>
      <label>{loudness} <select name="lufs"><option value="">{as_it_is}</option>
        <option value="-23">−23 LUFS</option><option value="-20">−20 LUFS</option>
        <option value="-18">−18 LUFS</option><option value="-16">−16 LUFS</option>
        <option value="-14">−14 LUFS</option></select></label>
      <label title="{ceiling_help}">{ceiling} <select name="ceiling_dbtp"><option value="-1">−1 dBTP</option>
        <option value="-2">−2 dBTP</option><option value="-0.1">−0.1 dBTP</option>
        <option value="">{no_limiter}</option></select></label>
      <label>{format} <select name="format">{formats}</select></label>
      {quality}
      <label class="lw-mix-stems"><input type="checkbox" name="stems"> {stems}</label>
      <button type="submit" class="lw-set-begin">{mix_down}</button>
    </form>
    <div class="lw-mix-stands" hidden>
      <progress max="1" value="0" aria-label="{mix}"></progress>
      <button type="button" class="lw-quiet lw-mix-stop">{stop}</button></div>
    <p class="lw-mix-said" role="status" aria-live="polite"></p>
    <p class="lw-mix-made" hidden><button type="button" class="lw-quiet lw-mix-play">{play_mix}</button>
      <a class="lw-quiet lw-mix-file" download>{download}</a>
      <a class="lw-quiet lw-mix-zip" download hidden>{zip}</a></p>
    <p class="lw-set-hint">{live_hint}</p>
  </section>
</div>
"""


def build(presets: Path) -> None:
    """Lay the tab out where one is."""
    scenes = shipped_scenes(presets)
    formats = "".join(
        f'<option value="{suffix}"{" selected" if suffix == ".flac" else ""}>{suffix[1:].upper()}</option>'
        for suffix in FORMATS
    )
    html = _DESK.format(
        **vars(words.layers), cards="".join(_card(stem, scene) for stem, scene in scenes.items()),
        formats=formats, quality=quality_field(), play_icon=PLAY, format=words.library.format,
        stop=words.form.stop,
    )  # fmt: skip
    told = {stem: scene.model_dump(mode="json", exclude_defaults=True) for stem, scene in scenes.items()}
    gr.HTML(
        html_template=html, js_on_load=_ATTACH % json.dumps(told), apply_default_css=False, elem_id="layers"
    )


PLAY = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path class="lw-icon-play" d="M8 5v14l11-7z"/>'
    '<path class="lw-icon-pause" d="M7 5h4v14H7zm6 0h4v14h-4z"/></svg>'
)


def _card(stem: str, scene: Scene) -> str:
    length = format_time(scene.length_s) if scene.length_s else ""
    told = TEXT.card.format(count=len(scene.layers), length=length)
    return _CARD.format(
        stem=escape(stem), name=escape(scene.name), about=escape(scene.description), told=escape(told)
    )


def shown(mix: Mix) -> dict[str, Any]:
    """How a scene lies, for the page: its rate and length in samples, and each of its layers."""
    return {
        "rate": mix.rate,
        "frames": mix.frames,
        "most": MAX_LAYERS,
        "layers": [
            {
                "name": layer.sound.found.name,
                "channels": layer.channels,
                "lengthS": layer.sound.length_s,
                "offset": layer.offset,
                "once": layer.once,
                "end": layer.end,
                "loops": layer.sound.found.loop is not None,
            }
            for layer in mix.layers
        ],
    }


def told(one: Errand[Mixed | Scene]) -> dict[str, Any]:
    """How a mix stands, or the making of what it lacks, for the page."""
    said: dict[str, Any] = {"id": one.id, "phase": one.phase, "share": one.share, "said": one.said}
    if one.phase == "waiting":
        said["said"] = TEXT.waits
    elif one.phase == "making":
        said["said"] = TEXT.stands.format(said=one.said or TEXT.begins_making, share=f"{one.share:.0%}")
    made = one.made
    if isinstance(made, Mixed):
        said |= {
            "said": " ".join(filter(None, [TEXT.done.format(name=made.scene.name), made.note])),
            "scene": made.scene.model_dump(mode="json", exclude_defaults=True),
            "take": made.take,
            "name": made.scene.name,
            "file": made.path.name,
            "url": widgets.take_url(made.take),
            "lengthS": made.duration_s,
            "stems": f"layers/errands/{one.id}/stems" if made.stems is not None else "",
        }
    elif made is not None:
        said |= {"said": TEXT.takes_made, "scene": made.model_dump(mode="json", exclude_defaults=True)}
    return said
