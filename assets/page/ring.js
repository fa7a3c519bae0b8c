// Plays a span of a sound over and over to the sample, which an <audio> element can't: it leaves a gap where it goes back.

const FADE_S = 0.02;

export const LONGEST_S = 180; // of a sound that is held whole

export class Ring {
  #context;
  #out;
  #url = '';
  #decoded = null; // promise of the buffer of `#url`
  #voice = null; // { node, gain, began, from, to }

  constructor(context, out) {
    this.#context = context;
    this.#out = out;
  }

  /** Whether it is what sounds. */
  get sounds() {
    return this.#voice !== null;
  }

  /** Seconds from the sound's beginning. */
  get position() {
    const { began, from, to } = this.#voice;
    const at = this.#context.currentTime - began;
    return at < to ? at : from + ((at - from) % (to - from));
  }

  /** The sound at `url`, decoded; null where it can't be. */
  buffer(url) {
    if (url !== this.#url) {
      this.#url = url;
      this.#decoded = this.#fetched(url).catch(() => null);
    }
    return this.#decoded;
  }

  /** Play the span { from, to } of a buffer over and over, from `at` on; what it played fades. */
  start(buffer, { from, to }, at) {
    this.stop();
    const now = this.#context.currentTime;
    const end = Math.min(to, buffer.duration);
    const node = new AudioBufferSourceNode(this.#context, { buffer, loop: true, loopStart: from, loopEnd: end });
    const gain = new GainNode(this.#context, { gain: 0 });
    gain.gain.setValueAtTime(0, now);
    gain.gain.linearRampToValueAtTime(1, now + FADE_S);
    node.connect(gain).connect(this.#out);
    node.start(now, at);
    this.#voice = { node, gain, began: now - at, from, to: end };
  }

  /** Fade out, at once. */
  stop() {
    if (!this.#voice) return;
    const { node, gain } = this.#voice;
    const now = this.#context.currentTime;
    gain.gain.cancelScheduledValues(now);
    gain.gain.setTargetAtTime(0, now, FADE_S / 4);
    node.stop(now + 2 * FADE_S);
    node.addEventListener('ended', () => gain.disconnect());
    this.#voice = null;
  }

  async #fetched(url) {
    const answer = await fetch(url);
    if (!answer.ok) return null;
    return this.#context.decodeAudioData(await answer.arrayBuffer());
  }
}
