"""The language of a text, roughly: by its script, and in Latin script by its small words.

Good enough to see that an English request got a Chinese answer, or that ten words of Latin letters
without one small word of any language are no sentence. Pairs of letters show whether words could be
words at all.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise

from unicomp.instruments.phrasebook import languages

SCRIPTS: dict[str, str] = {
    "HAN": "zh",
    "ARABIC": "ar",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "THAI": "th",
}
"""Script → its most likely language. Small words distinguish languages in Latin script."""


@cache
def script_of(character: str) -> str | None:
    """The script of a letter as the first word of its Unicode name: LATIN, HAN, ARABIC …"""
    if not character.isalpha():
        return None
    name = unicodedata.name(character, "").split(" ")[0]
    return "HAN" if name.startswith("CJK") else name or None


def normalized(text: str) -> str:
    """A text in lower case, without accents and vowel signs, with straight apostrophes."""
    text = re.sub("[’‘ʼ`´]", "'", text.casefold())
    return "".join(
        character
        for character in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(character) and unicodedata.category(character) != "Cf"
    )


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; Chinese and Japanese characters count one by one."""
    text = re.sub("[’‘ʼ]", "'", text.casefold())
    return re.findall(r"[぀-ヿ㐀-鿿]|[^\W_]+(?:'[^\W_]+)*", text)


def scripts_of(text: str) -> Counter[str]:
    """Count the letters of each script."""
    return Counter(script for character in text if (script := script_of(character)))


@lru_cache(maxsize=1024)
def languages_of(text: str) -> frozenset[str]:
    """The languages that a text may be in: one, several that fit alike, or no known one."""
    scripts = scripts_of(text)
    if not scripts:
        return frozenset()
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > 0.1 * scripts.total():
        return frozenset({"ja"})
    script = max(scripts, key=lambda name: scripts[name])
    if script != "LATIN":
        return frozenset({SCRIPTS[script]} if script in SCRIPTS else ())
    words = [part for word in words_of(text) for part in {word, *word.split("'")}]
    hits = {
        code: sum(word in language.words["small"] for word in words)
        for code, language in languages().items()
    }
    most = max(hits.values())
    return frozenset(code for code, count in hits.items() if most and count == most)


def same_language(prompt: str, response: str) -> bool:
    """Whether a response may be in the language of its prompt; an unknown one matches any."""
    prompts, responses = languages_of(prompt), languages_of(response)
    return not prompts or not responses or bool(prompts & responses)


def possible_letters(text: str) -> tuple[float, int]:
    """The share of the letter pairs within words that some language uses, and their number.

    Only words of Latin, Arabic or Cyrillic letters count. The share is 1 if there are none.
    """
    pairs = [
        first + second
        for word in re.findall("[a-z]+|[\u0621-\u064a]+|[\u0430-\u044f]+", normalized(text))
        for first, second in pairwise(word)
    ]
    known = _letter_pairs()
    return sum(pair in known for pair in pairs) / len(pairs) if pairs else 1.0, len(pairs)


@cache
def _letter_pairs() -> frozenset[str]:
    text = (files("unicomp.instruments") / "letters.toml").read_text(encoding="utf-8")
    rows = (row.split(":") for table in tomllib.loads(text).values() for row in table.split())
    return frozenset(first + second for first, followers in rows for second in followers)
