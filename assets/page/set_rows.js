// The rows of a set, some at a time: heard, tried again, filtered, paged through. One Tab stop leads to them.

import { transport } from './transport.js';
import { words } from './words.js';
import { clock, fill, setText } from './text.js';

const PAGE = 50;
const PLAY = '<svg viewBox="0 0 24 24" aria-hidden="true"><path class="lw-icon-play" d="M8 5v14l11-7z"/>'
  + '<path class="lw-icon-pause" d="M7 5h4v14H7zm6 0h4v14h-4z"/></svg>';
const said = words.sets;

export class Rows {
  #root;
  #body;
  #set = '';
  #from = 0;
  #matching = 0;
  #shown = new Map(); // by the rows' ids: nothing is replaced under the pointer
  #current = '';
  #only;

  /** `changed` is called when other rows are asked for, `retry` with the id of one to be tried again. */
  constructor(root, changed, retry) {
    this.#root = root;
    this.#body = root.querySelector('.lw-set-rows tbody');
    this.#only = root.querySelector('.lw-set-does select');
    this.#only.addEventListener('change', () => this.#turn(0, changed));
    root.querySelector('.lw-set-pages').addEventListener('click', ({ target }) => {
      const step = Number(target.dataset?.page ?? 0);
      if (step) this.#turn(this.#from + step * PAGE, changed);
    });
    this.#body.addEventListener('click', ({ target }) => {
      const row = target.closest('tr')?.row;
      if (!row) return;
      if (target.closest('.lw-row-play')) this.#play(row);
      else if (target.closest('.lw-row-retry')) retry(row.id);
    });
    this.#body.addEventListener('keydown', (event) => this.#key(event));
    this.#body.addEventListener('focusin', ({ target }) => this.#rove(target.closest('tr')?.row?.id ?? ''));
    transport.addEventListener('change', () => this.#mark());
  }

  /** Another set, or the same again. */
  begin(id) {
    if (id === this.#set) return;
    this.#set = id;
    this.#from = 0;
    this.#only.value = '';
    this.#body.replaceChildren();
    this.#shown.clear();
  }

  /** What of a set's rows is shown, as an address asks for it. */
  get query() {
    return new URLSearchParams({ from: this.#from, count: PAGE, only: this.#only.value });
  }

  receive({ rows, matching }) {
    this.#matching = matching;
    if (this.#from && this.#from >= matching) this.#from = Math.max(0, PAGE * (Math.ceil(matching / PAGE) - 1));
    const elements = rows.map((row) => this.#row(row));
    if (!rows.length) elements.push(nothing());
    const there = [...this.#body.children];
    if (elements.length !== there.length || elements.some((one, index) => one !== there[index])) {
      this.#body.replaceChildren(...elements);
    }
    this.#shown = new Map(rows.map((row, index) => [row.id, elements[index]]));
    const pages = this.#root.querySelector('.lw-set-pages');
    pages.hidden = matching <= PAGE;
    const [from, to] = [this.#from + 1, this.#from + rows.length];
    setText(pages.querySelector('span'), fill(said.page, { from, to, count: matching }));
    pages.querySelector('[data-page="-1"]').disabled = !this.#from;
    pages.querySelector('[data-page="1"]').disabled = this.#from + PAGE >= matching;
    this.#rove(this.#shown.has(this.#current) ? this.#current : rows[0]?.id ?? '');
    this.#mark();
  }

  #turn(from, changed) {
    this.#from = Math.max(0, from);
    this.#root.querySelector('.lw-set-rows').scrollTop = 0;
    changed();
  }

  #row(row) {
    let element = this.#shown.get(row.id);
    if (!element) {
      element = document.createElement('tr');
      element.innerHTML = '<td></td><th scope="row"><span></span><small></small></th><td></td><td></td>'
        + '<td><span class="lw-row-phase"></span></td><td></td>';
      element.children[5].append(button('lw-row-play', PLAY), button('lw-row-retry', ''));
    }
    element.row = row;
    element.dataset.phase = row.phase;
    const { number, name, length_s: length, seed, phase, tab } = row;
    const [place, sound, lasts, drawn, stands, does] = element.children;
    setText(place, String(number));
    setText(sound.firstChild, name);
    setText(sound.lastChild, row.said || tab);
    setText(lasts, clock(length ?? 0));
    setText(drawn, seed);
    setText(stands.firstChild, said[`phase_${phase}`]);
    const [play, retry] = does.children;
    play.hidden = phase !== 'done';
    retry.hidden = phase !== 'failed';
    setText(retry, said.retry);
    retry.setAttribute('aria-label', fill(said.retry_one, { name }));
    return element;
  }

  #play(row) {
    const source = this.#source(row);
    if (transport.current?.id === source.id) transport.toggle();
    else transport.play(source);
  }

  #source({ id, name, length_s: lengthS, mode }) {
    const address = (what) => `sets/${encodeURIComponent(this.#set)}/${what}?row=${id}`;
    return {
      id: `${this.#set}/${id}`, title: name, file: `${id}.flac`, lengthS, lufs: null, mode,
      url: address('sound'), pictureUrl: address('picture'),
      exportUrl: address('export'), prepareUrl: address('export/prepare'),
    };
  }

  /** What plays is marked, and its button pauses it. */
  #mark() {
    const playing = transport.playing ? transport.current?.id : null;
    for (const [id, element] of this.#shown) {
      const play = element.querySelector('.lw-row-play');
      const on = playing === `${this.#set}/${id}`;
      play.classList.toggle('lw-is-playing', on);
      play.setAttribute('aria-label', fill(on ? words.library.pause : words.library.play, { name: element.row.name }));
    }
  }

  #key(event) {
    const rows = [...this.#shown.values()].filter((row) => row.querySelector('button:not([hidden])'));
    const from = rows.indexOf(event.target.closest('tr'));
    const to = { ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined || from < 0) return;
    event.preventDefault();
    event.stopPropagation();
    rows[to]?.querySelector('button:not([hidden])').focus();
  }

  #rove(id) {
    const first = () => [...this.#shown].find(([, row]) => row.querySelector('button:not([hidden])'))?.[0] ?? '';
    const fits = this.#shown.get(id)?.querySelector('button:not([hidden])');
    this.#current = fits ? id : first();
    for (const [own, row] of this.#shown) {
      for (const one of row.querySelectorAll('button')) one.tabIndex = own === this.#current ? 0 : -1;
    }
  }
}

function button(classes, inside) {
  const made = document.createElement('button');
  Object.assign(made, { type: 'button', className: classes, innerHTML: inside });
  return made;
}

function nothing() {
  const row = document.createElement('tr');
  row.innerHTML = '<td colspan="6" class="lw-none"></td>';
  row.firstChild.textContent = said.none_such;
  return row;
}
