// A figure and its course. Memory's line is there to be seen staying flat.

import { fit } from './canvas.js';

const KEPT = 240;

export class Gauge {
  #root;
  #history = [];
  #format;

  constructor(root, format) {
    this.#root = root;
    this.#format = format;
  }

  clear() {
    this.#history = [];
    this.#root.querySelector('.lw-value').textContent = '–';
    this.#draw();
  }

  push(value) {
    this.#history.push(value);
    // Beyond what fits, halve the resolution, so that the line always spans the whole take.
    if (this.#history.length > KEPT) this.#history = this.#history.filter((_, index) => index % 2);
    this.#root.querySelector('.lw-value').textContent = this.#format(value);
    this.#draw();
  }

  #draw() {
    const canvas = this.#root.querySelector('canvas');
    const { context, width, height } = fit(canvas);
    const top = Math.max(...this.#history, 1e-9) * 1.25;
    context.strokeStyle = getComputedStyle(this.#root).getPropertyValue('--lw-accent');
    context.lineWidth = 1.5;
    context.beginPath();
    this.#history.forEach((value, index) => {
      const x = (index / Math.max(1, this.#history.length - 1)) * width;
      context.lineTo(x, height - 1 - (value / top) * (height - 2));
    });
    context.stroke();
  }
}
