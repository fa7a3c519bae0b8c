// Loudness and true peak by ITU-R BS.1770-4 of what passes a node, as studio/dsp has them.
//
// The filters are the browser's own, and the last two seconds (at 48 kHz two thirds of one) are read from its
// analysers: an audio worklet would need a secure context, which a studio on one's own network has not.

const SAMPLES = 32768; // the most that an analyser keeps
const HOP_S = 0.1;
const MOMENTARY_HOPS = 4;
const SHORT_TERM_HOPS = 30;
const OFFSET = -0.691;
const OVERSAMPLED_HZ = 192000;
const REACH = 16; // samples on either side that a value between two of them is made of
const KAISER_BETA = 8;
const SLACK = 512; // samples that were rendered between the looks at the clock and at the sound
const FULL_SCALE = 32767 / 32768;
const AGREEMENT_S = 0.4; // over which the channels are compared

export class Meter {
  #context;
  #node;
  #splitter;
  #channels;
  #middle; // hears the mean of the channels
  #squares = [0, 0, 0]; // of the channels and of their mean, lately
  #buffer = new Float32Array(SAMPLES);
  #phases;
  #bound; // what the curve can be at most, for samples of 1
  #hop;
  #read; // frames of the context's time that were taken in
  #filled = 0; // frames of the hop under way
  #energy = 0;
  #hops = [];
  #peak = 0;
  #clipped = false;

  /** Measure what leaves `node`. */
  constructor(context, node) {
    const rate = context.sampleRate;
    this.#context = context;
    this.#node = node;
    this.#hop = Math.round(HOP_S * rate);
    [this.#phases, this.#bound] = phases(rate);
    this.#splitter = context.createChannelSplitter(2);
    node.connect(this.#splitter);
    this.#channels = [0, 1].map((channel) => {
      const [plain, weighted] = [analyser(context), analyser(context)];
      this.#splitter.connect(plain, channel);
      const filters = kWeighting(rate).map((section) => context.createIIRFilter(...section));
      this.#splitter.connect(filters[0], channel).connect(filters[1]).connect(weighted);
      return { plain, weighted };
    });
    this.#middle = analyser(context);
    node.connect(this.#middle);
    this.#read = this.#now();
  }

  /**
   * `momentary` (of 0.4 s) and `shortTerm` (of 3 s) in LUFS, `truePeak` in dBTP and whether anything was
   * `clipped` since the last reset; the `correlation` of both channels, from −1 to 1, null where one is silent
   * or there is one alone. Call some ten times a second.
   */
  read() {
    this.#takeIn();
    return {
      momentary: this.#loudness(MOMENTARY_HOPS),
      shortTerm: this.#loudness(SHORT_TERM_HOPS),
      truePeak: 20 * Math.log10(this.#peak),
      clipped: this.#clipped || this.#peak > 1,
      correlation: this.#correlation(),
    };
  }

  /** How loud the mean of the channels is lately by frequency: dB in `decibels`, each of `binHz`. */
  spectrum() {
    const decibels = new Float32Array(SAMPLES / 2);
    this.#middle.getFloatFrequencyData(decibels);
    return { decibels, binHz: this.#context.sampleRate / SAMPLES };
  }

  reset() {
    this.#read = this.#now();
    this.#filled = this.#energy = this.#peak = 0;
    this.#hops = [];
    this.#squares = [0, 0, 0];
    this.#clipped = false;
  }

  close() {
    this.#node.disconnect(this.#splitter);
    this.#node.disconnect(this.#middle);
    this.#splitter.disconnect();
  }

  #now() {
    return Math.round(this.#context.currentTime * this.#context.sampleRate);
  }

  #takeIn() {
    const now = this.#now();
    const fresh = Math.min(now - this.#read, SAMPLES - SLACK - 2 * REACH);
    if (fresh <= 0) return;
    this.#read = now;
    const squares = this.#channels.map(({ plain }) => {
      plain.getFloatTimeDomainData(this.#buffer);
      this.#lookForPeak(SAMPLES - fresh - SLACK);
      return this.#energyOf(fresh);
    });
    this.#middle.getFloatTimeDomainData(this.#buffer);
    squares.push(this.#energyOf(fresh));
    const kept = Math.exp(-fresh / (AGREEMENT_S * this.#context.sampleRate));
    this.#squares = this.#squares.map((before, which) => kept * before + squares[which]);
    this.#addEnergy(fresh);
  }

  /** The sum of the squares of what is newest in the buffer. */
  #energyOf(fresh) {
    let sum = 0;
    for (let index = SAMPLES - fresh; index < SAMPLES; index += 1) sum += this.#buffer[index] ** 2;
    return sum;
  }

  /** By the energies alone, as what the analysers hear may lie some samples apart: 4 m² = l² + r² + 2 l r. */
  #correlation() {
    const [left, right, middle] = this.#squares;
    const scale = Math.sqrt(left * right);
    return scale > 1e-9 ? Math.min(1, Math.max(-1, (4 * middle - left - right) / 2 / scale)) : null;
  }

  /** Both channels' squares together, hop by hop. */
  #addEnergy(fresh) {
    const squares = new Float32Array(fresh);
    for (const { weighted } of this.#channels) {
      weighted.getFloatTimeDomainData(this.#buffer);
      for (let index = 0; index < fresh; index += 1) {
        const value = this.#buffer[SAMPLES - fresh + index];
        squares[index] += value * value;
      }
    }
    for (const square of squares) {
      this.#energy += square;
      this.#filled += 1;
      if (this.#filled < this.#hop) continue;
      this.#hops.push(this.#energy / this.#hop);
      if (this.#hops.length > SHORT_TERM_HOPS) this.#hops.shift();
      this.#filled = this.#energy = 0;
    }
  }

  #loudness(count) {
    const hops = this.#hops.slice(-count);
    if (hops.length < MOMENTARY_HOPS) return -Infinity;
    return OFFSET + 10 * Math.log10(hops.reduce((sum, power) => sum + power, 0) / hops.length);
  }

  /** Raise the peak to that of the curve through the samples from `start` on. */
  #lookForPeak(start) {
    const buffer = this.#buffer;
    for (let block = start; block < SAMPLES; block += REACH) {
      const end = Math.min(block + REACH, SAMPLES);
      let largest = 0;
      for (let index = Math.max(0, block - 2 * REACH); index < end; index += 1) {
        largest = Math.max(largest, Math.abs(buffer[index]));
      }
      if (largest >= FULL_SCALE) this.#clipped = true;
      if (largest * this.#bound > this.#peak) this.#curve(Math.max(block, 2 * REACH), end);
      this.#peak = Math.max(this.#peak, largest);
    }
  }

  /** The same, looking between the samples that end at most `REACH` before those from `start` to `end`. */
  #curve(start, end) {
    const buffer = this.#buffer;
    for (let last = start; last < end; last += 1) {
      const first = last - 2 * REACH + 1;
      for (const phase of this.#phases) {
        let sum = 0;
        for (let tap = 0; tap < 2 * REACH; tap += 1) sum += buffer[first + tap] * phase[tap];
        this.#peak = Math.max(this.#peak, Math.abs(sum));
      }
    }
  }
}

function analyser(context) {
  const node = context.createAnalyser();
  node.fftSize = SAMPLES;
  return node;
}

/** The two filters of BS.1770, annex 1, at any rate: pairs of feed-forward and feedback coefficients. */
function kWeighting(rate) {
  const high = 10 ** (3.999843853973347 / 20);
  const band = high ** 0.4996667741545416;
  const shelf = Math.tan((Math.PI * 1681.974450955533) / rate);
  const [q, square] = [shelf / 0.7071752369554196, shelf ** 2];
  const pass = Math.tan((Math.PI * 38.13547087602444) / rate);
  const [passQ, passSquare] = [pass / 0.5003270373238773, pass ** 2];
  return [
    [[high + band * q + square, 2 * (square - high), high - band * q + square],
      [1 + q + square, 2 * (square - 1), 1 - q + square]],
    [[1, -2, 1].map((value) => value * (1 + passQ + passSquare)),
      [1 + passQ + passSquare, 2 * (passSquare - 1), 1 - passQ + passSquare]],
  ];
}

/** Windowed sincs for the values between two samples, and the largest sum of their magnitudes. */
function phases(rate) {
  const factor = Math.min(24, 4 * Math.ceil(Math.ceil(OVERSAMPLED_HZ / rate) / 4));
  const made = Array.from({ length: factor - 1 }, (_, phase) => Float32Array.from({ length: 2 * REACH }, (__, tap) => {
    const offset = tap + 1 - REACH - (phase + 1) / factor;
    const window = bessel(KAISER_BETA * Math.sqrt(Math.max(0, 1 - (offset / REACH) ** 2))) / bessel(KAISER_BETA);
    return (window * Math.sin(Math.PI * offset)) / (Math.PI * offset);
  }));
  return [made, Math.max(...made.map((taps) => taps.reduce((sum, tap) => sum + Math.abs(tap), 0)))];
}

/** The modified Bessel function of order 0. */
function bessel(x) {
  let [sum, term] = [1, 1];
  for (let order = 1; term > sum * 1e-12; order += 1) {
    term *= (x / 2 / order) ** 2;
    sum += term;
  }
  return sum;
}
