"""The one transport of the page, docked below every tab. Its script is `assets/page/transport.js`."""

from __future__ import annotations

import gradio as gr

from studio.ui.panels.quality import name_field, quality_field
from studio.ui.words import words

_TRANSPORT = """
<div class="lw-transport" role="region" aria-label="{label}">
  <input type="range" id="transport-seek" class="lw-seek" min="0" max="1" step="0.01" value="0" disabled
    aria-label="{seek}">
  <button type="button" id="transport-play" class="lw-play" disabled title="{play}" aria-label="{play}">
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path class="lw-icon-play" d="M8 5v14l11-7z"/>
      <path class="lw-icon-pause" d="M7 5h4v14H7zm6 0h4v14h-4z"/>
    </svg>
  </button>
  <button type="button" id="transport-stop" class="lw-quiet" disabled title="{stop}" aria-label="{stop}">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 7h10v10H7z"/></svg></button>
  <div class="lw-clock"><span class="lw-time">0:00</span><span class="lw-of"></span></div>
  <div class="lw-playing"><a class="lw-title">{nothing}</a><span class="lw-how"></span></div>
  <button type="button" id="transport-loop" class="lw-quiet lw-loop" disabled aria-pressed="false"
    title="{loop}" aria-label="{loop}">⟲</button>
  <button type="button" id="transport-meter" class="lw-meter" title="{meter_help}"
    aria-expanded="false" aria-controls="transport-image"><span class="lw-unseen">{image}</span>
    <canvas aria-hidden="true"></canvas><span class="lw-lufs"></span></button>
  <label class="lw-level"><span>{level}</span>
    <input type="range" id="transport-level" min="0" max="100" value="80" aria-label="{level_help}"></label>
  <label class="lw-codec" hidden><span>{codec}</span> <select id="transport-codec"></select></label>
  <button type="button" id="transport-keep" class="lw-quiet" hidden title="{keep_help}">{keep}</button>
  <button type="button" id="transport-edit" class="lw-quiet" hidden disabled aria-expanded="false"
    aria-controls="take-edit" title="{edit_help}">{edit}</button>
  <button type="button" id="transport-export" class="lw-quiet" disabled aria-expanded="false"
    aria-controls="transport-exporting">{export}</button>
  <p class="lw-transport-said" role="status" aria-live="polite"></p>
</div>
<div id="transport-exporting" class="lw-exporting" role="dialog" aria-label="{export}" hidden>
  <form class="lw-export" novalidate>
    <label>{from} <input name="start" placeholder="0:00" size="6" inputmode="numeric">
      <span class="lw-wrong"></span></label>
    <label>{to} <input name="end" placeholder="{end}" size="6" inputmode="numeric">
      <span class="lw-wrong"></span></label>
    <button type="button" class="lw-whole" hidden>{clear_span}</button>
    <label>{loudness} <select name="lufs"><option value="">{as_it_is}</option>
      <option value="-23">{broadcast}</option><option value="-16">{podcast}</option>
      <option value="-14">{streaming}</option></select></label>
    <label hidden>{ceiling} <input name="ceiling" value="-1" size="4" inputmode="decimal"
      title="{ceiling_help}"> dBTP
      <span class="lw-wrong"></span></label>
    {quality_field}
    {name_field}
    <label class="lw-keep-width" hidden><input type="checkbox" name="width" checked> <span></span></label>
    <span class="lw-formats"></span>
    <p class="lw-told" role="status" aria-live="polite"></p>
  </form>
</div>
<div id="transport-image" class="lw-exporting lw-image" role="dialog" aria-label="{image}" hidden>
  <h3 id="transport-agreement">{agreement}</h3>
  <div class="lw-agreement" aria-hidden="true"><i></i></div>
  <p class="lw-agreement-ends" aria-hidden="true"><span>{agreement_least}</span><span>0</span>
    <span>{agreement_most}</span></p>
  <p class="lw-agreement-said"></p>
  <label class="lw-width"><span>{width}</span>
    <input type="range" id="transport-width" min="0" max="100" value="100" disabled>
    <output for="transport-width">100 %</output></label>
  <p class="lw-width-said"></p>
  <h3>{bands}</h3>
  <canvas class="lw-bands" aria-hidden="true"></canvas>
  <p class="lw-bands-said"></p>
</div>
<dialog class="lw-keys" aria-label="{keys_title}"></dialog>
"""
_ATTACH = """
import(new URL('page/transport.js', document.baseURI)).then(({ transport }) => transport.attach(element));
"""


def build() -> gr.HTML:
    """Lay it out, once a page, outside of the tabs."""
    texts = vars(words.transport) | {
        "keys_title": words.page.keys_title,
        "quality_field": quality_field(),
        "name_field": name_field(after='<span class="lw-wrong"></span>'),
    }
    return gr.HTML(
        html_template=_TRANSPORT.format(**texts),
        js_on_load=_ATTACH,
        apply_default_css=False,
        elem_id="transport",
    )
