// A take's prompts over its time: regions whose edges are dragged, what of them the take that plays has taken up, and
// where its sound is.

import { Answers } from './answers.js';
import { dragEdge } from './edge_drag.js';
import { bounds, extent, free, looksOther, MOST_CHANGES, moved, placed, planOf, sameLane, snap, time } from './lane.js';
import { fill, setText } from './text.js';
import { TimelineView } from './timeline_view.js';
import { words } from './words.js';
import { editWords } from './words_field.js';

const texts = words.timeline;
const TOUCH = window.matchMedia('(pointer: coarse)');
const FINEST = 40; // pixels a second at most
const NEAR_PX = 40; // above and below the timeline, where what is dropped still counts

window.longwavePlan = planOf; // for the component's events, which hold no modules

/** The timelines on the page by the names of their tabs. */
export const timelines = new Map();

export class Timeline {
  #view;
  #root;
  #buttons = {};
  #plan = { prompt: '', points: [], blend_s: 0, length_s: null };
  #playing = null;
  #extent = extent(this.#plan, null);
  #zoom = 1;
  #cursor = null; // where one pointed while nothing plays
  #selected = null; // index of the region that Edit and Remove are for
  #answers = new Answers();
  #held = null; // a plan that came in the middle of a drag or of typing
  #dragged = false;
  #editing = false;

  /**
   * @param on `onLane(points)`: another lane is wanted. `onSeek(s)`: a time was pointed at. `onAdd(at_s)`: a change
   *   was put in there. `onPrompt(text)`: other words to begin with; without it they can't be edited here.
   */
  constructor(root, on) {
    this.on = on;
    this.#root = root;
    this.#view = new TimelineView(root, (element, part, index) => this.#listen(element, part, index), (at) => this.on.onSeek?.(at));
    for (const strip of [this.#view.ruler, this.#view.plays]) {
      strip.addEventListener('click', (event) => this.#point(event));
    }
    const button = (name, text, label, press) => { this.#buttons[name] = this.#view.button(name, text, label, press); };
    button('out', '', texts.zoom_out, () => this.#zoomTo(this.#zoom / 2));
    button('in', '', texts.zoom_in, () => this.#zoomTo(this.#zoom * 2));
    button('add', texts.add_short, '', () => this.add());
    button('edit', texts.edit, '', () => this.#edit(this.#selected));
    button('remove', texts.remove, '', () => this.#remove(this.#selected));
    document.addEventListener('lw-drag', ({ detail }) => this.#hover(detail));
    this.#render();
  }

  /** What the form holds: { prompt, points: [{ at_s, prompt }], blend_s, length_s }; null length: endless. */
  set plan(plan) {
    const told = this.#answers.read(plan, this.#plan.points, (last) => { this.plan = last; });
    if (this.#dragged || this.#editing) this.#held = told;
    else this.#take({ ...this.#plan, ...told });
  }

  get plan() {
    return this.#plan;
  }

  /** What plays: null, or { opening, points, said, position_s, made_s, live }. */
  set playing(playing) {
    const before = this.#playing;
    this.#playing = playing && { points: [], said: [], opening: '', position_s: 0, made_s: 0, live: false, ...playing };
    const { total } = extent(this.#plan, this.#playing);
    if (total !== this.#extent.total || looksOther(before, this.#playing)) this.#render();
    else this.#move();
    this.#follow(before?.position_s ?? 0);
  }

  get playing() {
    return this.#playing;
  }

  /** The words of what plays, read along. */
  get reading() {
    return this.#view.reading;
  }

  /** Seconds from one end of what is in view to the other. */
  get span_s() {
    return this.#extent.view / this.#zoom;
  }

  /** The first second in view. */
  get from_s() {
    const { scroll, inner } = this.#view;
    return (scroll.scrollLeft / (inner.clientWidth || 1)) * this.#extent.total;
  }

  /** The second at a place of the window. */
  timeAt(clientX) {
    const { left, width } = this.#view.inner.getBoundingClientRect();
    return Math.min(1, Math.max(0, (clientX - left) / (width || 1))) * this.#extent.total;
  }

  /** Whether a place of the window is on the timeline, or so near that it is meant. */
  contains(clientX, clientY) {
    const { left, right, top, bottom } = this.#view.scroll.getBoundingClientRect();
    return clientX >= left && clientX <= right && clientY >= top - NEAR_PX && clientY <= bottom + NEAR_PX;
  }

  /** Words let go at a place of the window, or for the playhead (null): whether the timeline took them. */
  take(prompt, clientX, clientY) {
    return (clientX === null || this.contains(clientX, clientY)) && this.drop(prompt, clientX);
  }

  /** Put a change in at a place of the window, or at the playhead (null): whether there was room. */
  drop(prompt, clientX) {
    if (this.#isFull()) return false;
    const at = clientX === null ? free(this.#plan, this.#now) : this.timeAt(clientX);
    const { points, index } = placed(this.#plan, prompt, at);
    this.#send(points);
    this.#select(index);
    return true;
  }

  /** Put a change in at a time, or at the playhead, and ask for its words. */
  add(at_s = this.#now) {
    if (this.#editing || this.#isFull()) return;
    const at = free(this.#plan, at_s);
    const before = this.#plan;
    const { points, index } = placed(before, '', at);
    this.#take({ ...before, points });
    this.#edit(index, before);
    this.on.onAdd?.(at);
  }

  get #now() {
    if (this.#playing) return this.#playing.position_s;
    const { points, length_s: length } = this.#plan;
    const last = points.at(-1)?.at_s ?? 0;
    return this.#cursor ?? (length ? (last + length) / 2 : last + 30);
  }

  #isFull() {
    const full = this.#plan.points.length >= MOST_CHANGES;
    if (full) this.#tell(fill(texts.full, { most: MOST_CHANGES }));
    return full;
  }

  /** Another lane, shown at once and told of; the form's answer comes later. */
  #send(points, before = this.#plan.points) {
    this.#plan = { ...this.#plan, ...this.#held };
    this.#answers.told(before);
    this.#take({ ...this.#plan, points });
    this.on.onLane(points.map(({ at_s, prompt }) => ({ at_s, prompt })));
  }

  #take(plan) {
    this.#plan = plan;
    this.#held = null;
    this.#render();
  }

  #render() {
    const { view, total } = this.#dragged ? this.#extent : (this.#extent = extent(this.#plan, this.#playing));
    if (!this.#editing) this.#view.rebuild(this.#plan);
    this.#view.place(this.#plan, this.#playing, total, (this.#zoom * total) / view);
    this.#view.rule();
    if (this.#selected !== null) this.#selected = Math.min(this.#selected, this.#plan.points.length - 1);
    this.#view.select(this.#selected);
    this.#move();
  }

  /** The playhead goes on; what it passes is not drawn anew. */
  #move() {
    this.#view.showPlaying(this.#playing, this.#playing ? this.#playing.position_s : this.#cursor);
    this.#showTools();
  }

  /** What is heard stays in view where only a part of the take is, unless one looks elsewhere. */
  #follow(before) {
    if (!this.#playing || this.#zoom === 1 || this.#dragged || this.#editing) return;
    const { from_s: from, span_s: span } = this;
    const { position_s: now } = this.#playing;
    if (before < from || before > from + span || (now >= from && now <= from + span)) return;
    this.#view.scroll.scrollLeft = (now / this.#extent.total) * this.#view.inner.clientWidth;
  }

  #showTools() {
    const { add, edit, remove, out, in: closer } = this.#buttons;
    const chosen = this.#selected;
    const label = fill(texts.add, { time: time(free(this.#plan, this.#now)) });
    if (add.title !== label) Object.assign(add, { title: label, ariaLabel: label });
    edit.disabled = chosen === null || (chosen < 0 && !this.on.onPrompt);
    remove.disabled = chosen === null || chosen < 0;
    out.disabled = this.#zoom <= 1;
    closer.disabled = this.#finest <= this.#zoom;
    if (!this.#dragged) this.#tell(this.#hint());
  }

  #hint() {
    const playing = this.#playing;
    const coming = playing?.live && playing.points.find(({ at_s: at }) => at > playing.position_s);
    if (coming) return fill(texts.hint_coming, { prompt: coming.prompt, time: time(coming.at_s) });
    if (playing?.live && this.#root.querySelector('.lw-tl-region[data-state=planned]')) return texts.hint_planned;
    if (this.#extent.total > this.#extent.view) return texts.hint_beyond;
    if (!this.#plan.points.length) return texts.hint_empty;
    return TOUCH.matches ? texts.hint_touch : texts.hint_changes;
  }

  #tell(text) {
    setText(this.#view.hint, text);
  }

  // What one does with it.

  #listen(element, part, index) {
    const on = (type, handler) => element.addEventListener(type, handler);
    on('focus', () => this.#select(index));
    if (part === 'region') {
      on('dblclick', () => this.#edit(index));
      on('keydown', (event) => this.#regionKey(event, index));
      return;
    }
    on('blur', () => { if (!this.#dragged) this.#view.bubble.hidden = true; });
    on('keydown', (event) => this.#edgeKey(event, index));
    on('pointerdown', (event) => this.#grab(event, index));
  }

  #point(event) {
    const at = this.timeAt(event.clientX);
    if (!this.#playing) this.#cursor = snap(at, true);
    this.on.onSeek?.(at);
    this.#render();
  }

  #select(index) {
    this.#selected = index;
    this.#view.select(index);
    this.#showTools();
  }

  #regionKey(event, index) {
    if (['Enter', 'F2'].includes(event.key) && !event.ctrlKey && !event.metaKey) this.#edit(index);
    else if (['Delete', 'Backspace'].includes(event.key)) this.#remove(index);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #edgeKey(event, index) {
    if (event.ctrlKey || event.metaKey) return;
    const { at_s: at } = this.#plan.points[index];
    const [least, most] = bounds(this.#plan, index, event.altKey);
    const step = event.altKey ? 0.1 : event.shiftKey ? 10 : 1;
    const goals = {
      ArrowRight: at + step, ArrowUp: at + step, ArrowLeft: at - step, ArrowDown: at - step,
      PageUp: at + 10, PageDown: at - 10, Home: least, End: Math.min(most, this.#extent.total),
    };
    if (event.key in goals) this.#nudge(index, goals[event.key], event.altKey);
    else if (['Delete', 'Backspace'].includes(event.key)) this.#remove(index);
    else if (event.key === 'Enter') this.#edit(index);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #nudge(index, to, tenths) {
    const points = moved(this.#plan, index, to, tenths);
    if (!sameLane(points, this.#plan.points)) this.#send(points);
    this.#view.bubbleAt(this.#plan.points[index].at_s);
  }

  #grab(event, index) {
    if (event.button !== 0 || !event.isPrimary || this.#editing || this.#dragged) return;
    event.preventDefault();
    this.#dragged = true;
    dragEdge(event.currentTarget, event, (x, tenths) => this.#pull(index, x, tenths), this.#letGo(this.#plan));
    this.#view.bubbleAt(this.#plan.points[index].at_s);
    this.#tell(texts.hint_tenths);
  }

  #pull(index, x, tenths) {
    this.#plan = { ...this.#plan, points: moved(this.#plan, index, this.timeAt(x), tenths) };
    this.#render();
    this.#view.bubbleAt(this.#plan.points[index].at_s);
  }

  /** What a drag's end does: its lane stays, or is given up for the one `before`. */
  #letGo(before) {
    return (keep) => {
      const { points } = this.#plan;
      this.#dragged = false;
      this.#view.bubble.hidden = true;
      if (keep && !sameLane(points, before.points)) this.#send(points, before.points);
      else this.#take({ ...before, ...this.#held });
    };
  }

  /** A word is dragged over the page. */
  #hover({ prompt, clientX, clientY, over }) {
    const here = over && this.#root.offsetParent !== null && this.contains(clientX, clientY);
    if (!here) return this.#view.ghostAt(null);
    const { points, index } = placed(this.#plan, prompt, this.timeAt(clientX));
    const { at_s: at } = points[index];
    return this.#view.ghostAt(at, fill(texts.drop, { prompt, time: time(at) }));
  }

  #remove(index) {
    if (index === null || index < 0) return;
    const { prompt, at_s: at } = this.#plan.points[index];
    this.#send(this.#plan.points.filter((_, other) => other !== index));
    (this.#view.find('region', index - 1) ?? this.#view.find('region', 0))?.focus();
    this.#tell(fill(texts.removed, { prompt, time: time(at) }));
  }

  /** Let a region's words be typed; `before` is the plan where none are. */
  #edit(index, before = this.#plan) {
    const region = this.#view.find('region', index);
    if (!region || this.#editing || (index < 0 && !this.on.onPrompt)) return;
    const { at_s: from = 0, prompt: value } = this.#plan.points[index] ?? this.#plan;
    this.#editing = true;
    this.#select(index);
    const about = { value, label: fill(texts.words, { time: time(from) }), placeholder: texts.unnamed };
    editWords(this.#root, region, about, (text, focused) => {
      this.#editing = false;
      if (text !== null) this.#reword(index, text);
      else this.#take({ ...before, ...this.#held });
      if (focused) (this.#view.find('region', index) ?? this.#view.find('region', index - 1))?.focus();
    });
  }

  #reword(index, prompt) {
    if (index >= 0) return this.#send(this.#plan.points.map((one, at) => (at === index ? { ...one, prompt } : one)));
    this.#take({ ...this.#plan, prompt });
    return this.on.onPrompt(prompt);
  }

  get #finest() {
    return Math.max(1, (FINEST * this.#extent.view) / (this.#view.scroll.clientWidth || 1));
  }

  #zoomTo(zoom) {
    const { scroll, inner } = this.#view;
    const middle = Math.min(this.#now, this.#extent.total);
    this.#zoom = Math.min(Math.max(1, zoom), this.#finest);
    this.#render();
    scroll.scrollLeft = (middle / this.#extent.total) * inner.clientWidth - scroll.clientWidth / 2;
  }
}

/** Called by the component's script: the timeline of a tab, whose changes the component's events tell. */
export function attach(tab, element, props, watch, trigger) {
  // The events carry nothing themselves: of several in a row Gradio hands on the last, but not what came with it.
  const trade = (event, change) => {
    props.value = { ...props.value, ...change };
    trigger(event);
  };
  const timeline = new Timeline(element.querySelector('.lw-timeline'), {
    onLane: (points) => trade('input', { points }),
    onPrompt: (prompt) => trade('submit', { prompt }),
    onSeek: (at_s) => window.longwave?.[tab]?.seekTo(at_s),
  });
  const receive = () => { if (props.value) timeline.plan = props.value; };
  timelines.set(tab, timeline);
  watch('value', receive);
  receive();
}
