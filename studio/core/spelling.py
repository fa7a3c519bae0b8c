"""English as it is read aloud: numbers, times, amounts and abbreviations spelled out, in plain letters.

What a voice is given to say has no sign that it can't say. Spelling numbers is `num2words`'; what its users
write around numbers, and abbreviations, are the tables here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

MAX_DIGITS = 15  # read as one number; longer ones digit by digit
_ABBREVIATIONS = {
    "mr": "mister", "mrs": "missis", "ms": "miss", "dr": "doctor", "prof": "professor", "st": "saint",
    "capt": "captain", "lt": "lieutenant", "sgt": "sergeant", "col": "colonel", "gen": "general",
    "jr": "junior", "sr": "senior", "vs": "versus", "etc": "et cetera", "approx": "about",
    "dept": "department", "est": "established", "jan": "january", "feb": "february", "mar": "march",
    "apr": "april", "aug": "august", "sept": "september", "oct": "october", "nov": "november",
    "dec": "december",
}  # fmt: skip
_WITH_DOT_ALONE = {"st", "col", "gen", "mar", "dec", "est", "ms", "lt", "nov", "oct", "feb", "jan"}
_UNITS = {
    "km/h": "kilometres an hour", "mph": "miles an hour", "km": "kilometres", "cm": "centimetres",
    "mm": "millimetres", "kg": "kilograms", "mg": "milligrams", "ml": "millilitres", "ft": "feet",
    "lb": "pounds", "lbs": "pounds", "oz": "ounces", "hz": "hertz", "khz": "kilohertz", "kw": "kilowatts",
    "mb": "megabytes", "gb": "gigabytes", "min": "minutes", "sec": "seconds", "hrs": "hours",
    "db": "decibels", "°c": "degrees celsius", "°f": "degrees fahrenheit", "°": "degrees", "%": "percent",
    "am": "a m", "pm": "p m", "a.m.": "a m", "p.m.": "p m", "m": "metres", "g": "grams", "s": "seconds",
    "h": "hours", "l": "litres", "k": "thousand",
}  # fmt: skip
_SIGNS = {"&": " and ", "+": " plus ", "=": " equals ", "@": " at ", "#": " number ", "°": " degrees ",
          "%": " percent ", "×": " times ", "÷": " divided by ", "½": " a half ", "¼": " a quarter ",
          "¾": " three quarters ", "…": ". ", "–": ", ", "—": ", ", "/": " "}  # fmt: skip
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "‑": "-", "−": "-"})
_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ß": "ss", "ł": "l", "ð": "th", "þ": "th"})
_MONEY = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SPELLED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"([$€£])({_NUMBER})"), "money"),
    (re.compile(r"\b((?:1[1-9]|20)\d0)(s)\b"), "year"),
    (re.compile(r"\bno\.\s?(?=\d)", re.I), "number_sign"),
    (re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b"), "time"),
    (re.compile(rf"(?<![\w.])(-?(?:{_NUMBER}))\s?({'|'.join(map(re.escape, _UNITS))})(?!\w)", re.I), "unit"),
    (re.compile(r"\b(\d+)(?:st|nd|rd|th)\b", re.I), "ordinal"),
    (re.compile(r"\b(1[1-9]\d\d|20\d\d)()\b(?![.,]\d)"), "year"),
    (re.compile(rf"(?<!\w)(-?)({_NUMBER})(?![\w])"), "number"),
    (re.compile(rf"({_NUMBER})"), "within"),
)
_DOTTED = re.compile(r"\b([A-Za-z]{2,6})\.")
_BARE = re.compile(r"\b([A-Za-z]{2,6})\b(?!')")
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){2,}|\b[A-Z]{2,5}\b(?![a-z])")
_KEPT = re.compile(r"[A-Za-z .,;:!?'\"()-]")


def spoken_form(text: str) -> str:
    """A text as it is said: letters, spaces and the signs of a sentence alone, in ASCII.

    >>> spoken_form("Dr. Lee paid $3.50 at 7:05 on the 2nd, 50 % off")
    'doctor Lee paid three dollars and fifty cents at seven oh five on the second, fifty percent off'

    Raises:
        ValueError: it holds letters or signs that English isn't written in.
    """
    text = text.translate(_QUOTES)
    for pattern, kind in _SPELLED:
        text = pattern.sub(_READERS[kind], text)
    text = _DOTTED.sub(lambda found: _ABBREVIATIONS.get(found[1].lower(), found[0]), text)
    text = _BARE.sub(_whole_word, text)
    text = _INITIALS.sub(_spelled_out, text)
    for sign, said in _SIGNS.items():
        text = text.replace(sign, said)
    plain = "".join(ch for ch in unicodedata.normalize("NFKD", text) if not unicodedata.combining(ch))
    plain = plain.translate(_LETTERS)
    if strange := next((ch for ch in plain if not _KEPT.match(ch)), ""):
        raise ValueError(_refusal(strange))
    return re.sub(r"\s+([.,;:!?])", r"\1", " ".join(plain.split()))


def _refusal(sign: str) -> str:
    if sign.isalpha():
        return f"has the letter '{sign}': the voice reads English, so write it in English letters"
    return f"has the sign '{sign}', which can't be said: write it as words, or take it out"


def _words(number: str, **form: str) -> str:
    """A number's digits in words; digit by digit where it is longer than any number one would read."""
    from num2words import num2words

    plain = number.replace(",", "")
    if len(plain.partition(".")[0]) > MAX_DIGITS or (len(plain) > 1 and plain[0] == "0" and plain.isdigit()):
        return " ".join(num2words(int(digit)) if digit.isdigit() else "point" for digit in plain)
    whole, _, fraction = plain.partition(".")
    if form or not fraction:
        said = num2words(int(whole), **form)
    else:
        said = f"{num2words(int(whole))} point {' '.join(num2words(int(digit)) for digit in fraction)}"
    return str(said).replace("-", " ").replace(",", "")


def _signed(number: str) -> str:
    return f"minus {_words(number[1:])}" if number.startswith("-") else _words(number)


def _money(found: re.Match[str]) -> str:
    unit, part = _MONEY[found[1]]
    whole, _, cents = found[2].replace(",", "").partition(".")
    said = f"{_words(whole)} {unit}{'' if int(whole) == 1 else 's'}"
    if len(cents) != 2 or not int(cents):
        return said if not cents or not int(cents) else f"{_words(found[2])} {unit}s"
    many = {"penny": "pence", "cent": "cents"}[part]
    return f"{said} and {_words(str(int(cents)))} {part if int(cents) == 1 else many}"


def _time(found: re.Match[str]) -> str:
    hour, minute = found.groups()
    if minute == "00":
        return f"{_words(hour)} o'clock"
    return f"{_words(hour)} {'oh ' if minute.startswith('0') else ''}{_words(minute.lstrip('0'))}"


def _unit(found: re.Match[str]) -> str:
    unit = _UNITS[found[2].lower()]
    one = found[1] == "1" and unit.endswith("s") and not unit.startswith("degrees c")
    return f"{_signed(found[1])} {unit.removesuffix('s') if one and ' an ' not in unit else unit}"


def _year(found: re.Match[str]) -> str:
    said = _words(found[1], to="year")
    if not found[2]:
        return said
    return f"{said.removesuffix('y')}ies" if said.endswith("y") else f"{said}s"


_READERS: dict[str, Callable[[re.Match[str]], str]] = {
    "money": _money,
    "time": _time,
    "unit": _unit,
    "number_sign": lambda _: "number ",
    "ordinal": lambda found: _words(found[1], to="ordinal"),
    "year": _year,
    "number": lambda found: _signed(found[1] + found[2]),
    "within": lambda found: f" {_words(found[1])} ",
}


def _whole_word(found: re.Match[str]) -> str:
    """An abbreviation that is written without its dot, where it is no word of its own."""
    word = found[1].lower()
    return found[0] if word in _WITH_DOT_ALONE else _ABBREVIATIONS.get(word, found[0])


def _spelled_out(found: re.Match[str]) -> str:
    """Initials letter by letter; a word in capitals that can be read as one stays."""
    letters = found[0].replace(".", "")
    if "." not in found[0] and (len(letters) > 3 or any(ch in "AEIOUY" for ch in letters)):
        return found[0]
    return " ".join(letters) + " "
