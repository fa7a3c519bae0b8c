// A take dropped on another, of a strip or of the Library, goes on from it: on the right half after it, on the left
// half before it. Over it one is told what that is, and what it costs.

import { editor } from './edit.js';
import { takeOf } from './edited_takes.js';
import { part } from './parts.js';
import { fill, setText } from './text.js';
import { words } from './words.js';

const TARGETS = '.lw-take-tile[data-take], .lw-take[data-source]';
const said = words.edits;

let carried = null; // { source, name } of what is dragged
const hint = part('div', 'lw-join-hint', { 'aria-hidden': true });

/** Let takes be dropped on each other, once a page. */
export function bindSpliceDrop() {
  document.addEventListener('dragstart', ({ target }) => { carried = read(target); });
  document.addEventListener('dragend', () => {
    carried = null;
    show(null);
  });
  document.addEventListener('dragover', (event) => {
    const join = joining(event);
    show(join, event);
    if (join) event.preventDefault(); // it may be dropped here
  });
  document.addEventListener('drop', (event) => {
    const join = joining(event);
    show(null);
    if (!join) return;
    event.preventDefault();
    editor.join(join.first.source, join.second.source);
  });
}

/** What lies on which place of the page: a take { source, name, element }, if it is one that can be edited. */
function read(target) {
  const element = target.closest?.(TARGETS);
  if (!element) return null;
  const { take, source: json } = element.dataset;
  if (json) {
    const source = JSON.parse(json);
    return element.dataset.status === 'running' ? null : { element, source, name: source.title };
  }
  const strips = Object.values(window.longwave ?? {}).map(({ strip }) => strip);
  const lettered = strips.flatMap((strip) => strip?.lettered ?? []).find((one) => one.take.id === take);
  return takeOf(lettered?.take) ? { element, source: lettered.take, name: lettered.letter } : null;
}

/** What a drop would join, { first, second, over, after }; null where it would nothing. */
function joining({ target, clientX }) {
  const over = carried && read(target);
  if (!over || takeOf(over.source) === takeOf(carried.source)) return null;
  const { left, width } = over.element.getBoundingClientRect();
  const after = clientX >= left + width / 2;
  return { first: after ? over : carried, second: after ? carried : over, over, after };
}

function show(join, { clientX = 0, clientY = 0 } = {}) {
  for (const one of document.querySelectorAll('.lw-join')) {
    if (one !== join?.over.element) one.classList.remove('lw-join', 'lw-join-after');
  }
  if (!join) return void hint.remove();
  join.over.element.classList.add('lw-join');
  join.over.element.classList.toggle('lw-join-after', join.after);
  const values = { first: join.first.name, second: join.second.name, seconds: editor.bridgeS };
  setText(hint, fill(said.join, values));
  if (!hint.isConnected) document.body.append(hint);
  hint.style.transform = `translate(${Math.max(0, Math.min(clientX, innerWidth - hint.offsetWidth - 24))}px, ${clientY}px)`;
}
