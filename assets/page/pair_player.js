// Two finished takes that run side by side, one of them heard: at one place, at one loudness, without a gap between.

import { matched } from './matched.js';
import { output } from './output.js';
import { LONGEST_S } from './ring.js';

const FADE_S = 0.008;
const PART_S = 60; // of takes that are too long to hold whole

export class PairPlayer {
  #way = output.open();
  #buffers = [];
  #nodes = [];
  #gains = [];
  #factors = [1, 1];
  #began = null; // the context's time at which both were at their beginning; null while they rest
  #rested = 0; // where they rest
  #heard = 0;
  #turn = 0;
  from = 0; // of both takes, in seconds, what is played

  /** Fetch both takes, from `at` on where they are long; whether they are there. What played before falls silent. */
  async load(takes, at = 0) {
    this.#turn += 1;
    const turn = this.#turn;
    this.pause();
    this.#buffers = [];
    this.#rested = 0;
    const shortest = Math.min(...takes.map(({ lengthS }) => lengthS));
    const long = takes.some(({ lengthS }) => lengthS > LONGEST_S);
    this.from = long ? Math.max(0, Math.min(at, shortest - PART_S)) : 0;
    const to = long ? Math.min(this.from + PART_S, shortest) : 0;
    const buffers = await Promise.all(takes.map((take) => this.#fetched(take, to)));
    if (turn !== this.#turn || buffers.includes(null)) return false;
    this.#factors = matched(takes).map((decibels) => 10 ** (decibels / 20));
    this.#buffers = buffers;
    return true;
  }

  /** Hear the first (0) or the second (1), from where they are. */
  hear(which) {
    this.#heard = which;
    if (this.#began === null) this.#start();
    const now = this.#way.context.currentTime;
    for (const [index, { gain }] of this.#gains.entries()) {
      gain.cancelScheduledValues(now);
      gain.setValueAtTime(gain.value, now);
      gain.linearRampToValueAtTime(index === which ? this.#factors[index] : 0, now + FADE_S);
    }
  }

  pause() {
    if (this.#began === null) return;
    this.#rested = this.position;
    this.#began = null;
    const { context } = this.#way;
    for (const [index, node] of this.#nodes.entries()) {
      this.#gains[index].gain.setTargetAtTime(0, context.currentTime, FADE_S / 3);
      node.stop(context.currentTime + 3 * FADE_S);
    }
  }

  toggle() {
    if (this.playing) this.pause();
    else this.hear(this.#heard);
  }

  /** Go on from a second of what is played. */
  seek(seconds) {
    const { playing } = this;
    this.pause();
    this.#rested = Math.min(Math.max(0, seconds), Math.max(0, this.length - 0.05));
    if (playing) this.hear(this.#heard);
  }

  get playing() {
    return this.#began !== null;
  }

  /** Whether both are here. */
  get ready() {
    return this.#buffers.length === 2;
  }

  /** Seconds that both have. */
  get length() {
    return this.ready ? Math.min(...this.#buffers.map(({ duration }) => duration)) : 0;
  }

  get position() {
    if (this.#began === null) return this.#rested;
    return Math.max(0, this.#way.context.currentTime - this.#began) % (this.length || 1);
  }

  /** The factors that bring them to one loudness. */
  get factors() {
    return this.#factors;
  }

  /** Both buffers, for who wants to see that they are brought to one loudness. */
  get buffers() {
    return this.#buffers;
  }

  close() {
    this.#turn += 1;
    this.pause();
    setTimeout(() => this.#way.close(), 100);
  }

  #start() {
    const { context, input } = this.#way;
    context.resume().catch(() => {});
    this.#way.claim();
    const [when, length] = [context.currentTime + 0.01, this.length];
    this.#gains = this.#buffers.map(() => new GainNode(context, { gain: 0 }));
    this.#nodes = this.#buffers.map((buffer, index) => {
      const node = new AudioBufferSourceNode(context, { buffer, loop: true, loopStart: 0, loopEnd: length });
      node.connect(this.#gains[index]).connect(input);
      node.addEventListener('ended', () => node.disconnect());
      node.start(when, this.#rested);
      return node;
    });
    this.#began = when - this.#rested;
  }

  async #fetched(take, to) {
    const url = new URL(take.url, document.baseURI);
    if (to) {
      for (const [name, value] of [['format', '.wav'], ['start', this.from], ['end', to]]) url.searchParams.set(name, value);
    }
    try {
      const answer = await fetch(url);
      return answer.ok ? await this.#way.context.decodeAudioData(await answer.arrayBuffer()) : null;
    } catch {
      return null;
    }
  }
}
