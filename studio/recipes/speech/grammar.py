"""Sentences to be read aloud, of our own grammar and word lists (`words.toml`): lower case, no digits.

Some words and `held_out` sentences stay apart: what is trained on holds none of them.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from itertools import islice

TRAIN_SEED, HELD_OUT_SEED = 1, 2
HELD_OUT_SENTENCES = 200
WITHHELD_EVERY = 40  # of the words that have a place in a template, one in so many is never trained on
FEWEST_WORDS, MOST_WORDS = 4, 14
ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
ONES += " seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth twentieth thirtieth"
)
ROWS = ("{words}", "{person} {thing} {place} {animal} {food}", "{adj} {idea} {adj} {things} {adj} {place}")
DAYTIMES = "morning afternoon evening night"
_VOWELS = "aeiou"


@dataclass(frozen=True)
class Verb:
    """A verb's base, past and participle."""

    base: str
    past: str
    participle: str

    @classmethod
    def of(cls, entry: str) -> Verb:
        """`paint` or `take:took:taken`."""
        base, *irregular = entry.split(":")
        past, participle = irregular or (_with_ending(base, "ed"), _with_ending(base, "ed"))
        return cls(base, past, participle)

    @property
    def third(self) -> str:
        return plural(self.base)

    @property
    def ing(self) -> str:
        return _with_ending(self.base, "ing")


def plural(noun: str) -> str:
    """A noun's regular plural, with the few exceptions that the lists hold; a verb's third person."""
    irregular = {
        "man": "men", "woman": "women", "child": "children", "mouse": "mice", "goose": "geese",
        "wolf": "wolves", "leaf": "leaves", "knife": "knives", "calf": "calves", "sheep": "sheep",
        "deer": "deer", "fish": "fish", "gentleman": "gentlemen", "fisherman": "fishermen",
        "shelf": "shelves", "do": "does", "go": "goes",
    }  # fmt: skip
    if noun in irregular:
        return irregular[noun]
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh", "o")) and noun != "piano" else "s")


def _with_ending(verb: str, ending: str) -> str:
    """A verb with -ed or -ing, as it is spelled."""
    if verb.endswith("ie"):
        return verb + "d" if ending == "ed" else verb[:-2] + "ying"
    if verb.endswith("ee"):
        return verb + ending.removeprefix("e")
    if verb.endswith("e"):
        return verb[:-1] + ending
    if verb.endswith("y") and verb[-2] not in _VOWELS and ending == "ed":
        return verb[:-1] + "ied"
    doubled = re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", verb) or verb in (
        "admit", "begin", "forget", "control",
    )  # fmt: skip
    return verb + (verb[-1] if doubled else "") + ending


def number_words(number: int) -> str:
    """0 … 999 as it is read."""
    if number < 20:
        return ONES.split()[number]
    if number < 100:
        tens, ones = TENS.split()[number // 10 - 2], number % 10
        return f"{tens} {ONES.split()[ones]}" if ones else tens
    hundreds = f"{ONES.split()[number // 100]} hundred"
    return f"{hundreds} {number_words(number % 100)}" if number % 100 else hundreds


@lru_cache(maxsize=1)
def load_lists() -> dict[str, tuple[str, ...]]:
    """The word lists; `templates` is a line each."""
    text = resources.files(__package__).joinpath("words.toml").read_text("utf-8")
    lists = tomllib.loads(text)
    return {
        name: tuple(entry.strip().splitlines() if name == "templates" else dict.fromkeys(entry.split()))
        for name, entry in lists.items()
    }


@dataclass(frozen=True)
class Grammar:
    """Draws sentences: `withheld` words are in none, `others` are read in a row, if there are `rows`."""

    withheld: frozenset[str] = frozenset()
    others: Sequence[str] = ()
    rows: bool = True

    @cached_property
    def slots(self) -> dict[str, Sequence[str]]:
        """What each slot of a template may be filled with."""
        lists = load_lists()
        verbs, acts = ([Verb.of(entry) for entry in lists[name]] for name in ("verbs", "acts"))
        slots: dict[str, Sequence[str]] = {
            "person": lists["people"], "persons": [plural(word) for word in lists["people"]],
            "animal": lists["animals"], "animals": [plural(word) for word in lists["animals"]],
            "thing": lists["things"], "things": [plural(word) for word in lists["things"]],
            "place": lists["places"], "places": [plural(word) for word in lists["places"]],
            "food": lists["foods"], "foods": [plural(word) for word in lists["foods"]],
            "idea": lists["ideas"], "ideas": [plural(word) for word in lists["ideas"]],
            "adj": lists["adjectives"],
            "adv": lists["adverbs"], "name": lists["names"], "city": lists["cities"],
            "material": lists["materials"], "day": lists["days"], "month": lists["months"],
            "direction": lists["directions"], "weather": lists["weather"], "units": lists["units"],
            "prep": lists["prepositions"], "daytime": DAYTIMES.split(),
            "daytime_when": ["tonight", "tomorrow", "this evening", "on friday", "before noon"],
            "ordinal": ORDINALS.split(), "num": ONES.split()[1:13],
            "vt": [verb.base for verb in verbs], "vts": [verb.third for verb in verbs],
            "vtd": [verb.past for verb in verbs], "vtn": [verb.participle for verb in verbs],
            "vting": [verb.ing for verb in verbs], "act": [verb.base for verb in acts],
            "acts": [verb.third for verb in acts], "actd": [verb.past for verb in acts],
            "acting": [verb.ing for verb in acts],
        }  # fmt: skip
        return {
            name: [word for word in dict.fromkeys(words) if word not in self.withheld]
            for name, words in slots.items()
        }

    @property
    def vocabulary(self) -> set[str]:
        """Every word that a sentence may hold."""
        words = {word for slot in self.slots.values() for entry in slot for word in entry.split()}
        fixed = {word for line in load_lists()["templates"] for word in re.sub(r"{\w+}", " ", line).split()}
        return words | fixed | set(self.others) | set(f"{ONES} {TENS} hundred half past".split())

    def sentences(self, seed: int, lengths: range = range(FEWEST_WORDS, MOST_WORDS + 1)) -> Iterator[str]:
        """Without an end: sentences of so many words, each once."""
        rng, seen = random.Random(seed), set[str]()
        while True:
            sentence = self.draw(rng)
            if len(sentence.split()) in lengths and sentence not in seen:
                seen.add(sentence)
                yield sentence

    def draw(self, rng: random.Random) -> str:
        """One sentence."""
        templates = load_lists()["templates"]
        template = rng.choice(templates if self.rows else [t for t in templates if t not in ROWS])
        text = re.sub(r"{(\w+)}", lambda match: self._fill(match[1], rng), template)
        return re.sub(r"\b(a) (?=[aeiou])(?!uni|use|usu|one)", "an ", text)

    def _fill(self, slot: str, rng: random.Random) -> str:
        special: dict[str, Callable[[], str]] = {
            "bignum": lambda: number_words(rng.randrange(13, 130 if rng.random() < 0.8 else 999)),
            "clock": lambda: self._clock(rng),
            "words": lambda: self._words(rng),
        }
        return special[slot]() if slot in special else rng.choice(self.slots[slot])

    def _clock(self, rng: random.Random) -> str:
        hour = number_words(rng.randrange(1, 13))
        return rng.choice(
            [f"{hour} o'clock", f"half past {hour}", f"{hour} {number_words(rng.randrange(10, 60))}"]
        )

    def _words(self, rng: random.Random) -> str:
        """Any words in a row: no sentence, but how each is read."""
        pool = self.others or self.slots["idea"]
        some = [rng.choice(pool) for _ in range(rng.randrange(4, 9))]
        joined = rng.choice(["and", "the", "of the", "to", "a", "is", "in", "with", "was", "for"])
        some.insert(rng.randrange(1, len(some)), joined)
        return " ".join(some)


@lru_cache(maxsize=1)
def withheld_words() -> frozenset[str]:
    """Words of the lists that training never reads."""
    lists = load_lists()
    kinds = "people", "animals", "foods", "things", "places", "ideas", "adjectives"
    words = [word for kind in kinds for word in lists[kind]]
    forms = {form for word in words[7::WITHHELD_EVERY] for form in (word, plural(word))}
    return frozenset(forms)


@lru_cache(maxsize=1)
def held_out_sentences() -> tuple[str, ...]:
    """The sentences that models are judged by: 5 to 9 words, drawn from all words, rows of words left out."""
    drawn = Grammar(rows=False).sentences(HELD_OUT_SEED, range(5, 10))
    return tuple(islice(drawn, HELD_OUT_SENTENCES))


def training_sentences(others: Sequence[str] = ()) -> Iterator[str]:
    """Without an end: sentences that hold no withheld word and are not held out."""
    withheld, held = withheld_words(), set(held_out_sentences())
    usable = [word for word in others if word not in withheld]
    for sentence in Grammar(withheld, usable).sentences(TRAIN_SEED):
        if sentence not in held and not withheld.intersection(sentence.split()):
            yield sentence
