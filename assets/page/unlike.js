// Two takes beside each other: where they differ, as a picture with its scale, and what a check finds in each.

import { fit } from './canvas.js';
import { part } from './parts.js';
import { frequencies, htk, seconds } from './spectrogram.js';
import { clock, fill } from './text.js';
import { words } from './words.js';

const texts = words.ear;
const WIDTH = 900;
const STEPS = [0.5, 1, 2, 5, 10, 30];

export class Unlike {
  #both = [];
  #seek;
  #difference;
  #check;
  #seen = null;
  #image = null;
  #at = null;

  /** Two sections at the end of `root`, each filled when it is opened; `seek(s)` hears both from there. */
  constructor(root, seek) {
    this.#seek = seek;
    this.#difference = this.#section(root, 'difference', texts.difference, () => this.#compare());
    this.#check = this.#section(root, 'check', texts.check, () => this.#look());
    new ResizeObserver(() => this.#draw()).observe(this.#difference);
  }

  /** Of these two, { letter, take }. */
  show(both) {
    this.#both = both;
    this.#seen = this.#image = null;
    for (const section of [this.#difference, this.#check]) {
      section.querySelector('div').replaceChildren();
      section.open = false;
    }
  }

  /** Both are heard at a second of the first, or nothing is (null). */
  at(second) {
    if (second === this.#at) return;
    this.#at = second;
    this.#draw();
  }

  #section(root, name, title, fillIn) {
    const section = root.appendChild(part('details', `lw-ear-${name}`));
    section.append(part('summary', '', {}, title), part('div', ''));
    section.addEventListener('toggle', () => {
      if (section.open && !section.querySelector('div').childElementCount) fillIn();
    });
    section.addEventListener('click', (event) => {
      const at = this.#placeOf(event);
      if (at !== null) this.#seek(at);
    });
    return section;
  }

  #placeOf({ target, clientX }) {
    const place = target.closest('[data-at]');
    if (place) return Number(place.dataset.at);
    const picture = target.closest('canvas, .lw-look-picture');
    if (!picture) return null;
    const { left, width } = picture.getBoundingClientRect();
    const share = Math.min(Math.max((clientX - left) / width, 0), 1);
    if (picture.tagName === 'CANVAS') return this.#seen ? this.#seen.from_s + share * this.#seen.length_s : null;
    return share * Number(picture.closest('.lw-look').dataset.length);
  }

  async #compare() {
    const inside = this.#difference.querySelector('div');
    const [first, second] = this.#both;
    const note = inside.appendChild(part('p', '', { role: 'status' }, texts.looking));
    const url = new URL(`take/${first.take.id}/difference`, document.baseURI);
    url.search = new URLSearchParams({ other: second.take.id, width: WIDTH });
    const answer = await answered(url);
    if (!inside.contains(note)) return; // of a pair that was chosen before
    if (answer.message) return void (note.textContent = answer.message);
    const names = { first: first.letter, second: second.letter };
    const canvas = part('canvas', '', { role: 'img', 'aria-label': fill(texts.picture, names) });
    const list = part('ul', '');
    list.append(...this.#sentences(answer, names).map((sentence) => {
      const item = part('li', '');
      item.append(...[sentence].flat());
      return item;
    }));
    inside.replaceChildren(canvas, this.#legend(answer, names), list);
    this.#seen = answer;
    const image = new Image();
    image.src = answer.picture;
    await image.decode().catch(() => {});
    this.#image = image;
    this.#draw();
  }

  #legend({ scale, span_db: db }, { first, second }) {
    const legend = part('p', 'lw-ear-legend');
    const [low, high] = [first, second].map((name) => part('span', '', {}, fill(texts.louder, { name, db })));
    const bar = part('span', 'lw-ear-scale');
    bar.append(part('img', '', { src: scale, alt: '' }), part('span', '', {}, texts.same));
    legend.append(low, bar, high);
    return legend;
  }

  #sentences({ alike, places, louder_lu: louder, lag_s: lag, cut, length_s: length }, { first, second }) {
    const nothing = !places.length && alike === 1;
    const told = [nothing && length ? texts.alike_all : fill(texts.alike, { share: Math.floor(100 * alike) })];
    for (const { at_s: at, hz, db } of places) {
      const [before, after] = texts.place_differs.split('{time}');
      const about = { hz: pitch(hz), name: db > 0 ? second : first, db: Math.round(Math.abs(db)) };
      const button = part('button', 'lw-place', { type: 'button', 'data-at': at, 'aria-label': fill(words.look.play_from, { time: clock(at) }) }, clock(at));
      told.push([fill(before, about), button, fill(after, about)]);
    }
    if (louder && Math.abs(louder) >= 0.1) {
      told.push(fill(texts.level, { name: louder > 0 ? second : first, lu: Math.abs(louder).toFixed(1) }));
    }
    if (lag) told.push(fill(texts.lag, { name: lag > 0 ? second : first, seconds: Math.abs(lag).toFixed(2) }));
    if (cut) told.push(texts.cut);
    return told;
  }

  #draw() {
    const canvas = this.#difference.querySelector('canvas');
    if (!canvas?.clientWidth || !this.#image || !this.#seen) return;
    const { from_s: from, length_s: length, top_hz: top } = this.#seen;
    const { context, width, height } = fit(canvas);
    context.fillStyle = 'rgb(0 0 4)';
    context.fillRect(0, 0, width, height);
    if (this.#image.naturalWidth) context.drawImage(this.#image, 0, 0, width, height);
    frequencies(context, width, height, htk(top));
    if (length) seconds(context, from, length, STEPS.find((step) => length / step <= 10) ?? 60, width, height);
    if (this.#at === null || !length) return;
    context.fillStyle = 'rgb(255 255 255 / 0.85)';
    context.fillRect(((this.#at - from) / length) * width - 0.75, 0, 1.5, height);
  }

  async #look() {
    const inside = this.#check.querySelector('div');
    const places = this.#both.map(({ letter }) => {
      const place = inside.appendChild(part('div', 'lw-ear-card'));
      place.append(part('h3', '', {}, letter), part('p', '', { role: 'status' }, fill(texts.checking, { name: letter })));
      return place;
    });
    for (const [index, { take }] of this.#both.entries()) {
      const answer = await answered(new URL(`take/${take.id}/look`, document.baseURI));
      if (!inside.contains(places[index])) return; // of a pair that was chosen before
      const told = places[index].querySelector('p');
      if (answer.message) told.textContent = answer.message;
      else told.outerHTML = answer.card; // the server's own, as it is under Look inside
    }
  }
}

/** What the server answers, or why it does not: { message }. */
async function answered(url) {
  try {
    const response = await fetch(url, { cache: 'no-store' });
    return response.ok ? await response.json() : { message: await response.text() };
  } catch {
    return { message: words.page.silent };
  }
}

function pitch(hz) {
  return hz < 1000 ? `${Math.round(hz)} Hz` : `${(hz / 1000).toFixed(1)} kHz`;
}
