// Brings a tab's player, picture, gauges, status line and keys to life.

import './access.js';
import { LivePlayer } from './player.js';
import { Spectrogram } from './spectrogram.js';
import { clock, setText } from './text.js';
import { ClipPicture } from './clip.js';
import { Gauge } from './gauge.js';
import { ExportForm } from './export.js';
import { AttentionPicture } from './attention.js';

const BEAT_MS = 250; // the data-attributes promise two updates a second
const DRAW_MS = 50;
const WORDS = {
  idle: 'Ready', loading: 'Preparing', playing: 'Playing', paused: 'Paused', buffering: 'Waiting for sound',
  stopped: 'Stopped', ended: 'Ended', failed: 'No sound',
};

const LOST = 'The studio was started anew, and this take ended with it: the Library has what was made of it.';

const megabytes = (value) => (value < 10000 ? `${Math.round(value)} MB` : `${(value / 1000).toFixed(0)} GB`);

// Figure: the part of the tab that shows it, how it is written, and what is written beside it. A tab has some.
const FIGURES = {
  memory_mb: ['memory', megabytes, (text) => `one run as long: some ${text}`],
  rtf: ['rtf', (value) => (value ? `${value.toFixed(2)} ×` : '–')],
  ahead_s: ['ahead', (value) => `${value.toFixed(1)} s`],
  step_ms: ['step', (value) => (value ? `${(value / 1000).toFixed(value < 1000 ? 2 : 1)} s` : '–')],
};

class Tab {
  #name;
  #root;
  #player = new LivePlayer();
  #picture;
  #attention;
  #gauges = {};
  #export;
  #state = { token: '', phase: '', message: 'Ready.' };
  #refusal = ''; // stays beside a take that still plays, until the next one begins
  #wrong = null; // the field of the refusal: its block, and what is said in it
  #past = new Set();
  #made = 0;
  #concluded = false;
  #beating = false;
  #caughtUp = true;

  constructor(name) {
    this.#name = name;
    this.#root = this.#part('player');
    const canvas = this.#part('spectrogram').querySelector('canvas');
    this.#picture = 'whole' in canvas.dataset ? new ClipPicture(canvas) : new Spectrogram(canvas);
    const attention = this.#part('attention');
    if (attention?.querySelector('canvas[data-window]')) this.#attention = new AttentionPicture(attention);
    for (const [figure, [part, format, beside]] of Object.entries(FIGURES)) {
      if (this.#part(part)) this.#gauges[figure] = new Gauge(this.#part(part), format, beside);
    }
    this.#export = new ExportForm(this.#find('.lw-export'), () => (this.#state.offset_s ?? 0) + this.#made);
    this.#find('.lw-play').addEventListener('click', () => this.toggle());
    const level = this.#find('.lw-level input');
    level.addEventListener('input', () => { this.#player.level = level.value / 100; });
    for (const event of ['input', 'change']) this.#form.addEventListener(event, ({ target }) => this.#mend(target));
    this.#form.addEventListener('click', ({ target }) => {
      const button = target.closest('button');
      // Examples and the seed's buttons change a field without a word from it.
      if (button && button !== this.#part('generate')) this.#mend();
    });
    this.#show();
    setInterval(() => this.#beat(), BEAT_MS);
    setInterval(() => this.#draw(), DRAW_MS);
  }

  /** The server's word on a take: a new one, how the present one stands, or (no token) why there is none. */
  receive(state) {
    if (!state || typeof state !== 'object') return;
    if (this.#past.has(state.token)) return; // of a take that another has taken the place of
    if (state.token && state.token !== this.#state.token) this.#begin(state);
    if (state.token) this.#state = { ...this.#state, ...state };
    if (state.drafted) this.#draft(state.token);
    if (!state.token) this.#refuse(state);
    this.#beat();
  }

  /** Why nothing begins: in the status line and beside the field at fault, until that is mended. */
  #refuse({ message, label }) {
    this.#mend();
    this.#refusal = message;
    const named = label && [...this.#form.querySelectorAll('[data-testid=block-info], label > span')]
      .find(({ textContent }) => textContent.trim() === label || textContent.trim().startsWith(`${label} (`));
    const block = named?.closest('.block');
    if (!block) return;
    const said = document.createElement('p');
    said.className = 'lw-wrong lw-field-wrong';
    said.textContent = message;
    (block.closest('.row') ?? block.closest('.form') ?? block).after(said); // a row's fields are narrow
    block.querySelector('input, textarea')?.setAttribute('aria-invalid', true);
    this.#wrong = { block, said };
  }

  /** The form has changed at `target`: what was said of it may hold no longer. */
  #mend(target = null) {
    const typed = target?.matches?.('textarea, input:not([type=checkbox], [type=radio], [type=range])');
    if (this.#wrong && typed && !this.#wrong.block.contains(target)) return; // another field was typed in
    this.#wrong?.block.querySelector('[aria-invalid]')?.removeAttribute('aria-invalid');
    this.#wrong?.said.remove();
    this.#wrong = null;
    this.#refusal = '';
  }

  stop() {
    this.#player.stop();
    this.#beat();
  }

  toggle() {
    this.#player.toggle();
    setTimeout(() => this.#beat(), 30);
  }

  /** The latest take's seed, or nothing before the first. */
  get seed() {
    return this.#state.seed === undefined ? undefined : Number(this.#state.seed);
  }

  get visible() {
    return this.#root.offsetParent !== null;
  }

  press(button) {
    const element = this.#part(button);
    if (!element.disabled) element.click();
  }

  #begin(state) {
    if (this.#state.token) this.#past.add(this.#state.token);
    this.#mend();
    this.#made = 0;
    this.#concluded = false;
    this.#caughtUp = false;
    this.#picture.clear(state.columns_per_s);
    this.#attention?.clear();
    for (const gauge of Object.values(this.#gauges)) gauge.clear();
    this.#find('.lw-done').hidden = true;
    this.#find('audio').removeAttribute('src');
    this.#part('spectrogram').classList.add('lw-live');
    this.#draft(null);
    // So that Space plays and pauses instead of pressing the button one has just clicked.
    if (document.activeElement === this.#part('generate')) document.activeElement.blur();
    this.#player.start(state.token, state.sample_rate);
  }

  async #beat() {
    this.#player.tick();
    this.#show();
    if (this.#beating || this.#caughtUp) return;
    this.#beating = true;
    try {
      const url = new URL(`live/${this.#state.token}`, document.baseURI);
      url.search = new URLSearchParams({
        position: this.#player.position, columns: this.#picture.total,
        attention: this.#attention?.step ?? 0, preview: this.#picture.step ?? 0,
      });
      const response = await fetch(url, { method: 'POST', cache: 'no-store' });
      if (response.ok) this.#take(await response.json());
      else if (response.status === 404) this.#lose();
    } catch {
      this.#state.message = 'The studio does not answer: check that it still runs.';
    } finally {
      this.#beating = false;
    }
    this.#show();
  }

  /** The server knows the take no more: it was started anew, or it forgot one that had long ended. */
  #lose() {
    this.#caughtUp = true;
    if (!['queued', 'running'].includes(this.#state.phase)) return;
    this.#player.stop();
    this.#state = { ...this.#state, phase: 'failed', message: LOST };
  }

  #take(answer) {
    if (answer.token !== this.#state.token) return;
    const { figures, columns, first_column: first, made_s: made, attention, preview, ...state } = answer;
    this.#state = { ...this.#state, ...state };
    if (state.drafted) this.#draft(answer.token);
    this.#made = made;
    this.#picture.push(first, Uint8Array.from(atob(columns), (character) => character.charCodeAt(0)));
    if (attention) this.#attention?.show(attention);
    if ('length' in this.#picture) this.#picture.length = made;
    if (preview && 'show' in this.#picture) this.#picture.show(preview);
    const over = !['queued', 'running'].includes(state.phase);
    if (!over || !this.#concluded) this.#push(figures); // what it came to, once
    this.#concluded = over;
    if (state.phase === 'failed') this.#player.fail();
    const silent = ['stopped', 'ended', 'failed'].includes(this.#player.state);
    if (over && state.file) this.#offer(state);
    this.#caughtUp = over && silent && columns === '';
  }

  /** Show the draft of the take of that token, to be heard while it is refined; no token: none yet. */
  async #draft(token) {
    const card = this.#part('draft-player');
    if (!card || (card.dataset.token ?? '') === (token ?? '')) return;
    card.dataset.token = token ?? '';
    const parts = { sound: 'audio', picture: '.lw-draft-picture', tokens: '.lw-draft-tokens' };
    for (const [what, selector] of Object.entries(parts)) {
      const part = card.querySelector(selector);
      part.hidden = !token;
      if (part.src) URL.revokeObjectURL(part.src);
      if (token) part.src = await local(`draft/${token}/${what}`);
      else part.removeAttribute('src');
    }
    card.querySelector('.lw-hint').hidden = Boolean(token);
  }

  #push(figures) {
    const beside = { memory_mb: figures.conventional_mb };
    for (const [name, gauge] of Object.entries(this.#gauges)) {
      if (name in figures) gauge.push(figures[name], beside[name] ?? null);
    }
  }

  #offer({ token, file }) {
    const done = this.#find('.lw-done');
    if (!done.hidden) return;
    const url = new URL(`take/${token}`, document.baseURI);
    this.#find('audio').src = url;
    this.#export.offer(url, file);
    done.hidden = false;
  }

  #show() {
    const { state, position, underruns } = this.#player;
    Object.assign(this.#root.dataset, { positionS: position.toFixed(3), underruns, state });
    const play = this.#find('.lw-play');
    play.disabled = !['playing', 'paused', 'buffering', 'loading'].includes(state);
    play.classList.toggle('lw-playing', ['playing', 'buffering', 'loading'].includes(state));
    const before = this.#state.offset_s ?? 0; // of a take that goes on
    setText(this.#find('.lw-time'), clock(before + position));
    setText(this.#find('.lw-made'), this.#made ? `of ${clock(before + this.#made)} made` : '');
    const gaps = underruns ? ` · ${underruns} interruption${underruns > 1 ? 's' : ''}` : '';
    setText(this.#find('.lw-state'), WORDS[state] + gaps);
    this.#find('.lw-state').dataset.state = state;
    this.#announce();
  }

  #announce() {
    const { phase, message, seed } = this.#refusal ? { phase: 'failed', message: this.#refusal } : this.#state;
    const line = this.#part('status').querySelector('[role=status]');
    const running = phase === 'running' && message === 'Playing';
    const text = running ? WORDS[this.#player.state] ?? message : message;
    setText(line, seed && phase !== 'failed' ? `${text}${/[.]$/.test(text) ? '' : '.'} Seed ${seed}.` : text);
    line.dataset.phase = phase;
  }

  #draw() {
    if (!document.hidden && this.visible && this.#player.state === 'playing') this.#picture.draw(this.#player.position);
  }

  #part(name) {
    return document.getElementById(`${this.#name}-${name}`);
  }

  get #form() {
    return this.#part('generate').closest('.lw-form');
  }

  #find(selector) {
    return this.#root.querySelector(selector);
  }
}

/** What the server has there as an address within the page: a sound can be moved about in. */
async function local(path) {
  const response = await fetch(new URL(path, document.baseURI), { cache: 'no-store' });
  return URL.createObjectURL(await response.blob());
}

function onKey(event) {
  const tab = Object.values(window.longwave).find((candidate) => candidate.visible);
  if (!tab || event.altKey) return;
  const typing = event.target.closest?.('input, textarea, select, button, a, audio, [contenteditable=true]');
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) tab.press('generate');
  else if (event.key === 'Escape') tab.press('stop');
  else if (event.key === ' ' && !typing) tab.toggle();
  else return;
  event.preventDefault();
}

/** Of takes under each other one plays at a time, and goes on where the one before was. */
function onPlay({ target }) {
  const others = target.closest?.('[id$="-compare-rows"]')?.querySelectorAll('audio') ?? [];
  const last = [...others].find((audio) => 'last' in audio.dataset);
  if (last && last !== target && last.currentTime < target.duration) target.currentTime = last.currentTime;
  for (const audio of others) {
    if (audio !== target) audio.pause();
    delete audio.dataset.last;
  }
  target.dataset.last = '';
}

/** Called by the player's component when it is on the page. */
export function attach(name, props, watch) {
  if (!window.longwave) {
    window.longwave = {};
    document.addEventListener('keydown', onKey);
    document.addEventListener('play', onPlay, true); // it does not bubble
  }
  const tab = new Tab(name);
  window.longwave[name] = tab;
  tab.receive(props.value); // a tab may be opened long after its take began
  watch('value', () => tab.receive(props.value));
}
