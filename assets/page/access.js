// What Gradio's own parts leave out for those who don't see them.

/** An upload's button is named as it reads: who speaks to the page says what stands there. */
function nameUpload(button) {
  button.removeAttribute('aria-label');
  button.removeAttribute('aria-dropeffect'); // withdrawn from ARIA
}

const mend = (root) => root.querySelectorAll('.upload-container').forEach(nameUpload);

new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) mend(node.parentElement ?? node);
  }
}).observe(document.body, { childList: true, subtree: true });
mend(document);
