// What Gradio's own parts leave out for those who don't see them, or have no mouse.

const MENDED = {
  /** An upload's button is named as it reads: who speaks to the page says what stands there. */
  '.upload-container': (button) => {
    button.removeAttribute('aria-label');
    button.removeAttribute('aria-dropeffect'); // withdrawn from ARIA
  },
  /** Browsers let Tab enter what scrolls. A list of choices is gone by then, and the focus with it. */
  'ul[role=listbox]': (list) => { list.tabIndex = -1; },
};

function mend(root) {
  for (const [selector, act] of Object.entries(MENDED)) root.querySelectorAll(selector).forEach(act);
}

new MutationObserver((changes) => {
  for (const { addedNodes, target } of changes) {
    if ([...addedNodes].some(({ nodeType }) => nodeType === Node.ELEMENT_NODE)) mend(target);
  }
}).observe(document.body, { childList: true, subtree: true });
mend(document);
