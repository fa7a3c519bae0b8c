// A live stream's bytes as sound, piece by piece: 16-bit samples as they are, or a row of small files, each
// behind a head of four numbers (studio/service/live/codecs.py). Any page may decode whole files; a decoder
// for streams would need a secure context, which a studio on one's own network has not.

const HEAD_BYTES = 16;

/**
 * The stream's sound, each piece a Float32Array at `rate`, whose channels alternate where there are several.
 * Throws where the browser can't decode it.
 */
export function receive(reader, codec, rate, channels = 1) {
  return codec === 'raw' ? raw(reader, channels) : framed(reader, new OfflineAudioContext(1, 1, rate), channels);
}

async function* raw(reader, channels) {
  let odd = new Uint8Array(0); // a network chunk may end within a sample
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const bytes = joined([odd, value]);
    const whole = bytes.length - (bytes.length % (2 * channels));
    odd = bytes.slice(whole);
    if (whole) yield Float32Array.from(new Int16Array(bytes.buffer, 0, whole / 2), (sample) => sample / 32768);
  }
}

async function* framed(reader, decoder, channels) {
  const bytes = new Bytes(reader);
  let beyond = new Float32Array(0); // the last block's own idea of what comes now
  for (;;) {
    const head = await bytes.take(HEAD_BYTES);
    if (!head) return;
    const [size, lead, count, tail] = new Uint32Array(head.buffer);
    const file = await bytes.take(size);
    if (!file) return;
    const decoded = await decoder.decodeAudioData(file.buffer);
    const sound = new Float32Array(channels * (count + tail));
    for (let channel = 0; channel < channels; channel += 1) {
      const one = decoded.getChannelData(channel).subarray(lead, lead + count + tail);
      one.forEach((value, index) => { sound[channels * index + channel] = value; });
    }
    const frames = beyond.length / channels;
    beyond.forEach((value, at) => {
      const index = Math.floor(at / channels);
      if (index < count) sound[at] += (value - sound[at]) * (1 - (index + 0.5) / frames);
    });
    beyond = sound.slice(channels * count);
    yield sound.subarray(0, channels * count);
  }
}

/** A reader's bytes, in the portions that one asks for. */
class Bytes {
  #reader;
  #parts = [];
  #length = 0;

  constructor(reader) {
    this.#reader = reader;
  }

  /** So many, in a buffer of their own; null where the stream ends before. */
  async take(count) {
    while (this.#length < count) {
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#parts.push(value);
      this.#length += value.length;
    }
    const all = joined(this.#parts);
    this.#parts = [all.subarray(count)];
    this.#length -= count;
    return all.slice(0, count);
  }
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
