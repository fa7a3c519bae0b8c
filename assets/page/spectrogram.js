// A picture that scrolls with what is heard and shows what is coming. New columns are painted once, into a
// ring; each frame only copies the part in view.

import { clock } from './text.js';

export const BANDS = 64;
const RING = 4096; // columns kept, 40 s
const VIEW_S = 20;
const PLAYHEAD = 0.65; // of the width; what lies to its right was made but not heard yet
const FREQUENCIES = [[250, '250'], [500, '500'], [1000, '1k'], [2000, '2k'], [4000, '4k'], [8000, '8k'],
  [16000, '16k']];
/** How far up a picture of sound up to `top` Hz a frequency lies, from 0 to 1. */
export const htk = (top) => (hz) => Math.log10(1 + hz / 700) / Math.log10(1 + top / 700);
// Magma's stops.
const STOPS = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100],
  [251, 135, 97], [254, 194, 135], [252, 253, 191]];
export const PALETTE = Array.from({ length: 256 }, (_, value) => {
  const at = (value / 255) * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[low].map((from, channel) => from + (STOPS[low + 1][channel] - from) * (at - low));
});

export class Spectrogram {
  #canvas;
  #ring;
  #paint;
  total = 0;
  position = 0; // what the listener hears now
  #perSecond = 100;
  #scale = htk(8000);

  constructor(canvas) {
    this.#canvas = canvas;
    this.#ring = document.createElement('canvas');
    this.#ring.width = RING;
    this.#ring.height = BANDS;
    this.#paint = this.#ring.getContext('2d', { willReadFrequently: true });
    this.clear(100);
  }

  /** Begin anew, with sound up to `top` Hz. */
  clear(columnsPerSecond, top = 8000) {
    this.#perSecond = columnsPerSecond;
    this.#scale = htk(top);
    this.total = 0;
    this.#paint.fillStyle = 'rgb(0 0 4)';
    this.#paint.fillRect(0, 0, RING, BANDS);
    this.position = 0;
  }

  /** Columns [n × 64] of bytes, low bands first, of which the first is the take's `first`. */
  push(first, bytes) {
    const count = bytes.length / BANDS;
    if (first > this.total) this.total = first;
    for (let column = 0; column < count; column += 1) {
      const index = first + column;
      if (index < this.total) continue;
      const image = this.#paint.createImageData(1, BANDS);
      for (let band = 0; band < BANDS; band += 1) {
        const [red, green, blue] = PALETTE[bytes[column * BANDS + band]];
        image.data.set([red, green, blue, 255], (BANDS - 1 - band) * 4);
      }
      this.#paint.putImageData(image, index % RING, 0);
      this.total = index + 1;
    }
  }

  /** Draw the seconds around `position`, which is what the listener hears now. */
  draw(position) {
    this.position = position;
    const canvas = this.#canvas;
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const context = canvas.getContext('2d');
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = 'rgb(0 0 4)';
    context.fillRect(0, 0, width, height);
    const start = Math.max(0, position - VIEW_S * PLAYHEAD);
    this.#copy(context, start, width, height);
    frequencies(context, width, height, this.#scale);
    seconds(context, start, VIEW_S, 5, width, height);
    if (this.total) this.#playhead(context, ((position - start) / VIEW_S) * width, height);
  }

  #copy(context, start, width, height) {
    const pixels = width / (VIEW_S * this.#perSecond);
    const from = Math.max(Math.floor(start * this.#perSecond), this.total - RING + 1, 0);
    const to = Math.min(this.total, Math.ceil((start + VIEW_S) * this.#perSecond));
    context.imageSmoothingQuality = 'high';
    for (let index = from; index < to;) {
      const slot = index % RING;
      const count = Math.min(to - index, RING - slot);
      const x = (index - start * this.#perSecond) * pixels;
      context.drawImage(this.#ring, slot, 0, count, BANDS, x, 0, count * pixels, height);
      index += count;
    }
  }

  #playhead(context, x, height) {
    const at = Math.max(1, x);
    context.fillStyle = 'rgb(255 255 255 / 0.85)';
    context.fillRect(at - 0.75, 0, 1.5, height);
  }
}

/** Lines and names of the frequencies; `share` says how far up the picture one lies, from 0 to 1. */
export function frequencies(context, width, height, share) {
  context.font = '11px ui-sans-serif, system-ui, sans-serif';
  context.fillStyle = 'rgb(255 255 255 / 0.55)';
  context.strokeStyle = 'rgb(255 255 255 / 0.08)';
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  context.beginPath();
  for (const [hz, text] of FREQUENCIES) {
    const y = height * (1 - share(hz));
    if (y < 14) continue; // at the edge, or beyond it
    context.moveTo(0, y);
    context.lineTo(width, y);
    context.fillText(text, 6, y - 7);
  }
  context.stroke();
}

/** The times that lie `apart` seconds from each other, in a picture of `length` seconds from `start` on. */
export function seconds(context, start, length, apart, width, height) {
  context.textAlign = 'center';
  for (let second = Math.ceil(start / apart) * apart; second <= start + length; second += apart) {
    const x = ((second - start) / length) * width;
    if (x > 36 && x < width - 16) context.fillText(clock(second), x, height - 9);
  }
}
