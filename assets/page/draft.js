// The draft of the take that is made, to be seen and heard while it is refined.

const PARTS = { sound: 'audio', picture: '.lw-draft-picture', tokens: '.lw-draft-tokens' };

/** Show the draft of the take of that token on a card; no token: there is none yet. */
export async function showDraft(card, token) {
  if (!card || (card.dataset.token ?? '') === (token ?? '')) return;
  card.dataset.token = token ?? '';
  for (const [what, selector] of Object.entries(PARTS)) {
    const part = card.querySelector(selector);
    part.hidden = !token;
    if (part.src) URL.revokeObjectURL(part.src);
    if (token) part.src = await local(`draft/${token}/${what}`);
    else part.removeAttribute('src');
  }
  card.querySelector('.lw-hint').hidden = Boolean(token);
}

/** What the server has there as an address within the page: a sound can be moved about in. */
async function local(path) {
  const response = await fetch(new URL(path, document.baseURI), { cache: 'no-store' });
  return URL.createObjectURL(await response.blob());
}
