// A finished take changed where it is played: a span made anew, more of it, a loop, a join. What is made is
// another take; the one before stays, and one goes back and forth between them.

import { playNear, putBeside, takeOf, takeOut } from './edited_takes.js';
import { Markers, button } from './markers.js';
import { setText, clock, fill, parseTime } from './text.js';
import { transport } from './transport.js';
import { words } from './words.js';

const LOOK_MS = 500;
const BEFORE_S = 1; // heard before what is new
const HEADERS = { 'Content-Type': 'application/json', 'X-Longwave': '1' };
const said = words.edits;
const FIELDS = {
  repaint: ['start', 'end', 'strength', 'prompt'], extend: ['left', 'right', 'prompt'],
  loop: ['start', 'end', 'loop_bridge', 'bpm', 'bars', 'prompt'], splice: ['other', 'splice_bridge', 'prompt'], vary: ['share'],
};
const SHARES = ['strength', 'share'];

class Editor {
  #root = null;
  #source = null; // the take that is edited
  #before = null; // the one that it was made of
  #after = new Map(); // by the id of a take, the one made of it that was heard last
  #span = null; // that the picture had last
  #jobs = []; // of what is being made: {id, number, source}
  #timer = 0;
  #markers;

  /** Bring the panel to life. */
  attach(element) {
    this.#root = element.querySelector('.lw-edit');
    this.#opener.hidden = false;
    this.#opener.addEventListener('click', () => (this.#root.hidden ? this.open() : this.#close()));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#begin();
    });
    this.#form.addEventListener('input', () => this.#show());
    this.#root.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation(); // elsewhere it stops the take that is made
      this.#close();
    });
    this.#markers = new Markers(this.#root.querySelector('.lw-markers'), (path, asked) => this.#ask(path, asked));
    this.#on('.lw-edit-stop', () => this.#stop());
    this.#on('.lw-edit-before', () => this.#back());
    this.#on('.lw-edit-after', () => this.#forth());
    this.#on('.lw-edit-close', () => this.#close());
    transport.addEventListener('change', () => this.#follow());
    this.#follow();
  }

  /** Open it for the take that is played; `kind` chooses what is to be done. */
  open(kind = '') {
    if (!this.#root || !takeOf(transport.current)) return;
    this.#root.hidden = false;
    const dock = innerHeight - document.getElementById('transport').getBoundingClientRect().top;
    this.#root.style.setProperty('--lw-dock', `${Math.max(0, dock)}px`);
    this.#opener.setAttribute('aria-expanded', true);
    if (kind) this.#fields.kind.value = kind;
    this.#take();
    this.#others();
    this.#markers.show(takeOf(this.#source));
    this.#trace();
    this.#fields.kind.focus();
  }

  #close() {
    this.#root.hidden = true;
    this.#opener.setAttribute('aria-expanded', false);
    this.#opener.focus();
  }

  #follow() {
    const { current } = transport;
    const take = takeOf(current);
    this.#opener.disabled = !take;
    if (transport.span !== this.#span) this.#take();
    if (!take || takeOf(this.#source) === take) return;
    this.#source = current;
    this.#before = null;
    if (!this.#root.hidden) {
      this.#markers.show(take);
      this.#trace();
    }
    if (!this.#jobs.length) this.#tell('');
    this.#show();
  }

  /** The span that the picture has, in the fields. */
  #take() {
    const { span } = transport;
    this.#span = span;
    if (span && !this.#root.hidden) {
      this.#fields.start.value = precise(span.from);
      this.#fields.end.value = precise(span.to);
    }
    this.#show();
  }

  #show() {
    const { kind } = this;
    for (const label of this.#form.querySelectorAll('[data-of]')) label.hidden = !label.dataset.of.split(' ').includes(kind);
    setText(this.#part('.lw-edit-of'), fill(said.of, { name: this.#source?.title ?? '' }));
    this.#fields.end.placeholder = clock(this.#source?.lengthS ?? 0);
    const seconds = this.#seconds();
    const count = this.#count;
    const cost = count > 1 ? said.cost_many : said.cost;
    setText(this.#part('.lw-edit-cost'), seconds > 0 ? fill(cost, { seconds: precise(seconds), count }) : kind === 'repaint' ? said.no_span : '');
    const busy = this.#jobs.some(({ ended }) => !ended);
    this.#part('.lw-edit-begin').disabled = busy || (kind === 'repaint' && !(seconds > 0));
    this.#part('.lw-edit-stop').hidden = !busy;
    this.#part('progress').hidden = !busy;
    this.#part('.lw-edit-before').hidden = !this.#before;
    this.#part('.lw-edit-after').hidden = !this.#after.has(takeOf(this.#source));
  }

  /** Seconds of new sound that one edit makes. */
  #seconds() {
    const of = (name) => Number(this.#fields[name].value) || 0;
    const length = this.#source?.lengthS ?? 0;
    const { start, end } = this.#fields;
    if (this.kind === 'repaint') {
      if (!start.value && !end.value) return 0;
      return Math.min(parseTime(end.value) ?? length, length) - (parseTime(start.value) ?? 0);
    }
    return { extend: of('left') + of('right'), loop: of('loop_bridge'), splice: of('splice_bridge'), vary: length }[this.kind];
  }

  get #count() {
    return ['repaint', 'vary'].includes(this.kind) ? Number(this.#fields.candidates.value) : 1;
  }

  get kind() {
    return this.#fields.kind.value;
  }

  async #others() {
    const { takes = [] } = await this.#ask('edits/takes');
    const own = takeOf(this.#source);
    const { other } = this.#fields;
    const chosen = other.value;
    const options = takes.filter(({ id }) => id !== own).map(({ id, name }) => new Option(name, id));
    other.replaceChildren(...(options.length ? options : [new Option(said.no_others, '')]));
    if (takes.some(({ id }) => id === chosen)) other.value = chosen;
  }

  async #begin() {
    if (this.#part('.lw-edit-begin').disabled) return;
    const asked = { take: takeOf(this.#source), kind: this.kind };
    for (const name of FIELDS[this.kind]) {
      const value = this.#fields[name].value.trim();
      const key = name.endsWith('_bridge') ? 'bridge' : name;
      if (value) asked[key] = SHARES.includes(name) ? String(Number(value) / 100) : value;
    }
    if (this.kind === 'repaint') {
      asked.start ??= '0';
      asked.end ??= String(this.#source.lengthS);
    }
    if (asked.bpm && asked.bars) delete asked.end; // the bars are its length
    this.#part('.lw-edit-begin').disabled = true;
    this.#part('.lw-edit-made').replaceChildren();
    this.#jobs = [];
    this.#tell(said.waits);
    for (let number = 1; number <= this.#count; number += 1) {
      const { id, message } = await this.#ask('edits', asked);
      if (!id) {
        this.#tell(message, true);
        break;
      }
      this.#jobs.push({ id, number, of: this.#source });
    }
    if (this.#jobs.length) this.#look();
    else this.#show();
  }

  async #look() {
    clearTimeout(this.#timer);
    const open = this.#jobs.filter(({ ended }) => !ended);
    for (const job of open) {
      const { phase = 'failed', share = 0, said: line = '', source, message } = await this.#ask(`edits/${job.id}`);
      Object.assign(job, { share, ended: phase === 'done' || phase === 'failed', source });
      if (phase === 'done') await this.#made(job);
      else this.#tell(message ?? line, phase === 'failed');
    }
    this.#part('progress').value = this.#jobs.reduce((sum, { share }) => sum + share, 0) / this.#jobs.length;
    if (this.#jobs.some(({ ended }) => !ended)) this.#timer = setTimeout(() => this.#look(), LOOK_MS);
    else {
      const made = this.#jobs.filter(({ source }) => source);
      if (made.length) this.#tell(made.length > 1 ? fill(said.done_many, { count: made.length }) : said.done_one);
    }
    this.#show();
  }

  /** One more is there: it can be heard at once, and dropped. */
  async #made(job) {
    const { number, source, of } = job;
    await putBeside(source, of);
    const row = document.createElement('li');
    const name = document.createElement('span');
    name.textContent = `${fill(said.candidate, { number })} · ${source.title}`;
    const play = button(said.play, fill(said.play_one, { number }), () => this.#play(source, of));
    const drop = button(said.drop, fill(said.drop_one, { number }), async () => {
      const { message } = await this.#ask('edits/drop', { take: takeOf(source) });
      if (message) return this.#tell(message, true);
      for (const [one, after] of this.#after) if (takeOf(after) === takeOf(source)) this.#after.delete(one);
      if (takeOf(transport.current) === takeOf(source)) playNear(of, of, transport.position);
      takeOut(source, of);
      row.remove();
      this.#tell(fill(said.dropped, { number }));
      return this.#show();
    });
    row.append(name, play, drop);
    this.#part('.lw-edit-made').append(row);
    if (this.#jobs.length === 1) this.#play(source, of);
  }

  #play(source, of) {
    this.#after.set(takeOf(of), source);
    const from = source.madeS?.[0]?.[0] ?? 0;
    playNear(source, of, Math.max(0, from - BEFORE_S));
    this.#show();
  }

  /** Find what the take that is played was made of. */
  async #trace() {
    const take = takeOf(this.#source);
    const { source = null } = await this.#ask(`edits/before?take=${encodeURIComponent(take)}`);
    if (take !== takeOf(this.#source)) return; // another is played meanwhile
    this.#before = source;
    this.#show();
  }

  /** The take that the one which is played was made of, at the same place. */
  #back() {
    this.#after.set(takeOf(this.#before), this.#source);
    this.#jump(this.#before);
  }

  #forth() {
    this.#jump(this.#after.get(takeOf(this.#source)));
  }

  #jump(source) {
    const { position, current } = transport;
    playNear(source, current, position < source.lengthS ? position : 0);
    this.#show();
  }

  async #stop() {
    await Promise.all(this.#jobs.filter(({ ended }) => !ended).map(({ id }) => this.#ask(`edits/${id}/stop`, {})));
  }

  /** What the server answers; {message} where it does not. */
  async #ask(path, asked = null) {
    const how = asked ? { method: 'POST', headers: HEADERS, body: JSON.stringify(asked) } : { cache: 'no-store' };
    try {
      return await (await fetch(new URL(path, document.baseURI), how)).json();
    } catch {
      return { message: words.page.silent, phase: 'making' };
    }
  }

  #tell(text, wrong = false) {
    const line = this.#part('.lw-told');
    line.classList.toggle('lw-wrong', wrong);
    setText(line, text ?? '');
  }

  #on(selector, act) {
    this.#part(selector).addEventListener('click', act);
  }

  #part(selector) {
    return this.#root.querySelector(selector);
  }

  get #form() {
    return this.#root.querySelector('form');
  }

  get #fields() {
    return this.#form.elements;
  }

  get #opener() {
    return document.getElementById('transport-edit');
  }
}

function precise(seconds) {
  return String(Math.round(1000 * seconds) / 1000);
}

export const editor = new Editor();
