// Takes to take away: made ready on the server first, so that no download ends in an error.

import { words } from './words.js';
import { fill } from './text.js';

const OWN = { 'Content-Type': 'application/json', 'X-Longwave': '1' };

const WITH_DEPTH = ['.flac', '.wav'];

/** What fields of an export say: a format (".wav", or "" as it is), and of the rest what is said. */
export function wanted(part) {
  const [rate, bits] = part.querySelector('[name=quality]').value.split(' ');
  const name = part.querySelector('[name=name]').value.trim();
  const all = { format: part.querySelector('select').value, rate, bits, name };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
}

/** Save what one take of the Library is, as it is `wanted`; the sentence that tells of it. */
export function saveTake(source, { bits, ...rest }) {
  const lossless = WITH_DEPTH.some((suffix) => (rest.format ?? source.file).endsWith(suffix));
  const query = new URLSearchParams(bits && lossless ? { ...rest, bits } : rest);
  const whole = (path) => `${address(path)}&${query}`;
  return save(whole(source.prepareUrl), {}, () => whole(source.exportUrl));
}

/** Save several takes, by their ids, as one ZIP. */
export function saveTakes(ids, how) {
  const body = JSON.stringify({ takes: ids, ...how });
  const asked = { method: 'POST', headers: OWN, body };
  return save(address('library/archive'), asked, ({ url }) => address(url));
}

/** An address of the page's, whole. */
function address(path) {
  return new URL(path, document.baseURI).href;
}

async function save(prepare, asked, from) {
  let answer = { message: words.page.silent };
  try {
    const response = await fetch(prepare, { cache: 'no-store', ...asked });
    answer = await response.json();
  } catch { /* the sentence is there already */ }
  if (answer.name === undefined) return answer.message ?? words.page.silent;
  const link = document.createElement('a');
  Object.assign(link, { href: from(answer), download: '' });
  link.click();
  return fill(words.transport.saved, answer);
}
