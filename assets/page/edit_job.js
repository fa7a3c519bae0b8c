// An edit from its asking to its end: its candidates one after the other, stopped, and found again after a reload.

import { ask } from './ask.js';
import { recalled, remember } from './kept.js';

const LOOK_MS = 500;
const KEPT = 'longwave.edit';
const SILENT = 'silent'; // the server does not answer, and is asked again
const OPEN = ['waiting', 'making', SILENT];

/**
 * Dispatches `stands` (detail: {said, wrong}), `made` (detail: {number, source, of, alone}) with each candidate that is
 * there, `alone` where it is the only one and was asked for since the page was loaded, and `ended` (detail: {said, wrong,
 * again}), `again` where its end was told of before.
 */
export class EditJob extends EventTarget {
  #kept = {}; // {id, of, alone, told}: the job, the take that is edited, and whether its end was told of
  #timer = 0;
  #known = 0; // of its candidates, how many were told of
  busy = false;
  share = 0;

  /** The take that is edited, or was last. */
  get of() {
    return this.#kept.of ?? null;
  }

  /** Ask for it; the sentence that says why not, where it is refused. */
  async begin(asked, of) {
    this.busy = true;
    this.share = 0;
    const { id, message } = await ask('edits', asked);
    this.busy = Boolean(id);
    if (!id) return message;
    this.#keep({ id, of, alone: asked.candidates === '1', told: false });
    this.#known = 0;
    this.look();
    return '';
  }

  /** What was asked for before the page was loaded anew, {of, told}, to be looked at; {} where nothing was. */
  recall() {
    this.#kept = { ...recalled(KEPT), alone: false };
    this.busy = this.#kept.told === false;
    return this.#kept;
  }

  async stop() {
    await ask(`edits/${this.#kept.id}/stop`, {});
  }

  /** Ask how it stands, and again until it has ended. */
  async look() {
    clearTimeout(this.#timer);
    const { id, of, alone, told } = this.#kept;
    const answer = await ask(`edits/${id}?known=${this.#known}`);
    if (id !== this.#kept.id) return; // another was begun meanwhile
    const { phase = SILENT, share = this.share, said, made = [], message = '' } = answer;
    this.share = share;
    this.busy = OPEN.includes(phase);
    for (const { number, source } of made) {
      this.#known = number;
      if (source) this.#tell('made', { number, source, of, alone });
    }
    if (this.busy) {
      this.#tell('stands', { said: said ?? message, wrong: phase === SILENT });
      this.#timer = setTimeout(() => this.look(), LOOK_MS);
      return;
    }
    this.#keep(phase === 'gone' ? {} : { ...this.#kept, told: true }); // gone: the studio was started anew
    this.#tell('ended', { said: said ?? message, wrong: phase !== 'done', again: told });
  }

  #keep(kept) {
    this.#kept = kept;
    remember(KEPT, kept);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
