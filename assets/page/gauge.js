// A figure and its course; beside it, dashed, the course of what it would be otherwise.
// Memory's line is there to be seen staying flat.

import { fit } from './canvas.js';

const KEPT = 240;

export class Gauge {
  #root;
  #history = []; // pairs: the figure, and what it would be otherwise, or null
  #format;
  #note;
  #otherwise;

  /** `otherwise` says in words what the second figure is, in place of the gauge's note. */
  constructor(root, format, otherwise = null) {
    this.#root = root;
    this.#format = format;
    this.#otherwise = otherwise;
    this.#note = root.querySelector('.lw-note').textContent;
    new ResizeObserver(() => this.#draw()).observe(root.querySelector('canvas'));
  }

  clear() {
    this.#history = [];
    this.#root.querySelector('.lw-value').textContent = '–';
    this.#root.querySelector('.lw-note').textContent = this.#note;
    this.#draw();
  }

  push(value, beside = null) {
    this.#history.push([value, beside]);
    // Beyond what fits, halve the resolution, so that the line always spans the whole take.
    if (this.#history.length > KEPT) this.#history = this.#history.filter((_, index) => index % 2);
    this.#root.querySelector('.lw-value').textContent = this.#format(value);
    if (beside !== null) this.#root.querySelector('.lw-note').textContent = this.#otherwise(this.#format(beside));
    this.#draw();
  }

  #draw() {
    const canvas = this.#root.querySelector('canvas');
    if (!canvas.clientWidth) return; // in a pane that is not shown
    const { context, width, height } = fit(canvas);
    const top = Math.max(...this.#history.flat(), 1e-9) * 1.25;
    context.strokeStyle = getComputedStyle(this.#root).getPropertyValue('--lw-accent');
    context.lineWidth = 1.5;
    for (const which of [0, 1]) {
      context.setLineDash(which ? [2, 3] : []);
      context.beginPath();
      this.#history.forEach((pair, index) => {
        if (pair[which] === null) return;
        const x = (index / Math.max(1, this.#history.length - 1)) * width;
        context.lineTo(x, height - 1 - (pair[which] / top) * (height - 2));
      });
      context.stroke();
    }
  }
}
