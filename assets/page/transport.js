// The one transport of the page: what is live, finished or of the Library is played here, one at a time.

import { ExportForm, draggable } from './export.js';
import { FilePlayer } from './file_player.js';
import { goOn } from './go_on.js';
import { keepLast } from './keep_last.js';
import { bindMediaKeys } from './media.js';
import { MeterView } from './meter_view.js';
import { output } from './output.js';
import { StereoPanel } from './stereo_panel.js';
import { words } from './words.js';
import { clock, fill, setText } from './text.js';

const TICK_MS = 100;
const RUNNING = ['playing', 'buffering', 'loading'];
const said = words.transport;

class Transport extends EventTarget {
  #root;
  #files = new FilePlayer();
  #export;
  #span = null;
  #seeking = false;
  #looping = false;
  #meter;
  #image;
  #widths = new Map(); // by what they are of
  #keys;
  current = null; // a tab's live take as {live: tab}, or a finished one: see `play`

  /** Bring the dock to life. */
  attach(root) {
    this.#root = root;
    this.#export = new ExportForm(this.#find('.lw-export'));
    this.#export.addEventListener('span', ({ detail }) => this.#chose(detail));
    this.#meter = new MeterView(root);
    this.#image = new StereoPanel(this.#part('meter'), this.#part('image'), this);
    this.#on('play', () => this.toggle());
    this.#on('stop', () => this.stop());
    this.#on('loop', () => this.loop());
    this.#on('keep', () => this.#keep());
    this.#on('export', () => this.#open(this.#exporting.hidden));
    const level = this.#part('level');
    level.value = Math.round(100 * output.level);
    level.addEventListener('input', () => { output.level = level.value / 100; });
    output.addEventListener('level', () => this.#levelled(level));
    this.#offerCodecs();
    const seek = this.#part('seek');
    seek.addEventListener('input', () => { this.#seeking = true; });
    seek.addEventListener('change', () => {
      this.#seeking = false;
      this.seek(Number(seek.value));
    });
    const title = this.#find('.lw-title');
    title.addEventListener('dragstart', (event) => draggable(event, this.current.file, this.current.url));
    document.addEventListener('play', ({ target }) => this.#other(target), true); // it does not bubble
    document.addEventListener('pointerdown', ({ target }) => {
      const inside = this.#exporting.contains(target) || this.#part('export').contains(target);
      if (!this.#exporting.hidden && !inside && !target.closest?.('.lw-picture')) this.#open(false);
    });
    this.#keys = bindMediaKeys({
      play: () => { if (!this.playing) this.toggle(); },
      pause: () => { if (this.playing) this.toggle(); },
      stop: () => this.stop(),
      title: () => this.#title,
    });
    setInterval(() => this.#tick(), TICK_MS);
    this.#changed();
  }

  /**
   * Play a finished sound; whatever sounds else falls silent.
   *
   * A source is {id, title, url, exportUrl, prepareUrl, file, lengthS, lufs, gainDb, pictureUrl, mode}.
   */
  play(source, at = 0) {
    this.#hush(source);
    if (this.#file !== (source.player ?? this.#files)) this.#file.stop();
    const other = source.id !== this.current?.id;
    this.current = source;
    if (other) {
      this.#show(source);
      this.say(''); // it was of the one before
    }
    this.#widen();
    this.#file.start({ url: new URL(source.url ?? '', document.baseURI).href, gainDb: source.gainDb ?? 0, at });
    this.#follow();
    this.#changed();
  }

  /** A tab's take is made and heard from now on. `tab` has `player`, `title`, `stopTake()`, `heard`. */
  live(tab) {
    if (this.current?.live !== tab) this.#hush(null); // its own take before has fallen silent already
    this.#file.stop();
    this.current = { live: tab, id: tab.token };
    this.#span = null;
    this.#widen();
    this.#changed();
  }

  /** A finished sound to play next, where nothing else sounds. */
  offer(source) {
    if (this.playing || (this.current && !this.current.live && this.#file.state === 'paused')) return;
    this.#hold(source);
  }

  /** A finished sound to play next, whatever sounds now. */
  hold(source) {
    if (this.current?.id === source.id) return;
    this.#hush(null);
    this.#hold(source);
  }

  #hold(source) {
    this.current = source;
    this.#show(source);
    this.#widen();
    this.#changed();
  }

  /** How wide what is played is heard, from 0 (mono) to 1; each of this page's has its own. */
  get width() {
    return this.#widths.get(this.current?.id) ?? 1;
  }

  set width(share) {
    if (!this.current) return;
    this.#widths.set(this.current.id, share);
    this.#widen();
  }

  #widen() {
    const { live } = this.current;
    (live ? live.player : this.#file).width = this.width;
    this.#export.width = live ? 1 : this.width;
  }

  /** More is known of a source than before. */
  know({ id }) {
    if (this.current?.id === id) this.#changed();
  }

  /** A source's `gainDb` is known better now. */
  match({ id, gainDb }) {
    if (this.current?.id === id && !this.current.live) this.#file.gainDb = gainDb;
  }

  /** What plays a finished sound: a source's own player, or the one of files. */
  get #file() {
    return this.current?.player ?? this.#files;
  }

  /** Whether something sounds, or is about to. */
  get playing() {
    return RUNNING.includes(this.state);
  }

  get state() {
    if (!this.current) return 'idle';
    return this.current.live ? this.current.live.player.state : this.#file.state;
  }

  /** Seconds of what is played. */
  get position() {
    if (!this.current) return 0;
    return this.current.live ? this.current.live.heard : this.#file.position;
  }

  /** Seconds that there are of it. */
  get length() {
    if (!this.current || this.current.live) return 0;
    return this.#file.duration || this.current.lengthS || 0;
  }

  toggle() {
    if (!this.current) return;
    if (this.current.live) this.current.live.toggle();
    else if (this.#file.state === 'idle' || this.#file.state === 'stopped') this.play(this.current);
    else {
      if (!this.playing) this.#hush(this.current);
      this.#file.toggle();
    }
    this.#changed();
  }

  /** End what is made live; or fall silent, and be at the beginning. */
  stop() {
    if (this.current?.live) this.current.live.stopTake();
    else this.#file.stop();
    this.#changed();
  }

  seek(seconds) {
    if (!this.current || this.current.live) return;
    if (['idle', 'stopped'].includes(this.#file.state)) this.play(this.current, seconds);
    else this.#file.seek(seconds);
    this.#tick();
  }

  /** Play the span over and over, or all of it where there is none; or no longer. */
  loop() {
    if (!this.current || this.current.live) return;
    this.#looping = !this.#looping;
    this.#follow();
    this.#changed();
  }

  /** What of the take is meant: {from, to} in seconds, or null for all of it. */
  get span() {
    return this.#span;
  }

  set span(span) {
    this.#span = span;
    this.#export.span = span;
    this.#follow();
    this.#changed();
  }

  /** Over a network one may choose what live sound is sent as, from the next take on. */
  #offerCodecs() {
    const choice = this.#part('codec');
    choice.closest('label').hidden = !output.remote;
    choice.replaceChildren(...output.codecs.map((codec) => new Option(said[`codec_${codec}`], codec)));
    choice.value = output.codec;
    choice.addEventListener('change', () => { output.codec = choice.value; });
  }

  /** Silence whatever sounds but for one source. */
  #hush(but) {
    if (this.current?.live && RUNNING.includes(this.state)) this.current.live.toggle(); // it waits, and is not lost
    if (!but) this.#file.stop();
    for (const audio of document.querySelectorAll('audio')) audio.pause();
  }

  /** A player of a comparison or of the draft has begun: it alone is to be heard, at the page's level. */
  #other(audio) {
    if (!audio.controls) return; // this page's own, out of sight
    audio.volume = output.level;
    if (this.playing) this.toggle();
    goOn(audio);
    for (const other of document.querySelectorAll('audio[controls]')) if (other !== audio) other.pause();
  }

  #levelled(level) {
    level.value = Math.round(100 * output.level);
    for (const audio of document.querySelectorAll('audio[controls]')) audio.volume = output.level;
  }

  #show(source) {
    this.#span = null;
    this.#looping = false;
    if (source.exportUrl) this.#export.offer(source);
  }

  #chose(span) {
    this.#span = span;
    this.#follow();
    this.#changed();
  }

  #follow() {
    const whole = this.length ? { from: 0, to: this.length } : null;
    this.#file.loop = this.#looping ? this.#span ?? whole : null;
  }

  async #keep() {
    const { live } = this.current ?? {};
    if (!live) return;
    const button = this.#part('keep');
    button.disabled = true;
    await keepLast(live, (text) => this.say(text));
    button.disabled = false;
  }

  #open(open) {
    this.#exporting.hidden = !open;
    this.#part('export').setAttribute('aria-expanded', open);
    if (open) this.#exporting.querySelector('input').focus();
  }

  /** Close what is open over the page. Whether anything was. */
  close() {
    if (this.#image.close()) return true;
    if (this.#exporting.hidden) return false;
    this.#open(false);
    this.#part('export').focus();
    return true;
  }

  #changed() {
    const { current } = this;
    const finished = Boolean(current && !current.live);
    this.#enable('play', current && (finished || [...RUNNING, 'paused'].includes(this.state)));
    this.#enable('stop', current && (finished ? this.#file.state !== 'idle' : current.live.stoppable));
    this.#enable('seek', finished);
    this.#enable('loop', finished);
    this.#part('loop').setAttribute('aria-pressed', finished && this.#looping);
    this.#part('keep').hidden = !current?.live?.running;
    const export_ = this.#part('export');
    this.#enable('export', finished && current.exportUrl);
    export_.title = finished ? '' : current ? said.export_live : said.export_nothing;
    const span = this.#span && { from: clock(this.#span.from), to: clock(this.#span.to) };
    setText(export_, finished && span ? fill(said.export_span, span) : said.export);
    if (!finished) this.#open(false);
    const title = this.#find('.lw-title');
    setText(title, this.#title || said.nothing);
    title.draggable = Boolean(finished && current.url);
    if (finished && current.url) title.href = new URL(current.url, document.baseURI);
    else title.removeAttribute('href');
    this.#keys.update(this.state);
    this.#tick();
    this.dispatchEvent(new Event('change'));
  }

  get #title() {
    return this.current?.live?.title ?? this.current?.title ?? '';
  }

  #tick() {
    const { state, position, length } = this;
    this.#file.tick();
    const { current } = this;
    Object.assign(document.getElementById('transport').dataset, { state, positionS: position.toFixed(2) });
    setText(this.#find('.lw-time'), clock(position));
    setText(this.#find('.lw-of'), current?.live ? said.live : length ? clock(length) : '');
    setText(this.#find('.lw-how'), current?.live ? current.live.how : '');
    this.#part('play').classList.toggle('lw-is-playing', this.playing);
    const seek = this.#part('seek');
    if (!this.#seeking) {
      seek.max = length || 1;
      seek.value = length ? position : 0;
      seek.setAttribute('aria-valuetext', clock(position));
    }
    if (state !== this.shown) {
      this.shown = state;
      this.#changed();
    }
    const heard = this.playing ? output.meter.read() : null;
    this.#meter.show(heard);
    this.#image.show(heard);
    if (this.playing) this.dispatchEvent(new Event('tick'));
  }

  /** Say it above the dock, whatever tab is shown; `button` may take it back. */
  say(text, button = null) {
    const line = this.#find('.lw-transport-said');
    setText(line, text);
    if (button) line.append(' ', button);
  }

  #enable(name, can) {
    this.#part(name).disabled = !can;
  }

  #on(name, act) {
    this.#part(name).addEventListener('click', act);
  }

  #part(name) {
    return document.getElementById(`transport-${name}`);
  }

  get #exporting() {
    return this.#part('exporting');
  }

  #find(selector) {
    return this.#root.querySelector(selector);
  }
}

export const transport = new Transport();
