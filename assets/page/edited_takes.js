// Where a take that was made by an edit is heard: in the strip that has the take it was made of, whose picture and
// span are then its own; or, of the Library, as it is.

import { transport } from './transport.js';

/** The Library's id of a finished take; empty for anything else. */
export function takeOf(source) {
  if (!source || source.live || source.player) return '';
  return source.library ?? (source.exportUrl?.startsWith('library/') ? source.id : '');
}

/** Whether a strip of the page has a take: its tab shows the picture. */
export function inStrip(source) {
  return Boolean(stripOf(source));
}

/** Put a take beside the one that it was made of, where that is in a strip. */
export async function putBeside(source, of) {
  const { token, file, lengthS, title } = source;
  const strip = stripOf(of);
  if (placeIn(strip, source) < 0) await strip?.add({ token, file, lengthS, title });
}

/** Wait until the strip that has a take is on the page, if it is of one: some moments after the page was loaded. */
export async function awaitStrip(of) {
  const belongs = !of.exportUrl?.startsWith('library/');
  for (let tries = 0; belongs && !stripOf(of) && tries < 20; tries += 1) await new Promise((done) => setTimeout(done, 250));
}

/** Play a take from `at` on, in the strip that has `near` if it is there too. */
export function playNear(source, near, at) {
  const strip = stripOf(near);
  const place = placeIn(strip, source);
  transport.play(strip?.takes[place] ?? source, at);
  strip?.press(place); // it sounds already: the picture is to be its own
}

/** Have a finished take ready where it is, silent. */
export function hold(source) {
  if (!stripOf(source)?.hold(source.id)) transport.hold(source);
}

/** Take a take out of the strip that has `near`. */
export function takeOut(source, near) {
  const strip = stripOf(near);
  strip?.remove(placeIn(strip, source));
}

function stripOf(source) {
  const strips = Object.values(window.longwave ?? {}).map(({ strip }) => strip);
  return strips.find((strip) => strip?.takes.some(({ id }) => id === source?.id));
}

function placeIn(strip, source) {
  return strip?.takes.findIndex((take) => takeOf(take) === takeOf(source)) ?? -1;
}
