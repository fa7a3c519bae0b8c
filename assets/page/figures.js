// A tab's gauges: memory, speed, what is buffered, how long a step takes. A tab has some of them.

import { Gauge } from './gauge.js';
import { words } from './words.js';
import { fill } from './text.js';

const megabytes = (value) => (value < 10000 ? `${Math.round(value)} MB` : `${(value / 1000).toFixed(0)} GB`);

// Figure: the part of the tab that shows it, how it is written, and what is written beside it.
const FIGURES = {
  memory_mb: ['memory', megabytes, (size) => fill(words.inside.memory_beside, { size })],
  rtf: ['rtf', speed],
  ahead_s: ['ahead', (value) => `${value.toFixed(1)} s`],
  step_ms: ['step', (value) => (value ? `${(value / 1000).toFixed(value < 1000 ? 2 : 1)} s` : '–')],
};

export class Figures {
  #gauges = {};

  /** `part(name)` finds a part of the tab. */
  constructor(part) {
    for (const [figure, [name, format, beside]] of Object.entries(FIGURES)) {
      if (part(name)) this.#gauges[figure] = new Gauge(part(name), format, beside);
    }
  }

  clear() {
    for (const gauge of Object.values(this.#gauges)) gauge.clear();
  }

  push(figures) {
    const beside = { memory_mb: figures.conventional_mb };
    for (const [name, gauge] of Object.entries(this.#gauges)) {
      if (name in figures) gauge.push(figures[name], beside[name] ?? null);
    }
  }
}

/** How fast a model is against playback, of its seconds of work for one of sound. */
function speed(rtf) {
  if (!rtf) return '–';
  const times = (rtf < 1 ? 1 / rtf : rtf).toFixed(1);
  return fill(words.inside[rtf < 1 ? 'faster' : 'slower'], { times });
}
