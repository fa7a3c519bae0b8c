// What a loop is closed of: from where to where, or how many whole bars. `about` is { length, bridge, least, bar, beats }:
// the take's seconds, those that are made anew, those that have to be kept beside them, a bar's (0: no tempo), its beats.

const MS = (seconds) => Math.round(1000 * seconds) / 1000;
const within = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

/** Seconds of a bar; 0 where that is no tempo. */
export function barOf(bpm, beats) {
  return bpm >= 20 && bpm <= 400 ? (60 * beats) / bpm : 0;
}

/** The loop { from, to, bars } of what was typed, null for what was not; null where that is none. */
export function loopOf({ from, to, bars }, about) {
  const { length, bar } = about;
  const begins = from ?? 0;
  if (!(begins >= 0 && begins < length)) return null;
  if (bar) return inBars(begins, bars || Math.max(1, to ? Math.round((to - begins) / bar) : fitting(begins, about)), bar);
  const ends = to ?? length;
  return ends > begins && ends <= length + 0.001 ? { from: begins, to: ends, bars: 0 } : null;
}

/** The loop with one part of it, `from`, `to` or the `whole`, dragged to a second of the take. */
export function dragged(loop, part, at, about) {
  const { length, bar, bridge, least } = about;
  const span = loop.to - loop.from;
  if (part === 'whole') {
    const from = MS(within(at, 0, length + (bar ? bridge : 0) - span));
    return bar ? inBars(from, loop.bars, bar) : { from, to: MS(from + span), bars: 0 };
  }
  const shortest = bridge + least;
  if (bar) {
    const most = part === 'to' ? fitting(loop.from, about) : Math.floor(loop.to / bar + 1e-6);
    const bars = within(Math.round((part === 'to' ? at - loop.from : loop.to - at) / bar), Math.ceil(shortest / bar - 1e-6), most);
    if (bars > most) return loop; // no whole bars of that have room
    return inBars(part === 'to' ? loop.from : Math.max(0, MS(loop.to - bars * bar)), bars, bar);
  }
  if (part === 'to') return { ...loop, to: MS(within(at, Math.min(loop.from + shortest, length), length)) };
  return { ...loop, from: MS(within(at, 0, loop.to - shortest)) };
}

/** The loop with one part of it moved by a step of the arrow keys, a finer one with `fine`. */
export function stepped(loop, part, direction, fine, about) {
  const { bar, beats } = about;
  const step = !bar ? (fine ? 0.1 : 1) : part !== 'whole' ? bar : fine ? 0.01 : bar / beats;
  return dragged(loop, part, (part === 'to' ? loop.to : loop.from) + direction * step, about);
}

/** What is wrong with a loop: 'short', 'long' or ''. */
export function fault({ from, to }, { length, bridge, least }) {
  if (to - from < bridge + least - 0.02) return 'short'; // a bridge is of whole frames
  return to - bridge > length + 0.02 ? 'long' : '';
}

/** So many whole bars have room from there on: the bridge may lie behind the take's end. */
function fitting(from, { length, bar, bridge }) {
  return Math.floor((length - from + bridge) / bar + 1e-6);
}

function inBars(from, bars, bar) {
  return { from, to: from + bars * bar, bars };
}
