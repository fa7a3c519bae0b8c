"""Captions as people would type them, composed from the lexicon.

A caption names the sound and most of its attributes, its distance when that is not the middle one, and
the place when it echoes. Some properties go unsaid, as in real prompts.
"""

from __future__ import annotations

from studio.recipes.corpus.description import ClipDescription, Voice
from studio.recipes.corpus.lexicon import Pool, Split, Wording, load_lexicon
from studio.recipes.corpus.synthesis import Rng

_ARTICLES = ("a ", "an ", "the ")
_PLAIN_SHARE = 0.3  # a plain noun rather than any
_PLAIN_TEMPLATE_SHARE = 0.5  # the bare phrase rather than a carrier sentence
_CLAUSE_SHARE = 0.15  # "a dog barks" rather than "a dog"
_TAG_SHARE = 0.08  # "rain, heavy, distant"
_UNSAID_ATTRIBUTE = 0.2
_UNSAID_PLACE = 0.12
_NO_ARTICLE_SHARE = 0.4
# Below this level difference the second voice is called a background.
_LAYERED_DB = -4.0


class _Draw:
    """Draws phrasings of one split and remembers them."""

    def __init__(self, rng: Rng, split: Split, synonym_share: float = 0.0) -> None:
        self.rng = rng
        self.split = split
        self.synonym_share = synonym_share
        self.used: list[str] = []

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def one(self, pool: Pool, plain_share: float = 0.0) -> str:
        texts = pool.of(self.split)
        if self.split == "train" and plain_share and self.chance(plain_share):
            texts = pool.plain
        text = texts[self.rng.integers(len(texts))]
        self.used.append(text)
        return text

    def any_of(self, pools: list[Pool]) -> Pool | None:
        """A random pool among those that have something to say in this split."""
        usable = [pool for pool in pools if pool.of(self.split)]
        return usable[self.rng.integers(len(usable))] if usable else None


def caption(
    rng: Rng, description: ClipDescription, split: Split = "train", synonym_share: float = 0.0
) -> str:
    """Description → one caption. "held_out" uses withheld phrasings only, "train" never one of them.

    `synonym_share` of the sounds go by a synonym for their family instead of a noun for them.
    """
    return compose(rng, description, split, synonym_share)[0]


def compose(
    rng: Rng, description: ClipDescription, split: Split, synonym_share: float = 0.0
) -> tuple[str, frozenset[str]]:
    """A caption, and the lexicon's phrasings it was made of (templates included)."""
    draw = _Draw(rng, split, synonym_share)
    text = _scene(draw, description) if description.is_scene else _single(draw, description.voices[0])
    return " ".join(text.split()), frozenset(draw.used)


def _single(draw: _Draw, voice: Voice) -> str:
    templates = load_lexicon().templates
    clauses = load_lexicon().family(voice.family).clauses
    if clauses.of(draw.split) and draw.chance(_CLAUSE_SHARE):
        sound = _dress(draw, draw.one(clauses), voice, after_only=True)
        return draw.one(templates["clause"], _PLAIN_TEMPLATE_SHARE).format(sound=sound)
    sound = _sound(draw, voice)
    # "a dog barking far away sound effect" is nobody's English: a trailing noun needs a short phrase.
    pool = templates["single"] if len(sound.split()) < 5 else _open_ended(templates["single"])
    template = draw.one(pool, _PLAIN_TEMPLATE_SHARE)
    return template.format(sound=sound, bare=without_article(sound))


def _open_ended(pool: Pool) -> Pool:
    """The templates that add no noun right after the sound."""

    def keep(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(text for text in texts if "{bare} " not in text)

    return Pool(keep(pool.plain), keep(pool.train), keep(pool.held_out))


def _scene(draw: _Draw, description: ClipDescription) -> str:
    lexicon = load_lexicon()
    front, back = description.voices
    behind = front.distance != "distant" and (back.gain_db < _LAYERED_DB or back.distance == "distant")
    kind = "layered" if behind and draw.chance(0.6) else "pair"
    first, second = _sound(draw, front, place=False), _sound(draw, back, place=False)
    if draw.chance(_NO_ARTICLE_SHARE):
        first, second = without_article(first), without_article(second)
    text = draw.one(lexicon.templates[kind]).format(a=first, b=second)
    if description.reverb and not draw.chance(_UNSAID_PLACE):
        text += " " + draw.one(lexicon.reverb.after)
    return text


def _sound(draw: _Draw, voice: Voice, place: bool = True) -> str:
    """A noun phrase for a voice: perhaps a noun that already implies an attribute, then the rest."""
    lexicon = load_lexicon()
    synonyms = lexicon.family(voice.family).synonyms
    if draw.synonym_share and synonyms and draw.chance(draw.synonym_share):
        draw.used.append(synonyms[draw.rng.integers(len(synonyms))])
        return _dress(draw, draw.used[-1], voice, place=place)
    nouns, implied = lexicon.family(voice.family).nouns, None
    axes = [
        axis
        for axis, value in voice.attributes.items()
        if lexicon.wording(voice.family, axis, value).nouns.of(draw.split)
    ]
    if axes and draw.chance(0.35):
        implied = axes[draw.rng.integers(len(axes))]
        nouns = lexicon.wording(voice.family, implied, voice.attributes[implied]).nouns
    noun = draw.one(nouns, 0.0 if implied else _PLAIN_SHARE)
    return _dress(draw, noun, voice, implied=implied, place=place)


def _dress(
    draw: _Draw,
    noun: str,
    voice: Voice,
    *,
    implied: str | None = None,
    place: bool = True,
    after_only: bool = False,
) -> str:
    """Add the words for attributes, distance and place around a noun or after a clause.

    `place` is False for a voice of a scene: commas would blur which words belong to which voice.
    """
    before: list[str] = []
    after: list[str] = []
    for wording in _said(draw, voice, implied, place):
        choices = [wording.after] if after_only or len(before) == 2 else [wording.before, wording.after]
        pool = draw.any_of(choices)
        if pool is not None:
            (before if pool is wording.before else after).append(draw.one(pool, 0.2))
    if place and draw.chance(_TAG_SHARE):
        return ", ".join([without_article(noun), *before, *after])
    separator = ", " if after_only or (place and draw.chance(0.15)) else " "
    return separator.join([with_adjectives(before, noun), *after])


def _said(draw: _Draw, voice: Voice, implied: str | None, place: bool) -> list[Wording]:
    """The properties a caption mentions: attributes in random order, then distance, then the place."""
    lexicon = load_lexicon()
    axes = [axis for axis in voice.attributes if axis != implied and not draw.chance(_UNSAID_ATTRIBUTE)]
    draw.rng.shuffle(axes)
    said = [lexicon.wording(voice.family, axis, voice.attributes[axis]) for axis in axes]
    if voice.distance != "mid" and not draw.chance(_UNSAID_PLACE):
        said.append(lexicon.near if voice.distance == "near" else lexicon.distant)
    if place and voice.reverb and not draw.chance(_UNSAID_PLACE):
        said.append(lexicon.reverb)
    return said


def without_article(phrase: str) -> str:
    """ "a dog" → "dog"."""
    for article in _ARTICLES:
        if phrase.startswith(article):
            return phrase[len(article) :]
    return phrase


def with_adjectives(adjectives: list[str], noun: str) -> str:
    """Put adjectives between an article and its noun, keeping a/an right; "a few" replaces the article."""
    if not adjectives:
        return noun
    bare = without_article(noun)
    phrase = " ".join([*adjectives, bare])
    if bare == noun or adjectives[0].startswith("a "):
        return phrase
    if noun.startswith("the "):
        return f"the {phrase}"
    vowel = phrase[0].lower() in "aeio" and not phrase.lower().startswith(("eu", "one"))
    return f"{'an' if vowel or phrase.startswith('un') else 'a'} {phrase}"


def augment_caption(rng: Rng, text: str) -> str:
    """Casing, missing words and slips of the keyboard, for training: the meaning stays.

    Small words may go, and one in twenty captions has two neighbouring letters swapped.
    """
    words = text.split()
    if rng.random() < 0.2:
        words = [word for word in words if word not in {"a", "an", "the", "of", "is", "with"}] or words
    if rng.random() < 0.05:
        at = int(rng.integers(len(words)))
        word = words[at]
        if len(word) > 4:
            k = int(rng.integers(1, len(word) - 2))
            words[at] = word[:k] + word[k + 1] + word[k] + word[k + 2 :]
    text = " ".join(words)
    casing = rng.random()
    if casing < 0.2:
        text = text[:1].upper() + text[1:]
    elif casing < 0.25:
        text = text.upper()
    elif casing < 0.3:
        text = text.title()
    return text + "." if rng.random() < 0.15 else text
