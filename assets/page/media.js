// The keyboard's and the headphones' media keys, and the system's panel of what plays.
//
// Browsers give them to media elements alone, so a silent one plays while something sounds.

const SILENT_S = 10; // below 5 s Chrome takes a sound for a mere notice, and shows no panel
const SILENT_RATE = 8000;
const PLAYING = ['loading', 'playing', 'buffering'];

/**
 * Let the keys `play`, `pause` and `stop`; `title()` is what the panel says that it is.
 *
 * Gives `update(state)`, to be called whenever a player's state or the title has changed.
 */
export function bindMediaKeys({ play, pause, stop, title }) {
  const session = navigator.mediaSession;
  if (!session) return { update: () => {} };
  for (const [action, handle] of Object.entries({ play, pause, stop })) {
    try {
      session.setActionHandler(action, handle);
    } catch { /* a key that this browser does not know */ }
  }
  let silence = null;
  let said = '';
  const update = (state) => {
    const sounds = PLAYING.includes(state);
    session.playbackState = sounds ? 'playing' : state === 'paused' ? 'paused' : 'none';
    if (title() !== said) {
      said = title();
      session.metadata = new MediaMetadata({ title: said, artist: 'Longwave' });
    }
    if (sounds) {
      silence ??= silentElement();
      if (silence.paused) silence.play().catch(() => {}); // before anything on the page was pressed
    } else {
      silence?.pause();
    }
  };
  return { update };
}

/** An <audio> element of silence that goes round. */
function silentElement() {
  const samples = SILENT_S * SILENT_RATE;
  const view = new DataView(new ArrayBuffer(44 + samples));
  const text = (at, name) => [...name].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + samples, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, SILENT_RATE, true);
  view.setUint32(28, SILENT_RATE, true);
  view.setUint16(32, 1, true);
  view.setUint16(34, 8, true);
  text(36, 'data');
  view.setUint32(40, samples, true);
  new Uint8Array(view.buffer, 44).fill(128); // 8-bit samples have no sign
  const element = document.createElement('audio');
  element.loop = true;
  element.src = URL.createObjectURL(new Blob([view.buffer], { type: 'audio/wav' }));
  return element;
}
