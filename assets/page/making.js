// The takes that are being made or wait, with a button each to stop it.

import { words } from './words.js';
import { fill, setText } from './text.js';

const LOOK_MS = 5000;

class List {
  #root;
  #rows = new Map(); // by the job's id: a button must not be replaced under the pointer

  constructor(root) {
    this.#root = root;
    this.#look();
    setInterval(() => { if (!document.hidden) this.#look(); }, LOOK_MS);
  }

  async #look() {
    try {
      const response = await fetch(new URL('making', document.baseURI), { cache: 'no-store' });
      if (response.ok) this.#show(await response.json());
    } catch { /* the tabs say that the studio does not answer */ }
  }

  #show(jobs) {
    this.#root.hidden = !jobs.length;
    const takes = jobs.reduce((sum, job) => sum + job.takes_left, 0);
    const count = fill(words.making[takes > 1 ? 'count_many' : 'count_one'], { count: takes });
    setText(this.#root.querySelector('summary'), count);
    const known = new Set(jobs.map((job) => job.id));
    for (const [id, row] of this.#rows) {
      if (!known.has(id)) {
        row.remove();
        this.#rows.delete(id);
      }
    }
    for (const job of jobs) this.#row(job.id).querySelector('span').textContent = told(job);
  }

  #row(id) {
    if (this.#rows.has(id)) return this.#rows.get(id);
    const row = document.createElement('li');
    const stop = document.createElement('button');
    stop.type = 'button';
    stop.textContent = words.form.stop;
    stop.addEventListener('click', async () => {
      stop.disabled = true;
      await fetch(new URL(`making/${id}/stop`, document.baseURI), { method: 'POST', headers: { 'X-Longwave': '1' } });
      this.#look();
    });
    row.append(document.createElement('span'), stop);
    this.#root.querySelector('ul').append(row);
    this.#rows.set(id, row);
    return row;
  }
}

function told({ mode, prompt, stands, takes_left: left }) {
  const more = left > 1 ? fill(words.making.left, { count: left }) : '';
  return fill(words.making.row, { mode, prompt, stands, more });
}

export function attach(element) {
  return new List(element.querySelector('.lw-making'));
}
