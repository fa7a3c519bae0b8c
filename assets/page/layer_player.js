// Plays a scene's layers together: a source of the transport's, with what a FilePlayer has.
//
// The server gives the same samples of each layer that its mix is made of, a piece at a time; all pieces of one
// moment start on one frame, so the layers never part, and memory does not grow with their length.

import { Bus } from './layer_graph.js';
import { output } from './output.js';
import { words } from './words.js';

const AHEAD_S = 4;
const PIECE_S = 1;
const START_S = 0.1;
const FADE_S = 0.006;
const IDLE_MS = 2000;
const HEADERS = { 'Content-Type': 'application/json', 'X-Longwave': '1' };

const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** Ask the server of a scene; its answer. Raises an `Error` with its sentence. */
export async function ask(path, scene, signal = undefined) {
  const body = JSON.stringify(scene);
  let response;
  try {
    response = await fetch(new URL(path, document.baseURI), { method: 'POST', headers: HEADERS, body, signal, cache: 'no-store' });
  } catch (error) {
    throw error.name === 'AbortError' ? error : new Error(words.page.silent);
  }
  if (!response.ok) throw new Error((await response.json()).message);
  return response;
}

export class LayerPlayer extends EventTarget {
  state = 'idle'; // idle | loading | playing | paused | buffering | stopped | ended | failed
  gainDb = 0; // a mix is heard as it is
  #scene = null;
  #plan = null;
  #way = null;
  #bus = null;
  #run = null;
  #from = 0; // seconds, while nothing plays
  #loop = null;
  #idle = 0;
  #width = 1;

  /** How much of the side of two channels is heard, from 0 to 1. */
  set width(share) {
    this.#width = share;
    if (this.#way) this.#way.width = share;
  }

  /** What is to be played, and how it lies: a scene, and the server's plan of it; null where it can't be played. */
  lay(scene, plan) {
    const at = this.position;
    const sounds = ['loading', 'playing', 'buffering'].includes(this.state);
    this.#scene = scene;
    this.#plan = plan;
    if (!plan) {
      if (this.#run) this.stop();
    } else if (sounds) this.#begin(at < this.duration ? at : 0);
    else this.#drop();
  }

  /** Gains, pans, what is mute and solo: heard at once. */
  balance(scene) {
    this.#scene = scene;
    this.#bus?.set(scene.layers);
  }

  start({ at = 0 } = {}) {
    if (this.#plan) this.#begin(at);
  }

  toggle() {
    if (!this.#plan) return;
    if (['playing', 'loading', 'buffering'].includes(this.state)) {
      this.state = 'paused';
      this.#way.context.suspend();
    } else if (this.state === 'paused' && this.#run) {
      this.state = 'loading';
      this.#way.claim();
      this.#way.context.resume().catch(() => {});
    } else this.#begin(this.state === 'paused' ? this.#from : 0);
  }

  stop() {
    if (this.state === 'idle') return;
    this.#drop();
    this.#from = 0;
    this.state = 'stopped';
  }

  seek(seconds) {
    const at = Math.max(0, Math.min(seconds, this.duration));
    if (['playing', 'loading', 'buffering'].includes(this.state)) this.#begin(at);
    else {
      this.#drop();
      this.#from = at;
      this.state = 'paused';
    }
  }

  /** Seconds from the scene's beginning. */
  get position() {
    const run = this.#run;
    if (!run?.pieces.length) return run ? run.next / this.#plan.rate : this.#from;
    const now = this.#way.context.currentTime;
    const piece = run.pieces.findLast(({ at }) => at <= now) ?? run.pieces[0];
    return (piece.first + Math.max(0, Math.min((now - piece.at) * this.#plan.rate, piece.count))) / this.#plan.rate;
  }

  get duration() {
    return this.#plan ? this.#plan.frames / this.#plan.rate : 0;
  }

  get loop() {
    return this.#loop;
  }

  set loop(span) {
    const loop = span && span.to > span.from ? { from: Math.max(0, span.from), to: span.to } : null;
    if (loop?.from === this.#loop?.from && loop?.to === this.#loop?.to) return;
    this.#loop = loop;
    if (this.#run && this.state !== 'paused') this.#begin(this.position);
  }

  /** Bring `state` up to date; call a few times a second. */
  tick() {
    const run = this.#run;
    if (!run || ['paused', 'stopped', 'ended', 'failed'].includes(this.state)) return;
    const { context } = this.#way;
    const behind = run.at !== null && context.currentTime >= run.at;
    if (behind && run.complete) {
      this.#drop();
      this.#from = 0;
      this.state = 'ended';
    } else if (context.state !== 'running') this.state = 'loading';
    else if (run.at === null) this.state = 'loading';
    else this.state = behind ? 'buffering' : 'playing';
  }

  #begin(seconds) {
    this.#drop();
    clearTimeout(this.#idle);
    const { rate, frames, layers } = this.#plan;
    if (this.#way?.rate !== rate) {
      setTimeout((way) => way?.close(), FADE_S * 16000, this.#way); // once what it played has faded
      this.#way = Object.assign(output.open(rate), { rate });
    }
    this.#way.claim();
    this.#way.width = this.#width;
    const { context, input } = this.#way;
    context.resume().catch(() => {});
    const out = new GainNode(context);
    out.connect(input);
    this.#bus = new Bus(context, out, layers.map(({ channels }) => channels));
    this.#bus.set(this.#scene.layers, true);
    const run = {
      next: Math.min(Math.round(seconds * rate), frames - 1), at: null, pieces: [], nodes: new Set(), out, complete: false,
      abort: new AbortController(), scene: this.#scene,
    };
    this.#run = run;
    this.state = 'loading';
    this.#feed(run).catch((error) => {
      if (this.#run !== run || error.name === 'AbortError') return;
      this.#drop();
      this.state = 'failed';
      this.dispatchEvent(new CustomEvent('failed', { detail: error.message }));
    });
  }

  /** Fall silent, without a click. */
  #drop() {
    const run = this.#run;
    if (!run) return;
    this.#from = this.position;
    this.#run = null;
    run.abort.abort();
    const { context } = this.#way;
    const bus = this.#bus;
    this.#bus = null;
    if (context.state === 'running') run.out.gain.setTargetAtTime(0, context.currentTime, FADE_S);
    else run.out.gain.value = 0;
    setTimeout(() => {
      for (const node of run.nodes) node.stop();
      bus.close();
      run.out.disconnect();
    }, FADE_S * 8000);
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => { if (!this.#run) context.suspend(); }, IDLE_MS);
  }

  async #feed(run) {
    const { rate, frames, layers } = this.#plan;
    const floats = layers.reduce((sum, { channels }) => sum + channels, 0);
    while (this.#run === run) {
      const { context } = this.#way;
      if (run.at !== null && run.at - context.currentTime > AHEAD_S) {
        await sleep(50);
        continue;
      }
      const end = this.#loop && run.next < this.#loop.to * rate ? Math.min(frames, Math.round(this.#loop.to * rate)) : frames;
      if (run.next >= end) {
        if (!this.#loop) break;
        run.next = Math.round(this.#loop.from * rate);
        continue;
      }
      const count = Math.min(Math.round(PIECE_S * rate), end - run.next);
      const answer = await ask(`layers/sound?from=${run.next}&count=${count}`, run.scene, run.abort.signal);
      const sound = new Float32Array(await answer.arrayBuffer());
      if (this.#run !== run) return;
      if (sound.length !== count * floats) throw new Error(words.layers.changed);
      this.#schedule(run, sound, count);
      if (this.#loop && run.next >= end) run.next = Math.round(this.#loop.from * rate);
    }
    run.complete = true;
  }

  #schedule(run, sound, count) {
    const { context } = this.#way;
    const { rate } = this.#plan;
    if (run.at === null || run.at < context.currentTime + 0.01) {
      run.at = Math.ceil((context.currentTime + START_S) * rate) / rate;
    }
    for (const node of this.#bus.play(sound, count, rate, run.at)) {
      run.nodes.add(node);
      node.onended = () => run.nodes.delete(node);
    }
    run.pieces = [...run.pieces.filter(({ at }) => at > context.currentTime - 2 * PIECE_S), { at: run.at, first: run.next, count }];
    run.next += count;
    run.at = Math.round(run.at * rate + count) / rate;
  }
}
