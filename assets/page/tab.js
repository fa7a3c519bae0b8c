// A tab of takes: its player, picture, gauges, status line, and the button that says what it will do.

import { AttentionPicture } from './attention.js';
import { Figures } from './figures.js';
import { Inspector } from './inspector.js';
import { LivePlayer } from './player.js';
import { Refusal } from './refusal.js';
import { Stage } from './stage.js';
import { StageMarkers } from './stage_markers.js';
import { Strip, sourceOf } from './strip.js';
import { showDraft } from './draft.js';
import { laneOf } from './form.js';
import { recalled, remember } from './kept.js';
import { timelines } from './timeline.js';
import { palettes } from './palette.js';
import { tellWords } from './reading.js';
import { transport } from './transport.js';
import { words } from './words.js';
import { clock, fill, setText } from './text.js';
import { willText } from './will.js';

const TICK_MS = 250; // the data-attributes promise two updates a second
const BEAT_MS = 1000;
const DRAW_MS = 50;
const HURRY_MS = 8000; // a take begins and ends without waiting for the next beat
const SILENT = ['stopped', 'ended', 'failed'];
const MAIN = ['generate', 'steer', 'again'];

export class Tab {
  #name;
  #root;
  #stage;
  #attention;
  #figures;
  #refusal;
  #state = { token: '', phase: '', message: words.takes.ready };
  #batch = null;
  #past = new Set();
  #made = 0;
  #concluded = false;
  #beating = false;
  #caughtUp = true;
  #beaten = 0;
  #begun = 0;
  #offered = '';
  player = new LivePlayer();
  form = null;

  constructor(name) {
    this.#name = name;
    this.#root = this.part('player');
    this.#stage = new Stage(this.part('spectrogram'));
    new StageMarkers(this.#stage);
    const attention = this.part('attention');
    if (attention?.querySelector('canvas[data-window]')) this.#attention = new AttentionPicture(attention);
    this.#figures = new Figures((part) => this.part(part));
    this.inspector = new Inspector(name);
    this.#refusal = new Refusal(this.#asked, ({ id }) => this.inspector.show(id.slice(name.length + 1)));
    this.strip = new Strip(name, this.part('take-strip'));
    this.#bind();
    this.#show();
    setInterval(() => this.#beat(), TICK_MS);
    setInterval(() => this.#draw(), DRAW_MS);
    this.#recall();
  }

  #bind() {
    this.strip.addEventListener('select', ({ detail }) => this.#select(detail));
    this.#stage.addEventListener('seek', ({ detail }) => this.#seek(detail));
    this.#stage.addEventListener('point', ({ detail }) => {
      if (this.inspector.shown === 'inside') this.part('spectrogram').point?.(...detail);
    });
    this.#stage.addEventListener('span', ({ detail }) => {
      if (this.#pictured) transport.span = detail;
    });
    transport.addEventListener('change', () => {
      if (this.#pictured && this.#stage.span !== transport.span) this.#stage.span = transport.span;
      this.#main();
    });
    this.#asked.addEventListener('click', ({ target }) => {
      const button = target.closest('button');
      // Presets and the seed's buttons change a field without a word from it.
      if (button && !MAIN.some((name) => button === this.part(name))) this.#refusal.mend();
    });
  }

  /** The form, once it is on the page. */
  join(form) {
    this.form = form;
    palettes.get(this.#name)?.refresh();
    form.addEventListener('change', () => this.#main());
    this.#fill();
    this.#main();
  }

  /** The server's word on a take: a new one, how the present one stands, or (no token) why there is none. */
  receive(state) {
    if (!state || typeof state !== 'object') return;
    if (state.batch) return void this.#receiveBatch(state);
    if (this.#past.has(state.token)) return; // of a take that another has taken the place of
    if (state.token && state.token !== this.#state.token) this.#begin(state);
    if (state.token) this.#state = { ...this.#state, ...state };
    this.#fill();
    if (state.drafted) this.#draft(state.token);
    if (!state.token) this.#refusal.tell(state);
    this.#beat();
  }

  /** A page that finds a take running shows what makes it, unless this browser tab knows better. */
  #fill() {
    const { form, ...state } = this.#state;
    if (!form || !this.form) return;
    this.#state = state;
    if (!this.form.restored) this.form.ask(form);
  }

  #receiveBatch(state) {
    if (state.batch !== this.#batch?.batch) {
      this.#refusal.mend();
      this.strip.begin(state.batch);
    }
    this.#batch = state;
    this.#show();
  }

  stop() {
    this.player.stop();
    this.#beat();
  }

  toggle() {
    this.player.toggle();
    setTimeout(() => this.#beat(), 30);
  }

  get timeline() {
    return timelines.get(this.#name);
  }

  /** The latest take's seed, or nothing before the first. */
  get seed() {
    return this.#state.seed;
  }

  get token() {
    return this.#state.token;
  }

  /** Up to where the take's sound goes, and what of it is extended, in Hz. */
  get band() {
    return { topHz: (this.#state.sample_rate ?? 16000) / 2, extendedHz: this.#state.extended_hz };
  }

  get title() {
    return this.#state.prompt ?? '';
  }

  /** Seconds of the whole take that were heard, what it continues counted. */
  get heard() {
    return (this.#state.offset_s ?? 0) + this.player.position;
  }

  /** How the live take keeps up, in words. */
  get how() {
    const { player } = this;
    const ahead = Math.floor(Math.max(0, this.#made - player.position));
    if (player.state === 'buffering' && player.paceS) {
      return fill(words.transport.catching_up, { pace: player.paceS.toFixed(1) });
    }
    if (player.state !== 'playing') return words.transport[player.state] ?? '';
    return fill(words.transport[ahead >= 2 ? 'keeping_up' : 'ahead'], { seconds: ahead });
  }

  /** Whether anything is made for this tab now. */
  get running() {
    return this.#live || ['queued', 'running'].includes(this.#batch?.phase);
  }

  /** Whether there is anything to stop: what was made may be heard for a while after. */
  get stoppable() {
    return this.running || ['playing', 'paused', 'buffering', 'loading'].includes(this.player.state);
  }

  get #live() {
    return ['queued', 'running'].includes(this.#state.phase);
  }

  get visible() {
    return this.#root.offsetParent !== null;
  }

  /** Press the button that is the main one now. */
  pressMain() {
    const button = this.part(this.#asked.dataset.main);
    if (!button || button.disabled) return false;
    button.click();
    return true;
  }

  stopTake() {
    this.part('stop').click();
  }

  /** A change of the timeline at what is heard now. */
  mark() {
    const { current } = transport;
    this.timeline?.add(!this.#owns ? undefined : current.live ? this.heard : transport.position);
  }

  /** The timeline was pointed at: a finished take goes on from there. */
  seekTo(at_s) {
    if (this.#owns && !transport.current.live) transport.seek(at_s);
  }

  /** One end of the span at what is heard now. */
  markSpan(end) {
    const { length } = this.#stage;
    if (!this.#pictured || !length) return;
    const span = { from: 0, to: length, ...this.#stage.span, [end]: transport.position };
    if (span.to <= span.from) return;
    transport.span = span;
  }

  /** Whether the prompt is still the one that the page opened with, and nothing was made of it. */
  get untouched() {
    return !this.#state.token && !this.#batch && Boolean(this.form?.untouched);
  }

  /** The palette has set the prompt: where nothing is made or heard, it is heard at once. */
  composed({ prompt, example }) {
    const { form } = this;
    if (!form) return;
    const silent = !this.running && !transport.playing;
    const start = () => {
      if (form.changed.length && example) return; // an example is heard by itself, not with what was set before it
      form.removeEventListener('change', start);
      if (silent && form.endless) setTimeout(() => this.pressMain(), 60); // once the form has it
    };
    if (example && form.restart(prompt)) form.addEventListener('change', start);
    else start();
  }

  #begin(state) {
    if (this.#state.token) this.#past.add(this.#state.token);
    this.#refusal.mend();
    this.#state = { token: state.token };
    this.#batch = null;
    this.#made = 0;
    this.#concluded = false;
    this.#caughtUp = false;
    this.#begun = performance.now();
    this.#stage.begin(state.columns_per_s, state.sample_rate / 2);
    this.#attention?.clear();
    this.#figures.clear();
    this.strip.begin();
    this.#draft(null);
    // So that Space plays and pauses instead of pressing the button one has just clicked.
    if (MAIN.some((name) => document.activeElement === this.part(name))) document.activeElement.blur();
    this.player.start(state.token, state.sample_rate, { leadS: state.lead_s });
    transport.live(this);
    palettes.get(this.#name)?.refresh();
    remember(`longwave.last.${this.#name}`, state.token);
  }

  async #beat() {
    this.player.tick();
    this.#show();
    const now = performance.now();
    const apart = now - this.#begun < HURRY_MS || SILENT.includes(this.player.state) ? TICK_MS : BEAT_MS;
    if (this.#beating || this.#caughtUp || now - this.#beaten < apart - 20) return;
    this.#beating = true;
    this.#beaten = now;
    try {
      const response = await this.#ask(this.#state.token);
      if (response.ok) this.#take(await response.json());
      else if (response.status === 404) this.#lose();
    } catch {
      this.#state.message = words.page.silent;
    } finally {
      this.#beating = false;
    }
    this.#show();
  }

  #ask(token) {
    const url = new URL(`live/${token}`, document.baseURI);
    url.search = new URLSearchParams({
      position: this.player.position, columns: this.#stage.total,
      attention: this.#attention?.step ?? 0, preview: this.#stage.step ?? 0,
    });
    return fetch(url, { method: 'POST', cache: 'no-store' });
  }

  /** A take that this browser tab had begun, and that ended while it was away, is told of by its name. */
  async #recall() {
    const token = recalled(`longwave.last.${this.#name}`);
    if (!token) return;
    const response = await this.#ask(token).catch(() => null);
    if (!response?.ok || this.#state.token) return;
    const state = await response.json();
    if (['queued', 'running'].includes(state.phase)) return; // the server lets the page follow it
    this.#state = state;
    this.#past.add(token);
    if (state.file) this.#finish(state, state.made_s + state.offset_s);
    this.#show();
  }

  /** The server knows the take no more: it was started anew, or it forgot one that had long ended. */
  #lose() {
    this.#caughtUp = true;
    if (!this.#live) return;
    this.player.stop();
    this.#state = { ...this.#state, phase: 'failed', message: words.page.lost };
  }

  #take(answer) {
    if (answer.token !== this.#state.token) return;
    if (!this.#live && ['queued', 'running'].includes(answer.phase)) return; // it was asked before the end
    const { figures, columns, first_column: first, made_s: made, attention, preview, ...state } = answer;
    this.#state = { ...this.#state, ...state };
    if (state.drafted) this.#draft(answer.token);
    this.#made = made;
    this.#stage.push(first, Uint8Array.from(atob(columns), (character) => character.charCodeAt(0)));
    if (attention) this.#attention?.show(attention);
    this.#stage.length = made;
    if (preview) this.#stage.preview(preview);
    const over = !this.#live;
    if (!over || !this.#concluded) this.#figures.push(figures); // what it came to, once
    this.#concluded = over;
    if (state.phase === 'failed') this.player.fail();
    const silent = SILENT.includes(this.player.state);
    if (over && state.file) this.#finish(state, made + (state.offset_s ?? 0), silent);
    this.#caughtUp = over && silent && columns === '';
  }

  /** The whole take is there: in the strip at once, in the picture and the transport once it was heard. */
  #finish({ token, file, prompt }, lengthS, silent = true) {
    if (this.#offered !== token) {
      this.#offered = token;
      this.strip.add({ token, file, lengthS, title: prompt });
    }
    if (!silent || transport.current?.id !== token && this.player.state !== 'idle') return;
    const source = this.strip.takes.find((take) => take.id === token) ?? sourceOf(token, file, lengthS, prompt, this.#name);
    if (transport.current?.live === this || !transport.current) {
      transport.offer(source);
      this.#select(source);
    }
  }

  /** Show a finished take of the strip. */
  #select(source) {
    if (this.#live) return; // the picture is the live take's
    this.#stage.finished(source);
  }

  #seek(seconds) {
    const shown = this.strip.takes.find((take) => take.id === transport.current?.id);
    if (shown) transport.seek(seconds);
    else if (this.strip.takes.length) transport.play(this.#stage.source ?? this.strip.takes.at(-1), seconds);
  }

  /** Whether the transport plays the finished take that this tab's picture shows. */
  get #pictured() {
    return Boolean(transport.current) && this.#stage.source?.id === transport.current.id;
  }

  /** Whether the transport plays what this tab has made. */
  get #owns() {
    const { current } = transport;
    return Boolean(current) && (current.live === this || this.strip.takes.some((take) => take.id === current.id));
  }

  #draft(token) {
    showDraft(this.part('draft-player'), token);
  }

  #show() {
    const { state, position, underruns } = this.player;
    Object.assign(this.#root.dataset, { positionS: position.toFixed(3), underruns, state });
    const gaps = underruns ? ` · ${fill(words.transport[underruns > 1 ? 'gaps_many' : 'gaps_one'], { count: underruns })}` : '';
    setText(this.#root.querySelector('.lw-state'), words.transport[state] + gaps);
    this.#root.querySelector('.lw-state').dataset.state = state;
    setText(this.#root.querySelector('.lw-name'), this.title);
    const made = (this.#state.offset_s ?? 0) + this.#made;
    const text = `${clock(this.heard)} ${fill(words.transport.of_made, { time: clock(made) })}`;
    setText(this.#root.querySelector('.lw-made'), made ? text : '');
    this.#announce();
    this.#main();
    this.#plan();
    this.#read();
  }

  /** What is said where the take is heard now, read along. */
  #read() {
    const { said, at } = this.#spoken;
    const line = this.part('say-now')?.querySelector('.lw-script-now');
    if (line) tellWords(line, said, at);
    this.timeline?.reading.at(at);
  }

  /** Whether the live take is made, or heard yet after it was. */
  get #heard() {
    return this.#live || (transport.current?.live === this && !SILENT.includes(this.player.state));
  }

  /** The sentences of what plays, live or finished, and the second of it that is heard. */
  get #spoken() {
    if (this.#heard) return { said: this.#state.said ?? [], at: this.heard };
    const take = this.strip.takes.find((one) => one.id === transport.current?.id);
    return { said: take?.said ?? [], at: transport.position };
  }

  #announce() {
    const line = this.part('status').querySelector('[role=status]');
    const shown = this.#batch ?? this.#state;
    const { phase, message, seed } = this.#refusal.message ? { phase: 'failed', message: this.#refusal.message } : shown;
    const running = phase === 'running' && message === 'Playing' && !this.#batch;
    const text = running ? words.transport[this.player.state] ?? message : message;
    const told = seed && phase !== 'failed' ? `${text}${/[.]$/.test(text) ? '' : '.'} ${fill(words.takes.seed, { seed })}` : text;
    setText(line, told);
    line.dataset.phase = phase;
  }

  /** Which of the main buttons is to be seen, what it will do, and what can be stopped. */
  #main() {
    const { running } = this;
    const main = !running ? 'generate' : this.#live && this.#changed ? 'steer' : 'again';
    const focused = MAIN.some((name) => document.activeElement === this.part(name));
    if (this.#asked.dataset.main !== main) {
      this.#asked.dataset.main = main;
      if (focused) this.part(main).focus();
    }
    this.part('steered')?.classList.toggle('lw-hidden', !this.#live);
    for (const name of ['stop', 'finish']) {
      const button = this.part(name);
      if (button) button.disabled = name === 'stop' ? !this.stoppable : !this.#live;
    }
    if (this.form) setText(this.part('will').querySelector('p'), willText(main, this.form, this.#state.heard_after_s));
  }

  /** Whether the form asks for another scene, or other words, than the one that plays, or is planned to. */
  get #changed() {
    const asked = this.#state.asked;
    if (!asked || !this.form) return false;
    const { prompt } = this.form.values;
    const { script } = this.form;
    if (script !== null && script !== (asked.script ?? '')) return true;
    return (prompt ?? '').trim() !== asked.prompt || JSON.stringify(this.form.lane) !== JSON.stringify(laneOf(asked.lane));
  }

  /** Tell the timeline what plays, and where its changes are heard. */
  #plan() {
    if (!this.timeline) return;
    const { opening, points } = this.#state;
    const { said } = this.#spoken;
    const take = this.strip.takes.find((one) => one.id === transport.current?.id);
    if (this.#heard && opening !== undefined) {
      const made_s = (this.#state.offset_s ?? 0) + this.#made;
      this.timeline.playing = { opening, points: points ?? [], said, position_s: this.heard, made_s, live: true };
    } else if (take?.prompt !== undefined) {
      const { prompt, lane, lengthS } = take;
      const position_s = transport.position;
      this.timeline.playing = { opening: prompt, points: lane, said, position_s, made_s: lengthS, live: false };
    } else this.timeline.playing = null;
  }

  #draw() {
    if (document.hidden || !this.visible) return;
    if (transport.playing) this.#read();
    const { current } = transport;
    if (current?.live === this && this.player.state === 'playing') this.#stage.draw(this.player.position);
    else if (this.#owns && !current.live && transport.playing) this.#stage.draw(transport.position);
  }

  part(name) {
    return document.getElementById(`${this.#name}-${name}`);
  }

  get #asked() {
    return this.part('tab');
  }
}
