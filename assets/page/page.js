// Brings what Gradio lays out to life: each component calls its function here when it is on the page.

import './access.js';
import './install.js';
import './mix_news.js';
import './settle.js';
import { bindKeys } from './keys.js';
import { Form } from './form.js';
import { bindSpliceDrop } from './splice_drop.js';
import { Tab } from './tab.js';
import { transport } from './transport.js';

const tabs = new Map();

/** The tab of takes that is shown. */
function shown() {
  return [...tabs.values()].find((tab) => tab.visible);
}

/** Components come in any order: what needs a tab waits for it. */
const waiting = new Map();

function withTab(name, act) {
  const tab = tabs.get(name);
  if (tab) act(tab);
  else waiting.set(name, [...(waiting.get(name) ?? []), act]);
}

/** A tab's player: its value is the server's word on the take. */
export function attach(name, props, watch) {
  if (!window.longwave) {
    window.longwave = { transport };
    bindKeys(shown);
    bindSpliceDrop();
  }
  const tab = new Tab(name);
  tabs.set(name, tab);
  window.longwave[name] = tab;
  for (const act of waiting.get(name) ?? []) act(tab);
  waiting.delete(name);
  tab.receive(props.value); // a tab may be opened long after its take began
  watch('value', () => tab.receive(props.value));
}

/** A tab's form: its value is what all fields hold. */
export function attachForm(name, props, watch, about) {
  withTab(name, (tab) => {
    const form = new Form(name, about, props.value);
    tab.join(form);
    watch('value', () => form.receive(props.value));
  });
}

/** A tab's strip of takes: its value is what a batch has made so far. */
export function attachStrip(name, props, watch, trigger) {
  withTab(name, (tab) => {
    tab.strip.addEventListener('reuse', ({ detail }) => trigger('select', detail));
    const receive = () => { if (props.value) tab.strip.receive(props.value); };
    receive();
    watch('value', receive);
  });
}
