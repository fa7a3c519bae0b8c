// What the page asks of the server beside Gradio: an object answers, of which `message` says what is wrong.

import { words } from './words.js';

const HEADERS = { 'Content-Type': 'application/json', 'X-Longwave': '1' };

/** What the server answers to a path, or to what is sent there; {message} where it does not. */
export async function ask(path, sent = null) {
  const how = sent ? { method: 'POST', headers: HEADERS, body: JSON.stringify(sent) } : { cache: 'no-store' };
  try {
    return await (await fetch(new URL(path, document.baseURI), how)).json();
  } catch {
    return { message: words.page.silent };
  }
}
