// The finished take to take away: a span of it, at a loudness, in a format. What is wrong is said beside the
// field; nothing is fetched before the server has it ready, so that no download ends in an error.

import { clock, parseTime } from './text.js';

const FORMATS = ['flac', 'wav', 'mp3', 'ogg'];
const CEILING = [-20, 0];
const SILENT = 'The studio does not answer: check that it still runs.';

export class ExportForm {
  #form;
  #url;
  #length;
  #busy = false;

  /** `length` gives the seconds that the take has. */
  constructor(form, length) {
    this.#form = form;
    this.#length = length;
    form.oninput = () => this.#check();
    form.onsubmit = (event) => event.preventDefault();
  }

  /** Offer the take at this address, which is called `file`. */
  offer(url, file) {
    this.#url = url;
    const own = FORMATS.find((format) => file.endsWith(`.${format}`));
    const links = [own, ...FORMATS.filter((format) => format !== own)].map((format) => {
      const link = document.createElement('a');
      link.textContent = format.toUpperCase();
      link.dataset.format = format;
      link.addEventListener('click', (event) => this.#fetch(event, link));
      return link;
    });
    this.#form.querySelector('.lw-formats').replaceChildren(...links);
    this.#form.reset();
    this.#check();
  }

  #check() {
    const fields = this.#form.elements;
    const length = this.#length();
    const [start, end] = [parseTime(fields.start.value), parseTime(fields.end.value)];
    const long = `The take is ${clock(length)} long:`;
    this.#say('');
    this.#mark('start', wrongTime(start) || (start >= length ? `${long} begin inside it.` : ''));
    let wrong = wrongTime(end);
    if (!wrong && end !== null) {
      if (end > length + 0.001) wrong = `${long} end inside it, or leave the end empty.`;
      else if (end < (start ?? 0)) wrong = 'The end lies before the beginning: choose a later end.';
      else if (end === (start ?? 0)) wrong = 'Nothing lies between the beginning and the end: choose a later end.';
    }
    this.#mark('end', wrong);
    fields.ceiling.closest('label').hidden = !fields.lufs.value;
    const ceiling = Number(fields.ceiling.value.replace('−', '-'));
    const [low, high] = CEILING;
    const within = ceiling >= low && ceiling <= high;
    this.#mark('ceiling', !fields.lufs.value || within ? '' : 'Choose a number from −20 to 0 dBTP.');
    this.#link();
  }

  #link() {
    const right = !this.#form.querySelector('[aria-invalid=true]');
    for (const link of this.#form.querySelectorAll('.lw-formats a')) {
      if (right) link.href = this.#address(this.#url, link.dataset.format);
      else link.removeAttribute('href');
    }
  }

  #address(path, format) {
    const fields = this.#form.elements;
    const query = new URLSearchParams({ format: `.${format}` });
    for (const name of ['start', 'end']) if (fields[name].value.trim()) query.set(name, fields[name].value.trim());
    if (fields.lufs.value) {
      query.set('lufs', fields.lufs.value);
      query.set('ceiling', fields.ceiling.value);
    }
    return `${path}?${query}`;
  }

  async #fetch(event, link) {
    event.preventDefault();
    if (this.#busy || !link.href) return;
    const url = this.#url;
    const address = link.href;
    this.#busy = true;
    this.#say('Preparing the file …');
    let answer = { message: SILENT };
    try {
      const response = await fetch(this.#address(`${url}/prepare`, link.dataset.format), { cache: 'no-store' });
      answer = await response.json();
    } catch { /* the sentence is there already */ } finally {
      this.#busy = false;
    }
    if (url !== this.#url) return; // another take has come meanwhile
    if (answer.name === undefined) {
      this.#say(answer.field in this.#form.elements ? '' : answer.message ?? SILENT, true);
      if (answer.field in this.#form.elements) this.#mark(answer.field, answer.message);
      this.#link();
      return;
    }
    this.#say(answer.said ? `${answer.said} Saved as ${answer.name}.` : `Saved as ${answer.name}.`);
    const download = document.createElement('a');
    Object.assign(download, { href: address, download: '' });
    download.click();
  }

  #mark(name, message) {
    const field = this.#form.elements[name];
    const said = field.closest('label').querySelector('.lw-wrong');
    if (said && said.textContent !== message) said.textContent = message;
    field.setAttribute('aria-invalid', Boolean(message));
  }

  #say(text, wrong = false) {
    const line = this.#form.querySelector('.lw-told');
    if (line.textContent !== text) line.textContent = text;
    line.classList.toggle('lw-wrong', wrong);
  }
}

function wrongTime(value) {
  return Number.isNaN(value) ? 'Write the time as m:ss, or in seconds, from 0:00 on.' : '';
}
