// A finished take changed where it is played: a span made anew, more of it, a loop, a join. What is made is
// another take; the one before stays, and one goes back and forth between them.

import { ask } from './ask.js';
import { EditCost } from './edit_cost.js';
import { askedOf, countOf, offer, precise, secondsOf, spanOf } from './edit_form.js';
import { EditJob } from './edit_job.js';
import { EditPicture } from './edit_picture.js';
import { awaitStrip, hold, playNear, putBeside, takeOf, takeOut } from './edited_takes.js';
import { library } from './library.js';
import { LoopBrackets } from './loop_brackets.js';
import { Markers, button } from './markers.js';
import { stages } from './stage.js';
import { setText, clock, fill } from './text.js';
import { transport } from './transport.js';
import { words } from './words.js';

const BEFORE_S = 1; // heard before what is new
const said = words.edits;

class Editor {
  #root = null;
  #source = null; // the take that is edited
  #before = null; // the one that it was made of
  #after = new Map(); // by the id of a take, the one made of it that was heard last
  #span = null; // that the picture had last
  #unseen = false; // its picture is not there yet
  #job = new EditJob();
  #cost;
  #markers;
  #loop;
  #picture;

  /** Bring the panel to life. */
  attach(element) {
    this.#root = element.querySelector('.lw-edit');
    this.#opener.hidden = false;
    this.#opener.addEventListener('click', () => (this.#root.hidden ? this.open() : this.#close()));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#begin();
    });
    this.#form.addEventListener('input', () => this.#show());
    this.#form.addEventListener('change', ({ target }) => this.#typed(target.name));
    this.#cost = new EditCost(this.#part('.lw-edit-time'));
    this.#root.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation(); // elsewhere it stops the take that is made
      this.#close();
    });
    stages.addEventListener('shown', () => this.#unseen && !this.#root.hidden && this.#reveal());
    this.#markers = new Markers(this.#root.querySelector('.lw-markers'));
    this.#loop = new LoopBrackets(this.#form);
    this.#picture = new EditPicture(this.#part('.lw-edit-picture'));
    const dock = document.getElementById('transport');
    new ResizeObserver(() => this.#root.style.setProperty('--lw-dock', `${dock.offsetHeight}px`)).observe(dock);
    this.#on('.lw-edit-stop', () => this.#job.stop());
    this.#on('.lw-edit-before', () => this.#back());
    this.#on('.lw-edit-after', () => this.#forth());
    this.#on('.lw-edit-close', () => this.#close());
    transport.addEventListener('change', () => this.#follow());
    this.#follow();
    this.#job.addEventListener('stands', ({ detail }) => this.#stands(detail));
    this.#job.addEventListener('made', ({ detail }) => this.#made(detail));
    this.#job.addEventListener('ended', ({ detail }) => this.#ended(detail));
    this.#recall();
  }

  /** An edit that was asked for before the page was loaded anew goes on in the panel as it did. */
  async #recall() {
    const { of, told } = this.#job.recall();
    if (!of) return;
    await awaitStrip(of);
    if (!told) {
      this.#source ??= of;
      this.#unfold();
    }
    this.#job.look();
  }

  /** Open it for the take that is played; `kind` chooses what is to be done. */
  open(kind = '') {
    if (!this.#root || !takeOf(transport.current)) return;
    this.#unfold();
    if (kind) this.#fields.kind.value = kind;
    this.#take();
    this.#others();
    this.#markers.show(takeOf(this.#source));
    this.#trace();
    this.#reveal();
    this.#fields.kind.focus({ preventScroll: true });
  }

  /** Have the picture in sight; that of a take just made comes some moments after it. */
  #reveal() {
    const stage = stages.of(this.#source);
    this.#unseen = !stage;
    stage?.reveal();
  }

  /** Have one take go on with another: what is made is begun at once. */
  join(first, second) {
    hold(first);
    this.open('splice');
    const { other, prompt, leave, enter } = this.#fields;
    other.replaceChildren(new Option(second.title, takeOf(second))); // all the others come
    for (const field of [prompt, leave, enter]) field.value = ''; // they were for another edit
    this.#begin();
  }

  /** Seconds that lie between two takes that are joined. */
  get bridgeS() {
    return this.#fields.splice_bridge.value;
  }

  #unfold() {
    this.#root.hidden = false;
    this.#opener.disabled = false;
    this.#opener.setAttribute('aria-expanded', true);
  }

  #close() {
    this.#root.hidden = true;
    this.#show();
    this.#opener.setAttribute('aria-expanded', false);
    this.#opener.focus();
  }

  #follow() {
    const { current } = transport;
    const take = takeOf(current);
    this.#opener.disabled = !take && this.#root.hidden;
    if (transport.span !== this.#span) this.#take();
    if (!take || takeOf(this.#source) === take) return;
    this.#source = current;
    this.#before = null;
    if (!this.#root.hidden) {
      this.#markers.show(take);
      this.#trace();
    }
    if (!this.#job.of) this.#tell('');
    this.#show();
  }

  /** The span that the picture has, in the fields. */
  #take() {
    const { span } = transport;
    this.#span = span;
    if (this.kind === 'loop' && !this.#root.hidden) this.#loop.take(span);
    else if (span && !this.#root.hidden) {
      this.#fields.start.value = precise(span.from);
      this.#fields.end.value = precise(span.to);
    }
    this.#show();
  }

  /** The span that was typed, in the picture. */
  #typed(name) {
    const { current } = transport;
    if (this.kind !== 'repaint' || !['start', 'end'].includes(name) || takeOf(current) !== takeOf(this.#source)) return;
    const span = spanOf(this.#fields, current.lengthS);
    if (!(span.to > span.from)) return;
    this.#span = span;
    transport.span = span;
  }

  #show() {
    const { kind } = this;
    for (const label of this.#form.querySelectorAll('[data-of]')) label.hidden = !label.dataset.of.split(' ').includes(kind);
    this.#picture.show(this.#root.hidden ? null : this.#source);
    this.#loop.show(kind === 'loop' && !this.#root.hidden ? this.#source : null);
    setText(this.#part('.lw-edit-of'), fill(said.of, { name: this.#source?.title ?? '' }));
    this.#fields.end.placeholder = clock(this.#source?.lengthS ?? 0);
    const seconds = secondsOf(this.#fields, this.#source);
    const count = countOf(this.#fields);
    const cost = count > 1 ? said.cost_many : said.cost;
    setText(this.#part('.lw-edit-cost'), seconds > 0 ? fill(cost, { seconds: precise(seconds), count }) : kind === 'repaint' ? said.no_span : '');
    const { busy } = this.#job;
    this.#cost.ask(this.#source && seconds > 0 && !this.#root.hidden ? askedOf(this.#fields, this.#source) : null);
    this.#part('.lw-edit-begin').disabled = busy || !this.#source || (kind === 'repaint' && !(seconds > 0));
    this.#part('.lw-edit-stop').hidden = !busy;
    this.#part('progress').hidden = !busy;
    this.#part('.lw-edit-before').hidden = !this.#before;
    this.#part('.lw-edit-after').hidden = !this.#after.has(takeOf(this.#source));
  }

  get kind() {
    return this.#fields.kind.value;
  }

  async #others() {
    const { takes = [] } = await ask('edits/takes');
    offer(this.#fields.other, takes.filter(({ id }) => id !== takeOf(this.#source)));
  }

  async #begin() {
    if (this.#part('.lw-edit-begin').disabled) return;
    this.#part('.lw-edit-begin').disabled = true;
    this.#part('.lw-edit-made').replaceChildren();
    this.#tell(said.waits);
    const wrong = await this.#job.begin(askedOf(this.#fields, this.#source), this.#source);
    if (wrong) this.#tell(wrong, true);
    this.#show();
  }

  #stands({ said: line, wrong }) {
    this.#part('progress').value = this.#job.share;
    this.#tell(line, wrong);
    this.#show();
  }

  /** All that could be made is there: told of here, or above the dock where this is closed. */
  #ended({ said: line, wrong, again }) {
    library.changed();
    this.#cost.stale();
    if (!again) {
      this.#tell(line, wrong);
      if (this.#root.hidden) transport.say(line);
    }
    this.#show();
  }

  /** One more is there: it can be heard at once, and dropped. */
  async #made({ number, source, of, alone }) {
    await putBeside(source, of);
    library.changed();
    const row = document.createElement('li');
    const name = document.createElement('span');
    name.textContent = source.title; // which says what candidate it is
    const play = button(said.play, fill(said.play_one, { number }), () => this.#play(source, of));
    const drop = button(said.drop, fill(said.drop_one, { number }), async () => {
      const { message } = await ask('edits/drop', { take: takeOf(source) });
      if (message) return this.#tell(message, true);
      for (const [one, after] of this.#after) if (takeOf(after) === takeOf(source)) this.#after.delete(one);
      if (takeOf(transport.current) === takeOf(source)) playNear(of, of, transport.position);
      takeOut(source, of);
      row.remove();
      library.changed();
      this.#tell(fill(said.dropped, { number }));
      return this.#show();
    });
    row.append(name, play, drop);
    this.#part('.lw-edit-made').append(row);
    if (alone && !this.#root.hidden) this.#play(source, of);
  }

  #play(source, of) {
    this.#after.set(takeOf(of), source);
    const from = source.madeS?.[0]?.[0] ?? 0;
    playNear(source, of, Math.max(0, from - BEFORE_S));
    this.#show();
  }

  /** Find what the take that is played was made of. */
  async #trace() {
    const take = takeOf(this.#source);
    const { source = null } = await ask(`edits/before?take=${encodeURIComponent(take)}`);
    if (take !== takeOf(this.#source)) return; // another is played meanwhile
    this.#before = source;
    this.#show();
  }

  /** The take that the one which is played was made of, at the same place. */
  #back() {
    this.#after.set(takeOf(this.#before), this.#source);
    this.#jump(this.#before);
  }

  #forth() {
    this.#jump(this.#after.get(takeOf(this.#source)));
  }

  #jump(source) {
    const { position, current } = transport;
    playNear(source, current, position < source.lengthS ? position : 0);
    this.#show();
  }

  #tell(text, wrong = false) {
    const line = this.#part('.lw-told');
    line.classList.toggle('lw-wrong', wrong);
    setText(line, text ?? '');
  }

  #on(selector, act) {
    this.#part(selector).addEventListener('click', act);
  }

  #part(selector) {
    return this.#root.querySelector(selector);
  }

  get #form() {
    return this.#root.querySelector('form');
  }

  get #fields() {
    return this.#form.elements;
  }

  get #opener() {
    return document.getElementById('transport-edit');
  }
}

export const editor = new Editor();
