// What an edit will take, said before it is asked for, and anew with each setting that it depends on.

import { ask } from './ask.js';
import { setText } from './text.js';

const SETTLED_MS = 400;
const MORE_MS = 1500; // it is being found out
const NO_MATTER = ['prompt']; // to how long it takes

export class EditCost {
  #line;
  #seen = '';
  #asked = 0;
  #timer = 0;

  constructor(line) {
    this.#line = line;
  }

  /** The edit that the panel would ask for now; null where there is none, or nobody looks. */
  ask(wanted) {
    const key = JSON.stringify(wanted, (name, value) => (NO_MATTER.includes(name) ? undefined : value));
    if (key === this.#seen) return;
    this.#seen = key;
    this.#asked += 1; // what is on its way is of another
    clearTimeout(this.#timer);
    setText(this.#line, '');
    if (wanted) this.#timer = setTimeout(() => this.#ask(wanted), SETTLED_MS);
  }

  /** More may be known by now than when it was asked. */
  stale() {
    this.#seen = '';
  }

  async #ask(wanted, again = false) {
    const asked = this.#asked;
    const { said, message, more } = await ask('edits/cost', again ? { ...wanted, again } : wanted);
    if (asked !== this.#asked) return;
    setText(this.#line, said ?? message);
    if (more) this.#timer = setTimeout(() => this.#ask(wanted, true), MORE_MS);
  }
}
