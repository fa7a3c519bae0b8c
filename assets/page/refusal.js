// Why nothing begins: in words for the status line, and beside the field at fault, until that is mended.

export class Refusal {
  #form;
  #show;
  #wrong = null; // the field's block, and what is said beside it
  message = ''; // stays beside a take that still plays, until the next one begins

  /** `form` is the tab that holds the fields; `show(pane)` brings one of its panes to light. */
  constructor(form, show) {
    this.#form = form;
    this.#show = show;
    for (const event of ['input', 'change']) form.addEventListener(event, ({ target }) => this.mend(target));
  }

  /** Say `message`, and at the field of that `label` too, if there is one. */
  tell({ message, label }) {
    this.mend();
    this.message = message;
    const named = label && [...this.#form.querySelectorAll('[data-testid=block-info], label > span')]
      .find(({ textContent }) => textContent.trim() === label || textContent.trim().startsWith(`${label} (`));
    const block = named?.closest('.block');
    if (!block) return;
    const pane = block.closest('.lw-pane');
    if (pane) this.#show(pane); // what is at fault is not to lie hidden
    const said = document.createElement('p');
    said.className = 'lw-wrong lw-field-wrong';
    said.textContent = message;
    (block.closest('.row') ?? block.closest('.form') ?? block).after(said); // a row's fields are narrow
    block.querySelector('input, textarea')?.setAttribute('aria-invalid', true);
    this.#wrong = { block, said };
  }

  /** The form has changed at `target`: what was said of it may hold no longer. */
  mend(target = null) {
    const typed = target?.matches?.('textarea, input:not([type=checkbox], [type=radio], [type=range])');
    if (this.#wrong && typed && !this.#wrong.block.contains(target)) return; // another field was typed in
    this.#wrong?.block.querySelector('[aria-invalid]')?.removeAttribute('aria-invalid');
    this.#wrong?.said.remove();
    this.#wrong = null;
    this.message = '';
  }
}
