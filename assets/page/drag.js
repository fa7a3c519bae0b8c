// A word that is dragged: by the mouse at once, by a finger after a long press, so that a page can still be scrolled.
// What it is over hears of it by the document's `lw-drag` events: { prompt, clientX, clientY, over }.

const SLACK = 6; // pixels that a press may wander
const LONG_PRESS_MS = 350;
const EDGE = 48; // pixels from the window's ends where it scrolls along

/** Let `element` be dragged. `prompt()` is what it carries, `drop(prompt, x, y)` where it was let go. */
export function draggable(element, prompt, drop) {
  let drag = null;
  element.addEventListener('pointerdown', (event) => {
    if (event.button === 0 && event.isPrimary) drag = new Drag(element, event, prompt(), drop);
  });
  // There before the finger is: a browser that finds no such listener at its first touch asks none later on.
  element.addEventListener('touchmove', (move) => drag?.lifted && move.preventDefault(), { passive: false });
}

class Drag {
  #element;
  #prompt;
  #drop;
  #from;
  #ghost = null;
  #timer = 0;
  #listening = new AbortController();

  constructor(element, event, prompt, drop) {
    Object.assign(this, { touch: event.pointerType !== 'mouse', pointer: event.pointerId });
    this.#element = element;
    this.#prompt = prompt;
    this.#drop = drop;
    this.#from = { x: event.clientX, y: event.clientY };
    const options = { signal: this.#listening.signal };
    const on = (type, handler, more = {}) => window.addEventListener(type, handler, { ...options, ...more });
    on('pointermove', (move) => this.#move(move));
    on('pointerup', (up) => this.#up(up));
    on('pointercancel', () => this.#end());
    on('keydown', (key) => this.#key(key), { capture: true });
    on('contextmenu', (menu) => this.touch && menu.preventDefault());
    if (this.touch) this.#timer = setTimeout(() => this.#lift(), LONG_PRESS_MS);
  }

  /** Whether it is carried about. */
  get lifted() {
    return this.#ghost !== null;
  }

  #lift() {
    this.#ghost = document.createElement('div');
    this.#ghost.className = 'lw-ghost';
    this.#ghost.setAttribute('aria-hidden', 'true');
    this.#ghost.textContent = this.#prompt;
    document.body.append(this.#ghost);
    this.#element.classList.add('lw-dragged');
    this.#show(this.#from.x, this.#from.y);
    if (this.touch) navigator.vibrate?.(12);
  }

  #move({ pointerId, clientX, clientY }) {
    if (pointerId !== this.pointer) return;
    const far = Math.hypot(clientX - this.#from.x, clientY - this.#from.y) > SLACK;
    if (!this.#ghost && far && this.touch) this.#end(); // the page is scrolled
    else if (!this.#ghost && far) this.#lift();
    if (this.#ghost) this.#show(clientX, clientY);
  }

  #show(x, y) {
    this.#ghost.style.transform = `translate(${x}px, ${y}px)`;
    if (y > window.innerHeight - EDGE) window.scrollBy(0, 12);
    else if (y < EDGE) window.scrollBy(0, -12);
    this.#tell(x, y, true);
  }

  #up({ pointerId, clientX, clientY }) {
    if (pointerId !== this.pointer) return;
    const dragged = this.#ghost !== null;
    this.#end();
    if (!dragged) return;
    // What was dragged is not pressed too.
    const stop = (click) => { click.stopPropagation(); click.preventDefault(); };
    window.addEventListener('click', stop, { capture: true, once: true });
    setTimeout(() => window.removeEventListener('click', stop, { capture: true }));
    this.#drop(this.#prompt, clientX, clientY);
  }

  #key(event) {
    if (event.key !== 'Escape' || !this.#ghost) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // it gives the drag up, and stops no take
    this.#end();
  }

  #end() {
    clearTimeout(this.#timer);
    this.#listening.abort();
    this.#ghost?.remove();
    this.#element.classList.remove('lw-dragged');
    if (this.#ghost) this.#tell(0, 0, false);
    this.#ghost = null;
  }

  #tell(clientX, clientY, over) {
    const detail = { prompt: this.#prompt, clientX, clientY, over };
    document.dispatchEvent(new CustomEvent('lw-drag', { detail }));
  }
}
