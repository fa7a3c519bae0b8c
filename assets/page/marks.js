// The markers of takes, as the Library has them: asked for once a take, and changed one after the other, each time
// beginning from those that are there then, so that nobody else's are lost.

import { ask } from './ask.js';
import { takeOf } from './edited_takes.js';
import { clock, fill } from './text.js';
import { transport } from './transport.js';
import { words } from './words.js';

const said = words.edits;

class Marks extends EventTarget {
  #known = new Map();
  #turn = Promise.resolve();

  /** Those of a take, by its id in the Library, as far as they are known: [{ at_s, label }] in their order. */
  of(take) {
    return this.#known.get(take) ?? [];
  }

  /** Ask for those of a take; what is wrong, if anything. */
  async load(take) {
    const answer = await ask(`edits/markers?take=${encodeURIComponent(take)}`);
    return this.#take(take, answer);
  }

  /** Have `act` make others of those that there are; what is wrong, if anything. */
  change(take, act) {
    const turn = this.#turn.then(() => this.#change(take, act));
    this.#turn = turn;
    return turn;
  }

  async #change(take, act) {
    const { markers, message } = await ask(`edits/markers?take=${encodeURIComponent(take)}`);
    if (!markers) return this.#take(take, { message });
    return this.#take(take, await ask('edits/markers', { take, markers: act(markers) }));
  }

  #take(take, { markers, message }) {
    if (markers) this.#known.set(take, markers);
    this.dispatchEvent(new CustomEvent('change', { detail: take })); // also where it failed: what is shown is put right
    return markers ? '' : message ?? words.page.silent;
  }
}

export const marks = new Marks();

/** One more; `label` empty: by the first number that is free. */
export function added(at_s, label = '') {
  return (all) => [...all, { at_s: fine(at_s), label: label || free(all) }];
}

export function moved(marker, at_s) {
  return (all) => all.map((one) => (same(one, marker) ? { ...one, at_s: fine(at_s) } : one));
}

export function renamed(marker, label) {
  return (all) => all.map((one) => (same(one, marker) ? { ...one, label } : one));
}

export function removed(marker) {
  return (all) => all.filter((one) => !same(one, marker));
}

export function same(one, other) {
  return one.at_s === other.at_s && one.label === other.label;
}

/** Remove one, which may be taken back as long as it is told of. */
export async function remove(take, marker) {
  const undo = document.createElement('button');
  undo.type = 'button';
  undo.textContent = words.takes.undo;
  undo.addEventListener('click', async () => transport.say(await marks.change(take, added(marker.at_s, marker.label))));
  const wrong = await marks.change(take, removed(marker));
  transport.say(wrong || fill(said.removed, marker), wrong ? null : undo);
}

/** Mark where a finished take stands; whether it is one that can be marked. */
export function markHere() {
  const take = takeOf(transport.current);
  if (!take) return false;
  const at = here();
  marks.change(take, added(at)).then((wrong) => transport.say(wrong || fill(said.marked, { time: clock(at) })));
  return true;
}

/** The place that is heard, to the millisecond, and never behind the end. */
export function here() {
  return Math.floor(1000 * transport.position) / 1000;
}

function free(all) {
  let number = all.length + 1;
  const taken = (label) => all.some((one) => one.label === label);
  while (taken(fill(said.marker_default, { number }))) number += 1;
  return fill(said.marker_default, { number });
}

/** A place to the millisecond, as it is kept. */
function fine(at_s) {
  return Math.round(1000 * at_s) / 1000;
}
