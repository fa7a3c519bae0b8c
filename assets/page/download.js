// Takes to take away: made ready on the server first, so that no download ends in an error.

import { words } from './words.js';
import { fill } from './text.js';

const OWN = { 'Content-Type': 'application/json', 'X-Longwave': '1' };

/** Save what one take of the Library is in a format (".wav", or "" as it is); the sentence that tells of it. */
export function saveTake(source, format) {
  const query = format ? `&format=${format}` : '';
  return save(address(source.prepareUrl) + query, {}, () => address(source.exportUrl) + query);
}

/** Save several takes, by their ids, as one ZIP. */
export function saveTakes(ids, format) {
  const body = JSON.stringify({ takes: ids, format });
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
