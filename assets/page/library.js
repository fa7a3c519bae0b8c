// The Library: cards that play and are chosen or selected, and the chosen take beside them.

import { words } from './words.js';
import { fill, setText } from './text.js';
import { saveTake, wanted } from './download.js';
import { draggable } from './export.js';
import { layable } from './layers.js';
import { Selection } from './selection.js';
import { sets } from './sets.js';
import { transport } from './transport.js';

const LOOK_MS = 4000; // while a take that is listed is being made
const CONTROLS = '.lw-take-name, .lw-take-play, input[type=checkbox]';

class Library {
  #list = null;
  #detail = null;
  #pane = null;
  #trigger = () => {};
  #selection = new Selection(() => this.#cards(), (event) => this.#trigger('click', event));
  #current = ''; // the one card that Tab leads to; the arrow keys to the others
  #focused = null; // the card's id and the control that had the focus: the list is written anew under it
  #shift = false; // held while a box was clicked

  /** The list is on the page. */
  listing(element, watch, trigger) {
    this.#list = element;
    this.#trigger = trigger;
    element.addEventListener('click', (event) => this.#click(event));
    element.addEventListener('keydown', (event) => this.#key(event));
    element.addEventListener('dragstart', (event) => this.#drag(event));
    element.addEventListener('focusin', ({ target }) => this.#focus(target));
    element.addEventListener('focusout', ({ target }) => queueMicrotask(() => {
      if (target.isConnected) this.#focused = null;
    }));
    const columns = document.getElementById('library-columns');
    columns.addEventListener('dragover', (event) => {
      if (event.dataTransfer.types.includes('Files')) event.preventDefault(); // it may be dropped here
    });
    columns.addEventListener('drop', (event) => this.#drop(event));
    watch('value', () => this.#listed());
    this.#listed();
    transport.addEventListener('change', () => this.#mark());
    setInterval(() => this.#look(), LOOK_MS);
  }

  /** The bar for those that are selected is on the page. */
  bulk(element) {
    this.#selection.attach(element.querySelector('.lw-bulk'));
  }

  /** The column, on a phone the sheet, of the chosen take is on the page. */
  pane(element) {
    this.#pane = document.getElementById('library-pane');
    this.#pane.setAttribute('role', 'region');
    this.#pane.setAttribute('aria-label', words.library.details);
    element.querySelector('.lw-pane-close').addEventListener('click', () => this.#close());
    this.#pane.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation(); // elsewhere it stops the take that is made
      this.#close();
    });
  }

  /** What is told of the chosen take is on the page. */
  detail(element, watch) {
    this.#detail = element;
    element.addEventListener('click', ({ target }) => {
      if (target.closest('.lw-take-play')) this.#play(target.closest('[data-source]'));
      else if (target.closest('.lw-detail-save')) this.#save();
    });
    watch('value', () => this.#chosen());
    this.#chosen();
  }

  /** The trash is on the page. */
  trash(element, watch, trigger) {
    element.addEventListener('click', ({ target }) => {
      const row = target.closest('[data-take]');
      if (row) trigger('click', { action: 'restore', takes: [row.dataset.take] });
    });
  }

  #cards() {
    const cards = this.#list?.querySelectorAll('.lw-take') ?? [];
    return new Map([...cards].map((card) => [card.dataset.take, card]));
  }

  #click(event) {
    const { target } = event;
    const card = target.closest('.lw-take');
    if (target.closest('.lw-takes-more')) this.#trigger('click', { action: 'more', takes: [] });
    else if (target.closest('.lw-group-open')) sets.open(target.closest('.lw-group-open').dataset.set);
    else if (target.closest('.lw-group-select')) {
      const inside = target.closest('.lw-group').querySelectorAll('.lw-take');
      this.#selection.toggleAll([...inside].map(({ dataset }) => dataset.take));
    } else if (!card) return;
    else if (target.closest('.lw-take-play')) this.#play(card);
    else if (target.matches('input')) this.#selection.toggle(card.dataset.take, event.shiftKey || this.#shift);
    else if (target.closest('.lw-take-check')) this.#shift = event.shiftKey;
    else if (event.ctrlKey || event.metaKey || event.shiftKey) {
      this.#selection.toggle(card.dataset.take, event.shiftKey);
    } else this.#choose(card);
    if (target.matches('input')) this.#shift = false;
  }

  #choose(card) {
    this.#press(card.dataset.take);
    this.#open(card.dataset.take);
    this.#trigger('click', { action: 'choose', takes: [card.dataset.take] });
  }

  #close() {
    this.#open('');
    this.#trigger('click', { action: 'choose', takes: [] });
  }

  /** The server has told of a take, or of none any more. */
  #chosen() {
    const id = this.#detail.querySelector('.lw-detail')?.dataset.take ?? '';
    this.#press(id);
    this.#open(id);
    this.#mark();
  }

  /** Show the column beside the list, or the sheet over it, or take it away. */
  #open(id) {
    const columns = document.getElementById('library-columns');
    if (!columns) return;
    const was = columns.dataset.chosen ?? '';
    if (id) columns.dataset.chosen = id;
    else delete columns.dataset.chosen;
    if (id === was) return;
    const card = this.#cards().get(id || was);
    if (id && !was) {
      card?.scrollIntoView({ block: 'nearest' });
      if (matchMedia('(max-width: 640px)').matches) this.#pane?.querySelector('.lw-pane-close').focus();
    } else if (!id && (document.activeElement === document.body || this.#pane?.contains(document.activeElement))) {
      if (card) card.querySelector('.lw-take-name').focus();
      else this.#refocus();
    }
  }

  #press(id) {
    for (const [own, card] of this.#cards()) {
      card.querySelector('.lw-take-name').setAttribute('aria-pressed', own === id);
    }
  }

  /** The list was written anew. */
  #listed() {
    const cards = this.#cards();
    this.#selection.show();
    this.#rove(cards.has(this.#current) ? this.#current : cards.keys().next().value ?? '');
    if (this.#focused && document.activeElement === document.body) this.#refocus();
    this.#mark();
  }

  /** Focus the card that had the focus, or the one that has its place now. */
  #refocus() {
    const cards = this.#cards();
    const { id, control, place } = this.#focused ?? { id: this.#current, control: '.lw-take-name', place: 0 };
    const card = cards.get(id) ?? [...cards.values()][Math.min(place, cards.size - 1)];
    (card?.querySelector(control) ?? card?.querySelector('.lw-take-name'))?.focus();
  }

  #play(holder) {
    const source = JSON.parse(holder.dataset.source);
    if (transport.current?.id === source.id) transport.toggle();
    else transport.play(source);
  }

  /** What plays is marked, and its button pauses it. */
  #mark() {
    const playing = transport.playing ? transport.current?.id : null;
    for (const holder of document.querySelectorAll('.lw-take[data-source], .lw-detail[data-source]')) {
      const on = holder.dataset.take === playing;
      const button = holder.querySelector('.lw-take-play');
      if (button.classList.contains('lw-is-playing') === on) continue;
      button.classList.toggle('lw-is-playing', on);
      const { title: name } = JSON.parse(holder.dataset.source);
      button.setAttribute('aria-label', fill(on ? words.library.pause : words.library.play, { name }));
    }
  }

  async #save() {
    const holder = this.#detail.querySelector('.lw-detail');
    const [button, told] = [holder.querySelector('.lw-detail-save'), holder.querySelector('.lw-told')];
    button.disabled = true;
    setText(told, words.transport.preparing);
    setText(told, await saveTake(JSON.parse(holder.dataset.source), wanted(holder)));
    button.disabled = false;
  }

  /** A card's picture dragged to a folder, or to another program, is the take's file. */
  #drag(event) {
    const source = event.target.closest?.('[data-source]')?.dataset.source;
    if (!source) return;
    const { id, title, url, file } = JSON.parse(source);
    draggable(event, file, `${url}&download=1`);
    layable(event, id, title);
  }

  /** A file dropped anywhere on the list goes to the field that loads settings. */
  #drop(event) {
    const field = document.querySelector('#library-file input[type=file]');
    const { files } = event.dataTransfer;
    if (!field || !files.length) return;
    event.preventDefault();
    field.files = files;
    field.dispatchEvent(new Event('change', { bubbles: true }));
  }

  #key(event) {
    const { key } = event;
    const id = event.target.closest('.lw-take')?.dataset.take;
    if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === 'a') this.#selection.add(this.#cards().keys());
    else if (key === 'Escape' && this.#selection.ids.length) this.#selection.clear();
    else if (key === 'Delete' && this.#selection.ids.length) this.#selection.delete();
    else if (key === 'Delete' && id) this.#trigger('click', { action: 'delete', takes: [id] });
    else if (!id || !this.#step(id, key)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Move the focus by an arrow key; whether it was one. */
  #step(id, key) {
    const cards = [...this.#cards().values()];
    const from = cards.findIndex(({ dataset }) => dataset.take === id);
    const to = {
      ArrowLeft: () => cards[from - 1],
      ArrowRight: () => cards[from + 1],
      ArrowUp: () => beyond(cards.slice(0, from).reverse(), cards[from]),
      ArrowDown: () => beyond(cards.slice(from + 1), cards[from]),
      Home: () => cards[0],
      End: () => cards.at(-1),
    }[key];
    if (!to) return false;
    to()?.querySelector('.lw-take-name').focus();
    return true;
  }

  #focus(target) {
    const id = target.closest('.lw-take')?.dataset.take;
    if (!id) return;
    const control = CONTROLS.split(', ').find((each) => target.matches(each)) ?? '.lw-take-name';
    this.#focused = { id, control, place: [...this.#cards().keys()].indexOf(id) };
    this.#rove(id);
  }

  #rove(id) {
    this.#current = id;
    for (const [own, card] of this.#cards()) {
      for (const control of card.querySelectorAll(CONTROLS)) control.tabIndex = own === id ? 0 : -1;
    }
  }

  /** There are other takes than before: list them where the list is shown; else it is written when it is. */
  changed() {
    this.#ask('made');
  }

  #ask(action) {
    if (this.#list?.offsetParent) this.#trigger('click', { action, takes: [] });
  }

  /** Look again while something that is listed is being made. */
  #look() {
    if (!document.hidden && this.#list.querySelector('[data-status=running]')) this.#ask('look');
  }
}

/** The nearest of these, in the first row that is another than the card's. */
function beyond(cards, card) {
  const { top, left } = card.getBoundingClientRect();
  const others = cards.map((each) => ({ each, box: each.getBoundingClientRect() })).filter(({ box }) => box.top !== top);
  const row = others.filter(({ box }) => box.top === others[0].box.top);
  return row.sort((one, other) => Math.abs(one.box.left - left) - Math.abs(other.box.left - left))[0]?.each;
}

export const library = new Library();
