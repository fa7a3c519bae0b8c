// A square to point at, by pointer or by arrow keys: how much the text counts, and how much the draft.

import { words } from './words.js';
import { fill } from './text.js';

const APART_MS = 60;
const STEP = 0.02; // of a side

export function attach(element, props, watch, trigger, most) {
  const square = element.querySelector('.lw-pad');
  const dot = square.querySelector('i');
  let last = 0;

  const show = () => {
    const { x = 0, y = 0 } = props.value ?? {};
    dot.style.left = `${Math.min(100, (100 * x) / most)}%`;
    dot.style.bottom = `${Math.min(100, (100 * y) / most)}%`;
    square.setAttribute('aria-valuenow', x);
    square.setAttribute('aria-valuetext', fill(words.stage.pad_value, { x, y }));
  };
  const scale = (share) => Math.round(10 * most * Math.min(1, Math.max(0, share))) / 10;
  const set = (x, y) => {
    props.value = { x: scale(x), y: scale(y) };
    trigger('input');
    show();
  };
  const point = ({ clientX, clientY }) => {
    const { left, bottom, width, height } = square.getBoundingClientRect();
    set((clientX - left) / width, (bottom - clientY) / height);
  };
  square.addEventListener('pointerdown', (event) => {
    square.setPointerCapture(event.pointerId);
    point(event);
  });
  square.addEventListener('pointermove', (event) => {
    if (!event.buttons || event.timeStamp - last <= APART_MS) return;
    last = event.timeStamp;
    point(event);
  });
  square.addEventListener('pointerup', point);
  square.addEventListener('keydown', (event) => {
    const [right, up] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
    if (right === undefined) return;
    const { x = 0, y = 0 } = props.value ?? {};
    const step = event.shiftKey ? 5 * STEP : STEP;
    set(x / most + right * step, y / most + up * step);
    event.preventDefault();
  });
  watch('value', show);
  show();
  square.tabIndex = 0; // not before: a key would be lost on a square that nobody listens to yet
}
