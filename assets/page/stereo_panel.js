// What of a take is heard left and right, and which of its band its model generated: a panel over the transport.

import { fit } from './canvas.js';
import { signed } from './meter_view.js';
import { output } from './output.js';
import { fill, setText } from './text.js';
import { words } from './words.js';

const texts = words.transport;
const AGREE = [[0.95, 'agreement_alike'], [0.1, 'agreement_wide'], [-0.1, 'agreement_apart'], [-1, 'agreement_against']];
const [LOWEST_HZ, FLOOR_DB, CEILING_DB] = [50, -110, -20];
const BAR_PX = 4;
const OWN_RATE_TOP_HZ = 8000; // of a take whose band nobody tells

export class StereoPanel {
  #opener;
  #panel;
  #transport;
  #slider;
  #source = null;
  #stereo = false; // whether two channels were heard of it

  /** `opener` opens the `panel`; the `transport` has `current`, `playing` and `width`. */
  constructor(opener, panel, transport) {
    this.#opener = opener;
    this.#panel = panel;
    this.#transport = transport;
    this.#slider = panel.querySelector('input');
    opener.addEventListener('click', () => this.#open(panel.hidden));
    this.#slider.addEventListener('input', () => {
      transport.width = this.#slider.value / 100;
      this.#tell();
    });
    document.addEventListener('pointerdown', ({ target }) => {
      if (!panel.hidden && !panel.contains(target) && !opener.contains(target)) this.#open(false);
    });
  }

  /** Show what `Meter.read` gives, null where nothing sounds. */
  show(heard) {
    const { current } = this.#transport;
    if (current?.id !== this.#source) {
      this.#source = current?.id ?? null;
      this.#stereo = this.#transport.width < 1;
    }
    if (heard && heard.correlation !== null) this.#stereo = true;
    if (this.#panel.hidden) return;
    this.#agree(heard?.correlation ?? null);
    this.#tell();
    this.#drawBands(heard ? output.meter.spectrum() : null);
  }

  /** Close it; whether it was open. */
  close() {
    if (this.#panel.hidden) return false;
    this.#open(false);
    this.#opener.focus();
    return true;
  }

  #open(open) {
    this.#panel.hidden = !open;
    this.#opener.setAttribute('aria-expanded', open);
    if (!open) return;
    this.show(this.#transport.playing ? output.meter.read() : null);
    if (!this.#slider.disabled) this.#slider.focus();
  }

  #agree(correlation) {
    const bar = this.#panel.querySelector('.lw-agreement');
    bar.classList.toggle('lw-hidden-needle', correlation === null);
    bar.querySelector('i').style.left = `${50 + 50 * (correlation ?? 0)}%`;
    const [, text] = AGREE.find(([least]) => (correlation ?? 0) >= least) ?? AGREE.at(-1);
    const told = correlation === null ? texts.agreement_none : fill(texts[text], { value: signed(correlation) });
    setText(this.#panel.querySelector('.lw-agreement-said'), this.#transport.playing ? told : '');
  }

  #tell() {
    const { width, current } = this.#transport;
    this.#slider.disabled = !current || !this.#stereo;
    if (document.activeElement !== this.#slider) this.#slider.value = Math.round(100 * width);
    const percent = `${Math.round(100 * width)} %`;
    setText(this.#panel.querySelector('output'), percent);
    this.#slider.setAttribute('aria-valuetext', percent);
    const text = this.#slider.disabled ? texts.width_none
      : width === 1 ? texts.width_whole : current.live ? texts.width_live : texts.width_kept;
    setText(this.#panel.querySelector('.lw-width-said'), text);
  }

  /** How loud it is by frequency, what is extended apart from what is generated. */
  #drawBands(spectrum) {
    const { current } = this.#transport;
    const about = current?.live ? current.live.band : current ?? {};
    const top = about.topHz || OWN_RATE_TOP_HZ;
    const edge = about.extendedHz?.[0] ?? top;
    const canvas = this.#panel.querySelector('.lw-bands');
    const { context, width, height } = fit(canvas);
    const place = (hz) => (width * Math.log(hz / LOWEST_HZ)) / Math.log(top / LOWEST_HZ);
    for (let x = 0; spectrum && x < width; x += BAR_PX) {
      const [from, to] = [x, x + BAR_PX].map((at) => LOWEST_HZ * (top / LOWEST_HZ) ** (at / width));
      const share = Math.max(0, (loudest(spectrum, from, to) - FLOOR_DB) / (CEILING_DB - FLOOR_DB));
      context.fillStyle = from < edge ? 'rgb(251 135 97)' : 'rgb(86 186 255)';
      context.fillRect(x, height * (1 - share), from < edge ? BAR_PX - 1 : BAR_PX - 2, height);
    }
    context.fillStyle = 'rgb(255 255 255 / 0.7)';
    context.font = '11px ui-sans-serif, system-ui, sans-serif';
    context.textBaseline = 'top';
    for (const hz of [100, 1000, edge]) {
      const x = place(hz);
      if (hz < top) context.fillText(hz < 1000 ? hz : `${hz / 1000}k`, x + 3, 3);
      if (hz === edge && edge < top) context.fillRect(x, 0, 1, height);
    }
    setText(this.#panel.querySelector('.lw-bands-said'), bandWords(current, spectrum, edge, top));
  }
}

function bandWords(current, spectrum, edge, top) {
  if (!current) return texts.bands_nothing;
  const [edgeKhz, topKhz] = [edge, top].map((hz) => Math.round(hz / 100) / 10);
  if (edge >= top) return fill(texts.bands_own, { top: topKhz });
  const told = fill(texts.bands_extended, { edge: edgeKhz, top: topKhz });
  if (!spectrum) return told;
  const [below, above] = [[LOWEST_HZ, edge], [edge, top]].map(([from, to]) => energy(spectrum, from, to));
  const db = Math.round(10 * Math.log10(below / above));
  return Number.isFinite(db) && db > 0 ? `${told} ${fill(texts.bands_level, { db })}` : told;
}

/** The decibels of what is loudest between two frequencies. */
function loudest({ decibels, binHz }, from, to) {
  let most = -Infinity;
  for (let bin = Math.floor(from / binHz); bin <= to / binHz && bin < decibels.length; bin += 1) {
    most = Math.max(most, decibels[bin]);
  }
  return most;
}

function energy({ decibels, binHz }, from, to) {
  let sum = 0;
  for (let bin = Math.ceil(from / binHz); bin < to / binHz && bin < decibels.length; bin += 1) sum += 10 ** (decibels[bin] / 10);
  return sum;
}
