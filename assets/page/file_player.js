// Plays a finished sound by its address: an <audio> element, by the same way out as what is live; or, while it loops, a ring.

import { output } from './output.js';
import { LONGEST_S, Ring } from './ring.js';

const FADE_S = 0.006;
const FADED_MS = 30;
const IDLE_MS = 2000; // of silence, before the loudspeaker is let go of
const LOOP_MS = 15;

export class FilePlayer {
  state = 'idle'; // idle | loading | playing | paused | stopped | ended | failed
  #audio = null;
  #way = null;
  #voice = null; // the element's own gain, beside the ring's
  #ring = null;
  #wanted = false; // to sound
  #asked = null; // the position that it is on its way to
  #turn = 0; // of what was asked: an older one that is still under way is void
  #gainDb = 0;
  #width = 1;
  #loop = null;
  #looping = 0;
  #idle = 0;

  /** Play the sound at `url`, `gainDb` louder than it is, from `at` seconds on; what it played falls silent. */
  start({ url, gainDb = 0, at = 0 }) {
    if (!this.#way) this.#open();
    this.loop = null;
    this.#ring.stop();
    this.#wanted = true;
    this.#asked = at;
    this.state = 'loading';
    this.#faded(() => {
      this.gainDb = gainDb;
      this.#audio.src = url;
      this.#audio.currentTime = at; // where it will begin, once it is there
      this.#sound();
    });
  }

  /** Play or pause; from the beginning, where it came to its end. */
  toggle() {
    if (['idle', 'failed'].includes(this.state)) return;
    if (this.#wanted) this.#pause('paused');
    else this.#sound();
  }

  /** Fall silent, and go back to the beginning. */
  stop() {
    if (['idle', 'failed'].includes(this.state)) return;
    this.#asked = 0;
    this.#pause('stopped');
  }

  /** Go on from there; what is paused stays so. */
  seek(seconds) {
    if (['idle', 'failed'].includes(this.state)) return;
    if (['ended', 'stopped'].includes(this.state)) this.state = 'paused';
    this.#leaveRing();
    this.#asked = Math.max(0, Math.min(seconds, this.duration || seconds));
    this.#faded(() => (this.#wanted ? this.#sound() : this.#go()));
  }

  /** Seconds from the beginning. */
  get position() {
    if (this.#ring?.sounds) return this.#ring.position;
    return this.#asked ?? this.#audio?.currentTime ?? 0;
  }

  /** Seconds; 0 until known. */
  get duration() {
    const seconds = this.#audio?.duration;
    return Number.isFinite(seconds) ? seconds : 0;
  }

  /** How much louder than it is: what brings takes to one loudness. */
  get gainDb() {
    return this.#gainDb;
  }

  set gainDb(decibels) {
    this.#gainDb = decibels;
    if (this.#way) this.#way.gain = 10 ** (decibels / 20);
  }

  /** How wide it is heard, from 0 (mono) to 1. */
  set width(share) {
    this.#width = share;
    if (this.#way) this.#way.width = share;
  }

  /** The seconds { from, to } that it plays over and over, or null. */
  get loop() {
    return this.#loop;
  }

  set loop(span) {
    const loop = span && span.to > span.from ? { from: Math.max(0, span.from), to: span.to } : null;
    if (loop?.from === this.#loop?.from && loop?.to === this.#loop?.to) return;
    this.#loop = loop;
    clearInterval(this.#looping);
    if (this.#ring?.sounds) {
      this.#leaveRing();
      this.#faded(() => { if (this.#wanted) this.#sound(); });
    }
    if (!loop) return;
    this.#looping = setInterval(() => this.#goRound(), LOOP_MS);
    this.#enterRing();
  }

  /** Bring `state` up to date; call a few times a second. */
  tick() {
    if (!this.#wanted) return;
    const ready = this.#ring.sounds || (this.#audio.readyState > 2 && this.#asked === null);
    if (this.#way.context.state === 'interrupted') this.state = 'paused'; // a telephone rings
    else this.state = ready && this.#way.context.state === 'running' ? 'playing' : 'loading';
  }

  #open() {
    this.#way = output.open();
    this.#way.input.gain.value = 0;
    this.#way.width = this.#width;
    this.#audio = document.createElement('audio');
    this.#audio.preload = 'auto';
    this.#voice = this.#way.context.createGain();
    this.#way.context.createMediaElementSource(this.#audio).connect(this.#voice).connect(this.#way.input);
    this.#ring = new Ring(this.#way.context, this.#way.input);
    this.#audio.addEventListener('playing', () => this.#arrive());
    this.#audio.addEventListener('seeked', () => this.#arrive());
    this.#audio.addEventListener('ended', () => this.#end());
    this.#audio.addEventListener('error', () => this.#fail());
  }

  /** Do something once nothing is heard, lest it click; unless something else is asked for meanwhile. */
  #faded(action) {
    this.#turn += 1;
    const turn = this.#turn;
    const { input, context } = this.#way;
    input.gain.setTargetAtTime(0, context.currentTime, FADE_S);
    setTimeout(() => { if (turn === this.#turn) action(); }, this.#audio.paused ? 0 : FADED_MS);
  }

  async #sound() {
    this.#turn += 1;
    const turn = this.#turn;
    clearTimeout(this.#idle);
    this.#wanted = true;
    this.#way.claim();
    this.#way.context.resume().catch(() => {});
    this.state = 'loading';
    if (this.#asked !== null) this.#go();
    try {
      await this.#audio.play();
    } catch (error) {
      if (turn !== this.#turn || error.name === 'AbortError') return;
      if (error.name === 'NotAllowedError') this.#pause('paused'); // before anything on the page was pressed
      else this.#fail();
    }
  }

  #pause(state) {
    if (this.#asked === null) this.#leaveRing();
    this.#ring.stop();
    this.#wanted = false;
    this.state = state;
    this.#faded(() => {
      this.#audio.pause();
      if (this.#asked !== null) this.#go();
    });
    this.#rest();
  }

  #go() {
    this.#audio.currentTime = this.#asked;
  }

  /** It is where it was asked to be, and may be heard. */
  #arrive() {
    if (this.#audio.seeking) return;
    this.#asked = null;
    if (!this.#wanted) return;
    const { input, context } = this.#way;
    input.gain.setTargetAtTime(1, context.currentTime, FADE_S);
    this.#voice.gain.cancelScheduledValues(context.currentTime);
    this.#voice.gain.setValueAtTime(1, context.currentTime);
    this.tick();
    this.#enterRing();
  }

  /** Let the ring take over from the element, where there is a loop and what plays is within it. */
  async #enterRing() {
    const loop = this.#loop;
    if (!loop || !this.duration || this.duration > LONGEST_S || this.#ring.sounds) return;
    const buffer = await this.#ring.buffer(this.#audio.src);
    const playing = this.#wanted && this.#asked === null && !this.#audio.paused;
    if (!buffer || loop !== this.#loop || !playing || this.#ring.sounds) return;
    const at = this.#audio.currentTime;
    if (at >= loop.to) return; // goes round first
    this.#ring.start(buffer, loop, at);
    this.#voice.gain.setTargetAtTime(0, this.#way.context.currentTime, FADE_S);
    setTimeout(() => { if (this.#ring.sounds) this.#audio.pause(); }, FADED_MS);
  }

  /** Let the element go on from where the ring is. */
  #leaveRing() {
    if (!this.#ring?.sounds) return;
    this.#asked = this.#ring.position;
    this.#ring.stop();
  }

  #goRound() {
    if (!this.#wanted || this.#ring.sounds || this.#asked !== null || this.position < this.#loop.to) return;
    this.seek(this.#loop.from);
  }

  #end() {
    if (this.#loop) {
      this.#asked = this.#loop.from;
      this.#sound();
      return;
    }
    this.#wanted = false;
    this.state = 'ended';
    this.#rest();
  }

  #fail() {
    if (!this.#audio.getAttribute('src')) return;
    this.#turn += 1;
    this.#wanted = false;
    this.state = 'failed';
    this.#rest();
  }

  #rest() {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#way.context.suspend(), IDLE_MS);
  }
}
