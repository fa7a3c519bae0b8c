// Sets of takes: the sheet that one is made from, how each stands, and its rows, some at a time.

import { recalled, remember } from './kept.js';
import { Rows } from './set_rows.js';
import { Sheet } from './sheet.js';
import { words } from './words.js';
import { fill, setText } from './text.js';

const LOOK_MS = 1000;
const IDLE_MS = 5000; // while nothing of the shown set is made
const KEPT = 20;
const OWN = { method: 'POST', headers: { 'X-Longwave': '1' }, cache: 'no-store' };
const said = words.sets;

class Sets {
  #root = null;
  #rows = null;
  #shown = ''; // the id of the set that is looked at
  #all = [];
  #phase = '';
  #tenth = -1;
  #looked = 0;
  #looking = false;

  /** The tab is on the page. */
  attach(element) {
    this.#root = element.querySelector('.lw-sets');
    this.#rows = new Rows(this.#root, () => this.#look(true), (row) => this.#act('retry', row));
    new Sheet(this.#root.querySelector('.lw-sheet'), (id) => this.show(id));
    this.#root.querySelector('nav').addEventListener('click', ({ target }) => {
      const button = target.closest('button');
      if (button) this.show(button.dataset.set);
    });
    this.#root.querySelector('.lw-set-does').addEventListener('click', ({ target }) => {
      if (target.dataset?.do) this.#act(target.dataset.do);
    });
    if (this.#shown) this.show(this.#shown);
    else this.#list();
    setInterval(() => this.#tick(), LOOK_MS);
    new IntersectionObserver((entries) => { if (entries.some((one) => one.isIntersecting)) this.#list(); })
      .observe(this.#root);
  }

  /** A set was begun, or chosen: its tab is opened, and it is looked at. */
  show(id) {
    remember('longwave.sets', [id, ...this.#known.filter((one) => one !== id)].slice(0, KEPT));
    this.#shown = id;
    this.#phase = '';
    if (!this.#root) return;
    this.#rows.begin(id);
    this.#list();
  }

  /** Turn to the tab, and to a set there. */
  open(id) {
    this.show(id);
    const tabs = [...document.querySelectorAll('[role=tab], .overflow-dropdown button')];
    tabs.find(({ textContent }) => textContent.trim() === said.all)?.click();
  }

  /** The ids that this browser was told: where strangers may ask, there is no other way to them. */
  get #known() {
    const known = recalled('longwave.sets');
    return Array.isArray(known) ? known : [];
  }

  #tick() {
    if (document.hidden || !this.#root.offsetParent || !this.#shown) return;
    const busy = ['making', 'waiting', ''].includes(this.#phase);
    if (performance.now() - this.#looked >= (busy ? LOOK_MS : IDLE_MS) - 50) this.#look();
  }

  async #list() {
    const query = new URLSearchParams(this.#known.map((id) => ['id', id]));
    const all = await asked(`sets?${query}`);
    if (!Array.isArray(all)) return;
    this.#all = all;
    if (!all.some(({ id }) => id === this.#shown)) this.#shown = all[0]?.id ?? '';
    this.#root.querySelector('.lw-sets-none').hidden = all.length > 0;
    this.#root.querySelector('.lw-sets-there').hidden = !all.length;
    this.#showList();
    if (this.#shown) {
      this.#rows.begin(this.#shown);
      this.#look(true);
    }
  }

  #showList() {
    const list = this.#root.querySelector('nav ul');
    const rows = new Map([...list.children].map((row) => [row.firstChild.dataset.set, row]));
    list.replaceChildren(...this.#all.map(({ id }) => rows.get(id) ?? entry(id)));
    for (const [index, { id, name, created, told }] of this.#all.entries()) {
      const button = list.children[index].firstChild;
      setText(button.children[0], name);
      setText(button.children[1], told);
      setText(button.children[2], created);
      if (id === this.#shown) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
    }
  }

  /** Ask how the shown set stands, and for the rows that are shown of it. */
  async #look(now = false) {
    if (this.#looking && !now) return;
    this.#looking = true;
    const id = this.#shown;
    const found = await asked(`sets/${encodeURIComponent(id)}?${this.#rows.query}`);
    this.#looking = false;
    this.#looked = performance.now();
    if (id !== this.#shown) return;
    if (!found.id) {
      setText(this.#part('.lw-set-news'), found.message ?? words.page.silent);
      return;
    }
    this.#all = this.#all.map((one) => (one.id === id ? found : one));
    this.#showList();
    this.#show(found);
    this.#rows.receive(found);
  }

  #show(found) {
    const { id, name, phase, made, failed, count, told } = found;
    setText(this.#part('#sets-name'), name);
    setText(this.#part('.lw-set-told'), told);
    const progress = this.#part('progress');
    Object.assign(progress, { max: Math.max(1, count), value: made + failed });
    progress.hidden = ['done', 'failed'].includes(phase);
    const busy = ['making', 'waiting'].includes(phase);
    this.#offer('stop', busy);
    this.#offer('go', phase === 'stopped');
    this.#offer('retry', failed > 0 && !busy);
    const zip = this.#part('.lw-set-zip');
    zip.hidden = !made;
    zip.href = new URL(`sets/${encodeURIComponent(id)}/zip`, document.baseURI).href;
    this.#tell(found);
    this.#phase = phase;
  }

  /** Said aloud: each tenth that is made, and how it ends. */
  #tell(found) {
    const { phase, made, failed, count } = found;
    this.#part('.lw-set-news').classList.toggle('lw-unseen', ['making', 'waiting'].includes(phase)); // as the line above says
    const tenth = Math.floor((10 * (made + failed)) / Math.max(1, count));
    if (phase === this.#phase && tenth === this.#tenth) return;
    this.#tenth = tenth;
    const news = { done: said.news_done, failed: said.news_failed, stopped: said.news_stopped }[phase];
    setText(this.#part('.lw-set-news'), fill(news ?? said.news_making, found).trim());
  }

  /** A button is there while it can be pressed; the focus does not get lost with it. */
  #offer(what, offered) {
    const button = this.#part(`[data-do=${what}]`);
    const had = document.activeElement === button;
    button.hidden = !offered;
    button.disabled = false;
    if (!offered && had) this.#part('.lw-set').focus();
  }

  async #act(what, row = '') {
    const button = row ? null : this.#part(`[data-do=${what}]`);
    if (button) button.disabled = true;
    const query = row ? `?row=${row}` : '';
    const { message } = await asked(`sets/${encodeURIComponent(this.#shown)}/${what}${query}`, OWN);
    if (message) setText(this.#part('.lw-set-news'), message);
    this.#phase = '';
    await this.#look(true);
  }

  #part(selector) {
    return this.#root.querySelector(selector);
  }
}

function entry(id) {
  const [row, button] = [document.createElement('li'), document.createElement('button')];
  Object.assign(button, { type: 'button' });
  button.dataset.set = id;
  button.append(...['span', 'small', 'small'].map((tag) => document.createElement(tag)));
  row.append(button);
  return row;
}

/** The answer of an address of the page's; a message where there is none. */
export async function asked(path, options = { cache: 'no-store' }) {
  try {
    const response = await fetch(new URL(path, document.baseURI), options);
    return await response.json();
  } catch {
    return { message: words.page.silent };
  }
}

export const sets = new Sets();
