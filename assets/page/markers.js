// Places of a take that somebody named: set where it is played, gone to, removed; exports have them.

import { clock, fill, setText } from './text.js';
import { transport } from './transport.js';
import { words } from './words.js';

const said = words.edits;

export class Markers {
  #form;
  #ask; // a path, and what is sent if anything is → what the server answers
  #take = '';
  #markers = [];

  constructor(form, ask) {
    this.#form = form;
    this.#ask = ask;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#add();
    });
  }

  /** Those of a take, by its id in the Library. */
  async show(take) {
    this.#take = take;
    const { markers, message } = await this.#ask(`edits/markers?take=${encodeURIComponent(take)}`);
    if (take !== this.#take) return; // another is played meanwhile
    this.#markers = markers ?? [];
    this.#tell(message ?? '', Boolean(message));
    this.#draw();
  }

  async #add() {
    const { label } = this.#form.elements;
    const at = Math.round(1000 * transport.position) / 1000;
    const name = label.value.trim() || fill(said.marker_default, { number: this.#markers.length + 1 });
    if (!await this.#keep([...this.#markers, { at_s: at, label: name }])) return;
    label.value = '';
    this.#tell(fill(said.marked, { time: clock(at) }));
  }

  /** Whether the server has kept these. */
  async #keep(wanted) {
    const { markers, message } = await this.#ask('edits/markers', { take: this.#take, markers: wanted });
    this.#tell(message ?? '', Boolean(message));
    if (!markers) return false;
    this.#markers = markers;
    this.#draw();
    return true;
  }

  #draw() {
    this.#form.querySelector('ul').replaceChildren(...this.#markers.map((one) => {
      const row = document.createElement('li');
      const name = document.createElement('span');
      name.textContent = fill(said.marker, { time: clock(one.at_s), label: one.label });
      const go = button(said.go, fill(said.go_to, one), () => transport.seek(one.at_s));
      const remove = button(said.remove, fill(said.remove_one, one), () => this.#keep(this.#markers.filter((other) => other !== one)));
      row.append(name, go, remove);
      return row;
    }));
  }

  #tell(text, wrong = false) {
    const line = this.#form.querySelector('.lw-told');
    line.classList.toggle('lw-wrong', wrong);
    setText(line, text);
  }
}

/** A small button of a list, whose name says what it is of. */
export function button(text, name, act) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'lw-quiet';
  made.textContent = text;
  made.setAttribute('aria-label', name);
  made.addEventListener('click', act);
  return made;
}
