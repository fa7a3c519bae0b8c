// The meter of the transport: how loud what sounds is, and in stereo how far both channels agree.

import { fit } from './canvas.js';
import { fill, setText } from './text.js';
import { words } from './words.js';

const METER = { floor: -60, peak: -1 }; // LUFS at the left end, dBTP above which it warns
const texts = words.transport;

export class MeterView {
  #root;
  #text;
  #canvas;
  #drawn = '';

  /** Of the transport's root. */
  constructor(root) {
    this.#root = root;
    this.#text = root.querySelector('.lw-lufs');
    this.#canvas = root.querySelector('.lw-meter canvas');
  }

  /** What `Meter.read` gives; null where nothing sounds. */
  show(heard) {
    const text = heard && Number.isFinite(heard.shortTerm)
      ? fill(texts.meter, { lufs: decibels(heard.shortTerm), peak: decibels(heard.truePeak) }) : '';
    const both = text && heard.correlation !== null ? fill(texts.correlation, { value: signed(heard.correlation) }) : '';
    setText(this.#text, text + both);
    const level = heard && Number.isFinite(heard.momentary) ? Math.max(0, 1 - heard.momentary / METER.floor) : 0;
    const drawn = `${level.toFixed(3)} ${heard?.truePeak > METER.peak} ${this.#canvas.clientWidth}`;
    if (drawn === this.#drawn || !this.#canvas.clientWidth) return;
    this.#drawn = drawn;
    const { context, width, height } = fit(this.#canvas);
    const style = getComputedStyle(this.#root);
    context.fillStyle = style.getPropertyValue('--block-border-color');
    context.fillRect(0, 0, width, height);
    context.fillStyle = style.getPropertyValue(heard?.truePeak > METER.peak ? '--lw-warn' : '--lw-accent');
    context.fillRect(0, 0, width * level, height);
  }
}

/** A number with a tenth and a true minus sign. */
export function signed(value) {
  return (Math.round(10 * value) / 10 || 0).toFixed(1).replace('-', '−'); // without a minus before nought
}

function decibels(value) {
  return Number.isFinite(value) ? signed(value) : '–';
}
