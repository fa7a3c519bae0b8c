/**
 * Drag an edge from where it was pressed: `move(clientX, tenths)` with the place of its middle, until `end(keep)`; it
 * is given up by Escape, and where a finger turns out to scroll.
 */
export function dragEdge(edge, { clientX, pointerId }, move, end) {
  const { left, width } = edge.getBoundingClientRect();
  const off = clientX - (left + width / 2);
  const listening = new AbortController();
  const on = (type, handler) => edge.addEventListener(type, handler, { signal: listening.signal, capture: true });
  const finish = (keep) => {
    listening.abort();
    edge.classList.remove('lw-tl-held');
    end(keep);
  };
  on('pointermove', (event) => move(event.clientX - off, event.altKey));
  on('pointerup', () => finish(true));
  on('pointercancel', () => finish(false));
  on('keydown', (event) => {
    event.preventDefault();
    event.stopImmediatePropagation(); // no other key, and no take is stopped
    if (event.key === 'Escape') finish(false);
  });
  edge.setPointerCapture(pointerId);
  edge.focus({ preventScroll: true });
  edge.classList.add('lw-tl-held');
}
