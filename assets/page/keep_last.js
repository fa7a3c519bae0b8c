// What was just heard of a live take, kept as a take of its own.

import { fill } from './text.js';
import { words } from './words.js';

const OWN = { method: 'POST', headers: { 'X-Longwave': '1' }, cache: 'no-store' };
const LAST_S = 30;
const said = words.transport;

/** Keep it, of a tab's take, and `say` what comes of that. */
export async function keepLast({ token, player }, say) {
  say(said.keeping);
  try {
    const url = new URL(`keep/${token}`, document.baseURI);
    url.search = new URLSearchParams({ seconds: LAST_S, until: player.position });
    const response = await fetch(url, OWN);
    const answer = response.ok ? await response.json() : { message: await response.text() };
    say(response.ok ? fill(said.kept, answer) : answer.message);
    if (answer.url) { // no Library of one's own: as a file
      const download = document.createElement('a');
      Object.assign(download, { href: new URL(answer.url, document.baseURI), download: '' });
      download.click();
    }
  } catch {
    say(words.page.silent);
  }
}
