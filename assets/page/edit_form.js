// What the panel of edits asks for: its fields as the server reads them, and how much new sound they mean.

import { takeOf } from './edited_takes.js';
import { parseTime } from './text.js';
import { words } from './words.js';

const FIELDS = {
  repaint: ['start', 'end', 'strength', 'prompt'], extend: ['left', 'right', 'prompt'],
  loop: ['start', 'end', 'loop_bridge', 'bpm', 'bars', 'prompt'], splice: ['other', 'leave', 'enter', 'splice_bridge', 'prompt'], vary: ['share'],
};
const SHARES = ['strength', 'share'];

/** Seconds of new sound that one edit of a take makes. */
export function secondsOf(fields, source) {
  const of = (name) => Number(fields[name].value) || 0;
  const length = source?.lengthS ?? 0;
  const { kind, start, end } = fields;
  if (kind.value === 'repaint') {
    const { from, to } = spanOf(fields, length);
    return start.value || end.value ? to - from : 0;
  }
  return { extend: of('left') + of('right'), loop: of('loop_bridge'), splice: of('splice_bridge'), vary: length }[kind.value];
}

/** The span of a take of so many seconds that is typed: {from, to}. */
export function spanOf({ start, end }, length) {
  return { from: parseTime(start.value) ?? 0, to: Math.min(parseTime(end.value) ?? length, length) };
}

/** How many candidates are asked for. */
export function countOf({ kind, candidates }) {
  return ['repaint', 'vary'].includes(kind.value) ? Number(candidates.value) : 1;
}

/** The edit of a take that the fields ask for. */
export function askedOf(fields, source) {
  const kind = fields.kind.value;
  const asked = { take: takeOf(source), kind, candidates: String(countOf(fields)) };
  for (const name of FIELDS[kind]) {
    const value = fields[name].value.trim();
    const key = name.endsWith('_bridge') ? 'bridge' : name;
    if (value) asked[key] = SHARES.includes(name) ? String(Number(value) / 100) : value;
  }
  if (kind === 'repaint') {
    asked.start ??= '0';
    asked.end ??= String(source.lengthS);
  }
  if (asked.bpm && asked.bars) delete asked.end; // the bars are its length
  return asked;
}

/** Offer takes to go on with; the chosen one stays chosen if it is among them. */
export function offer(other, takes) {
  const chosen = other.value;
  const options = takes.map(({ id, name }) => new Option(name, id));
  other.replaceChildren(...(options.length ? options : [new Option(words.edits.no_others, '')]));
  if (takes.some(({ id }) => id === chosen)) other.value = chosen;
}

/** Seconds as a field has them, to the millisecond. */
export function precise(seconds) {
  return String(Math.round(1000 * seconds) / 1000);
}
