// What a press of the main button will do, in words.

import { lengthText } from './form.js';
import { fill } from './text.js';
import { words } from './words.js';

/** Of the button `main` of a tab with that form; `heardAfterS` is when a change would be heard. */
export function willText(main, form, heardAfterS = 0) {
  const { count, lengthS } = form.wanted;
  const length = lengthText(lengthS);
  if (main === 'steer') return fill(words.form.will_change, { seconds: Math.round(heardAfterS) });
  if (main === 'again') return words.form.will_again;
  if (count > 1) return fill(words.form.will_several, { count, length });
  return form.endless ? words.form.will_endless : fill(words.form.will_length, { length });
}
