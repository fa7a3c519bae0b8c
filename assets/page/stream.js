// A live stream's bytes as sound: 16-bit samples as they are.

/** The stream's sound piece by piece, each a Float32Array at the take's rate. */
export async function* receive(reader) {
  let odd = new Uint8Array(0); // a network chunk may end within a sample
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const bytes = new Uint8Array(odd.length + value.length);
    bytes.set(odd);
    bytes.set(value, odd.length);
    const whole = bytes.length - (bytes.length % 2);
    odd = bytes.slice(whole);
    if (whole) yield Float32Array.from(new Int16Array(bytes.buffer, 0, whole / 2), (sample) => sample / 32768);
  }
}
