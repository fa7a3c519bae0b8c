// A tab's picture: it scrolls with what is heard while a take is made, and shows all of one that is whole.
// There a click listens from that place, and a drag chooses a span.

import { ClipPicture } from './clip.js';
import { Spectrogram } from './spectrogram.js';
import { clock } from './text.js';

const CLICK_PX = 5;
const SHORTEST_S = 0.1;
const NARROW = matchMedia('(max-width: 640px)');
export const STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };

/** The pictures of the page. Dispatches `shown` when one of them shows another take. */
class Stages extends EventTarget {
  #all = new Set();

  add(stage) {
    this.#all.add(stage);
  }

  /** The picture that shows a finished take, if one does. */
  of(source) {
    return source ? [...this.#all].find((stage) => stage.source?.id === source.id) ?? null : null;
  }
}

export const stages = new Stages();

export class Stage extends EventTarget {
  #root;
  #canvas;
  #scrolling = null;
  #whole;
  #shown;
  #overlay;
  #span = null;
  #drag = null;
  #asked = null; // the finished take whose picture is on its way, or there
  #source = null;

  /** Dispatches `seek` (detail: seconds) and `span` (detail: {from, to} or null). */
  constructor(root) {
    super();
    this.#root = root;
    this.#canvas = root.querySelector('canvas');
    this.#overlay = root.querySelector('.lw-span');
    this.#whole = new ClipPicture(this.#canvas);
    if (!('whole' in this.#canvas.dataset)) this.#scrolling = new Spectrogram(this.#canvas);
    this.#shown = this.#scrolling ?? this.#whole;
    new ResizeObserver(() => this.redraw()).observe(this.#canvas);
    this.#listen();
    this.redraw();
    stages.add(this);
  }

  /** Show a take of sound up to `top` Hz from its beginning on, as it is made. */
  begin(columnsPerSecond, top) {
    this.#show(null);
    this.#whole.clear(top);
    this.#scrolling?.clear(columnsPerSecond, top);
    this.#shown = this.#scrolling ?? this.#whole;
    this.#root.classList.add('lw-live');
    this.redraw();
  }

  /** New columns of what is made, of which the first is the take's `first`. */
  push(first, bytes) {
    (this.#scrolling ?? this.#whole).push(first, bytes);
  }

  /** How many columns are known, and the latest step whose preview is. */
  get total() {
    return (this.#scrolling ?? this.#whole).total;
  }

  get step() {
    return this.#whole.step;
  }

  /** What a clip would be after a step. */
  preview(picture) {
    if (!this.#scrolling) this.#whole.show(picture);
  }

  /** Show all of a finished take, as the transport plays it; the span of the one before is not its own. */
  async finished(source) {
    this.#show(source);
    const image = new Image();
    image.src = new URL(source.pictureUrl, document.baseURI);
    const there = await image.decode().then(() => true, () => false);
    if (source !== this.#asked) return; // another is shown meanwhile
    this.#source = source;
    if (there) this.#whole.showImage(image, source.lengthS, source.topHz);
    else this.#whole.clear(source.topHz); // the sound is there all the same
    this.#whole.length = source.lengthS;
    this.#shown = this.#whole;
    this.#root.classList.add('lw-live');
    this.#tell();
    this.redraw();
  }

  /** The finished take that is shown, or null. */
  get source() {
    return this.#source;
  }

  /** Scroll the picture to where it is seen beside the panel of edits; on a phone that is above it. */
  reveal() {
    this.picture.scrollIntoView({ block: NARROW.matches ? 'start' : 'nearest' });
  }

  /** What lies over the picture belongs in here. */
  get picture() {
    return this.#canvas.parentElement;
  }

  #show(source) {
    const other = source?.id !== this.#asked?.id;
    this.#asked = source;
    if (!other) return;
    this.span = null;
    this.#source = null;
    this.#tell();
  }

  #tell() {
    this.#place();
    stages.dispatchEvent(new CustomEvent('shown', { detail: this }));
  }

  /** The seconds that all of the picture spans, where it shows a whole take; else 0. */
  get length() {
    return this.#shown === this.#whole ? this.#whole.length : 0;
  }

  set length(seconds) {
    if (!this.#scrolling) this.#whole.length = seconds;
  }

  /** Draw what is heard at a position, in seconds of what is shown. */
  draw(position) {
    this.#shown.draw(position);
  }

  redraw() {
    if (this.#canvas.clientWidth) this.#shown.draw(this.#shown.position ?? 0);
  }

  get span() {
    return this.#span;
  }

  /** Show a span that was chosen elsewhere. */
  set span(span) {
    this.#span = span;
    this.#place();
  }

  #listen() {
    const canvas = this.#canvas;
    canvas.addEventListener('pointerdown', (event) => {
      if (!this.length || event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.#drag = { x: event.clientX, at: this.secondsAt(event.clientX), chosen: false };
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!this.#drag || (!this.#drag.chosen && Math.abs(event.clientX - this.#drag.x) < CLICK_PX)) return;
      this.#drag.chosen = true;
      this.#choose(this.#drag.at, this.secondsAt(event.clientX));
    });
    canvas.addEventListener('pointercancel', () => { this.#drag = null; });
    canvas.addEventListener('pointerup', (event) => {
      if (this.#drag && !this.#drag.chosen) this.#point(event);
      this.#drag = null;
    });
    for (const [name, other] of [['from', 'to'], ['to', 'from']]) this.#handle(name, other);
  }

  #point({ clientX, clientY }) {
    const { left, bottom, width, height } = this.#canvas.getBoundingClientRect();
    this.dispatchEvent(new CustomEvent('seek', { detail: this.secondsAt(clientX) }));
    const up = Math.min(1, (bottom - clientY) / height / this.#whole.reach);
    this.dispatchEvent(new CustomEvent('point', { detail: [(clientX - left) / width, up] }));
  }

  #handle(name, other) {
    const handle = this.#overlay.querySelector(name === 'from' ? '.lw-in' : '.lw-out');
    handle.addEventListener('pointerdown', (event) => {
      handle.setPointerCapture(event.pointerId);
      event.preventDefault();
      handle.focus();
    });
    handle.addEventListener('pointermove', (event) => {
      if (event.buttons && this.#span) this.#choose(this.#span[other], this.secondsAt(event.clientX));
    });
    handle.addEventListener('keydown', (event) => {
      if (!(event.key in STEPS) || !this.#span) return;
      const moved = this.#span[name] + STEPS[event.key] * (event.shiftKey ? 0.1 : 1);
      this.#choose(this.#span[other], Math.min(Math.max(moved, 0), this.length), name);
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** Choose what lies between two places; `held` is the end that moves and must not pass the other. */
  #choose(one, other, held = '') {
    if (held && (held === 'from') !== (other < one)) return;
    const [from, to] = [Math.min(one, other), Math.max(one, other)].map((at) => Math.round(at * 100) / 100);
    if (to - from < SHORTEST_S) return;
    this.span = { from, to };
    this.dispatchEvent(new CustomEvent('span', { detail: this.span }));
  }

  /** The second at a place of the window, of a whole take. */
  secondsAt(clientX) {
    const { left, width } = this.#canvas.getBoundingClientRect();
    return Math.min(Math.max((clientX - left) / width, 0), 1) * this.length;
  }

  /** Where a second of a whole take lies in the window. */
  xOf(seconds) {
    const { left, width } = this.#canvas.getBoundingClientRect();
    return left + (width * seconds) / (this.length || 1);
  }

  #place() {
    const { length } = this;
    this.#overlay.hidden = !this.#span || !length;
    if (this.#overlay.hidden) return;
    const { from, to } = this.#span;
    this.#overlay.style.left = `${(100 * from) / length}%`;
    this.#overlay.style.right = `${100 - (100 * to) / length}%`;
    for (const [selector, at, low, high] of [['.lw-in', from, 0, to], ['.lw-out', to, from, length]]) {
      const handle = this.#overlay.querySelector(selector);
      handle.setAttribute('aria-valuenow', at);
      handle.setAttribute('aria-valuemin', low);
      handle.setAttribute('aria-valuemax', high);
      handle.setAttribute('aria-valuetext', clock(at));
    }
  }
}
