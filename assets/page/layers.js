// The scene that one lays takes into: what it holds, kept over a reload; takes are added from anywhere on the page.

import { recalled, remember } from './kept.js';
import { fill } from './text.js';
import { words } from './words.js';

export const MOST = 8;
const KEPT = 'longwave.layers';
const TYPE = 'application/x-longwave-take';
const LIVELY = ['gain_db', 'pan', 'mute', 'solo', 'name']; // what is heard at once, of samples that are there already
const said = words.layers;

class Layers extends EventTarget {
  #scene = recalled(KEPT) ?? empty();

  constructor() {
    super();
    document.addEventListener('click', (event) => this.#clicked(event));
    for (const type of ['dragover', 'dragleave', 'drop']) document.addEventListener(type, (event) => this.#dragged(event));
    document.addEventListener('dragend', () => this.#over(null));
  }

  /** What is laid out, as a scene's JSON. */
  get scene() {
    return this.#scene;
  }

  get count() {
    return this.#scene.layers.length;
  }

  /** Lay in a take of the Library; the sentence that tells of it. */
  add(take, name) {
    if (this.count >= MOST) return fill(said.full, { most: MOST });
    const layer = { take, name };
    this.#set({ ...this.#scene, layers: [...this.#scene.layers, layer] });
    return fill(said.added, { name, number: this.count });
  }

  /** Take a layer out, by its place. */
  remove(place) {
    this.#set({ ...this.#scene, layers: this.#scene.layers.filter((_, index) => index !== place) });
  }

  /** Change a field of a layer; null, or what it is of itself, leaves it out. */
  change(place, field, value) {
    const layers = this.#scene.layers.map((layer, index) => (index === place ? put(layer, field, value) : layer));
    this.#set({ ...this.#scene, layers }, LIVELY.includes(field));
  }

  /** Change a field of the scene itself. */
  settle(field, value) {
    const fields = field === 'ceiling_dbtp' ? { ...this.#scene, [field]: value } : put(this.#scene, field, value);
    this.#set(fields, field !== 'length_s');
  }

  /** Lay out another scene in place of this one. */
  open(scene) {
    this.#set({ ...empty(), ...scene });
  }

  clear() {
    this.open(empty());
  }

  #set(scene, lively = false) {
    this.#scene = scene;
    remember(KEPT, scene);
    this.dispatchEvent(new CustomEvent('change', { detail: { lively } }));
  }

  /** A button of a take's that lays it in, or of a mix's that opens its layers. */
  async #clicked({ target }) {
    const button = target.closest?.('[data-lay]');
    if (!button) return;
    const holder = button.closest('[data-source]');
    const { id, title } = JSON.parse(holder.dataset.source);
    const told = holder.querySelector('.lw-told');
    if (button.dataset.lay === 'take') told.textContent = this.add(id, title);
    else told.textContent = await this.openMix(id);
  }

  /** Lay out the scene that a mix was made of; the sentence that tells of it. */
  async openMix(take) {
    try {
      const url = new URL('layers/scene', document.baseURI);
      url.searchParams.set('take', take);
      const response = await fetch(url, { cache: 'no-store' });
      const answer = await response.json();
      if (!response.ok) return answer.message;
      this.open(answer);
      return fill(said.opened, { name: this.#scene.name });
    } catch {
      return words.page.silent;
    }
  }

  /** Takes that are dragged may be dropped on the tab, or on the desk. */
  #dragged(event) {
    if (!event.dataTransfer?.types.includes(TYPE)) return;
    const place = event.target.closest?.('#layers, #layers-tab-button');
    if (event.type === 'dragleave') return;
    this.#over(event.type === 'dragover' ? place : null);
    if (!place) return;
    event.preventDefault();
    if (event.type !== 'drop') return;
    const { take, name } = JSON.parse(event.dataTransfer.getData(TYPE));
    this.dispatchEvent(new CustomEvent('told', { detail: this.add(take, name) }));
  }

  #over(place) {
    for (const one of document.querySelectorAll('#layers, #layers-tab-button')) one.classList.toggle('lw-over', one === place);
  }
}

/** A take that is dragged may be laid in where it is dropped. */
export function layable(event, take, name) {
  if (take) event.dataTransfer.setData(TYPE, JSON.stringify({ take, name }));
}

function empty() {
  return { kind: 'scene', schema_version: 1, name: said.scene, layers: [] };
}

function put(fields, field, value) {
  const { [field]: _, ...rest } = fields;
  return value === null || value === false || value === '' ? rest : { ...rest, [field]: value };
}

export const layers = new Layers();
