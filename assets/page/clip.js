// A whole clip at once: what it looks like so far while it is denoised, then with a line where one listens.

import { BANDS, PALETTE, frequencies, htk, seconds } from './spectrogram.js';
import { fit } from './canvas.js';

// The models' mel is Slaney's: even steps up to 1 kHz, even ratios above.
const slaneyMel = (hz) => (hz < 1000 ? (3 * hz) / 200 : 15 + (27 * Math.log(hz / 1000)) / Math.log(6.4));
const slaney = (hz) => slaneyMel(hz) / slaneyMel(8000);

export class ClipPicture {
  #canvas;
  #image = document.createElement('canvas');
  #scale = slaney;
  #top = 8000; // Hz of the sound's own columns
  position = 0; // what the listener hears now
  length = 0; // seconds of sound, once they are known
  step = 0;
  total = 0; // of the sound's own columns, which this picture has no use for

  constructor(canvas) {
    this.#canvas = canvas;
    this.clear();
  }

  /** Begin anew, with sound up to `top` Hz. */
  clear(top = 8000) {
    this.#top = top;
    [this.#image.width, this.#image.height] = [1, BANDS];
    [this.step, this.total, this.length, this.position] = [0, 0, 0, 0];
    this.#scale = slaney;
  }

  /** How far up the whole sound's picture the model's own bands reach, from 0 to 1. */
  get reach() {
    return htk(this.#top)(8000);
  }

  push(first, bytes) {
    this.total = Math.max(this.total, first + bytes.length / BANDS);
  }

  /** A preview of the whole: columns [width × 64] of bytes, low bands first. */
  show({ step, width, columns }) {
    const bytes = Uint8Array.from(atob(columns), (character) => character.charCodeAt(0));
    this.#image.width = width;
    const paint = this.#image.getContext('2d');
    const image = paint.createImageData(width, BANDS);
    for (let column = 0; column < width; column += 1) {
      for (let band = 0; band < BANDS; band += 1) {
        const colour = PALETTE[bytes[column * BANDS + band]];
        image.data.set([...colour, 255], ((BANDS - 1 - band) * width + column) * 4);
      }
    }
    paint.putImageData(image, 0, 0);
    this.step = step;
    this.#scale = slaney;
    this.draw(this.position);
  }

  /** The whole of a finished take, as a picture of that many seconds and up to `top` Hz. */
  showImage(image, length, top = this.#top) {
    this.#top = top;
    [this.#image.width, this.#image.height] = [image.naturalWidth, image.naturalHeight];
    this.#image.getContext('2d').drawImage(image, 0, 0);
    this.#scale = htk(this.#top); // that of the sound's own columns
    this.step = Math.max(this.step, 1);
    this.length = length;
  }

  /** Draw the clip with a line at `position`, which is what the listener hears now. */
  draw(position) {
    this.position = position;
    const { context, width, height } = fit(this.#canvas);
    context.fillStyle = 'rgb(0 0 4)';
    context.fillRect(0, 0, width, height);
    if (!this.step) return;
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.#image, 0, 0, width, height);
    frequencies(context, width, height, this.#scale);
    if (!this.length) return;
    const apart = [5, 10, 30, 60].find((step) => this.length / step <= 10) ?? 120;
    seconds(context, 0, this.length, apart, width, height);
    if (!position) return;
    context.fillStyle = 'rgb(255 255 255 / 0.85)';
    context.fillRect(Math.max(1, (position / this.length) * width) - 0.75, 0, 1.5, height);
  }
}
