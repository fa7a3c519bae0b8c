// Players that stand under each other, of a comparison.

/** Of takes that are compared each goes on where the one before was. */
export function goOn(audio) {
  const rows = [...(audio.closest('[id$="-compare-rows"]')?.querySelectorAll('audio') ?? [])];
  const last = rows.find((row) => 'last' in row.dataset);
  if (last && last !== audio && last.currentTime < audio.duration) audio.currentTime = last.currentTime;
  for (const row of rows) delete row.dataset.last;
  audio.dataset.last = '';
}
