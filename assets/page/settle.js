// Shows a tab of takes once all that it is made of is there. Gradio lays parts out as their code arrives, and each
// would push the others about; access.css hides the tab until then, and no longer than a few seconds.

const PARTS = [
  '[id$="-generate"]', '[id$="-variations"] label', '[id$="-palette"] .lw-chip', '[id$="-preset"] input', '.lw-reset',
  '[id$="-sound-tab"]', '[id$="-spectrogram"] canvas', '[id$="-download"]', '[id$="-seed"] :is(input, textarea)',
];

function complete(tab) {
  const timeline = tab.querySelector('[id$="-timeline"]'); // some tabs have none
  return PARTS.every((part) => tab.querySelector(part)) && (!timeline || timeline.querySelector('.lw-tl-region'));
}

function show() {
  for (const tab of document.querySelectorAll('.lw-tab:not([data-ready])')) {
    if (complete(tab)) tab.dataset.ready = '';
  }
}

new MutationObserver(show).observe(document.body, { childList: true, subtree: true });
show();
