// A mix that is there is told of by its name, whatever tab is shown, and after a reload of the page too; the Library
// lists it.

import { ask } from './ask.js';
import { recalled, remember } from './kept.js';
import { library } from './library.js';
import { transport } from './transport.js';
import { words } from './words.js';

const LOOK_MS = 1000;
const ERRAND = 'longwave.layers.errand'; // as the desk keeps it
const TOLD = 'longwave.layers.told';
const OPEN = ['waiting', 'making'];

async function look() {
  const id = recalled(ERRAND);
  if (!id || id === recalled(TOLD)) return;
  const { phase, said, message } = await ask(`layers/errands/${id}`);
  if (OPEN.includes(phase) || message === words.page.silent) return; // it is asked again
  remember(TOLD, id);
  if (!phase) return; // the studio was started anew
  library.changed();
  if (!document.querySelector('.lw-mix-said')?.offsetParent) transport.say(said); // else it stands there
}

let looking = false;
setInterval(async () => {
  if (looking) return;
  looking = true;
  await look();
  looking = false;
}, LOOK_MS);
