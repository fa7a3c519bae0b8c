// What a timeline is made of on the page: its ruler, regions, edges and tools, and where each belongs.

import { bounds, isTaken, regions, ticks, time } from './lane.js';
import { part } from './parts.js';
import { ReadingLane } from './reading.js';
import { fill, setText } from './text.js';
import { words } from './words.js';

const texts = words.timeline;
const LABEL_PX = 64; // what a time of the ruler takes
const GLASS = 'M10 4a6 6 0 1 0 0 12 6 6 0 0 0 0-12zm4.5 10.5L20 20';
const sign = (path) => `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${GLASS} ${path}"/></svg>`;
const SIGNS = { out: sign('M7.5 10h5'), in: sign('M7.5 10h5M10 7.5v5') };

export class TimelineView {
  #root;
  #shape = '';
  #total = 60;
  #closest = Infinity; // seconds between the two changes that are closest

  /** `listen(element, part, index)` makes a region or an edge do what it is for; `seek(s)` goes to a sentence. */
  constructor(root, listen, seek) {
    this.#root = root;
    this.listen = listen;
    root.replaceChildren();
    root.setAttribute('role', 'group');
    root.setAttribute('aria-label', texts.name);
    this.scroll = root.appendChild(part('div', 'lw-tl-scroll'));
    this.inner = this.scroll.appendChild(part('div', 'lw-tl-inner'));
    for (const name of ['ruler', 'regions', 'plays', 'said', 'head', 'ghost', 'bubble']) {
      this[name] = this.inner.appendChild(part('div', `lw-tl-${name}`));
      if (!['regions', 'said'].includes(name)) this[name].setAttribute('aria-hidden', true);
    }
    this.ghost.hidden = this.bubble.hidden = true;
    this.reading = new ReadingLane(this.said, seek);
    this.tools = root.appendChild(part('div', 'lw-tl-tools'));
    this.hint = this.tools.appendChild(part('p', 'lw-tl-hint', { role: 'status' }));
    new ResizeObserver(() => this.rule()).observe(this.scroll);
  }

  /** A button among the tools; where its text is a sign, `label` says what it does. */
  button(name, text, label, press) {
    const made = this.tools.appendChild(part('button', `lw-tl-${name}`, { type: 'button' }, text));
    if (SIGNS[name]) made.innerHTML = SIGNS[name];
    if (label) Object.assign(made, { ariaLabel: label, title: label });
    made.addEventListener('click', press);
    return made;
  }

  find(name, index) {
    return this.regions.querySelector(`[data-part="${name}"][data-index="${index}"]`);
  }

  /** Regions and edges anew where there are others than before; what has the focus keeps it. */
  rebuild(plan) {
    const shape = `${plan.points.length} ${plan.points[0]?.at_s === 0}`;
    if (shape === this.#shape) return;
    this.#shape = shape;
    const focused = this.regions.contains(document.activeElement) ? document.activeElement.dataset : null;
    this.regions.replaceChildren(...regions(plan, 0).flatMap(({ index }, at) => (
      at > 0 ? [this.#edge(index), this.#region(index, at)] : [this.#region(index, at)]
    )));
    if (focused) this.find(focused.part, Math.min(Number(focused.index), plan.points.length - 1))?.focus();
  }

  #region(index, at) {
    const region = part('div', 'lw-tl-region', { role: 'button', tabindex: 0 });
    Object.assign(region.dataset, { part: 'region', index, tint: at % 3 });
    region.append(part('i', 'lw-tl-fill', { 'aria-hidden': true }), part('span', 'lw-tl-words', { dir: 'auto' }));
    if (index >= 0) region.setAttribute('aria-description', texts.region_keys);
    this.listen(region, 'region', index);
    return region;
  }

  #edge(index) {
    const edge = part('div', 'lw-tl-edge', { role: 'slider', tabindex: 0, 'aria-orientation': 'horizontal' });
    Object.assign(edge.dataset, { part: 'edge', index });
    edge.setAttribute('aria-description', texts.edge_keys);
    edge.append(part('i', 'lw-tl-grip', { 'aria-hidden': true }));
    this.listen(edge, 'edge', index);
    return edge;
  }

  /** All where it belongs in time, with its words. `wide` is how often the view goes into the whole. */
  place(plan, playing, total, wide) {
    this.#total = total;
    this.#closest = Math.min(...plan.points.map(({ at_s: at }, next) => at - (plan.points[next - 1]?.at_s ?? 0)));
    this.inner.style.width = `${100 * wide}%`;
    for (const region of regions(plan, total)) {
      this.#placeRegion(plan, region, stateOf(plan, playing, region));
      this.#placeEdge(plan, region, stateOf(plan, playing, region));
    }
  }

  #placeRegion(plan, { index, prompt, from, to }, state) {
    const region = this.find('region', index);
    const open = !plan.length_s && to === this.#total;
    Object.assign(region.style, { left: this.#share(from), width: this.#share(Math.max(0, to - from)) });
    this.#slope(region.querySelector('.lw-tl-fill'), plan.blend_s, from, to);
    setText(region.querySelector('.lw-tl-words'), prompt || texts.unnamed);
    region.classList.toggle('lw-tl-unnamed', !prompt);
    region.dataset.state = state;
    region.title = prompt;
    const about = { prompt: prompt || texts.unnamed, from: time(from), to: time(to) };
    const said = fill(open ? texts.region_open : texts.region, about);
    label(region, state === 'planned' ? fill(texts.planned, { region: said }) : said);
  }

  /** A region rises over the seconds that it takes over in, in front of the one before, which lasts as long. */
  #slope(shape, blend, from, to) {
    const lasting = Math.min(this.#total, to < this.#total ? to + blend : to) - from;
    const rise = from > 0 && lasting > 0 ? Math.min(1, blend / lasting) : 0;
    shape.style.width = `${(100 * lasting) / Math.max(to - from, 1e-6)}%`;
    shape.style.clipPath = `polygon(0 100%, ${100 * rise}% 0, 100% 0, 100% 100%)`;
  }

  #placeEdge(plan, { index, prompt, from }, state) {
    const edge = this.find('edge', index);
    if (!edge) return;
    const [least, most] = bounds(plan, index, true);
    edge.style.left = this.#share(from);
    for (const [name, value] of Object.entries({ min: least, max: most, now: from, text: time(from) })) {
      edge.setAttribute(`aria-value${name}`, value);
    }
    label(edge, fill(texts.edge, { prompt: prompt || texts.unnamed, time: time(from) }));
    edge.title = fill(texts.edge_blend, { seconds: plan.blend_s });
    edge.dataset.state = state;
  }

  select(index) {
    for (const region of this.regions.querySelectorAll('.lw-tl-region')) {
      region.classList.toggle('lw-tl-selected', Number(region.dataset.index) === index);
    }
  }

  /** The ruler's times, as many as there is room for; where edges lie close there is none for grips. */
  rule() {
    const width = this.inner.clientWidth;
    const apart = (this.#closest / this.#total) * width;
    for (const room of [24, 48]) this.#root.classList.toggle(`lw-tl-below${room}`, apart < room);
    const shape = `${width} ${this.#total}`;
    if (!width || this.ruler.dataset.shape === shape) return;
    this.ruler.dataset.shape = shape;
    this.ruler.replaceChildren(...ticks(this.#total, (LABEL_PX * this.#total) / width).map((second) => {
      const tick = part('span', 'lw-tl-tick', {}, time(second));
      tick.style.left = this.#share(second);
      tick.classList.toggle('lw-tl-last', second > this.#total * (1 - LABEL_PX / 2 / width));
      return tick;
    }));
  }

  /** What the take that plays says itself, its sound so far, and where that is heard: at `at` seconds, or nowhere. */
  showPlaying(playing, at) {
    this.head.hidden = at === null || at > this.#total;
    this.head.style.left = this.#share(at ?? 0);
    this.#root.classList.toggle('lw-tl-playing', Boolean(playing));
    const taken = playing ? regions({ prompt: playing.opening, points: playing.points }, this.#total) : [];
    const shape = JSON.stringify([taken, this.#total]);
    if (this.plays.dataset.shape !== shape) {
      this.plays.dataset.shape = shape;
      this.plays.replaceChildren(...taken.map((region) => this.#taken(region)));
    }
    this.reading.show(playing?.said ?? [], this.#total, Boolean(playing?.live), at ?? -1);
    for (const bar of this.plays.children) bar.classList.toggle('lw-tl-coming', Number(bar.dataset.from) > at);
    this.plays.style.setProperty('--made', this.#share(Math.min(playing?.made_s ?? 0, this.#total)));
  }

  #taken({ prompt, from, to }) {
    const bar = part('span', 'lw-tl-taken', { dir: 'auto', title: prompt }, prompt);
    Object.assign(bar.style, { left: this.#share(from), width: this.#share(Math.max(0, to - from)) });
    bar.dataset.from = from;
    return bar;
  }

  bubbleAt(at, text = time(at)) {
    const share = at / this.#total;
    this.bubble.hidden = false;
    setText(this.bubble, text);
    Object.assign(this.bubble.style, { left: `${100 * share}%`, transform: `translateX(${-100 * share}%)` }); // never cut
  }

  /** Where a word that is dragged over it would begin; null: nowhere. */
  ghostAt(at, text) {
    this.ghost.hidden = this.bubble.hidden = at === null;
    this.#root.classList.toggle('lw-tl-target', at !== null);
    if (at === null) return;
    this.ghost.style.left = this.#share(at);
    this.bubbleAt(at, text);
  }

  #share(seconds) {
    return `${(100 * seconds) / this.#total}%`;
  }
}

/** "plain", or of what plays: "heard" already, "coming", or only "planned". */
function stateOf({ points }, playing, { index, prompt, from }) {
  if (!playing) return 'plain';
  if (from === 0 && prompt === playing.opening) return 'heard';
  if (index < 0 || !isTaken(playing, points[index])) return 'planned';
  return from <= playing.position_s ? 'heard' : 'coming';
}

function label(element, text) {
  if (element.ariaLabel !== text) element.ariaLabel = text;
}
