// Brackets over the picture of the take that is to be a loop: what lies between them is heard over and over. They,
// the panel's fields and the page's span say the same; whichever is changed, the others follow.

import { dragEdge } from './edge_drag.js';
import { barOf, dragged, fault, loopOf, stepped } from './loop_span.js';
import { part } from './parts.js';
import { STEPS, stages } from './stage.js';
import { fill, parseTime, setText } from './text.js';
import { transport } from './transport.js';
import { words } from './words.js';

const PARTS = ['from', 'to', 'whole'];
const READ = ['start', 'end', 'bpm', 'bars', 'loop_bridge'];
const said = words.edits;

export class LoopBrackets {
  #form;
  #source = null; // the take, while it is to be a loop
  #loop = null; // { from, to, bars }
  #span = null; // the page's span, as it was told last
  #root = part('div', 'lw-brackets');
  #parts = {};

  constructor(form) {
    this.#form = form;
    for (const name of PARTS) this.#parts[name] = this.#handle(name);
    this.#root.hidden = true;
    form.addEventListener('input', ({ target }) => this.#source && READ.includes(target.name) && this.#typed(target.name));
    form.addEventListener('change', ({ target }) => this.#source && target.name === 'end' && this.#write());
    stages.addEventListener('shown', () => this.#draw());
  }

  /** Show those of a take, or, with null, none. */
  show(source) {
    const before = this.#source;
    this.#source = source;
    if (source === before) return;
    if (!source) this.#draw();
    else if (before || transport.span) this.#mean(transport.span); // what was typed is of the take before
    else this.#typed('');
  }

  /** The page's span is another; without one all of the take is meant. */
  take(span) {
    if (span !== this.#span) this.#mean(span);
  }

  #mean(span) {
    this.#span = span;
    const { start, end, bars } = this.#form.elements;
    start.value = span ? precise(span.from) : '';
    end.value = span ? precise(span.to) : '';
    if (this.#about.bar) bars.value = ''; // as many as fit
    this.#typed('');
  }

  /** What the fields say now; `name` is the one that is typed in, which stays as it is. */
  #typed(name) {
    const { start, end, bars } = this.#form.elements;
    const [from, to] = [parseTime(start.value), parseTime(end.value)];
    const given = name === 'end' ? 0 : Number(bars.value) || 0;
    this.#loop = loopOf({ from, to, bars: given }, this.#about);
    if (this.#loop?.bars) this.#write(name);
    this.#tell();
  }

  #set(loop) {
    this.#loop = loop;
    this.#write();
    this.#tell();
  }

  /** The loop, in the fields but for one. */
  #write(but = '') {
    if (!this.#loop) return;
    const { start, end, bars } = this.#form.elements;
    const { from, to, bars: count } = this.#loop;
    if (but !== 'start' && (start.value || from)) start.value = precise(from);
    if (but !== 'end') end.value = precise(to);
    if (but !== 'bars' && count) bars.value = count;
  }

  /** The loop as the page's span, and on the picture. */
  #tell() {
    const { current } = transport;
    if (this.#loop && current?.id === this.#source?.id) {
      const { from } = this.#loop;
      const to = Math.min(this.#loop.to, this.#source.lengthS);
      const whole = !from && to === this.#source.lengthS;
      const { span: before } = transport;
      if (whole ? before : before?.from !== from || before.to !== to) {
        this.#span = whole ? null : { from, to };
        transport.span = this.#span;
      }
    }
    this.#draw();
  }

  get #about() {
    const { bpm, loop_bridge: bridge } = this.#form.elements;
    const { least, beats } = this.#form.dataset;
    const about = { length: this.#source?.lengthS ?? 0, bridge: Number(bridge.value) || 0, least: Number(least), beats: Number(beats) };
    return { ...about, bar: barOf(Number(bpm.value), about.beats) };
  }

  #draw() {
    const stage = stages.of(this.#source);
    if (stage && this.#root.parentElement !== stage.picture) stage.picture.append(this.#root);
    this.#root.hidden = !stage || !this.#loop;
    if (this.#root.hidden) return;
    const { from, to, bars } = this.#loop;
    const about = this.#about;
    const { length } = about;
    const [begin, end] = [(100 * from) / length, Math.min(100, (100 * to) / length)];
    for (const [name, value] of [['from', begin], ['to', end], ['middle', (begin + end) / 2]]) this.#root.style.setProperty(`--${name}`, value);
    const told = this.#told(about);
    setText(this.#parts.whole.firstChild, told);
    for (const [name, now, min, max] of [['from', from, 0, to], ['to', to, from, length + about.bridge], ['whole', from, 0, length]]) {
      const handle = this.#parts[name];
      Object.assign(handle, { ariaValueNow: now, ariaValueMin: min, ariaValueMax: max });
      handle.ariaValueText = fill(said.loop_at, { seconds: precise(now), told });
    }
  }

  /** How long the loop is, and what is wrong with it. */
  #told(about) {
    const { from, to, bars } = this.#loop;
    const values = { seconds: (to - from).toFixed(3), bars, bpm: this.#form.elements.bpm.value };
    const told = fill(!bars ? said.loop_is : bars > 1 ? said.loop_bars : said.loop_bar, values);
    const wrong = fault(this.#loop, about);
    this.#root.classList.toggle('lw-bracket-wrong', Boolean(wrong));
    if (!wrong) return told;
    const why = fill(wrong === 'short' ? said.loop_short : said.loop_long, { least: precise(about.bridge + about.least) });
    return `${told} · ${why}`;
  }

  #handle(name) {
    const label = { from: said.loop_begins, to: said.loop_ends, whole: said.loop_moves }[name];
    const handle = part('span', `lw-bracket lw-bracket-${name}`, { role: 'slider', tabindex: 0, 'aria-label': label });
    handle.append(document.createElement('b'));
    handle.addEventListener('pointerdown', (event) => {
      if (event.button || !this.#loop) return;
      event.preventDefault();
      this.#drag(handle, name, event);
    });
    handle.addEventListener('keydown', (event) => {
      if (!STEPS[event.key] || !this.#loop) return;
      event.preventDefault();
      event.stopPropagation();
      this.#set(stepped(this.#loop, name, STEPS[event.key], event.shiftKey, this.#about));
    });
    this.#root.append(handle);
    return handle;
  }

  #drag(handle, name, event) {
    const stage = stages.of(this.#source);
    const before = this.#loop;
    const { left, width } = handle.getBoundingClientRect();
    const line = stage.xOf(name === 'to' ? Math.min(before.to, stage.length) : before.from);
    dragEdge(handle, event, (middle) => {
      const at = stage.secondsAt(line + middle - (left + width / 2));
      this.#set(dragged(before, name, at, this.#about));
    }, (keep) => keep || this.#set(before));
  }
}

function precise(seconds) {
  return String(Math.round(1000 * seconds) / 1000);
}
