// Words on the page: filled in, written where they differ, and times as one reads them.

/** A text with its {names} replaced by `values`. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Write a text where it differs: a live region speaks at every write. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Seconds as m:ss or h:mm:ss. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/** "1:30.5" or "90.5" as seconds; null for nothing, NaN for what is no time. */
export function parseTime(text) {
  if (!text.trim()) return null;
  const match = /^(?:(?:(\d{1,4}):)?(\d{1,5}):)?(\d{1,7}(?:\.\d{0,9})?)$/.exec(text.trim());
  if (!match) return NaN;
  const [hours, minutes, rest] = match.slice(1);
  if ((minutes && Number(rest) >= 60) || (hours && Number(minutes) >= 60)) return NaN;
  return Math.round(1000 * (3600 * (hours ?? 0) + 60 * (minutes ?? 0) + Number(rest))) / 1000;
}
