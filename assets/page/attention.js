// Where the model looks within its window: a row asks, a column is asked, from clean frames to noise.

import { fit } from './canvas.js';
import { words } from './words.js';
import { PALETTE } from './spectrogram.js';

const LABEL_PX = 18;
const SHOWN = words.attention;

export class AttentionPicture {
  #root;
  #map = document.createElement('canvas');
  #regions = {};
  step = 0;

  constructor(root) {
    this.#root = root;
    new ResizeObserver(() => this.#draw()).observe(root.querySelector('canvas'));
  }

  clear() {
    this.step = 0;
    this.#root.classList.remove('lw-live');
  }

  /** `map` is size × size bytes, base64; `regions` are shares of the window: {name: [from, to]}. */
  show({ step, size, map, regions }) {
    this.step = step;
    this.#regions = regions;
    this.#map.width = size;
    this.#map.height = size;
    const context = this.#map.getContext('2d');
    const image = context.createImageData(size, size);
    [...atob(map)].forEach((byte, index) => image.data.set([...PALETTE[byte.charCodeAt(0)], 255], index * 4));
    context.putImageData(image, 0, 0);
    this.#root.classList.add('lw-live');
    this.#draw();
  }

  #draw() {
    const canvas = this.#root.querySelector('canvas');
    if (!this.step || !canvas.clientWidth) return;
    const { context, width, height: full } = fit(canvas);
    const height = full - LABEL_PX;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#map, 0, 0, width, height);
    context.font = '11px ui-sans-serif, system-ui, sans-serif';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillStyle = 'rgb(255 255 255 / 0.7)';
    context.strokeStyle = 'rgb(255 255 255 / 0.5)';
    context.setLineDash([3, 3]);
    context.beginPath();
    for (const [name, [from, to]] of Object.entries(this.#regions)) {
      context.moveTo(to * width, 0);
      context.lineTo(to * width, height);
      context.moveTo(0, to * height);
      context.lineTo(width, to * height);
      const room = (to - from) * width;
      const text = SHOWN[`region_${name}`] ?? name;
      if (context.measureText(text).width < room) context.fillText(text, ((from + to) / 2) * width, full - LABEL_PX / 2);
    }
    context.stroke();
  }
}
