// A kit of what a tab's form asks for: what belongs to it, how far it is, and its ZIP.

import { recalled, remember } from './kept.js';
import { words } from './words.js';
import { ready } from './parts.js';
import { setText } from './text.js';

const LOOK_MS = 1000;
const KEPT = 'longwave.kit';

class MakeKit {
  #tab;
  #root;
  #trigger;
  #presets;
  #asked = 0;
  #timer = 0;
  #id = '';

  constructor(tab, element, props, watch, trigger, presets) {
    this.#tab = tab;
    this.#presets = presets;
    this.#root = element.querySelector('.lw-kit-ask');
    this.#trigger = trigger;
    this.#opener.addEventListener('click', () => this.#open(this.#root.hidden));
    this.#root.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation(); // elsewhere it stops the take that is made
      this.#open(false);
    });
    this.#part('.lw-kit-preset').addEventListener('change', ({ target }) => this.#fill(target.value));
    this.#part('.lw-set-begin').addEventListener('click', () => this.#begin());
    this.#part('.lw-kit-stop').addEventListener('click', () => this.#stop());
    this.#part('.lw-set-close').addEventListener('click', () => this.#open(false));
    watch('value', () => this.#answered(props.value));
    this.#follow(recalled(KEPT) ?? '');
  }

  #open(open) {
    this.#root.hidden = !open;
    this.#opener.setAttribute('aria-expanded', open);
    if (open) this.#part('select').focus();
    else this.#opener.focus();
  }

  /** A preset fills in the form and the panel; both may be changed then. */
  #fill(name) {
    if (!(name in this.#presets)) return;
    const { form, plan } = this.#presets[name];
    window.longwave[this.#tab].form.ask(form);
    if ('variations' in plan) this.#part('input[type=number]').value = plan.variations;
    this.#part('.lw-kit-light').value = plan.light ?? '';
    this.#part('.lw-kit-heavy').value = plan.heavy ?? '';
  }

  #begin() {
    this.#asked += 1;
    this.#part('.lw-set-begin').disabled = true;
    this.#tell(words.kits.loading);
    this.#trigger('click', {
      asked: this.#asked,
      preset: this.#part('.lw-kit-preset').value,
      variations: this.#part('input[type=number]').valueAsNumber,
      light: this.#part('.lw-kit-light').value,
      heavy: this.#part('.lw-kit-heavy').value,
    });
  }

  #answered(answer) {
    if (!answer || answer.asked !== this.#asked) return; // a later one was asked meanwhile
    if ('wrong' in answer) {
      ready(this.#part('.lw-set-begin'));
      this.#tell(answer.wrong, true);
    } else this.#follow(answer.id);
  }

  #follow(id) {
    this.#id = id;
    remember(KEPT, id);
    if (id) this.#look();
  }

  async #look() {
    clearTimeout(this.#timer);
    const id = this.#id;
    let kit = null;
    try {
      const response = await fetch(address(`kits/${id}`), { cache: 'no-store' });
      if (response.status === 404) return this.#show({ phase: 'gone', said: '', share: 0 });
      kit = await response.json();
    } catch {
      kit = { phase: 'making', said: words.page.silent, share: 0 };
    }
    if (id === this.#id) this.#show(kit);
  }

  #show({ phase, said, share }) {
    const busy = phase === 'waiting' || phase === 'making';
    this.#part('.lw-set-begin').disabled = busy;
    this.#part('.lw-kit-stop').hidden = !busy;
    this.#part('.lw-kit-stop').disabled = false;
    Object.assign(this.#part('progress'), { hidden: !busy, value: share });
    this.#part('.lw-kit-zip').hidden = phase !== 'done';
    this.#part('.lw-kit-zip').href = address(`kits/${this.#id}/zip`);
    this.#tell(said, phase === 'failed');
    if (busy) this.#timer = setTimeout(() => this.#look(), LOOK_MS);
  }

  async #stop() {
    this.#part('.lw-kit-stop').disabled = true;
    try {
      await fetch(address(`kits/${this.#id}/stop`), { method: 'POST', headers: { 'X-Longwave': '1' } });
    } catch { /* the next look tells */ }
    this.#look();
  }

  #tell(text, wrong = false) {
    const line = this.#part('p');
    line.classList.toggle('lw-wrong', wrong);
    setText(line, text);
  }

  get #opener() {
    return document.querySelector(`#${this.#tab}-will .lw-kit-open`);
  }

  #part(selector) {
    return this.#root.querySelector(selector);
  }
}

function address(path) {
  return new URL(path, document.baseURI).href;
}

/** Where a tab asks for a kit is on the page. */
export function attach(tab, element, props, watch, trigger, presets) {
  new MakeKit(tab, element, props, watch, trigger, presets);
}
