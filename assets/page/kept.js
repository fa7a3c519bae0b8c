// What a browser tab keeps of the page over a reload. One that keeps nothing is as good as new.

/** What was kept under a name; null where nothing was. */
export function recalled(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch { /* a browser that keeps nothing */ }
}
