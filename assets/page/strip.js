// The takes of this page beside each other: pressed they are heard, all at one loudness.

import { offerByEar } from './by_ear.js';
import { draggable } from './export.js';
import { layable, layers } from './layers.js';
import { matched } from './matched.js';
import { transport } from './transport.js';
import { words } from './words.js';
import { clock, fill, setText } from './text.js';
import { recalled, remember } from './kept.js';

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWY'; // but X, which is the secret one of a comparison
const KEPT = LETTERS.length;
const OWN = { method: 'POST', headers: { 'X-Longwave': '1' }, cache: 'no-store' };
const said = words.takes;

export class Strip extends EventTarget {
  #tab;
  #root;
  #takes = []; // the oldest first
  #waiting = 0; // of a batch, those that are not made yet
  #byEar;
  selected = '';

  /** Dispatches `select` (detail: the take) when one is to be shown. */
  constructor(tab, root) {
    super();
    this.#tab = tab;
    this.#root = root.querySelector('.lw-strip-of-takes');
    this.#root.addEventListener('click', (event) => this.#clicked(event));
    this.#root.addEventListener('dragstart', (event) => this.#dragged(event));
    transport.addEventListener('change', () => this.#mark());
    this.#byEar = root.querySelector('.lw-ear-open');
    offerByEar(this.#byEar, () => this.lettered, () => this.#takes.findIndex(({ id }) => id === this.selected));
    this.#restore();
  }

  /** Add a take by its token; `file` and `lengthS` are known, the rest is asked for. */
  async add({ token, file, lengthS, title }) {
    if (this.#takes.some((take) => take.id === token)) return this.#find(token);
    const take = sourceOf(token, file, lengthS, title, this.#tab);
    this.#takes.push(take);
    if (this.#takes.length > KEPT) {
      const { library } = this.#takes.shift();
      this.#say(fill(library ? said.left : said.left_lost, { most: KEPT }));
    }
    this.#show();
    this.#keep();
    await this.#ask(take);
    return take;
  }

  /** What the server says of a batch: the takes that are whole, and how many there will be. */
  receive({ batch, of, ended, takes }) {
    if (!batch) return;
    if (batch !== this.batch) this.#takes = []; // A to D are those of one press
    this.batch = batch;
    this.#waiting = ended ? 0 : of - takes.length;
    for (const { token, file, length_s: lengthS } of takes) this.add({ token, file, lengthS });
    this.#show();
    const [first] = this.#takes;
    // The first is heard while the others are made, unless one listens to something else.
    if (first && takes.length && !this.selected && !transport.playing) this.#select(first);
  }

  /** A new take or batch begins. */
  begin(batch = '') {
    if (batch && batch !== this.batch) this.#takes = [];
    this.selected = '';
    this.#waiting = 0;
    this.#show();
  }

  /** Press the take of that place; whether there is one. */
  press(place) {
    const take = this.#takes[place];
    if (take) this.#select(take);
    return Boolean(take);
  }

  /** Take the one of that place out, if there is one: it is not there any more. */
  remove(place) {
    this.#takes = this.#takes.filter((_, each) => each !== place);
    this.#show();
    this.#keep();
  }

  /** Compare two of them by ear, where there are as many. */
  compare() {
    if (!this.#byEar.hidden) this.#byEar.click();
  }

  get takes() {
    return this.#takes;
  }

  /** The takes by their letters: [{ letter, take }]. */
  get lettered() {
    return this.#takes.map((take, place) => ({ letter: LETTERS[place], take }));
  }

  #find(id) {
    return this.#takes.find((take) => take.id === id);
  }

  /** Play a take, from where the one before is, at the loudness of the quietest of them. */
  #select(take) {
    const before = this.#find(transport.current?.id);
    const at = before && before !== take && transport.playing ? transport.position : 0;
    this.#choose(take);
    if (before !== take || !transport.playing) transport.play(take, at < take.lengthS ? at : 0);
    this.#mark();
  }

  /** Have the take of that id ready, and its picture shown; whether it is one of these. */
  hold(id) {
    const take = this.#find(id);
    if (!take) return false;
    this.#choose(take);
    transport.hold(take);
    return true;
  }

  #choose(take) {
    this.selected = take.id;
    this.#match();
    this.dispatchEvent(new CustomEvent('select', { detail: take }));
    this.#keep();
  }

  #match() {
    for (const [place, gainDb] of matched(this.#takes).entries()) {
      this.#takes[place].gainDb = gainDb;
      transport.match(this.#takes[place]);
    }
  }

  async #ask(take) {
    try {
      const response = await fetch(new URL(`take/${take.id}/about`, document.baseURI), { cache: 'no-store' });
      if (response.status === 404) this.#takes = this.#takes.filter((one) => one !== take);
      if (response.ok) Object.assign(take, await response.json());
      if (take.name) take.title = take.name;
    } catch { /* it is played all the same */ }
    this.#match();
    this.#show();
    this.#keep();
    transport.know(take); // what can be done with it hangs on that
  }

  #clicked({ target }) {
    const tile = target.closest('[data-take]');
    const take = tile && this.#find(tile.dataset.take);
    if (!take) return;
    const act = target.closest('[data-act]')?.dataset.act;
    if (act) this.#act(act, take);
    else if (target.closest('.lw-tile')) this.#select(take);
  }

  async #act(act, take) {
    if (act === 'layer') {
      this.#say(layers.add(take.library, take.title));
      return;
    }
    if (act === 'continue' || act === 'draft') {
      this.dispatchEvent(new CustomEvent('reuse', { detail: { act, token: take.id } }));
      return;
    }
    const response = await fetch(new URL(`take/${take.id}/${act}`, document.baseURI), OWN).catch(() => null);
    if (!response?.ok) {
      this.#say(response ? await response.text() : words.page.silent);
      return;
    }
    if (act === 'star' || act === 'unstar') take.favourite = act === 'star';
    if (act === 'reject') this.#reject(take);
    this.#show();
    this.#keep();
  }

  #reject(take) {
    const place = this.#takes.indexOf(take);
    if (transport.current?.id === take.id) transport.stop();
    this.#takes = this.#takes.filter((one) => one !== take);
    this.#say(fill(said.rejected, { letter: LETTERS[place] }));
    const undo = document.createElement('button');
    undo.type = 'button';
    undo.textContent = said.undo;
    undo.addEventListener('click', async () => {
      await fetch(new URL(`take/${take.id}/restore`, document.baseURI), OWN);
      this.#takes.splice(place, 0, take);
      this.#say('');
      this.#show();
    });
    this.#root.nextElementSibling.append(' ', undo);
  }

  #say(text) {
    setText(this.#root.nextElementSibling, text);
  }

  #show() {
    this.#root.hidden = !this.#takes.length && !this.#waiting;
    this.#byEar.hidden = this.#takes.length < 2;
    const shown = new Map([...this.#root.children].map((tile) => [tile.dataset.take, tile]));
    const tiles = this.#takes.map((take, place) => {
      const tile = shown.get(take.id) ?? tileOf(take);
      fillTile(tile, take, place);
      return tile;
    });
    for (let n = 0; n < this.#waiting; n += 1) tiles.push(waitingTile(this.#takes.length + n, n === 0));
    this.#root.replaceChildren(...tiles);
    this.#mark();
  }

  #mark() {
    for (const tile of this.#root.querySelectorAll('[data-take]')) {
      const current = transport.current?.id === tile.dataset.take;
      tile.querySelector('.lw-tile').setAttribute('aria-pressed', current);
      tile.classList.toggle('lw-sounding', current && transport.playing);
    }
  }

  #dragged(event) {
    const take = this.#find(event.target.closest?.('[data-take]')?.dataset.take);
    if (!take) return;
    draggable(event, take.file, take.url);
    layable(event, take.library, take.title);
  }

  #keep() {
    remember(`longwave.takes.${this.#tab}`, { batch: this.batch ?? '', selected: this.selected, takes: this.#takes });
  }

  /** The takes that this browser tab had, as far as the studio still knows them. */
  #restore() {
    const kept = recalled(`longwave.takes.${this.#tab}`);
    if (!kept) return;
    this.batch = kept.batch;
    this.#takes = kept.takes;
    const selected = this.#find(kept.selected);
    this.#show();
    for (const take of kept.takes) {
      this.#ask(take).then(() => {
        if (take !== selected || !this.#find(take.id)) return;
        this.selected = take.id;
        transport.offer(take);
        this.dispatchEvent(new CustomEvent('select', { detail: take }));
      });
    }
  }
}

/** A finished take as the transport plays it. */
export function sourceOf(token, file, lengthS, title, mode) {
  return {
    id: token, title: title || file, file, lengthS, mode, lufs: null, gainDb: 0,
    url: `take/${token}`, exportUrl: `take/${token}`, prepareUrl: `take/${token}/prepare`,
    pictureUrl: `take/${token}/picture?width=1200`,
  };
}

function tileOf(take) {
  const tile = document.createElement('div');
  tile.className = 'lw-take-tile';
  tile.dataset.take = take.id;
  tile.innerHTML = `<button type="button" class="lw-tile" draggable="true"><img alt="">
    <b></b><span class="lw-length"></span><span class="lw-seed-of"></span></button><span class="lw-acts"></span>`;
  tile.querySelector('img').src = new URL(`take/${take.id}/picture?width=240`, document.baseURI);
  return tile;
}

function fillTile(tile, take, place) {
  const letter = LETTERS[place];
  const button = tile.querySelector('.lw-tile');
  button.title = fill(said.play, { letter }); // its name is what stands on it
  setText(tile.querySelector('b'), letter);
  setText(tile.querySelector('.lw-length'), clock(Math.round(take.lengthS)));
  setText(tile.querySelector('.lw-seed-of'), take.seed ?? '');
  const acts = actsOf(take);
  const wanted = acts.map(([act]) => act).join(' ');
  const root = tile.querySelector('.lw-acts');
  if (root.dataset.acts === wanted) return;
  root.dataset.acts = wanted;
  root.replaceChildren(...acts.map(([act, sign, label]) => {
    const one = document.createElement('button');
    one.type = 'button';
    one.dataset.act = act;
    one.textContent = sign;
    one.title = label;
    one.setAttribute('aria-label', `${label} (${letter})`);
    return one;
  }));
}

function actsOf(take) {
  if (!take.library) return [];
  const star = take.favourite ? ['unstar', '★', said.unstar] : ['star', '☆', said.star];
  return [star, ['continue', '→', said.continue], ['draft', '◇', said.draft], ['layer', '⊕', said.layer], ['reject', '×', said.reject]];
}

function waitingTile(place, now) {
  const tile = document.createElement('div');
  tile.className = 'lw-take-tile lw-tile-waiting';
  const letter = document.createElement('b');
  letter.textContent = LETTERS[place] ?? '';
  const text = document.createElement('span');
  text.textContent = now ? said.making : said.waiting;
  tile.append(letter, text);
  return tile;
}
