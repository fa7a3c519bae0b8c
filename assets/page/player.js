// Plays a take while it is made: samples from /pcm/{token}, scheduled a few seconds ahead.
//
// Sample-accurate on purpose: the context runs at the take's own rate, so nothing is resampled piece by
// piece, and every block starts on the frame where the one before ended.

import { output } from './output.js';
import { receive } from './stream.js';

const AHEAD_S = 4; // background tabs get a timer a second at best
const START_S = 0.35; // silence before the first sound
const RESTART_S = 0.05;
const FADE_S = 0.015;
const REFILL_S = 3; // of sound to have before it goes on, after the stream ran dry for the first time
const REFILL_GROWTH = 1.5; // each time after
const HOLD_S = 30; // how long it then ought to go on at the pace measured
const LEAD_SHARE = 0.85; // of the server's lead: it makes no more before any of it is heard
const MEASURED_S = 20;
const MAX_PACE = 10;
const SILENT = ['stopped', 'ended', 'failed'];

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export class LivePlayer {
  state = 'idle'; // idle | loading | playing | paused | buffering | stopped | ended | failed
  underruns = 0;
  #take = null;

  /**
   * Begin to play a take; what played before falls silent.
   *
   * `codec` is raw, flac or opus. `leadS` is how much sound the server makes before any of it is heard.
   */
  async start(token, rate, { codec = output.codec, leadS = 8 } = {}) {
    this.#silence();
    this.underruns = 0;
    const way = output.open(rate);
    const take = {
      rate, leadS, channels: 1, way, context: way.context, nodes: new Set(), abort: new AbortController(), wake: () => {},
      received: 0, held: [], heldSamples: 0, run: null, dry: false, refillS: null, complete: false,
      arrivals: [],
    };
    this.#take = take;
    this.state = 'loading';
    way.context.resume().catch(() => {}); // closed before anybody let it sound
    try {
      await this.#receive(take, token, codec);
    } catch (error) {
      if (this.#take === take && error.name !== 'AbortError') this.#end('failed');
    }
  }

  /** Fall silent at once; the position stays where it is. */
  stop() {
    if (!['idle', 'ended', 'failed'].includes(this.state)) this.#end('stopped');
  }

  /** The take came to nothing; what there is of it still plays to its end. */
  fail() {
    if (this.#take && !this.#take.run) this.#end('failed');
  }

  toggle() {
    const way = this.#take?.way;
    if (this.state === 'paused') {
      way.claim();
      way.context.resume().catch(() => {});
    } else if (['playing', 'buffering', 'loading'].includes(this.state)) {
      way.context.suspend();
    }
  }

  /** How wide it is heard, from 0 (mono) to 1, until another take begins. */
  set width(share) {
    if (this.#take) this.#take.way.width = share;
  }

  /** Seconds of the take that were heard. */
  get position() {
    const take = this.#take;
    if (!take) return 0;
    if (!take.run) return (take.received - take.heldSamples) / take.rate;
    const played = Math.max(0, take.context.currentTime * take.rate - take.run.frame);
    return Math.min(take.run.sample + played, scheduled(take)) / take.rate;
  }

  /** Seconds that are here and were not heard yet. */
  get bufferedS() {
    const take = this.#take;
    return take ? Math.max(0, take.received / take.rate - this.position) : 0;
  }

  /** Seconds of sound that came a second of waiting for them, lately; below 1 it can't last. Null until known. */
  get paceS() {
    const arrivals = this.#take?.arrivals ?? [];
    if (arrivals.length < 2) return null;
    const [sound, waited] = ['soundS', 'waitedS'].map((what) => arrivals.reduce((sum, one) => sum + one[what], 0));
    return sound / Math.max(waited, sound / MAX_PACE);
  }

  /** Seconds of sound that it waits for, or last waited for, since it ran dry; null where it never did. */
  get refillS() {
    return this.#take?.refillS ?? null;
  }

  /** Bring `state` up to date; call a few times a second. */
  tick() {
    const take = this.#take;
    if (!take || SILENT.includes(this.state)) return;
    const behind = take.run && this.position * take.rate >= scheduled(take) - 0.5;
    if (behind && !take.dry && !take.complete) this.#ranDry(take);
    if (take.complete && (behind || !take.run)) this.#end('ended');
    else if (take.context.state !== 'running') this.state = 'paused'; // Safari's "interrupted" too
    else if (!take.run) this.state = 'loading';
    else this.state = take.dry ? 'buffering' : 'playing';
  }

  async #receive(take, token, codec) {
    const url = new URL(`pcm/${token}`, document.baseURI);
    if (codec !== 'raw') url.searchParams.set('codec', codec);
    const response = await fetch(url, { signal: take.abort.signal, cache: 'no-store' });
    if (!response.ok) throw new Error(await response.text());
    // A page that comes back hears from here on: its position counts from the take's beginning all the same.
    take.received = Number(response.headers.get('X-First-Sample')) || 0;
    take.channels = Number(response.headers.get('X-Channels')) || 1;
    const pieces = receive(response.body.getReader(), codec, take.rate, take.channels);
    for (;;) {
      while (this.#ahead(take) > AHEAD_S) await this.#pause(take);
      const [since, held] = [performance.now(), this.bufferedS];
      const { done, value } = await pieces.next();
      if (this.#take !== take) return;
      if (done) break;
      // A wait for the first sound is none for more of it, and one for room in the lead is the listener's.
      if (take.received && held < LEAD_SHARE * take.leadS) note(take, value.length / take.channels, since);
      this.#accept(take, value);
    }
    take.complete = true;
    this.#schedule(take);
  }

  /** Wait until there may be room again: a sound's end tells so even where timers are throttled. */
  #pause(take) {
    return Promise.race([sleep(50), new Promise((done) => { take.wake = done; })]);
  }

  #ahead(take) {
    if (!take.run || take.dry || this.#take !== take) return 0;
    return (take.run.frame + scheduled(take) - take.run.sample) / take.rate - take.context.currentTime;
  }

  #accept(take, sound) {
    if (take.run && !take.dry && this.#ahead(take) < 0.02) this.#ranDry(take);
    const samples = sound.length / take.channels;
    take.received += samples;
    take.held.push(sound);
    take.heldSamples += samples;
    if (!take.dry || take.heldSamples >= take.refillS * take.rate) this.#schedule(take);
  }

  /** Let everything sound that is held: after what sounds, or soon where nothing does. */
  #schedule(take) {
    const { context, rate, channels } = take;
    if (!take.heldSamples) return;
    if (!take.run || take.dry) {
      const soon = context.currentTime + (take.run ? RESTART_S : START_S);
      take.run = { frame: Math.ceil(soon * rate), sample: scheduled(take) };
      take.dry = false;
    }
    for (const sound of take.held) {
      const buffer = bufferOf(context, sound, channels, rate);
      const node = context.createBufferSource();
      node.buffer = buffer;
      node.connect(take.way.input);
      node.onended = () => {
        take.nodes.delete(node);
        take.wake();
      };
      take.nodes.add(node);
      node.start((take.run.frame + scheduled(take) - take.run.sample) / rate);
      take.heldSamples -= buffer.length;
    }
    take.held = [];
  }

  #ranDry(take) {
    this.underruns += 1;
    take.dry = true;
    const waits = take.arrivals.map(({ waitedS }) => waitedS);
    const needed = Math.max(
      REFILL_S * REFILL_GROWTH ** (this.underruns - 1), 1.25 * Math.max(0, ...waits), HOLD_S * (1 - (this.paceS ?? 1)),
    );
    take.refillS = Math.min(needed, LEAD_SHARE * take.leadS);
  }

  #end(state) {
    this.#silence();
    this.state = state;
  }

  #silence() {
    const take = this.#take;
    if (!take || take.silent) return;
    take.silent = true;
    take.abort.abort();
    // Holding the position: what is scheduled beyond it is never heard.
    const heard = Math.floor(this.position * take.rate);
    take.way.input.gain.setTargetAtTime(0, take.context.currentTime, FADE_S);
    take.run = { frame: 0, sample: heard };
    take.received = heard;
    take.held = [];
    take.heldSamples = 0;
    take.wake();
    setTimeout(() => {
      for (const node of take.nodes) node.stop();
      take.nodes.clear();
      take.way.close();
    }, FADE_S * 8000);
  }
}

/** What a context plays, of samples whose channels alternate. */
function bufferOf(context, sound, channels, rate) {
  const buffer = context.createBuffer(channels, sound.length / channels, rate);
  if (channels === 1) buffer.copyToChannel(sound, 0);
  for (let channel = 0; channels > 1 && channel < channels; channel += 1) {
    const one = buffer.getChannelData(channel);
    for (let index = 0; index < one.length; index += 1) one[index] = sound[channels * index + channel];
  }
  return buffer;
}

/** Samples that were given to the loudspeaker, from the take's beginning on. */
function scheduled(take) {
  return take.received - take.heldSamples;
}

/** Remember how long so many samples were waited for. */
function note(take, samples, since) {
  const now = performance.now();
  take.arrivals.push({ at: now, soundS: samples / take.rate, waitedS: (now - since) / 1000 });
  while (now - take.arrivals[0].at > MEASURED_S * 1000 && take.arrivals.length > 2) take.arrivals.shift();
}
