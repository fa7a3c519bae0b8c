// Two takes compared by ear: X is secretly one of them, and chance says how much right answers are worth.

import { chanceWords } from './chance.js';
import { PairPlayer } from './pair_player.js';
import { part } from './parts.js';
import { clock, fill, setText } from './text.js';
import { transport } from './transport.js';
import { Unlike } from './unlike.js';
import { words } from './words.js';

const texts = words.ear;
const TICK_MS = 100;
const X = 2; // what is heard: the first, the second, or this
const TYPED = 'select, input, summary, button';

/** The dialog, from when it is opened until it is closed. */
export class ByEar {
  #dialog;
  #parts = {};
  #player = new PairPlayer();
  #unlike;
  #takes; // [{ letter, take }]
  #pair = [0, 1];
  #drawn = null; // which of both X is: known here alone
  #heard = null;
  #listened = false; // to X, since it was drawn
  #right = 0;
  #of = 0;
  #timer = 0;
  #keyed = (event) => this.#key(event);

  /** In the element `host`, of takes by their letters, two or more; the `first` is compared with another. */
  constructor(host, takes, first = 0) {
    this.#takes = takes;
    this.#pair = first > 0 ? [0, first] : [0, 1];
    this.#build();
    host.append(this.#dialog);
    this.#dialog.showModal();
    if (transport.playing) transport.toggle();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#load();
  }

  #build() {
    this.#dialog = part('dialog', 'lw-ear', { 'aria-label': texts.title });
    const make = (name, tag, parent, attributes = {}, text = '') => {
      this.#parts[name] = parent.appendChild(part(tag, `lw-ear-${name}`, attributes, text));
      return this.#parts[name];
    };
    const row = (name, label) => make(name, 'div', this.#dialog, { role: 'group', 'aria-label': label });
    const head = make('head', 'header', this.#dialog);
    head.append(part('h2', '', {}, texts.title));
    make('close', 'button', head, { type: 'button', 'aria-label': texts.close }, '×');
    make('help', 'p', this.#dialog, {}, texts.help);
    const pair = make('pair', 'div', this.#dialog);
    for (const [name, label] of [['first', texts.first], ['second', texts.second]]) {
      const field = pair.appendChild(part('label', '', {}, `${label} `));
      make(name, 'select', field).append(...this.#takes.map(({ letter }, index) => new Option(letter, index)));
    }
    make('said', 'p', this.#dialog, { role: 'status' });
    const hear = row('hear', texts.listen);
    for (const which of [0, 1, X]) hear.append(part('button', '', { type: 'button', 'data-hear': which }));
    const place = make('place', 'div', this.#dialog);
    make('play', 'button', place, { type: 'button', 'aria-label': texts.play, title: texts.play }, '▶');
    make('seek', 'input', place, { type: 'range', min: 0, max: 1, step: 0.01, value: 0, 'aria-label': texts.place });
    make('time', 'span', place);
    const answers = row('answers', texts.answers);
    for (const which of [0, 1]) answers.append(part('button', '', { type: 'button', 'data-answer': which }));
    const score = make('tally', 'div', this.#dialog);
    make('score', 'p', score, { role: 'status' });
    make('again', 'button', score, { type: 'button', hidden: '' }, texts.again);
    make('keys', 'p', this.#dialog, {}, texts.keys);
    this.#unlike = new Unlike(this.#dialog, (seconds) => this.#seek(seconds));
    this.#listen();
  }

  #listen() {
    const { close, first, second, play, seek, again } = this.#parts;
    this.#dialog.addEventListener('close', () => this.#end());
    document.addEventListener('keydown', this.#keyed, true); // before the page's, wherever the focus has got to
    this.#dialog.addEventListener('click', ({ target }) => {
      const { hear, answer } = target.closest('button')?.dataset ?? {};
      if (hear) this.#hear(Number(hear));
      if (answer) this.#answer(Number(answer));
    });
    close.addEventListener('click', () => this.#dialog.close());
    play.addEventListener('click', () => this.#toggle());
    seek.addEventListener('input', () => this.#player.seek(Number(seek.value)));
    again.addEventListener('click', () => this.#anew());
    for (const [place, field] of [first, second].entries()) {
      field.addEventListener('change', () => this.#choose(place, Number(field.value)));
    }
  }

  /** Take another for one of both; what is in the other's place goes to this one's. */
  #choose(place, index) {
    if (this.#pair[1 - place] === index) this.#pair[1 - place] = this.#pair[place];
    this.#pair[place] = index;
    this.#load();
  }

  get #both() {
    return this.#pair.map((index) => this.#takes[index]);
  }

  async #load() {
    const [first, second] = this.#both;
    [this.#parts.first.value, this.#parts.second.value] = this.#pair;
    this.#unlike.show(this.#both);
    this.#anew();
    this.#say(texts.loading);
    const loading = this.#player.load([first.take, second.take], transport.position);
    this.#enable();
    const pair = this.#pair.join();
    const there = await loading;
    if (pair !== this.#pair.join() || !this.#dialog.open) return;
    const { from, length } = this.#player;
    this.#say(!there ? texts.failed : from ? fill(texts.part, { from: clock(from), to: clock(from + length) }) : texts.ready);
    this.#enable();
    if (there) this.#dialog.querySelector('[data-hear]').focus();
  }

  /** Another X, and nothing answered yet. */
  #anew() {
    [this.#right, this.#of] = [0, 0];
    setText(this.#parts.score, '');
    this.#parts.again.hidden = true;
    this.#draw();
    this.#heard = null;
    this.#enable();
  }

  #draw() {
    this.#drawn = crypto.getRandomValues(new Uint8Array(1))[0] % 2;
    this.#listened = false;
  }

  #hear(which) {
    if (!this.#player.ready) return;
    this.#heard = which;
    this.#listened ||= which === X;
    this.#player.hear(which === X ? this.#drawn : which);
    this.#enable();
  }

  #answer(which) {
    if (!this.#listened) return;
    const right = which === this.#drawn;
    this.#of += 1;
    this.#right += right ? 1 : 0;
    const { letter } = this.#both[this.#drawn];
    const told = fill(right ? texts.right : texts.wrong, { name: letter });
    setText(this.#parts.score, `${told} ${chanceWords(this.#right, this.#of)}`);
    this.#parts.again.hidden = false;
    const { playing } = this.#player;
    this.#draw();
    this.#hear(0); // lest the next X gives itself away by whether the sound changes now
    if (!playing) this.#player.pause();
    this.#dialog.querySelector(`[data-hear="${X}"]`).focus();
  }

  #toggle() {
    if (!this.#player.ready) return;
    if (this.#heard === null) this.#hear(0);
    else this.#player.toggle();
    this.#tick();
  }

  /** Hear both from a second of the takes. */
  #seek(seconds) {
    if (!this.#player.ready) return;
    this.#player.seek(seconds - this.#player.from);
    if (!this.#player.playing) this.#hear(this.#heard ?? 0);
  }

  #key(event) {
    event.stopPropagation(); // the page's keys are for what lies below
    const { key, target, ctrlKey, metaKey, altKey } = event;
    if (key === 'Escape' || ctrlKey || metaKey || altKey) return; // the dialog closes by itself
    const acts = {
      1: () => this.#hear(0), 2: () => this.#hear(1), 3: () => this.#hear(X), x: () => this.#hear(X),
      ' ': () => this.#toggle(), ArrowLeft: () => this.#answer(0), ArrowRight: () => this.#answer(1),
    };
    const act = acts[key.toLowerCase()] ?? acts[key];
    const own = target.closest('select, input') || (key === ' ' && target.closest(TYPED));
    if (!act || own) return;
    event.preventDefault();
    act();
  }

  #enable() {
    const names = [...this.#both.map(({ letter }) => letter), texts.secret];
    const { ready } = this.#player;
    for (const button of this.#dialog.querySelectorAll('[data-hear]')) {
      const which = Number(button.dataset.hear);
      setText(button, names[which]);
      button.setAttribute('aria-label', fill(texts.hear, { name: names[which] }));
      button.setAttribute('aria-pressed', this.#heard === which);
      button.disabled = !ready;
    }
    for (const button of this.#dialog.querySelectorAll('[data-answer]')) {
      setText(button, fill(texts.answer, { name: names[button.dataset.answer] }));
      button.disabled = !ready || !this.#listened;
    }
    for (const name of ['play', 'seek']) this.#parts[name].disabled = !ready;
  }

  #tick() {
    const { seek, play, time } = this.#parts;
    const { position, length, from, playing } = this.#player;
    setText(play, playing ? '❚❚' : '▶');
    seek.max = length || 1;
    if (document.activeElement !== seek || playing) seek.value = position;
    seek.setAttribute('aria-valuetext', clock(from + position));
    setText(time, length ? `${clock(from + position)} / ${clock(from + length)}` : '');
    this.#unlike.at(playing ? from + position : null);
  }

  #say(text) {
    setText(this.#parts.said, text);
  }

  #end() {
    clearInterval(this.#timer);
    document.removeEventListener('keydown', this.#keyed, true);
    this.#player.close();
    this.#dialog.remove();
  }

  /** For tests of the sound: what plays. */
  get player() {
    return this.#player;
  }
}

/** Let a button below a strip open the dialog; `takes()` are the strip's by their letters, `chosen()` one's place. */
export function offerByEar(button, takes, chosen) {
  button.addEventListener('click', () => { window.longwave.byEar = new ByEar(button.parentElement, takes(), chosen()); });
}
