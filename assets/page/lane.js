// A lane of prompts as the timeline changes it: points { at_s, prompt } in order of time, never two at one time.

import { clock, parseTime } from './text.js';

export const MOST_CHANGES = 500;
const MOST_S = 24 * 3600;
const SHORTEST_VIEW_S = 60;
const ROOM_S = 20; // after the last change, and after what is made
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const SAME_S = 0.05;

/** A time to a second, or to a tenth of one. */
export const snap = (seconds, tenths) => (tenths ? Math.round(10 * seconds) / 10 : Math.round(seconds));

/** Seconds as m:ss, with a tenth where there is one. */
export function time(seconds) {
  const tenths = Math.round(10 * seconds);
  return clock(tenths / 10) + (tenths % 10 ? `.${tenths % 10}` : '');
}

/**
 * A form's fields as a plan, or null while the typed lane can't be read: the server's own rules, so that what is
 * shown is what will be made.
 */
export function planOf(prompt, lane, blend_s, duration_s, endless) {
  const points = parseLane(lane ?? '');
  const length_s = endless || !(duration_s > 0) ? null : duration_s;
  return points && { prompt: prompt ?? '', points, blend_s: blend_s ?? 0, length_s };
}

function parseLane(text) {
  const points = new Map();
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n?|\n/)) {
    if (!line.trim() || line.trim().startsWith('#')) continue;
    const [, time, prompt] = /^([^|]*)\|(.*)$/.exec(line) ?? [];
    const at_s = parseTime(time ?? '');
    if (at_s === null || Number.isNaN(at_s) || !prompt?.trim() || points.has(at_s)) return null;
    points.set(at_s, { at_s, prompt: prompt.trim() });
  }
  return [...points.values()].sort((one, other) => one.at_s - other.at_s);
}

/** The regions that a plan is made of: { index, prompt, from, to }; -1 for what the take begins with. */
export function regions({ prompt, points }, end) {
  const starts = points.map((point, index) => ({ index, prompt: point.prompt, from: point.at_s }));
  if (points[0]?.at_s !== 0) starts.unshift({ index: -1, prompt, from: 0 });
  return starts.map((region, at) => ({ ...region, to: starts[at + 1]?.from ?? end }));
}

/** The seconds that there is something of, and of them those that are shown at first. */
export function extent({ points, length_s: length }, playing) {
  const last = points.at(-1)?.at_s ?? 0;
  const made = playing?.made_s ?? 0;
  if (playing && !playing.live && made) {
    // As the picture of the take that is whole, unless the next one is to be longer.
    const view = Math.max(made, length ?? 0);
    return { view, total: Math.max(view, last && last + ROOM_S) };
  }
  if (length) return { view: length, total: length };
  // In steps, or all would creep while a take is made.
  const room = made ? Math.ceil((made + ROOM_S) / ROOM_S) * ROOM_S : 0;
  const view = Math.max(SHORTEST_VIEW_S, last + ROOM_S, room);
  return { view, total: view };
}

/** Where a change may be: between its neighbours, and within the take. */
export function bounds({ points, length_s: length }, index, tenths) {
  const apart = tenths ? 0.1 : 1;
  const before = points[index - 1]?.at_s ?? 0;
  const after = points[index + 1]?.at_s ?? (length ?? MOST_S);
  const [least, most] = [snap(before + apart, true), snap(after - apart, true)];
  return least > most ? [points[index].at_s, points[index].at_s] : [least, most];
}

/** The lane with a change at another time, as near to it as its neighbours let it. */
export function moved(plan, index, at, tenths) {
  const [least, most] = bounds(plan, index, tenths);
  const to = Math.min(most, Math.max(least, snap(at, tenths)));
  return plan.points.map((point, other) => (other === index ? { ...point, at_s: to } : point));
}

/** The lane with a change put in, and which that is; words that begin at that time are replaced. */
export function placed({ points, length_s: length }, prompt, at) {
  const most = (length ?? MOST_S) - (length && length <= 2 ? 0.1 : 1);
  const to = Math.max(Math.min(snap(at, false), snap(most, true)), Math.min(1, most));
  const others = points.filter(({ at_s: other }) => Math.abs(other - to) > SAME_S);
  const lane = [...others, { at_s: to, prompt }].sort((one, other) => one.at_s - other.at_s);
  return { points: lane, index: lane.findIndex(({ at_s: other }) => other === to) };
}

/** A time near `at` at which nothing begins yet: as many seconds later as it takes. */
export function free({ points, length_s: length }, at) {
  const taken = (when) => points.some((point) => Math.abs(point.at_s - when) < 1);
  let when = Math.max(1, snap(at, false));
  while (taken(when)) when += 1;
  const most = length ?? MOST_S;
  if (when < most) return when;
  while (when > 1 && (when >= most || taken(when))) when -= 1;
  return when;
}

/** Whether a take's lane has this change: it was taken up. */
export function isTaken(playing, { at_s: at, prompt }) {
  return playing.points.some((other) => other.prompt === prompt && Math.abs(other.at_s - at) < SAME_S);
}

/** Times for a ruler, no closer than `apart` seconds. */
export function ticks(total, apart) {
  const step = STEPS.find((seconds) => seconds >= apart) ?? Math.ceil(apart / 14400) * 14400;
  return Array.from({ length: Math.floor(total / step) + 1 }, (_, index) => index * step);
}

export const sameLane = (one, other) => one.length === other.length
  && one.every((point, at) => point.at_s === other[at].at_s && point.prompt === other[at].prompt);

/** Whether more than the playhead has moved from what played to what plays. */
export function looksOther(before, playing) {
  if (!before || !playing) return before !== playing;
  const passed = ({ points, position_s: now }) => points.filter(({ at_s: at }) => at <= now).length;
  return before.opening !== playing.opening || before.live !== playing.live || passed(before) !== passed(playing)
    || !sameLane(before.points, playing.points);
}
