// Several takes of the Library at once: which are selected, and the bar with what can be done to them.

import { words } from './words.js';
import { fill, setText } from './text.js';
import { saveTake, saveTakes, wanted } from './download.js';

export class Selection {
  #ids = new Set();
  #anchor = ''; // where a range begins
  #cards; // gives the cards that are shown, by their ids and in their order
  #act; // tells the server
  #bar = null;

  constructor(cards, act) {
    this.#cards = cards;
    this.#act = act;
  }

  /** The bar, once it is on the page. */
  attach(bar) {
    this.#bar = bar;
    bar.addEventListener('click', ({ target }) => this.#press(target.closest('button')?.dataset.do));
    this.show();
  }

  get ids() {
    return [...this.#ids];
  }

  has(id) {
    return this.#ids.has(id);
  }

  /** One more or less; with `range` all from the last one that was. */
  toggle(id, range = false) {
    const all = [...this.#cards().keys()];
    const [from, to] = [all.indexOf(this.#anchor), all.indexOf(id)].sort((one, other) => one - other);
    if (range && from >= 0) for (const each of all.slice(from, to + 1)) this.#ids.add(each);
    else if (!this.#ids.delete(id)) this.#ids.add(id);
    this.#anchor = id;
    this.show();
  }

  /** All of these, or none of them where all were. */
  toggleAll(ids) {
    const add = !ids.every((id) => this.#ids.has(id));
    for (const id of ids) {
      if (add) this.#ids.add(id);
      else this.#ids.delete(id);
    }
    this.show();
  }

  add(ids) {
    for (const id of ids) this.#ids.add(id);
    this.show();
  }

  clear() {
    this.#ids.clear();
    this.show();
  }

  /** What of it is still shown, on the cards and the bar. */
  show() {
    const cards = this.#cards();
    for (const id of this.#ids) if (!cards.has(id)) this.#ids.delete(id);
    for (const [id, card] of cards) {
      card.querySelector('input[type=checkbox]').checked = this.#ids.has(id);
      card.classList.toggle('lw-selected', this.#ids.has(id));
    }
    if (!this.#bar) return;
    const number = this.#ids.size;
    const said = number === 1 ? words.library.selected_one : fill(words.library.selected, { number });
    this.#bar.hidden = !number;
    setText(this.#bar.querySelector('.lw-bulk-count'), number ? said : '');
    setText(this.#bar.querySelector('[data-do=export]'), number > 1 ? words.library.export_all : words.library.export);
    if (!number) this.#say('');
  }

  delete() {
    if (this.#ids.size) this.#act({ action: 'delete', takes: this.ids });
  }

  #press(what) {
    if (what === 'all') this.add(this.#cards().keys());
    else if (what === 'clear') this.clear();
    else if (what === 'favour') this.#act({ action: 'favour', takes: this.ids });
    else if (what === 'delete') this.delete();
    else if (what === 'export') this.#export();
  }

  async #export() {
    const button = this.#bar.querySelector('[data-do=export]');
    const how = wanted(this.#bar);
    const ids = this.ids;
    button.disabled = true;
    this.#say(words.transport.preparing);
    const source = this.#cards().get(ids[0]).dataset.source;
    const said = ids.length === 1 && source
      ? await saveTake(JSON.parse(source), how) : await saveTakes(ids, how);
    button.disabled = false;
    this.#say(said);
  }

  #say(text) {
    setText(this.#bar.querySelector('.lw-told'), text);
  }
}
