// The list of a take's markers: set where it is played, gone to, named anew, removed; exports have them.

import { added, here, marks, remove, renamed } from './marks.js';
import { clock, fill, setText } from './text.js';
import { transport } from './transport.js';
import { words } from './words.js';

const said = words.edits;

export class Markers {
  #form;
  #take = '';

  constructor(form) {
    this.#form = form;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#add();
    });
    marks.addEventListener('change', ({ detail }) => {
      if (detail === this.#take) this.#draw();
    });
  }

  /** Those of a take, by its id in the Library. */
  async show(take) {
    this.#take = take;
    this.#draw();
    const wrong = await marks.load(take);
    if (take === this.#take) this.#tell(wrong, true);
  }

  async #add() {
    const { label } = this.#form.elements;
    const at = here();
    const wrong = await marks.change(this.#take, added(at, label.value.trim()));
    if (!wrong) label.value = '';
    this.#tell(wrong || fill(said.marked, { time: clock(at) }), Boolean(wrong));
  }

  #draw() {
    this.#form.querySelector('ul').replaceChildren(...marks.of(this.#take).map((one) => {
      const row = document.createElement('li');
      const name = document.createElement('span');
      name.textContent = fill(said.marker, { time: clock(one.at_s), label: one.label });
      const go = button(said.go, fill(said.go_to, one), () => transport.seek(one.at_s));
      const rename = button(said.rename, fill(said.rename_one, one), () => this.#rename(row, one));
      row.append(name, go, rename, button(said.remove, fill(said.remove_one, one), () => this.#remove(one)));
      return row;
    }));
  }

  async #remove(one) {
    await remove(this.#take, one);
    this.#form.querySelector('.lw-mark').focus(); // the row had it
  }

  /** Have a row's name typed where it stands. */
  #rename(row, one) {
    const field = document.createElement('input');
    Object.assign(field, { value: one.label, maxLength: 200, className: 'lw-marker-name' });
    field.setAttribute('aria-label', said.label);
    const end = async (keep) => {
      const label = field.value.trim();
      if (!keep || !label || label === one.label) this.#draw();
      else this.#tell(await marks.change(this.#take, renamed(one, label)), true);
    };
    field.addEventListener('keydown', (event) => {
      if (event.isComposing || !['Enter', 'Escape'].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation(); // elsewhere it sets another marker, or closes the panel
      end(event.key === 'Enter').then(() => this.#form.querySelector('.lw-mark').focus());
    });
    row.replaceChildren(field, button(said.keep_name, fill(said.keep_name_of, one), () => end(true)));
    field.focus();
    field.select();
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
