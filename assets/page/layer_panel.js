// The desk: the scene's layers in rows, heard by the transport, mixed down by the server.

import { recalled, remember } from './kept.js';
import { audible } from './layer_graph.js';
import { LayerPlayer, ask } from './layer_player.js';
import { LayerRow } from './layer_row.js';
import { layers } from './layers.js';
import { fill, setText } from './text.js';
import { transport } from './transport.js';
import { words } from './words.js';

const LOOK_MS = 500;
const KEPT = 'longwave.layers.errand';
const SETTLED = ['length_s', 'lufs', 'ceiling_dbtp'];
const said = words.layers;

class Desk {
  #root;
  #shipped;
  #player = new LayerPlayer();
  #rows = [];
  #plan = null;
  #asked = 0; // of the plans: an older answer is void
  #errand = recalled(KEPT) ?? '';
  #made = null; // a mix that can be played
  #timer = 0;

  constructor(root, shipped) {
    this.#root = root;
    this.#shipped = shipped;
    this.#on('.lw-scene-cards', 'click', ({ target }) => this.#begin(target.closest('[data-scene]')?.dataset.scene));
    this.#on('.lw-desk-play', 'click', () => this.#play());
    this.#on('.lw-desk-new', 'click', () => this.#open(null));
    this.#on('.lw-desk-save', 'click', () => this.#save());
    this.#on('.lw-desk-open input', 'change', ({ target }) => this.#read(target));
    this.#on('.lw-desk-name input', 'change', ({ target }) => layers.settle('name', target.value.trim() || said.scene));
    this.#on('.lw-desk-make', 'click', () => this.#make());
    this.#on('.lw-mix', 'submit', (event) => {
      event.preventDefault();
      this.#mix();
    });
    this.#on('.lw-mix', 'change', ({ target }) => this.#settle(target));
    this.#on('.lw-mix-stop', 'click', () => this.#stop());
    this.#on('.lw-mix-play', 'click', () => transport.play(this.#made));
    layers.addEventListener('change', ({ detail }) => this.#changed(detail.lively));
    layers.addEventListener('told', ({ detail }) => this.#say(detail));
    this.#player.addEventListener('failed', ({ detail }) => this.#say(detail, true));
    transport.addEventListener('change', () => this.#mark());
    transport.addEventListener('tick', () => this.#point());
    this.#changed(false);
    root.dataset.ready = ''; // shown at once and whole: nothing moves away from below a finger
    if (this.#errand) this.#look();
  }

  #open(scene) {
    if (scene) layers.open(scene);
    else layers.clear();
    this.#say(scene ? fill(said.opened, { name: layers.scene.name }) : '');
  }

  #begin(stem) {
    if (stem) this.#open(this.#shipped[stem]);
  }

  #changed(lively) {
    this.#show();
    this.#player.balance(layers.scene);
    if (!lively) this.#lay();
  }

  /** Ask how the scene lies, and play it so. */
  async #lay() {
    this.#asked += 1;
    const asked = this.#asked;
    const { scene } = layers;
    let [plan, wrong] = [null, ''];
    if (scene.layers.length) {
      try {
        plan = await (await ask('layers/plan', scene)).json();
      } catch (error) {
        wrong = error.message;
      }
    }
    if (asked !== this.#asked) return;
    const missing = plan?.missing ?? [];
    this.#plan = plan && !missing.length ? plan : null;
    this.#part('.lw-desk-making').hidden = !missing.length;
    const text = missing.length === 1 ? said.missing_one : fill(said.missing_many, { count: missing.length });
    setText(this.#part('.lw-desk-making span'), text);
    if (wrong) this.#say(wrong, true);
    else if (this.#part('.lw-desk-said').classList.contains('lw-wrong')) this.#say('');
    this.#player.lay(layers.scene, this.#plan);
    const { current } = transport;
    if (current?.player === this.#player) Object.assign(current, this.#source());
    this.#show();
  }

  #source() {
    return { id: 'layers', title: layers.scene.name, player: this.#player, lengthS: this.#player.duration };
  }

  #play() {
    if (transport.current?.player === this.#player) transport.toggle();
    else transport.play(this.#source());
  }

  #show() {
    const { scene } = layers;
    const heard = audible(scene.layers);
    const rows = this.#part('.lw-desk-rows');
    while (this.#rows.length < scene.layers.length) this.#rows.push(this.#row(this.#rows.length));
    while (this.#rows.length > scene.layers.length) this.#rows.pop().element.remove();
    this.#rows.forEach((row, place) => {
      if (!row.element.isConnected) rows.append(row.element);
      const plan = this.#plan?.layers.length === scene.layers.length ? this.#plan : null;
      row.show(scene.layers[place], place, plan, heard[place]);
    });
    const empty = !scene.layers.length;
    this.#part('.lw-desk-none').hidden = !empty;
    this.#part('.lw-mix').hidden = empty;
    for (const selector of ['.lw-desk-new', '.lw-desk-save']) this.#part(selector).disabled = empty;
    this.#part('.lw-desk-play').disabled = !this.#plan;
    const name = this.#part('.lw-desk-name input');
    if (document.activeElement !== name) name.value = scene.name;
    const form = this.#part('.lw-mix').elements;
    for (const field of SETTLED) {
      const value = field in scene ? scene[field] : field === 'ceiling_dbtp' ? -1 : null;
      if (document.activeElement !== form[field]) form[field].value = value ?? '';
    }
    if (this.#plan) form.length_s.placeholder = (this.#plan.frames / this.#plan.rate).toFixed(1);
    this.#mark();
  }

  #row(place) {
    return new LayerRow((field, value) => layers.change(place, field, value), () => {
      layers.remove(place);
      (this.#rows[Math.min(place, this.#rows.length - 1)]?.element.querySelector('.lw-layer-remove') ?? this.#part('.lw-scene-card')).focus();
    });
  }

  #settle({ name, value }) {
    if (!SETTLED.includes(name)) return;
    const number = value === '' ? null : Number(value);
    layers.settle(name, number);
  }

  #mark() {
    const playing = transport.current?.player === this.#player && transport.playing;
    const button = this.#part('.lw-desk-play');
    button.classList.toggle('lw-is-playing', playing);
    button.setAttribute('aria-label', playing ? said.pause : said.play);
    this.#point();
  }

  /** Where it plays, over the lanes. */
  #point() {
    const on = transport.current?.player === this.#player && this.#player.duration;
    const share = on ? this.#player.position / this.#player.duration : 0;
    this.#root.style.setProperty('--lw-at', share.toFixed(4));
    this.#root.classList.toggle('lw-pointed', Boolean(on));
  }

  #save() {
    const link = document.createElement('a');
    const text = `${JSON.stringify(layers.scene, null, 1)}\n`;
    const name = layers.scene.name.replace(/[^\p{L}\p{N}]+/gu, '_') || 'scene';
    Object.assign(link, { href: URL.createObjectURL(new Blob([text], { type: 'application/json' })), download: `${name}.scene.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async #read(input) {
    const [file] = input.files;
    input.value = '';
    if (!file) return;
    let scene = null;
    try {
      scene = JSON.parse(await file.text());
    } catch { /* told below */ }
    try {
      if (scene === null) throw new Error(said.no_json);
      await ask('layers/plan', scene).catch((error) => {
        if (!Array.isArray(scene.layers) || scene.layers.length > 8 || !scene.layers.every((one) => one instanceof Object)) throw error;
        this.#say(error.message, true); // a take that is gone: the rest is opened, and can be mended
      });
      this.#open(scene);
    } catch (error) {
      this.#say(error.message, true);
    }
  }

  async #make() {
    await this.#send('layers/make');
  }

  #mix() {
    const { format, quality, stems } = this.#part('.lw-mix').elements;
    const [rate, bits] = quality.value.split(' ');
    const query = new URLSearchParams({ format: format.value });
    if (rate) query.set('rate', rate);
    if (bits && ['.wav', '.flac'].includes(format.value)) query.set('bits', bits);
    if (stems.checked) query.set('stems', '1');
    return this.#send(`layers/mix?${query}`);
  }

  async #send(path) {
    this.#stand(true);
    this.#part('.lw-mix-made').hidden = true;
    try {
      const { id } = await (await ask(path, layers.scene)).json();
      this.#errand = id;
      remember(KEPT, id);
      this.#look();
    } catch (error) {
      this.#stand(false);
      this.#tell(error.message, true);
    }
  }

  async #look() {
    clearTimeout(this.#timer);
    const id = this.#errand;
    let answer = { phase: 'making', said: words.page.silent, share: 0 };
    try {
      const response = await fetch(new URL(`layers/errands/${id}`, document.baseURI), { cache: 'no-store' });
      if (response.status === 404) answer = { phase: 'gone', said: '' };
      else answer = await response.json();
    } catch { /* it is asked again */ }
    if (id === this.#errand) this.#stands(answer);
  }

  #stands(answer) {
    const { phase, share } = answer;
    const busy = phase === 'waiting' || phase === 'making';
    this.#stand(busy);
    this.#part('.lw-mix-stands progress').value = share ?? 0;
    this.#tell(answer.said, phase === 'failed');
    if (busy) {
      this.#timer = setTimeout(() => this.#look(), LOOK_MS);
      return;
    }
    if (phase !== 'done') return;
    const fresh = recalled(KEPT) === this.#errand && !this.#made;
    if (answer.scene && fresh) this.#take(answer.scene);
    if (answer.take) this.#offer(answer);
    else remember(KEPT, ''); // takes that were made are in the scene
  }

  /** The takes that were made meanwhile, in the layers that lacked them. */
  #take(made) {
    const { scene } = layers;
    const alike = (one, layer) => one?.take && JSON.stringify(one.request) === JSON.stringify(layer.request);
    const known = scene.layers.map((layer, place) => {
      const same = [made.layers[place], ...made.layers].find((one) => alike(one, layer));
      return layer.request && same ? { ...layer, take: same.take } : layer;
    });
    if (JSON.stringify(known) !== JSON.stringify(scene.layers)) layers.open({ ...scene, layers: known });
  }

  #offer({ take, name, file, url, lengthS, stems }) {
    const query = `take=${encodeURIComponent(take)}`;
    this.#made = {
      id: take, title: name, url, file, lengthS, lufs: null, mode: 'infinite',
      exportUrl: `library/export?${query}`, prepareUrl: `library/export/prepare?${query}`, pictureUrl: `library/picture?${query}`,
    };
    this.#part('.lw-mix-made').hidden = false;
    Object.assign(this.#part('.lw-mix-file'), { href: new URL(`${url}&download=1`, document.baseURI).href });
    const zip = this.#part('.lw-mix-zip');
    zip.hidden = !stems;
    if (stems) zip.href = new URL(stems, document.baseURI).href;
  }

  async #stop() {
    this.#part('.lw-mix-stop').disabled = true;
    await ask(`layers/errands/${this.#errand}/stop`, {}).catch(() => {}); // the next look tells
    this.#look();
  }

  #stand(busy) {
    this.#part('.lw-mix-stands').hidden = !busy;
    this.#part('.lw-mix-stop').disabled = false;
    this.#part('.lw-mix [type=submit]').disabled = busy;
    this.#part('.lw-desk-make').disabled = busy;
    if (busy) this.#made = null;
  }

  #say(text, wrong = false) {
    const line = this.#part('.lw-desk-said');
    line.classList.toggle('lw-wrong', wrong);
    setText(line, text);
  }

  #tell(text, wrong = false) {
    const line = this.#part('.lw-mix-said');
    line.classList.toggle('lw-wrong', wrong);
    setText(line, text);
  }

  #on(selector, type, act) {
    this.#part(selector).addEventListener(type, act);
  }

  #part(selector) {
    return this.#root.querySelector(selector);
  }
}

/** The desk is on the page; `shipped` are the scenes to begin from, by their names. */
export function attach(element, shipped) {
  new Desk(element.querySelector('.lw-layers'), shipped);
}
