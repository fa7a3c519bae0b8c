// Words that are edited where they stand.

import { part } from './parts.js';

const HIDDEN = /[^\P{C}\u200c\u200d\s]/gu; // controls and overrides of direction, not what joins letters

/**
 * Let the words of `region`, a part of `root`, be typed. `done(text, focused)` is called once: with null where they
 * are left as they were; `focused` while it was the keyboard that ended it.
 */
export function editWords(root, region, { value, label, placeholder = '', most = 2000 }, done) {
  const field = part('input', 'lw-tl-field', { dir: 'auto', maxlength: most, placeholder, 'aria-label': label });
  field.value = value;
  root.append(field);
  Object.assign(field.style, room(root, region));
  region.classList.add('lw-tl-editing');
  let open = true;
  const end = (keep) => {
    if (!open) return;
    open = false;
    const text = field.value.replace(HIDDEN, '').trim().replace(/\s+/g, ' ');
    const focused = document.activeElement === field;
    field.remove();
    region.classList.remove('lw-tl-editing');
    done(keep && text && text !== value ? text : null, focused);
  };
  field.addEventListener('keydown', (event) => {
    event.stopPropagation(); // the page's keys are for what is not typed
    if (event.isComposing || !['Enter', 'Escape'].includes(event.key)) return;
    event.preventDefault();
    end(event.key === 'Enter');
  });
  field.addEventListener('blur', () => end(true));
  field.focus();
  field.select();
}

/** Over the region, and wide enough however narrow that is. */
function room(root, region) {
  const { left: start, top: ceiling, width: most } = root.getBoundingClientRect();
  const { left, top, width, height } = region.getBoundingClientRect();
  const wide = Math.min(Math.max(width, 220), most);
  const at = Math.min(Math.max(0, left - start), most - wide);
  return { left: `${at}px`, top: `${top - ceiling}px`, width: `${wide}px`, height: `${height}px` };
}
