// A tab's form as the page's scripts see it: every value as it changes, and a way to set any of them.
// What is changed is said where it lies hidden: on closed sections, beside the preset.

import { recalled, remember } from './kept.js';
import { words } from './words.js';
import { clock, fill, setText } from './text.js';

const FREE = ['prompt', 'preset', 'variations', 'effort', 'seed']; // what one sets anew for every take
const SECTIONS = { 'lane-part': 'lane', 'continue-part': 'continue_from' };

export class Form extends EventTarget {
  #tab;
  #about;
  #given = null; // the model that came with the values of the form, which stay
  values;

  /** `about` is what the server tells of the form's fields. */
  constructor(tab, about, values) {
    super();
    this.#tab = tab;
    this.#about = about;
    this.values = values;
    this.#part('reset')?.querySelector('.lw-reset').addEventListener('click', () => this.reset());
    this.#restore();
    this.#show();
  }

  /** The form has these values now. */
  receive(values) {
    const before = this.values;
    this.values = values;
    if (!this.#settle(before)) this.#keep();
    this.#show();
    this.dispatchEvent(new Event('change'));
  }

  /** Set fields, by their names: those that come with a model stay what they are. */
  ask(values) {
    if ('model' in values && values.model !== this.values.model) this.#given = values.model;
    this.#part('ask').ask(values);
  }

  /** As a preset has it, or as the page opened: everything but the prompt. */
  reset() {
    const { preset } = this.values;
    if (preset && this.modified) this.ask(this.#preset(preset));
    else this.restart(this.values.prompt);
  }

  /** As the page opened but for the prompt and the model; whether anything was otherwise. */
  restart(prompt) {
    const otherwise = this.changed.length > 0 || Boolean(this.values.preset);
    if (otherwise) this.ask({ ...this.#opening, prompt, model: this.values.model, preset: null });
    return otherwise;
  }

  /** Whether the chosen preset is no longer what it was. */
  get modified() {
    const { preset } = this.values;
    return Boolean(preset) && this.#differing(this.#set(preset)).length > 0;
  }

  /** The fields that are not as the page opens on this model, but for those that are set for every take. */
  get changed() {
    const hidden = Object.keys(this.#about.needing).filter((name) => !this.#able(this.#about.needing[name]));
    return this.#differing(this.#opening).filter((name) => !FREE.includes(name) && !hidden.includes(name));
  }

  /** Whether the model that is chosen says words. */
  get speaks() {
    return this.#able('speech');
  }

  /** What is to be said, its lines clean; null where the model says nothing. */
  get script() {
    if (!this.speaks) return null;
    const lines = String(this.values[this.#about.said] ?? '').split(/\r\n?|\n/);
    return lines.map((line) => line.trim().split(/\s+/).join(' ')).join('\n').replace(/^\n+|\n+$/g, '');
  }

  get #opening() {
    return { ...this.#about.opening, ...this.#own(this.values) };
  }

  /** Whether the prompt is the one that the page opened with. */
  get untouched() {
    return this.values.prompt === this.#about.opening.prompt;
  }

  /** Whether takes of this form can go on without an end. */
  get endless() {
    return this.#about.endless && Boolean(this.values.endless);
  }

  /** How many takes a press makes, and how long each is, in seconds. */
  get wanted() {
    return { count: Number(this.values.variations) || 1, lengthS: this.values.duration_s };
  }

  /** The changes of the timeline's text: [seconds, prompt]; lines that can't be read are left out. */
  get lane() {
    return laneOf(this.values.lane ?? '');
  }

  /** Choices that set others are followed, and the other way round. True while more is to come. */
  #settle(before) {
    const { effort, preset } = this.values;
    const moved = this.#moved(before);
    if (Object.keys(moved).length > 0) {
      this.ask(moved);
      return true;
    }
    const efforts = this.values.defaults?.efforts ?? {};
    if (preset && preset !== before.preset && preset in this.#about.presets) {
      this.ask(this.#preset(preset));
      return true;
    }
    const fits = (values) => this.#differing(values).length === 0;
    if (effort !== before.effort && effort in efforts && !fits(efforts[effort])) {
      this.ask(efforts[effort]);
      return true;
    }
    const now = Object.keys(efforts).find((name) => fits(efforts[name])) ?? 'own';
    if ('effort' in this.values && now !== effort) {
      this.ask({ effort: now });
      return true;
    }
    return false;
  }

  /**
   * What moves with the model that was chosen, or with there being words to say: the fields, and the quality, that were as
   * belonged to the one before. What was set together with them, by a preset or a take that was opened, stays.
   */
  #moved(before) {
    const [old, now] = [before.defaults, this.values.defaults];
    if (!old || !now || (old.model === now.model && this.#speaks(before) === this.#speaks(this.values))) return {};
    const together = (name) => !['defaults', this.#about.said].includes(name) && !alike(before[name], this.values[name]);
    const set = this.#given === now.model || Object.keys(this.values).some(together);
    this.#given = null;
    if (set) return {};
    const were = { ...this.#about.opening, ...this.#own(before) };
    const are = this.#own(this.values);
    const held = Object.keys(are).filter((name) => alike(this.values[name], were[name]));
    const wanted = Object.fromEntries(held.map((name) => [name, are[name]]));
    const quality = old.efforts[this.values.effort];
    if (quality && this.#differing(quality).length === 0) Object.assign(wanted, now.efforts[this.values.effort]);
    const said = this.#about.presets[this.values.preset] ?? {};
    const names = this.#differing(wanted).filter((name) => !(name in said));
    return Object.fromEntries(names.map((name) => [name, wanted[name]]));
  }

  /** What of a form with these values is its model's. */
  #own(values) {
    return values.defaults?.[this.#speaks(values) ? 'spoken' : 'values'] ?? {};
  }

  #speaks(values) {
    return Boolean(String(values[this.#about.said] ?? '').trim());
  }

  /** What a preset sets: of one that names no model, what it does not say is the model's that is chosen. */
  #set(stem) {
    const said = this.#about.presets[stem] ?? {};
    return 'model' in said ? said : { ...this.#own({ ...this.values, ...said }), ...said };
  }

  #preset(stem) {
    const files = Object.fromEntries(this.#about.files.map((name) => [name, null]));
    return { ...files, ...this.#set(stem) };
  }

  #differing(values) {
    return Object.keys(values).filter((name) => name in this.values && !alike(values[name], this.values[name]));
  }

  #show() {
    const { changed } = this;
    const depth = (name) => this.#about.depths[name];
    badge(this.#part('sound-tab'), changed.filter((name) => depth(name) === 'sound').length);
    badge(this.#part('engine-tab'), changed.filter((name) => depth(name) !== 'sound').length);
    this.#badgeSection('advanced', changed.filter((name) => depth(name) === 'expert').length);
    for (const [part, name] of Object.entries(SECTIONS)) this.#badgeSection(part, this.#inside(name));
    this.#showMeant();
    const reset = this.#part('reset');
    if (!reset) return;
    reset.querySelector('.lw-modified').hidden = !this.modified;
    reset.querySelector('.lw-reset').disabled = !this.modified && changed.length === 0;
  }

  /** What the model that is chosen is able to do, of what fields need. */
  #able(need) {
    return Boolean(this.values.defaults?.able[need]);
  }

  /** What means something to some models alone is to be seen while one of them is chosen. */
  #showMeant() {
    const { needing, parts } = this.#about;
    for (const [name, need] of Object.entries(needing)) {
      document.getElementById(parts[name])?.classList.toggle('lw-hidden', !this.#able(need));
    }
    this.#part('words')?.classList.toggle('lw-hidden', !this.speaks);
  }

  /** What a closed section holds, in a few words; nothing where it is as it was. */
  #inside(name) {
    if (name !== 'lane') return this.values[name]?.orig_name ?? '';
    const count = (this.values.lane ?? '').split('\n').filter((line) => line.trim()).length;
    return count ? fill(words.form[count > 1 ? 'changes_many' : 'changes_one'], { count }) : '';
  }

  #badgeSection(part, what) {
    const label = this.#part(part)?.querySelector('button.label-wrap');
    if (label) badge(label, what);
  }

  #keep() {
    const kept = { ...this.values };
    for (const name of this.#about.files) delete kept[name]; // an upload is the server's, and may be gone
    remember(`longwave.form.${this.#tab}`, kept);
  }

  /** Whether this browser had the form before, as it then was. */
  #restore() {
    const kept = recalled(`longwave.form.${this.#tab}`);
    this.restored = Boolean(kept);
    if (!kept) return;
    const known = Object.fromEntries(Object.entries(kept).filter(([name]) => name in this.values));
    if (Object.keys(known).some((name) => !alike(known[name], this.values[name]))) {
      this.values = { ...this.values, preset: known.preset ?? null }; // it is restored with what it sets
      setTimeout(() => this.ask(known));
    }
  }

  #part(name) {
    return document.getElementById(`${this.#tab}-${name}`);
  }
}

/** A lane's text as [seconds, prompt] in order of time. */
export function laneOf(text) {
  const lines = text.split('\n').map((line) => line.split(/\|(.*)/s));
  return lines
    .map(([time, prompt]) => [secondsOf(time), (prompt ?? '').trim()])
    .filter(([seconds, prompt]) => !Number.isNaN(seconds) && prompt)
    .sort(([one], [other]) => one - other);
}

function secondsOf(text) {
  const parts = text.trim().split(':').map(Number);
  return text.trim() && parts.length < 4 ? parts.reduce((sum, part) => 60 * sum + part, 0) : NaN;
}

/** Say on a button what lies behind it: a number of changes, or a few words. */
function badge(button, what) {
  if (!button) return;
  const count = typeof what === 'number' ? what : 0;
  const text = count ? fill(words.form[count > 1 ? 'changed_many' : 'changed_one'], { count }) : what || '';
  let said = button.querySelector('.lw-badge');
  if (!text) {
    said?.remove();
    return;
  }
  if (!said) {
    said = document.createElement('span');
    said.className = 'lw-badge';
    button.append(said);
  }
  setText(said, text);
}

function alike(one, other) {
  const empty = (value) => value === null || value === undefined || value === '' || value === -1;
  if (empty(one) || empty(other)) return empty(one) === empty(other);
  return typeof one === 'object' ? JSON.stringify(one) === JSON.stringify(other) : String(one) === String(other);
}

/** How long a take is that a form asks for. */
export function lengthText(seconds) {
  return clock(Math.round(seconds ?? 0));
}
