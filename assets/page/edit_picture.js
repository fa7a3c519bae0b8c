// The picture of a take of the Library, in the panel of edits: no tab shows it. A drag chooses a span of it there.

import { inStrip } from './edited_takes.js';
import { Stage } from './stage.js';
import { StageMarkers } from './stage_markers.js';
import { transport } from './transport.js';

export class EditPicture {
  #root;
  #stage;
  #source = null;

  constructor(root) {
    this.#root = root;
    this.#stage = new Stage(root);
    new StageMarkers(this.#stage);
    this.#stage.addEventListener('seek', ({ detail }) => this.#owns && transport.seek(detail));
    this.#stage.addEventListener('span', ({ detail }) => { if (this.#owns) transport.span = detail; });
    transport.addEventListener('change', () => {
      if (this.#owns && this.#stage.span !== transport.span) this.#stage.span = transport.span;
    });
    transport.addEventListener('tick', () => this.#owns && this.#stage.draw(transport.position));
  }

  /** Show a take, where no strip has it; or nothing. */
  show(source) {
    const wanted = source && !inStrip(source) ? source : null;
    this.#root.hidden = !wanted;
    if (!wanted || wanted.id === this.#source?.id) return;
    this.#source = wanted;
    this.#stage.finished(wanted);
  }

  get #owns() {
    return !this.#root.hidden && transport.current?.id === this.#source?.id;
  }
}
