// Takes at one loudness.

/** What brings each of these takes, `{ lufs }`, to the quietest of them, in dB; 0 for one whose loudness is not known. */
export function matched(takes) {
  const known = takes.map(({ lufs }) => lufs).filter((lufs) => typeof lufs === 'number');
  const quietest = Math.min(...known);
  return takes.map(({ lufs }) => (typeof lufs === 'number' ? quietest - lufs : 0));
}
