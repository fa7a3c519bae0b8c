// The three panes of a tab's settings; on a phone they are a sheet over the page.

import { words } from './words.js';

const PANES = ['sound', 'engine', 'inside'];

export class Inspector {
  #tab;
  #columns;
  #root;

  constructor(tab) {
    this.#tab = tab;
    this.#root = this.#part('inspector');
    this.#columns = this.#root.closest('.lw-columns');
    for (const pane of PANES) {
      const button = this.#part(`${pane}-tab`);
      const column = this.#part(pane);
      column.setAttribute('role', 'tabpanel');
      column.setAttribute('aria-labelledby', button.id);
      button.addEventListener('click', () => this.show(pane));
      button.addEventListener('keydown', (event) => this.#walk(event, pane));
    }
    this.#root.querySelector('.lw-sheet-close').addEventListener('click', () => this.close());
    this.#opener();
    this.show('sound');
  }

  /** Which pane is shown. */
  get shown() {
    return this.#columns.dataset.pane;
  }

  show(pane) {
    this.#columns.dataset.pane = pane;
    for (const one of PANES) {
      const button = this.#part(`${one}-tab`);
      button.setAttribute('aria-selected', one === pane);
      button.tabIndex = one === pane ? 0 : -1;
      this.#part(one).classList.toggle('lw-hidden', one !== pane);
    }
  }

  /** Open the sheet of a phone. */
  open() {
    this.#root.classList.add('lw-open');
    this.#part(`${this.shown}-tab`).focus();
  }

  close() {
    if (!this.#root.classList.contains('lw-open')) return false;
    this.#root.classList.remove('lw-open');
    this.#columns.querySelector('.lw-sheet-open').focus();
    return true;
  }

  /** The button that opens the sheet, which a phone alone shows. */
  #opener() {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'lw-sheet-open';
    button.textContent = words.form.settings;
    button.addEventListener('click', () => this.open());
    this.#columns.prepend(button);
  }

  #walk(event, pane) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = PANES[(PANES.indexOf(pane) + step + PANES.length) % PANES.length];
    this.show(next);
    this.#part(`${next}-tab`).focus();
    event.preventDefault();
  }

  #part(name) {
    return document.getElementById(`${this.#tab}-${name}`);
  }
}
