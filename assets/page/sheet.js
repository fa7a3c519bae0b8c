// A sheet of many sounds, dropped or chosen: read, told of, and made a set of.

import { words } from './words.js';
import { fill, setText } from './text.js';

const OWN = { method: 'POST', headers: { 'X-Longwave': '1' }, cache: 'no-store' };
const said = words.sets;

export class Sheet {
  #root;
  #file = null;
  #begun;

  /** `begun` is called with the id of the set that was made of one. */
  constructor(root, begun) {
    this.#root = root;
    this.#begun = begun;
    const [drop, input] = [this.#part('.lw-sheet-drop'), this.#part('input[type=file]')];
    input.addEventListener('change', () => {
      if (input.files.length) this.#read(input.files[0]);
      input.value = ''; // the same one, mended, can be chosen again
    });
    for (const name of ['dragenter', 'dragover']) {
      root.addEventListener(name, (event) => {
        if (!event.dataTransfer.types.includes('Files')) return;
        event.preventDefault();
        drop.classList.add('lw-over');
      });
    }
    root.addEventListener('dragleave', ({ relatedTarget }) => {
      if (!root.contains(relatedTarget)) drop.classList.remove('lw-over');
    });
    root.addEventListener('drop', (event) => {
      drop.classList.remove('lw-over');
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      this.#read(event.dataTransfer.files[0]);
    });
    this.#part('.lw-sheet-begin').addEventListener('click', () => this.#begin());
    this.#part('.lw-sheet-clear').addEventListener('click', () => {
      this.#clear();
      input.focus();
    });
  }

  async #read(file) {
    this.#clear();
    this.#tell(fill(said.reading, { name: file.name }));
    const answer = await send('sets/sheet', file);
    if (answer.message) {
      this.#tell(`${file.name}: ${answer.message}`, true);
      return;
    }
    this.#file = file;
    this.#part('input[type=text]').value = file.name.replace(/\.\w+$/, '');
    this.#part('.lw-sheet-read').hidden = false;
    this.#tell(answer.said);
  }

  async #begin() {
    const button = this.#part('.lw-sheet-begin');
    button.disabled = true;
    const query = new URLSearchParams({ begin: 1, name: this.#part('input[type=text]').value });
    const answer = await send(`sets/sheet?${query}`, this.#file);
    button.disabled = false;
    if (answer.message) {
      this.#tell(answer.message, true);
      return;
    }
    this.#clear();
    this.#begun(answer.id);
  }

  #clear() {
    this.#file = null;
    this.#part('.lw-sheet-read').hidden = true;
    this.#tell('');
  }

  #tell(text, wrong = false) {
    const line = this.#part('.lw-sheet-said');
    line.classList.toggle('lw-wrong', wrong);
    setText(line, text);
  }

  #part(selector) {
    return this.#root.querySelector(selector);
  }
}

async function send(path, file) {
  try {
    const response = await fetch(new URL(path, document.baseURI), { ...OWN, body: await file.arrayBuffer() });
    return await response.json();
  } catch {
    return { message: words.page.silent };
  }
}
