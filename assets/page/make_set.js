// Many takes of what a tab's form asks for: how many, what that comes to, and the press that begins it.

import { sets } from './sets.js';
import { words } from './words.js';
import { ready } from './parts.js';
import { setText } from './text.js';

const SETTLED_MS = 400;
const MORE_MS = 1500; // how long it takes is being found out

class MakeSet {
  #tab;
  #root;
  #trigger;
  #asked = 0;
  #timer = 0;
  #seen = '';

  constructor(tab, element, props, watch, trigger) {
    this.#tab = tab;
    this.#root = element.querySelector('.lw-set-ask');
    this.#trigger = trigger;
    const opener = this.#opener;
    opener.addEventListener('click', () => this.#open(this.#root.hidden));
    this.#count.addEventListener('input', () => this.#plan());
    this.#root.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation(); // elsewhere it stops the take that is made
      this.#open(false);
    });
    this.#part('.lw-set-begin').addEventListener('click', () => this.#ask('begin'));
    this.#part('.lw-set-close').addEventListener('click', () => this.#open(false));
    watch('value', () => this.#answered(props.value));
  }

  #open(open) {
    this.#root.hidden = !open;
    this.#opener.setAttribute('aria-expanded', open);
    if (open) {
      this.#count.focus();
      this.#count.select();
      window.longwave?.[this.#tab]?.form?.addEventListener('change', this.#changed);
      this.#ask('plan');
    } else this.#opener.focus();
  }

  /** Another length or quality is another plan. */
  #changed = () => {
    const { prompt, ...values } = window.longwave[this.#tab].form.values;
    const now = JSON.stringify(values);
    if (!this.#root.hidden && now !== this.#seen) this.#plan();
    this.#seen = now;
  };

  #plan() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask('plan'), SETTLED_MS);
  }

  #ask(action, again = false) {
    clearTimeout(this.#timer);
    this.#asked += 1;
    if (action === 'begin') this.#part('.lw-set-begin').disabled = true;
    if (!again) this.#tell(words.sets.planning);
    this.#trigger('click', { action, count: this.#count.valueAsNumber, asked: this.#asked, again });
  }

  #answered(answer) {
    if (!answer || answer.asked !== this.#asked) return; // a later one was asked meanwhile
    ready(this.#part('.lw-set-begin'));
    this.#tell(answer.wrong ?? answer.said ?? '', 'wrong' in answer);
    if (answer.more && !this.#root.hidden) this.#timer = setTimeout(() => this.#ask('plan', true), MORE_MS);
    if (!answer.id) return;
    this.#root.hidden = true;
    this.#opener.setAttribute('aria-expanded', false);
    sets.open(answer.id);
  }

  #tell(text, wrong = false) {
    const line = this.#part('p');
    line.classList.toggle('lw-wrong', wrong);
    setText(line, text);
  }

  get #opener() {
    return document.querySelector(`#${this.#tab}-will .lw-set-open`);
  }

  get #count() {
    return this.#part('input');
  }

  #part(selector) {
    return this.#root.querySelector(selector);
  }
}

/** Where a tab asks for a set is on the page. */
export function attach(tab, element, props, watch, trigger) {
  new MakeSet(tab, element, props, watch, trigger);
}
