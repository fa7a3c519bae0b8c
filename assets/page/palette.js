// Words to press: they compose the prompt of sounds that the model knows.

import { draggable } from './drag.js';
import { part } from './parts.js';
import { parse, withModifier, withSound } from './phrases.js';
import { fill, setText } from './text.js';
import { timelines } from './timeline.js';
import { words } from './words.js';

const texts = words.palette;
const PHONE = window.matchMedia('(max-width: 640px)');

/** The palettes on the page by the names of their tabs. */
export const palettes = new Map();

export class Palette {
  #root;
  #groups = [];
  #examples = [];
  #open = 0; // of the groups, the one that a phone shows
  #parts = {};

  /**
   * @param on `onPrompt(text, { started, example })`: the prompt is to be this; `started` where it was empty before,
   *   `example` where it is one of the tab's. `prompt()`: what it is now. `onDrop(prompt, clientX, clientY)`: words
   *   let go there, of a keyboard's at null: whether the timeline took them.
   */
  constructor(root, on) {
    this.on = on;
    this.#root = root;
    this.#root.setAttribute('role', 'group');
    this.#root.setAttribute('aria-label', texts.name);
    for (const name of ['tabs', 'sounds', 'how']) this.#parts[name] = this.#root.appendChild(part('div', `lw-palette-${name}`));
    this.#parts.told = this.#root.appendChild(part('p', 'lw-unseen', { role: 'status' }));
    for (const name of ['sounds', 'how']) arrows(this.#parts[name]);
    arrows(this.#parts.tabs);
    PHONE.addEventListener('change', () => this.#build());
  }

  /** What the model knows, and the tab's examples, which are shown where it does not say. */
  show(groups, examples = []) {
    if (JSON.stringify([groups, examples]) === JSON.stringify([this.#groups, this.#examples])) return;
    this.#groups = groups;
    this.#examples = examples;
    this.#open = 0;
    this.#build();
  }

  /** The prompt has changed, by whom ever. */
  refresh() {
    const { parts } = parse(this.on.prompt(), this.#sounds);
    const chosen = new Map(parts.filter(({ sound }) => sound).map((one) => [one.sound.family, one]));
    for (const chip of this.#parts.sounds.querySelectorAll('[data-family]')) {
      chip.setAttribute('aria-pressed', chosen.has(chip.dataset.family));
    }
    for (const tab of this.#parts.tabs.children) {
      const { sounds } = this.#groups[tab.dataset.group];
      tab.classList.toggle('lw-has', sounds.some(({ family }) => chosen.has(family)));
    }
    this.#showHow([...chosen.values()]);
  }

  get #sounds() {
    return this.#groups.flatMap(({ sounds }) => sounds);
  }

  #build() {
    const { tabs, sounds } = this.#parts;
    const known = this.#groups.length > 0;
    this.#root.hidden = !known && !this.#examples.length;
    this.#parts.how.hidden = !known;
    tabs.hidden = !known || !PHONE.matches;
    tabs.setAttribute('role', 'tablist');
    tabs.setAttribute('aria-label', texts.groups);
    tabs.replaceChildren(...this.#groups.map((group, index) => this.#tab(group, index)));
    sounds.setAttribute('role', 'toolbar');
    sounds.setAttribute('aria-label', known ? texts.sounds : texts.examples);
    if (known) sounds.replaceChildren(...this.#groups.map((group, index) => this.#group(group, index)));
    else sounds.replaceChildren(...this.#examples.map((text) => this.#example(text)));
    this.#turnTo(this.#open);
    rove(sounds);
    this.refresh();
  }

  #tab(group, index) {
    const tab = part('button', 'lw-palette-tab', { type: 'button', role: 'tab' });
    tab.dataset.group = index;
    tab.textContent = texts[`group_${group.name}`];
    tab.addEventListener('click', () => this.#turnTo(index));
    tab.addEventListener('focus', () => this.#turnTo(index));
    return tab;
  }

  #group(group, index) {
    const name = texts[`group_${group.name}`];
    const section = part('div', 'lw-palette-group', { role: 'group', 'aria-label': name });
    section.dataset.group = index;
    section.append(part('span', 'lw-palette-name', { 'aria-hidden': true }, name));
    section.append(...group.sounds.map((sound) => this.#chip(sound)));
    return section;
  }

  #chip(sound) {
    const chip = part('button', 'lw-chip', { type: 'button', title: texts.chip_title }, sound.label);
    chip.dataset.family = sound.family;
    chip.setAttribute('aria-description', texts.chip_keys);
    chip.addEventListener('click', () => {
      const before = this.on.prompt();
      const text = withSound(before, sound, this.#sounds);
      this.#prompt(text, { started: !before.trim() && Boolean(text), example: false });
    });
    this.#placeable(chip, () => this.#said(sound));
    return chip;
  }

  #example(text) {
    const chip = part('button', 'lw-chip', { type: 'button', title: texts.chip_title }, text);
    chip.addEventListener('click', () => this.#prompt(text, { started: !this.on.prompt().trim(), example: true }));
    this.#placeable(chip, () => text);
    return chip;
  }

  /** Its words can be put in the timeline: dragged, or by the keyboard. */
  #placeable(chip, said) {
    draggable(chip, said, (prompt, x, y) => this.#drop(prompt, x, y));
    chip.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || !event.shiftKey) return;
      event.preventDefault();
      this.#drop(said(), null, null);
    });
  }

  #drop(prompt, x, y) {
    const taken = this.on.onDrop(prompt, x, y);
    setText(this.#parts.told, taken ? fill(texts.placed, { prompt }) : '');
  }

  /** The sound as it stands in the prompt, or by itself. */
  #said(sound) {
    const { parts } = parse(this.on.prompt(), this.#sounds);
    return parts.find((one) => one.sound?.family === sound.family)?.text ?? sound.said;
  }

  #showHow(parts) {
    const { how } = this.#parts;
    const shape = JSON.stringify(parts.map(({ sound, chosen }) => [sound.family, [...chosen]]));
    if (how.dataset.shape === shape && how.childElementCount) return;
    const focused = document.activeElement?.closest?.('.lw-palette-how') === how
      && document.activeElement.dataset.modifier;
    how.dataset.shape = shape;
    how.setAttribute('role', 'toolbar');
    how.setAttribute('aria-label', texts.how);
    how.replaceChildren(...parts.map((one) => this.#modifiers(one)));
    if (!parts.length) how.append(part('span', 'lw-palette-hint', {}, texts.hint));
    rove(how);
    if (focused) [...how.querySelectorAll('button')].find(({ dataset }) => dataset.modifier === focused)?.focus();
  }

  #modifiers({ sound, chosen }) {
    const group = part('div', 'lw-palette-group', { role: 'group', 'aria-label': sound.label });
    group.append(part('span', 'lw-palette-name', { 'aria-hidden': true }, fill(texts.how_of, { sound: sound.label })));
    for (const choice of sound.choices) {
      const set = group.appendChild(part('span', 'lw-palette-choice'));
      for (const modifier of choice) {
        const chip = part('button', 'lw-chip lw-modifier', { type: 'button' }, modifier.text);
        chip.dataset.modifier = `${sound.family} ${modifier.text}`;
        chip.setAttribute('aria-pressed', chosen.has(modifier.text));
        chip.addEventListener('click', () => {
          const text = withModifier(this.on.prompt(), sound, modifier, this.#sounds);
          this.#prompt(text, { started: false, example: false });
        });
        set.append(chip);
      }
    }
    return group;
  }

  #prompt(text, about) {
    this.on.onPrompt(text, about);
    this.refresh();
  }

  #turnTo(index) {
    this.#open = index;
    for (const tab of this.#parts.tabs.children) {
      const open = Number(tab.dataset.group) === index;
      tab.setAttribute('aria-selected', open);
      tab.tabIndex = open ? 0 : -1;
    }
    for (const section of this.#parts.sounds.children) {
      section.classList.toggle('lw-open', Number(section.dataset.group) === index);
    }
    rove(this.#parts.sounds);
  }
}

const reachable = (bar) => [...bar.querySelectorAll('button')].filter((button) => button.offsetParent !== null || !bar.isConnected);

/** One of a bar's buttons is reached by Tab, the others by the arrow keys. */
function rove(bar) {
  const buttons = [...bar.querySelectorAll('button')];
  const shown = reachable(bar);
  const stop = shown.find((button) => button.tabIndex === 0 && button.dataset.stop) ?? shown[0] ?? buttons[0];
  for (const button of buttons) {
    button.tabIndex = button === stop ? 0 : -1;
    if (button === stop) button.dataset.stop = '';
    else delete button.dataset.stop;
  }
}

function arrows(bar) {
  bar.addEventListener('keydown', (event) => {
    const shown = reachable(bar);
    const at = shown.indexOf(event.target);
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: shown.length - 1 };
    const next = shown[steps[event.key]];
    if (at < 0 || !next || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    next.focus();
  });
  bar.addEventListener('focusin', ({ target }) => {
    for (const button of bar.querySelectorAll('button')) {
      button.tabIndex = button === target ? 0 : -1;
      if (button === target) button.dataset.stop = '';
      else delete button.dataset.stop;
    }
  });
}

/** Called by the component's script: the palette of a tab, on its prompt and its timeline. */
export function attach(tab, element, props, watch) {
  const field = () => document.querySelector(`#${tab}-prompt textarea, #${tab}-prompt input`);
  const palette = new Palette(element.querySelector('.lw-palette'), {
    // What the page opened with is an example: the first word that one presses takes its place.
    prompt: () => (window.longwave?.[tab]?.untouched ? '' : field()?.value ?? ''),
    onPrompt: (text, about) => {
      write(field(), text);
      if (text) window.longwave?.[tab]?.composed({ ...about, prompt: text });
    },
    onDrop: (prompt, x, y) => timelines.get(tab)?.take(prompt, x, y) ?? false,
  });
  const outside = element.querySelector('.lw-outside');
  const receive = () => {
    const { groups = [], examples = [], unknown = '' } = props.value ?? {};
    palette.show(groups, examples);
    palette.refresh();
    setText(outside, unknown);
  };
  palettes.set(tab, palette);
  document.addEventListener('input', ({ target }) => target === field() && palette.refresh());
  watch('value', receive);
  receive();
}

/** Write in a field as if it was typed there. */
function write(field, text) {
  const { set } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value');
  set.call(field, text);
  field.dispatchEvent(new Event('input', { bubbles: true }));
}
