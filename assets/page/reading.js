// What is said, read along: the sentences of a take on a lane of their own, and the word that is being read marked.

import { time } from './lane.js';
import { part } from './parts.js';
import { clock, fill, setText } from './text.js';
import { words } from './words.js';

const texts = words.speech;
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

/** Which of a sentence's words is being read at a second of the take; −1 where none is, or it is not known. */
export function wordAt({ text, start_s: from, end_s: to, words_s: spans = [] }, at) {
  if (at < from || at >= to || spans.length !== text.split(/\s+/).length) return -1;
  return spans.findLastIndex(([begin]) => begin <= at);
}

/** A sentence's words as elements, to be put into a line. */
function spelled({ text }) {
  return text.split(/(\s+)/).map((piece, index) => (index % 2 ? piece : part('span', '', {}, piece)));
}

/** Mark a word among those of a sentence's elements, and no other. */
function mark(element, index) {
  const marked = element.querySelector('.lw-word');
  const wanted = index < 0 ? null : element.querySelectorAll('span')[index];
  if (marked === wanted) return;
  marked?.classList.remove('lw-word');
  wanted?.classList.add('lw-word');
  if (!wanted || element.scrollWidth <= element.clientWidth) return;
  element.scrollLeft = wanted.offsetLeft - (element.clientWidth - wanted.offsetWidth) / 2; // what is read stays in view
}

/** The sentence that is being read of those said, at a second of the take, or the next one. */
function sentenceAt(said, at) {
  const now = said.find(({ start_s: from, end_s: to }) => from <= at && at < to);
  return { now, next: now ?? said.find(({ start_s: from }) => from > at) };
}

/** Tell in a line what is said at a second of the take, its word marked, or what is said next. */
export function tellWords(line, said, at) {
  const { now, next } = sentenceAt(said, at);
  const text = next ? fill(texts[now ? 'now' : 'next'], { text: next.text, time: clock(next.start_s) }) : '';
  line.hidden = !text;
  line.classList.toggle('lw-saying', Boolean(now));
  if (!now) {
    setText(line, text);
    return;
  }
  if (line.textContent !== text || !line.querySelector('span')) {
    const [before, after] = texts.now.split('{text}');
    line.replaceChildren(before, ...spelled(now), after);
  }
  mark(line, wordAt(now, at));
}

export class ReadingLane {
  #root;
  #seek;
  #said = [];
  #shape = '';

  /** In the element `root`; `seek(s)` goes to a second of the take. */
  constructor(root, seek) {
    this.#root = root;
    this.#seek = seek;
    root.setAttribute('role', 'group');
    root.setAttribute('aria-label', texts.lane);
    root.addEventListener('click', ({ target }) => {
      const index = [...root.children].indexOf(target.closest('button'));
      if (index >= 0 && target.closest('button').ariaDisabled !== 'true') this.#seek(this.#said[index].start_s);
    });
    root.addEventListener('keydown', (event) => this.#step(event));
  }

  /** The sentences of what plays, each a block at its time of `total` seconds; a take that is `live` can't be moved in. */
  show(said, total, live, at) {
    const last = said.at(-1);
    const shape = JSON.stringify([said.length, said[0]?.start_s, last?.start_s, last?.text, total, live]);
    this.#said = said;
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#root.hidden = !said.length;
      this.#root.replaceChildren(...said.map((one, index) => block(one, index, total, live)));
    }
    this.at(at);
  }

  /** What is heard goes on to a second of the take. */
  at(second) {
    for (const [index, element] of [...this.#root.children].entries()) {
      const { start_s: from, end_s: to } = this.#said[index];
      const saying = from <= second && second < to;
      element.classList.toggle('lw-tl-saying', saying);
      element.classList.toggle('lw-tl-coming', from > second);
      if (saying || element.querySelector('.lw-word')) mark(element, saying ? wordAt(this.#said[index], second) : -1);
    }
  }

  /** One place among the page's for the Tab key, and arrows from sentence to sentence. */
  #step(event) {
    if (!(event.key in STEPS) || event.ctrlKey || event.metaKey || event.altKey) return;
    const blocks = [...this.#root.children];
    const next = blocks[blocks.indexOf(event.target) + STEPS[event.key]];
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}

function block(one, index, total, live) {
  const { text, start_s: from, end_s: to } = one;
  const title = fill(texts.block, { text, from: time(from), to: time(to) });
  const made = part('button', 'lw-tl-sentence', {
    type: 'button', dir: 'auto', title, tabindex: index ? -1 : 0, 'aria-disabled': live,
  });
  made.append(...spelled(one));
  Object.assign(made.style, { left: `${(100 * from) / total}%`, width: `${(100 * (to - from)) / total}%` });
  return made;
}
