// Prompts that the palette composes: a sound with what is said of it, or a scene of two. What it did not compose
// stays as it was typed, and counts as one of the two.

const ARTICLE = /^(?:an?|the)\s+/i;
const JOINS = /,?\s+(?:and|with|over|plus|while)\s+|\s*[,&]\s*/gi;
const JOIN = ' and ';

const bare = (text) => text.replace(ARTICLE, '');

/** The words of a sound with the modifiers that are chosen of it, in their order: "a distant dog barking". */
export function compose(sound, chosen) {
  const said = sound.choices.flat().filter(({ text }) => chosen.has(text));
  const before = said.filter(({ after }) => !after).map(({ text }) => text);
  const after = said.filter((modifier) => modifier.after).map(({ text }) => text);
  return [dressed(before, sound.said), ...after].join(' ');
}

/** Adjectives go between an article and its noun; "a few" has the article's place. */
function dressed(adjectives, noun) {
  if (!adjectives.length) return noun;
  const phrase = [...adjectives, bare(noun)].join(' ');
  if (bare(noun) === noun || ARTICLE.test(adjectives[0])) return phrase;
  return `${/^[aeiou]/i.test(phrase) ? 'an' : 'a'} ${phrase}`;
}

/**
 * A prompt as parts, none to two of them: { text, sound, chosen }; `sound` is null for words that are none of the
 * palette's. `join` is what stands between two.
 */
export function parse(prompt, sounds) {
  const text = prompt.trim();
  if (!text) return { parts: [], join: JOIN };
  const alone = read(text, sounds);
  if (alone) return { parts: [alone], join: JOIN };
  for (const match of [...text.matchAll(JOINS)].reverse()) {
    const second = read(text.slice(match.index + match[0].length), sounds);
    const first = text.slice(0, match.index);
    if (second && first) return { parts: [read(first, sounds) ?? free(first), second], join: match[0] };
  }
  return { parts: [free(text)], join: JOIN };
}

const free = (text) => ({ text, sound: null, chosen: new Set() });

/** Words as a sound and its modifiers, or null. */
function read(text, sounds) {
  const words = bare(text.trim()).toLowerCase().replace(/\s+/g, ' ');
  for (const sound of sounds) {
    const chosen = strip(words, sound);
    if (chosen) return { text, sound, chosen };
  }
  return null;
}

function strip(words, sound) {
  const chosen = new Set();
  const names = [bare(sound.said), sound.label, sound.family];
  const modifiers = sound.choices.flat();
  let rest = words;
  for (;;) {
    if (names.includes(rest)) return chosen;
    const next = modifiers.find(({ text, after }) => !chosen.has(text)
      && (after ? rest.endsWith(` ${text}`) : bare(rest).startsWith(`${bare(text)} `)));
    if (!next) return null;
    chosen.add(next.text);
    rest = next.after ? rest.slice(0, -next.text.length - 1) : bare(rest).slice(bare(next.text).length + 1);
  }
}

const joined = (parts, join) => parts.map(({ text }) => text).join(join);

/** The prompt after a press on a sound: put in, taken out, or in the second's place. */
export function withSound(prompt, sound, sounds) {
  const { parts, join } = parse(prompt, sounds);
  const others = parts.filter((part) => part.sound?.family !== sound.family);
  if (others.length < parts.length) return joined(others, join);
  return joined([...parts.slice(0, 1), { text: sound.said }], parts.length < 2 ? JOIN : join);
}

/** The prompt after a press on a modifier of a sound in it: said, or not any more. Of its choice no other is. */
export function withModifier(prompt, sound, modifier, sounds) {
  const { parts, join } = parse(prompt, sounds);
  const changed = parts.map((part) => {
    if (part.sound?.family !== sound.family) return part;
    const rivals = sound.choices.find((choice) => choice.some(({ text }) => text === modifier.text));
    const chosen = new Set([...part.chosen].filter((text) => !rivals.some((rival) => rival.text === text)));
    if (!part.chosen.has(modifier.text)) chosen.add(modifier.text);
    return { text: compose(sound, chosen) };
  });
  return joined(changed, join);
}
