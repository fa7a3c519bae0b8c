// Plays a take while it is made: 16-bit samples from /pcm/{token}, scheduled a few seconds ahead.
//
// Sample-accurate on purpose: the context runs at the take's own rate, so nothing is resampled piece by
// piece, and every block starts on the frame where the one before ended.

const AHEAD_S = 4; // background tabs get a timer a second at best
const REFILL_S = 0.35; // silence before the first sound, and after the stream ran dry
const FADE_S = 0.015;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export class LivePlayer {
  state = 'idle'; // idle | loading | playing | paused | buffering | stopped | ended | failed
  underruns = 0;
  #level = 0.8;
  #take = null;

  /** Begin to play a take; what played before falls silent. */
  async start(token, rate) {
    this.#silence();
    this.underruns = 0;
    const context = new AudioContext({ sampleRate: rate });
    const gain = context.createGain();
    gain.gain.value = this.#level;
    gain.connect(context.destination);
    const take = {
      rate, context, gain, nodes: new Set(), abort: new AbortController(),
      received: 0, run: null, dry: false, complete: false,
    };
    this.#take = take;
    this.state = 'loading';
    context.resume();
    try {
      await this.#receive(take, token);
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
    const context = this.#take?.context;
    if (this.state === 'paused') context.resume();
    else if (['playing', 'buffering', 'loading'].includes(this.state)) context.suspend();
  }

  set level(level) {
    this.#level = level;
    const take = this.#take;
    if (take) take.gain.gain.setTargetAtTime(level, take.context.currentTime, FADE_S);
  }

  /** Seconds of the take that were heard. */
  get position() {
    const take = this.#take;
    if (!take?.run) return (take?.received ?? 0) / (take?.rate ?? 1);
    const played = Math.max(0, take.context.currentTime * take.rate - take.run.frame);
    return Math.min(take.run.sample + played, take.received) / take.rate;
  }

  /** Bring `state` up to date; call a few times a second. */
  tick() {
    const take = this.#take;
    if (!take || ['stopped', 'ended', 'failed'].includes(this.state)) return;
    const behind = take.run && this.position * take.rate >= take.received - 0.5;
    if (take.complete && (behind || !take.run)) this.#end('ended');
    else if (take.context.state === 'suspended') this.state = 'paused';
    else if (!take.run) this.state = 'loading';
    else if (behind) this.#ranDry(take);
    else this.state = 'playing';
  }

  async #receive(take, token) {
    const url = new URL(`pcm/${token}`, document.baseURI);
    const response = await fetch(url, { signal: take.abort.signal, cache: 'no-store' });
    if (!response.ok) throw new Error(await response.text());
    // A page that comes back hears from here on: its position counts from the take's beginning all the same.
    take.received = Number(response.headers.get('X-First-Sample')) || 0;
    const reader = response.body.getReader();
    let odd = new Uint8Array(0); // a network chunk may end within a sample
    for (;;) {
      while (this.#scheduledAhead(take) > AHEAD_S) await sleep(50);
      const { done, value } = await reader.read();
      if (this.#take !== take) return;
      if (done) break;
      const bytes = new Uint8Array(odd.length + value.length);
      bytes.set(odd);
      bytes.set(value, odd.length);
      const whole = bytes.length - (bytes.length % 2);
      odd = bytes.slice(whole);
      if (whole) this.#schedule(take, new Int16Array(bytes.buffer, 0, whole / 2));
    }
    take.complete = true;
  }

  #scheduledAhead(take) {
    if (!take.run || this.#take !== take) return 0;
    return (take.run.frame + take.received - take.run.sample) / take.rate - take.context.currentTime;
  }

  #schedule(take, samples) {
    const { context, rate } = take;
    const soonest = Math.ceil((context.currentTime + 0.02) * rate);
    let frame = take.run ? take.run.frame + take.received - take.run.sample : -1;
    if (frame < soonest) {
      if (take.run) this.#ranDry(take);
      frame = Math.ceil((context.currentTime + REFILL_S) * rate);
      take.run = { frame, sample: take.received };
      take.dry = false;
    }
    const buffer = context.createBuffer(1, samples.length, rate);
    buffer.getChannelData(0).set(Float32Array.from(samples, (value) => value / 32768));
    const node = context.createBufferSource();
    node.buffer = buffer;
    node.connect(take.gain);
    node.onended = () => take.nodes.delete(node);
    take.nodes.add(node);
    node.start(frame / rate);
    take.received += samples.length;
  }

  #ranDry(take) {
    if (!take.dry) this.underruns += 1;
    take.dry = true;
    this.state = 'buffering';
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
    take.gain.gain.setTargetAtTime(0, take.context.currentTime, FADE_S);
    take.run = { frame: 0, sample: heard };
    take.received = heard;
    setTimeout(() => {
      for (const node of take.nodes) node.stop();
      take.context.close();
    }, FADE_S * 8000);
  }
}
