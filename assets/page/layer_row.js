// One layer on the desk: where it lies in the scene, how loud and where it stands, and what is seldom needed.

import { fill, setText } from './text.js';
import { words } from './words.js';

const said = words.layers;
const STEP_S = 0.1;
const TIMES = ['offset_s', 'start_s', 'end_s', 'fade_in_s', 'fade_out_s', 'crossfade_s'];
const USUAL = { crossfade_s: 0.5 };

/** A row that calls `change(field, value)` and `remove()`. */
export class LayerRow {
  element = document.createElement('li');
  #change;
  #plan = null; // of the whole scene
  #layer = null;
  #place = 0;

  constructor(change, remove) {
    this.#change = change;
    this.element.className = 'lw-layer';
    this.element.innerHTML = `
      <div class="lw-layer-head"><b></b><span class="lw-layer-name"></span><small></small>
        <button type="button" class="lw-quiet lw-layer-remove">×</button></div>
      <div class="lw-layer-lane"><div class="lw-layer-bar" role="slider" tabindex="0" aria-valuemin="0"></div></div>
      <div class="lw-layer-does">
        <button type="button" class="lw-quiet" data-switch="mute" aria-pressed="false">M</button>
        <button type="button" class="lw-quiet" data-switch="solo" aria-pressed="false">S</button>
        <label><span></span><input type="range" data-number="gain_db" min="-40" max="12" step="0.5"><output></output></label>
        <label><span></span><input type="range" data-number="pan" min="-1" max="1" step="0.05"><output></output></label>
        <button type="button" class="lw-quiet" data-switch="loop" aria-pressed="false">⟲</button>
      </div>
      <details class="lw-layer-more"><summary></summary><div></div></details>`;
    setText(this.#part('summary'), said.more);
    this.#part('details div').append(...TIMES.map(timeField));
    const [gain, pan] = this.element.querySelectorAll('.lw-layer-does label span');
    setText(gain, said.gain);
    setText(pan, said.pan);
    for (const button of this.element.querySelectorAll('[data-switch]')) {
      button.addEventListener('click', () => this.#change(button.dataset.switch, button.getAttribute('aria-pressed') !== 'true'));
    }
    for (const input of this.element.querySelectorAll('[data-number]')) {
      input.addEventListener('input', () => this.#change(input.dataset.number, input.valueAsNumber || null));
      input.addEventListener('dblclick', () => this.#change(input.dataset.number, null));
    }
    for (const input of this.element.querySelectorAll('[data-time]')) {
      input.addEventListener('change', () => this.#timed(input));
    }
    this.#part('.lw-layer-remove').addEventListener('click', remove);
    this.#bindBar();
  }

  /** Show a layer, the scene's plan where there is one, and whether it is heard. */
  show(layer, place, plan, heard) {
    this.#layer = layer;
    this.#place = place;
    this.#plan = plan;
    const own = plan?.layers[place];
    const name = layer.name || own?.name || layer.request?.prompt || '';
    this.element.classList.toggle('lw-unheard', !heard);
    setText(this.#part('b'), place + 1);
    setText(this.#part('.lw-layer-name'), name);
    const late = own && own.offset >= plan.frames; // its bar lies outside of what is shown
    const lasts = own && fill(said.lasts, { seconds: own.lengthS.toFixed(1) });
    setText(this.#part('small'), late ? `${lasts} · ${said.unheard}` : lasts ?? (layer.take ? '' : said.unmade));
    this.#part('small').classList.toggle('lw-wrong', Boolean(late));
    this.#label('.lw-layer-remove', fill(said.remove, { name }));
    for (const [field, text] of [['mute', said.mute], ['solo', said.solo], ['loop', said.loop]]) {
      const button = this.#part(`[data-switch=${field}]`);
      button.setAttribute('aria-pressed', Boolean(layer[field]));
      this.#label(`[data-switch=${field}]`, fill(text, { name }));
    }
    this.#slider('gain_db', layer.gain_db ?? 0, fill(said.decibels, { value: signed(layer.gain_db ?? 0, 1) }));
    this.#slider('pan', layer.pan ?? 0, side(layer.pan ?? 0));
    for (const input of this.element.querySelectorAll('[data-time]')) {
      const field = input.dataset.time;
      const value = layer[field] ?? USUAL[field] ?? (field === 'end_s' ? '' : 0);
      if (document.activeElement !== input) input.value = value;
    }
    this.#bar(name);
  }

  /** Draw where the bar lies, `moved` seconds from where the plan has it. */
  #bar(name, moved = 0) {
    const bar = this.#part('.lw-layer-bar');
    const own = this.#plan?.layers[this.#place];
    bar.hidden = !own;
    if (!own) return;
    const { frames, rate } = this.#plan;
    const offset = own.offset + moved * rate;
    const length = Math.max(1, own.end - own.offset);
    bar.style.left = `${(100 * offset) / frames}%`;
    bar.style.width = `${(100 * Math.min(length, frames - offset)) / frames}%`;
    bar.style.backgroundSize = `${(100 * own.once) / length}% 100%`;
    const url = new URL('library/picture', document.baseURI);
    url.search = new URLSearchParams({ take: this.#layer.take ?? '', width: 600 });
    const image = `url("${url}")`;
    if (bar.style.backgroundImage !== image) bar.style.backgroundImage = image;
    const begins = (offset / rate).toFixed(1);
    bar.setAttribute('aria-label', fill(said.where, { name }));
    bar.setAttribute('aria-valuemax', Math.ceil(frames / rate));
    bar.setAttribute('aria-valuenow', begins);
    bar.setAttribute('aria-valuetext', fill(said.begins, { seconds: begins }));
  }

  /** The bar is dragged, or moved by the arrow keys. */
  #bindBar() {
    const bar = this.#part('.lw-layer-bar');
    const name = () => this.#part('.lw-layer-name').textContent;
    bar.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -STEP_S, ArrowRight: STEP_S, Home: -Infinity }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      this.#move((this.#layer.offset_s ?? 0) + step);
    });
    bar.addEventListener('pointerdown', (down) => {
      if (down.button !== 0 || !this.#plan) return;
      const seconds = (event) => ((event.clientX - down.clientX) / bar.parentElement.clientWidth) * (this.#plan.frames / this.#plan.rate);
      const within = (event) => Math.max(seconds(event), -(this.#layer.offset_s ?? 0));
      const listening = new AbortController();
      const on = (type, act) => bar.addEventListener(type, (event) => act(event), { signal: listening.signal });
      bar.setPointerCapture(down.pointerId);
      on('pointermove', (event) => this.#bar(name(), within(event)));
      on('pointerup', (event) => {
        listening.abort();
        if (Math.abs(event.clientX - down.clientX) > 2) this.#move((this.#layer.offset_s ?? 0) + within(event));
      });
      on('pointercancel', () => {
        listening.abort();
        this.#bar(name());
      });
    });
  }

  #move(seconds) {
    this.#change('offset_s', Math.max(0, Math.round(1000 * seconds) / 1000) || null);
  }

  #timed(input) {
    const field = input.dataset.time;
    const value = input.value.trim() === '' ? null : Math.max(0, input.valueAsNumber);
    const usual = field in USUAL ? USUAL[field] : field === 'end_s' ? null : 0;
    // What is as usual is left out; a crossfade of 0 is not.
    this.#change(field, value === usual || Number.isNaN(value) ? null : value);
  }

  #slider(field, value, text) {
    const input = this.#part(`[data-number=${field}]`);
    if (input.valueAsNumber !== value) input.value = value;
    input.setAttribute('aria-valuetext', text);
    setText(input.nextElementSibling, text);
  }

  #label(selector, text) {
    const part = this.#part(selector);
    part.title = text;
    part.setAttribute('aria-label', text);
  }

  #part(selector) {
    return this.element.querySelector(selector);
  }
}

function timeField(field) {
  const label = document.createElement('label');
  const input = document.createElement('input');
  Object.assign(input, { type: 'number', min: '0', step: 'any' });
  input.dataset.time = field;
  if (field === 'end_s') input.placeholder = said.own_end;
  const names = {
    offset_s: said.offset, start_s: said.start, end_s: said.end, fade_in_s: said.fade_in, fade_out_s: said.fade_out,
    crossfade_s: said.crossfade,
  };
  label.append(names[field], ' ', input);
  return label;
}

function signed(value, digits) {
  return `${value > 0 ? '+' : ''}${value.toFixed(digits)}`.replace('-', '−');
}

function side(pan) {
  const share = { percent: Math.round(100 * Math.abs(pan)) };
  if (!share.percent) return said.middle;
  return fill(pan < 0 ? said.left : said.right, share);
}
