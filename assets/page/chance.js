// How well one does who only guesses between two.

import { fill } from './text.js';
import { words } from './words.js';

const texts = words.ear;
const ROUNDED = [[100, 0.01], [1000, 0.001], [10000, 0.0001]]; // of so many, from such a chance on

/** The chance of `right` or more of `of` right answers by guessing: one-sided, binomial at one half. */
export function chanceOf(right, of) {
  let term = 0.5 ** of; // of none
  let sum = 0;
  for (let count = 0; count <= of; count += 1) {
    if (count >= right) sum += term;
    term *= (of - count) / (count + 1);
  }
  return Math.min(1, sum);
}

/** "9 of 12 right: chance alone does as well in 7 of 100." */
export function chanceWords(right, of) {
  const chance = chanceOf(right, of);
  const [out] = ROUNDED.find(([, least]) => chance >= least) ?? [];
  const share = out
    ? fill(texts.share, { count: Math.round(out * chance), of: out.toLocaleString('en') }) : texts.share_least;
  return fill(texts.score, { right, of, share });
}
