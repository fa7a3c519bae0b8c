// The page's keys, and the list of them; light and dark.

import { editor } from './edit.js';
import { markHere } from './marks.js';
import { transport } from './transport.js';
import { words } from './words.js';

const TYPED = 'input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable=true]';
const PRESSED = 'button, a, summary, audio, [role=slider], [role=option], input';
const LIST = [
  ['Ctrl+Enter', 'key_main'], ['Esc', 'key_stop'], ['Space', 'key_play'], ['L', 'key_loop'], ['M', 'key_mark'],
  ['R', 'key_edit'], ['I O', 'key_span'], ['1 … 8', 'key_takes'], ['X', 'key_ear'], ['?', 'key_help'],
];

/** Bind the keys, once a page; `tabOf()` is the tab of takes that is shown, if one is. */
export function bindKeys(tabOf) {
  document.addEventListener('keydown', (event) => {
    if (act(event, tabOf())) event.preventDefault();
  });
  document.querySelector('.lw-keys-open')?.addEventListener('click', help);
  bindTheme(document.querySelector('.lw-theme'));
}

/** Whether the key was one of the page's. */
function act(event, tab) {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (altKey || event.defaultPrevented) return false;
  if (key === 'Enter' && (ctrlKey || metaKey)) return Boolean(tab?.pressMain());
  if (ctrlKey || metaKey) return false;
  if (key === 'Escape') return escape(target, tab);
  if (target.closest?.(TYPED)) return false;
  if (key === ' ') {
    if (target.closest?.(PRESSED)) return false;
    transport.toggle();
    return true;
  }
  const take = '12345678'.indexOf(key);
  if (take >= 0) return Boolean(tab?.strip.press(take));
  const acts = {
    l: () => transport.loop(), m: () => markHere() || tab?.mark(), i: () => tab?.markSpan('from'), o: () => tab?.markSpan('to'),
    x: () => tab?.strip.compare(), r: () => editor.open('repaint'), '?': help,
  };
  const found = acts[key.toLowerCase()];
  found?.();
  return Boolean(found);
}

/** Close what is open; else stop what runs. In a list of choices the key is the list's. */
function escape(target, tab) {
  if (document.querySelector('dialog[open]') || target.closest?.('[role=combobox][aria-expanded=true]')) return false;
  if (transport.close() || tab?.inspector.close()) return true;
  if (tab?.stoppable) tab.stopTake();
  else transport.stop();
  return true;
}

function help() {
  const dialog = document.querySelector('dialog.lw-keys');
  if (dialog.open) return;
  const list = document.createElement('dl');
  for (const [keys, name] of LIST) {
    const [term, text] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = keys;
    text.textContent = words.page[name];
    list.append(term, text);
  }
  const title = document.createElement('h2');
  title.textContent = words.page.keys_title;
  const close = document.createElement('button');
  close.type = 'button';
  close.textContent = words.page.keys_close;
  close.addEventListener('click', () => dialog.close());
  dialog.replaceChildren(title, list, close);
  dialog.showModal();
}

/** The theme is the system's until one chooses; then it is remembered. */
function bindTheme(button) {
  const set = (dark) => document.body.classList.toggle('dark', dark);
  let kept = null;
  try {
    kept = localStorage.getItem('longwave.theme');
  } catch { /* a browser that keeps nothing */ }
  if (kept) set(kept === 'dark');
  button?.addEventListener('click', () => {
    const dark = !document.body.classList.contains('dark');
    set(dark);
    try {
      localStorage.setItem('longwave.theme', dark ? 'dark' : 'light');
    } catch { /* a browser that keeps nothing */ }
    window.dispatchEvent(new Event('resize')); // what is drawn takes its colours anew
  });
}
