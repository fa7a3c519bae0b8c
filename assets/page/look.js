// What was found in a take: its times, and its picture, are pressed to hear the take from there.

import { transport } from './transport.js';

/** The card is on the page; `tab` is a tab of takes, or the library. */
export function attach(element, tab) {
  element.addEventListener('click', (event) => {
    const card = event.target.closest('.lw-look');
    const at = card && placeOf(event, card);
    if (at === null || at === undefined) return;
    const source = sourceOf(card, tab);
    if (!source) return;
    if (transport.current?.id === source.id) transport.seek(at);
    else transport.play(source, at);
  });
}

/** The second that was pressed, or null. */
function placeOf({ target, clientX }, card) {
  const place = target.closest('[data-at]');
  if (place) return Number(place.dataset.at);
  const picture = target.closest('.lw-look-picture');
  if (!picture) return null;
  const { left, width } = picture.getBoundingClientRect();
  return Math.min(Math.max((clientX - left) / width, 0), 1) * Number(card.dataset.length);
}

/** What plays the take of the card. */
function sourceOf(card, tab) {
  if (tab === 'library') {
    const { source } = document.querySelector('#library-detail .lw-detail[data-source]')?.dataset ?? {};
    return source && JSON.parse(source);
  }
  return window.longwave[tab].strip.takes.find(({ file }) => file === card.dataset.file);
}
