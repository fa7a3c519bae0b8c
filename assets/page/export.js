// A finished take to take away: a span of it, at a loudness, in a format. What is wrong is said beside the
// field; nothing is fetched before the server has it ready, so that no download ends in an error.

import { words } from './words.js';
import { clock, fill, parseTime, setText } from './text.js';

const FORMATS = ['flac', 'wav', 'mp3', 'ogg', 'opus'];
const WITH_DEPTH = ['flac', 'wav'];
const CEILING = [-20, 0];
const said = words.transport;

export class ExportForm extends EventTarget {
  #form;
  #source = null;
  #busy = false;

  /** Dispatches `span` (detail: {from, to} or null) when one types another. */
  constructor(form) {
    super();
    this.#form = form;
    form.addEventListener('input', () => this.#typed());
    form.addEventListener('submit', (event) => event.preventDefault());
    form.querySelector('.lw-whole').addEventListener('click', () => {
      this.span = null;
      this.dispatchEvent(new CustomEvent('span', { detail: null }));
    });
  }

  /** Offer a finished take: its addresses, the name of its file, its length. */
  offer(source) {
    this.#source = source;
    const own = FORMATS.find((format) => source.file.endsWith(`.${format}`));
    const links = [own, ...FORMATS.filter((format) => format !== own)].filter(Boolean).map((format) => {
      const link = document.createElement('a');
      link.textContent = format.toUpperCase();
      link.dataset.format = format;
      link.addEventListener('click', (event) => this.#fetch(event, link));
      link.addEventListener('dragstart', (event) => draggable(event, source.file, link.href));
      return link;
    });
    this.#form.querySelector('.lw-formats').replaceChildren(...links);
    const { value } = this.#form.elements.name; // it suits the next take as well
    this.#form.reset();
    this.#form.elements.name.value = value;
    this.#say('');
    this.#check();
  }

  /** The span that the picture has, in the fields. */
  set span(span) {
    const { start, end } = this.#form.elements;
    start.value = span ? precise(span.from) : '';
    end.value = span ? precise(span.to) : '';
    this.#check();
  }

  /** How wide the take is heard: where that is narrower than it is, it may be kept. */
  set width(share) {
    const { width } = this.#form.elements;
    const field = width.closest('label');
    width.value = share;
    field.hidden = share === 1;
    setText(field.querySelector('span'), fill(said.width_export, { width: Math.round(100 * share) }));
    this.#link();
  }

  #typed() {
    this.#check();
    const { start, end } = this.#form.elements;
    const right = !this.#form.querySelector('[aria-invalid=true]');
    const [from, to] = [parseTime(start.value) ?? 0, parseTime(end.value) ?? this.#source?.lengthS ?? 0];
    const span = start.value || end.value ? { from, to } : null;
    if (right) this.dispatchEvent(new CustomEvent('span', { detail: span }));
  }

  #check() {
    const fields = this.#form.elements;
    const length = this.#source?.lengthS ?? 0;
    const [start, end] = [parseTime(fields.start.value), parseTime(fields.end.value)];
    const take_is = fill(said.take_is, { length: clock(length) });
    this.#say('');
    this.#mark('start', wrongTime(start) || (start !== null && start >= length ? fill(said.begin_inside, { take_is }) : ''));
    let wrong = wrongTime(end);
    if (!wrong && end !== null) {
      if (end > length + 0.01) wrong = fill(said.end_inside, { take_is });
      else if (end < (start ?? 0)) wrong = said.end_before;
      else if (end === (start ?? 0)) wrong = said.nothing_between;
    }
    this.#mark('end', wrong);
    this.#form.querySelector('.lw-whole').hidden = !fields.start.value && !fields.end.value;
    fields.ceiling.closest('label').hidden = !fields.lufs.value;
    const ceiling = Number(fields.ceiling.value.replace('−', '-'));
    const [low, high] = CEILING;
    const within = ceiling >= low && ceiling <= high;
    this.#mark('name', '');
    this.#mark('ceiling', !fields.lufs.value || within ? '' : said.wrong_ceiling);
    this.#link();
  }

  #link() {
    const right = this.#source && !this.#form.querySelector('[aria-invalid=true]');
    for (const link of this.#form.querySelectorAll('.lw-formats a')) {
      if (right) link.href = this.#address(this.#source.exportUrl, link.dataset.format);
      else link.removeAttribute('href');
    }
  }

  #address(path, format) {
    const fields = this.#form.elements;
    const url = new URL(path, document.baseURI);
    url.searchParams.set('format', `.${format}`);
    for (const name of ['start', 'end']) {
      if (fields[name].value.trim()) url.searchParams.set(name, fields[name].value.trim());
    }
    if (fields.lufs.value) {
      url.searchParams.set('lufs', fields.lufs.value);
      url.searchParams.set('ceiling', fields.ceiling.value);
    }
    if (fields.width.checked && Number(fields.width.value) < 1) url.searchParams.set('width', fields.width.value);
    if (fields.name.value.trim()) url.searchParams.set('name', fields.name.value.trim());
    const [rate, bits] = fields.quality.value.split(' ');
    if (rate) url.searchParams.set('rate', rate);
    if (bits && WITH_DEPTH.includes(format)) url.searchParams.set('bits', bits);
    return url;
  }

  async #fetch(event, link) {
    event.preventDefault();
    if (this.#busy || !link.href) return;
    const source = this.#source;
    const address = link.href;
    this.#busy = true;
    this.#say(said.preparing);
    let answer = { message: words.page.silent };
    try {
      const url = this.#address(source.prepareUrl, link.dataset.format);
      answer = await (await fetch(url, { cache: 'no-store' })).json();
    } catch { /* the sentence is there already */ } finally {
      this.#busy = false;
    }
    if (source !== this.#source) return; // another take has come meanwhile
    if (answer.name === undefined) {
      this.#say(answer.field in this.#form.elements ? '' : answer.message ?? words.page.silent, true);
      if (answer.field in this.#form.elements) this.#mark(answer.field, answer.message);
      this.#link();
      return;
    }
    this.#say(fill(answer.said ? said.saved_level : said.saved, answer));
    const download = document.createElement('a');
    Object.assign(download, { href: address, download: '' });
    download.click();
  }

  #mark(name, message) {
    const field = this.#form.elements[name];
    const line = field.closest('label').querySelector('.lw-wrong');
    if (line) setText(line, message);
    field.setAttribute('aria-invalid', Boolean(message));
  }

  #say(text, wrong = false) {
    const line = this.#form.querySelector('.lw-told');
    setText(line, text);
    line.classList.toggle('lw-wrong', wrong);
  }
}

/** Let a link be dragged to a desktop or into a program: as the file, not as its address. */
export function draggable(event, file, address) {
  const url = new URL(address, document.baseURI);
  event.dataTransfer?.setData('DownloadURL', `application/octet-stream:${file}:${url}`);
  event.dataTransfer?.setData('text/uri-list', url.href);
}

function wrongTime(value) {
  return Number.isNaN(value) ? said.wrong_time : '';
}

/** A time as one types it, to the hundredth. */
function precise(seconds) {
  const rest = Math.round((seconds % 1) * 100) / 100;
  return `${clock(seconds)}${rest ? String(rest).slice(1) : ''}`;
}
