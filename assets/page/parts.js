/** An element with its class, attributes and text. */
export function part(tag, className, attributes = {}, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

/** Let a button be pressed again; it lost the focus when it could not, and keys would go to the page. */
export function ready(button) {
  button.disabled = false;
  if (document.activeElement === document.body) button.focus();
}
