/** Give a canvas the pixels that its place on the page has; its context, drawn on in CSS pixels, and its size. */
export function fit(canvas) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext('2d');
  context.scale(scale, scale);
  return { context, width, height };
}
