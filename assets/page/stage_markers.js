// A take's markers on its picture: pressed they are gone to, dragged or by the arrow keys moved, named where they stand.

import { dragEdge } from './edge_drag.js';
import { takeOf } from './edited_takes.js';
import { marks, moved, remove, renamed, same } from './marks.js';
import { part } from './parts.js';
import { STEPS, stages } from './stage.js';
import { clock, fill } from './text.js';
import { transport } from './transport.js';
import { words } from './words.js';
import { editWords } from './words_field.js';

const CLICK_PX = 5;
const QUIET_MS = 500; // after the last of several steps a marker is kept where it is
const ROWS = 3;
const said = words.edits;

export class StageMarkers {
  #stage;
  #layer = part('div', 'lw-flags');
  #take = '';
  #marker = new WeakMap(); // by its flag
  #held = false; // one is dragged, stepped or typed: what is told meanwhile is drawn after it
  #late = false; // something was told meanwhile
  #timer = 0;

  constructor(stage) {
    this.#stage = stage;
    stage.picture.append(this.#layer);
    stages.addEventListener('shown', ({ detail }) => detail === stage && this.#follow());
    transport.addEventListener('change', () => this.#follow()); // a take of the strip is known by and by
    marks.addEventListener('change', ({ detail }) => detail === this.#take && this.#draw());
    new ResizeObserver(() => this.#stack()).observe(this.#layer);
  }

  #follow() {
    const take = takeOf(this.#stage.source);
    if (take === this.#take) return;
    this.#take = take;
    this.#held = false;
    this.#layer.replaceChildren();
    this.#draw();
    if (take) marks.load(take);
  }

  #draw() {
    this.#late = this.#held;
    if (this.#held) return;
    const shown = this.#flags;
    const focused = document.activeElement;
    const place = shown.indexOf(focused);
    const left = new Set(shown);
    const flags = marks.of(this.#take).map((one) => {
      const flag = [...left].find((each) => same(this.#marker.get(each), one)) ?? this.#flag(one);
      left.delete(flag);
      return flag;
    });
    if (flags.length !== shown.length || flags.some((flag, index) => flag !== shown[index])) this.#layer.replaceChildren(...flags);
    this.#stack();
    if (place < 0 || document.activeElement === focused) return;
    // Where the one that had the focus is gone, it goes to the one that has its place.
    (flags.includes(focused) ? focused : flags.at(Math.min(place, flags.length - 1)))?.focus({ preventScroll: true });
  }

  get #flags() {
    return [...this.#layer.children];
  }

  #flag(one) {
    const flag = part('span', 'lw-flag', {
      role: 'slider', tabindex: 0, 'aria-label': fill(said.marker_of, one), 'aria-description': said.marker_keys, title: said.marker_keys,
      'aria-valuemin': 0, 'aria-valuemax': this.#stage.length,
    });
    flag.append(part('b', '', { dir: 'auto' }, one.label));
    this.#marker.set(flag, one);
    this.#put(flag, one.at_s);
    flag.addEventListener('pointerdown', (event) => this.#press(event, flag));
    flag.addEventListener('dblclick', () => this.#name(flag));
    flag.addEventListener('keydown', (event) => this.#key(event, flag));
    flag.addEventListener('blur', () => this.#settle(flag));
    return flag;
  }

  #put(flag, at) {
    flag.style.setProperty('--at', (100 * at) / (this.#stage.length || 1));
    flag.setAttribute('aria-valuenow', at);
    flag.setAttribute('aria-valuetext', clock(at));
  }

  /** A press goes there; what is dragged is moved. */
  #press(event, flag) {
    if (event.button) return;
    event.preventDefault();
    const { left, width } = flag.getBoundingClientRect();
    const { at_s: from } = this.#marker.get(flag);
    const line = this.#stage.xOf(from);
    let at = null;
    this.#held = true;
    dragEdge(flag, event, (middle) => {
      const by = middle - (left + width / 2);
      if (at === null && Math.abs(by) < CLICK_PX) return;
      at = this.#within(this.#stage.secondsAt(line + by));
      this.#put(flag, at);
    }, (keep) => {
      if (!keep) this.#put(flag, from);
      this.#release();
      if (keep && at !== null) this.#move(flag, at);
      else if (keep) transport.seek(from);
    });
  }

  /** Nothing is held any more: what was told meanwhile is drawn. */
  #release() {
    this.#held = false;
    if (this.#late) this.#draw();
  }

  #key(event, flag) {
    const { key } = event;
    const one = this.#marker.get(flag);
    const acts = {
      Enter: () => this.#name(flag), F2: () => this.#name(flag), ' ': () => transport.seek(one.at_s),
      Delete: () => remove(this.#take, one), Backspace: () => remove(this.#take, one),
    };
    const act = STEPS[key] ? () => this.#step(flag, STEPS[key] * (event.shiftKey ? 0.1 : 1)) : acts[key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  #step(flag, by) {
    this.#put(flag, this.#within(Number(flag.getAttribute('aria-valuenow')) + by));
    this.#held = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#settle(flag), QUIET_MS);
  }

  /** Keep one where it was stepped to. */
  #settle(flag) {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#held = false;
    this.#move(flag, Number(flag.getAttribute('aria-valuenow')));
  }

  /** Where it goes is known at once; what comes next begins from there. */
  #move(flag, at_s) {
    const one = this.#marker.get(flag);
    this.#marker.set(flag, { ...one, at_s });
    this.#change(moved(one, at_s));
  }

  /** A place inside the take, to the millisecond as it is kept. */
  #within(at_s) {
    return Math.min(Math.max(0, Math.round(1000 * at_s)), Math.floor(1000 * this.#stage.length)) / 1000;
  }

  #name(flag) {
    this.#settle(flag);
    const one = this.#marker.get(flag);
    this.#held = true;
    editWords(this.#stage.picture, flag.firstChild, { value: one.label, label: said.label, most: 200 }, (text, focused) => {
      if (focused) flag.focus({ preventScroll: true });
      this.#release();
      if (text) this.#change(renamed(one, text));
    });
  }

  async #change(act) {
    transport.say(await marks.change(this.#take, act));
  }

  /** Where labels would lie over each other they take the next row; where there is none, their line has to do. */
  #stack() {
    const ends = Array(ROWS).fill(-Infinity);
    const wide = this.#layer.clientWidth;
    for (const flag of this.#flags) {
      flag.classList.remove('lw-flag-left', 'lw-flag-bare');
      const width = flag.offsetWidth;
      const at = (wide * flag.style.getPropertyValue('--at')) / 100;
      const left = at + width > wide;
      const start = left ? at - width : at;
      const row = ends.findIndex((end) => end <= start);
      flag.classList.toggle('lw-flag-left', left);
      flag.classList.toggle('lw-flag-bare', row < 0);
      flag.style.setProperty('--row', Math.max(0, row));
      if (row >= 0) ends[row] = start + width;
    }
  }
}
