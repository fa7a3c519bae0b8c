// One way out for everything that sounds on the page: the listener's level, and what is heard of a host.
//
// Each opened way has one node at the destination. The meter is tapped before the level: it shows the sound
// itself, not how loud somebody listens to it.

import { Meter } from './meter.js';
import { Width } from './width.js';

const DEFAULT_LEVEL = 0.8;
const SMOOTH_S = 0.015;
const CODECS = { raw: '', flac: 'audio/flac', opus: 'audio/ogg; codecs=opus' };
const LOOPBACK = /^(localhost|(.+\.)?localhost|127(\.\d+){3}|\[::1\])$/;

class Output extends EventTarget {
  #level;
  #codec;
  #ways = new Set();
  #current = null; // the way that sounded last
  meter = {
    /** `{momentary, shortTerm, truePeak, clipped}` of what sounds, −Infinity for silence; null before anything did. */
    read: () => this.#current?.meter.read() ?? null,
    /** How loud it is by frequency, `{ decibels, binHz }`; null before anything sounded. */
    spectrum: () => this.#current?.meter.spectrum() ?? null,
    /** Forget the loudness and the peak so far. */
    reset: () => this.#current?.meter.reset(),
  };

  constructor() {
    super();
    const level = Number.parseFloat(recall('level'));
    this.#level = level >= 0 && level <= 1 ? level : DEFAULT_LEVEL;
    const codec = recall('codec');
    this.#codec = this.codecs.includes(codec) ? codec : this.#suited();
  }

  /** How loud the listener has it, from 0 to 1; remembered. */
  get level() {
    return this.#level;
  }

  set level(level) {
    const within = Math.min(1, Math.max(0, Number(level) || 0));
    if (within === this.#level) return;
    this.#level = within;
    remember('level', within);
    for (const way of this.#ways) way.settle();
    this.dispatchEvent(new Event('level'));
  }

  /** What live sound is sent as: raw, flac or opus; remembered. Of itself raw from this machine, else FLAC. */
  get codec() {
    return this.#codec;
  }

  set codec(codec) {
    if (!this.codecs.includes(codec) || codec === this.#codec) return;
    this.#codec = codec;
    remember('codec', codec);
    this.dispatchEvent(new Event('codec'));
  }

  /** Those that this browser can decode. */
  get codecs() {
    const probe = document.createElement('audio');
    return Object.keys(CODECS).filter((codec) => !CODECS[codec] || probe.canPlayType(CODECS[codec]));
  }

  /**
   * A way to the loudspeaker: connect to `input`, `close()` when done with it.
   *
   * Of that rate where the browser has it, else of the device's. `claim()` gives the meter to it, as opening
   * does; `gain` is what the sound is brought to beside the level, as a factor; `width` is how much of the side of
   * two channels is heard, which the meter hears as well.
   */
  open(rate = undefined) {
    const context = contextOf(rate);
    const input = context.createGain();
    const wide = context.createGain();
    const out = context.createGain();
    const width = new Width(context, input, wide);
    const meter = new Meter(context, wide);
    let gain = 1;
    out.gain.value = this.#level;
    wide.connect(out);
    out.connect(context.destination);
    const settle = () => out.gain.setTargetAtTime(this.#level * gain, context.currentTime, SMOOTH_S);
    const way = {
      context, input, meter, settle,
      claim: () => { this.#current = way; },
      get width() { return width.value; },
      set width(share) { width.value = share; },
      get gain() { return gain; },
      set gain(factor) {
        gain = factor;
        settle();
      },
      close: () => {
        this.#ways.delete(way);
        if (this.#current === way) this.#current = null;
        meter.close();
        if (context.state !== 'closed') context.close();
      },
    };
    this.#ways.add(way);
    way.claim();
    return way;
  }

  /** Whether the page comes from another machine, and its sound over a network. */
  get remote() {
    return !LOOPBACK.test(location.hostname);
  }

  #suited() {
    return !this.remote || !this.codecs.includes('flac') ? 'raw' : 'flac';
  }
}

function contextOf(rate) {
  try {
    return new AudioContext({ sampleRate: rate });
  } catch { // a rate that this browser has not
    return new AudioContext();
  }
}

function recall(name) {
  try {
    return localStorage.getItem(`longwave.${name}`);
  } catch { // a browser that keeps nothing
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`longwave.${name}`, value);
  } catch { /* a browser that keeps nothing */ }
}

export const output = new Output();
