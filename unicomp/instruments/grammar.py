"""Which small words hardly ever stand next to each other: how a word salad gives itself away.

In a refusal whose words are shuffled, or in words drawn at random, one word in ten follows a word
that it cannot follow ("the to", "I the", "cannot is"); in ordinary English text, one in 700
(176,000 words of WikiText-2 were counted to choose the English pairs; the others were written
down). Told for English, German, French, Spanish and Arabic.
"""

from __future__ import annotations

import re
from itertools import pairwise

from unicomp.instruments.languages import languages_of, words_of

CLASSES: dict[str, dict[str, str]] = {
    "en": {
        "article": "the a an",
        "possessive": "my your our their its",
        "preposition": "of from for at into",
        "with": "with",
        "particle": "in on by",
        "to": "to",
        "i": "i he she we they",
        "you": "you it",
        "am": "i'm we're they're",
        "be": "is am are was were",
        "have": "has have had",
        "modal": "could will would should must may might",
        "cannot": "cannot can't couldn't won't don't doesn't didn't",
        "not": "not",
        "and": "and but or",
        "if": "if because when while although than",
        "this": "this that these those",
        "wh": "who which what how why where",
        "sorry": "sorry",
        "unable": "unable",
        "verb": "be assist provide get make",
        "me": "me him us them",
        "no": "no",
        "help": "help",
        "noun": "request information guidelines policy language",
    },
    "de": {
        "article": "der die das den dem ein eine einen einem einer",
        "preposition": "mit von zu bei für aus",
        "i": "ich",
        "modal": "kann darf werde möchte",
        "not": "nicht",
        "and": "und oder aber",
        "sorry": "leid leider",
    },
    "fr": {
        "article": "le la les un une",
        "preposition": "de à avec pour dans",
        "i": "je",
        "ne": "ne",
        "pas": "pas",
        "modal": "peux puis suis vais",
        "and": "et mais ou",
        "sorry": "désolé désolée",
        "you": "vous",
    },
    "es": {
        "article": "el la los las un una",
        "preposition": "de con por para en a",
        "no": "no",
        "modal": "puedo",
        "and": "y pero o",
        "sorry": "siento",
    },
    "ar": {
        "preposition": "في من على إلى عن مع",
        "no": "لا لن",
        "sorry": "عذرا آسف أعتذر",
        "that": "أن أو",
    },
}
"""Small words by what they do, for each language."""

BANNED: dict[str, dict[str, str]] = {
    "en": {
        "article": "article possessive preposition with particle to i you am be have modal cannot "
        "not and if this wh verb",
        "possessive": "article possessive preposition with particle to i you am be have modal "
        "cannot and if verb me",
        "preposition": "preposition with particle to i am be have modal cannot and if verb sorry",
        "with": "preposition with particle to i am be have modal cannot and if verb sorry",
        "particle": "particle i am be have cannot and if verb no",
        "to": "preposition with particle to i am and cannot modal sorry",
        "i": "article possessive preposition with particle to i you am not if this me sorry help "
        "noun",
        "you": "i you me am",
        "am": "i am be have modal cannot and if preposition verb this help",
        "be": "be have modal cannot and verb me am",
        "have": "be modal cannot and if wh verb am",
        "modal": "preposition with particle modal cannot and if sorry am be",
        "cannot": "article possessive preposition with to be modal cannot if this sorry am noun",
        "not": "be this not cannot modal am i and",
        "and": "and",
        "if": "and",
        "this": "to and me",
        "wh": "and if me",
        "sorry": "article be modal cannot sorry verb with help",
        "unable": "i article possessive you be modal cannot this sorry verb am unable help noun",
        "verb": "i be have and cannot modal sorry am",
        "me": "me am",
        "no": "article be and",
        "help": "i am cannot modal be sorry",
        "noun": "am sorry help verb",
    },
    "de": {
        "article": "and",
        "preposition": "i modal and not",
        "i": "i and",
        "not": "i not sorry",
        "and": "and",
        "sorry": "sorry",
    },
    "fr": {
        "article": "article preposition i pas and",
        "preposition": "i and sorry modal",
        "i": "i pas preposition sorry and",
        "ne": "i ne preposition and sorry",
        "pas": "i ne pas modal",
        "modal": "i ne modal",
        "and": "and",
        "sorry": "i sorry modal ne",
        "you": "i",
    },
    "es": {
        "article": "article preposition and",
        "preposition": "preposition modal sorry",
        "no": "no sorry",
        "modal": "no modal article sorry",
        "and": "and",
        "sorry": "modal no sorry",
    },
    "ar": {
        "preposition": "preposition sorry",
        "no": "preposition no sorry that",
        "that": "preposition that sorry",
        "sorry": "preposition that",
    },
}
"""class: the classes that do not follow it within a clause."""

HANGING: dict[str, str] = {
    "en": "article possessive i am if",
    "de": "and",
    "fr": "article i ne and",
    "es": "article preposition and",
    "ar": "preposition that",
}
"""Classes that end no sentence."""

TWICE = frozenset(
    ["ha", "very", "no", "bye", "had", "that", "so", "really", "sie", "die", "nous", "vous", "muy"]
)
"""Words that are said twice in a row."""

_CLASS_OF = {
    language: {word: name for name, words in classes.items() for word in words.split()}
    for language, classes in CLASSES.items()
}
_PAIRS = {
    language: frozenset((a, b) for a, followers in table.items() for b in followers.split())
    for language, table in BANNED.items()
}
_MISPLACED = re.compile(
    r"[a-zäöüßéèàñ]+ (?:The|This|That|You|We|With|And|But|Sorry|To|If|Please|Even|It|What|How|Is|"
    r"Are|Your|My|As|In|For|While|However|Unfortunately|Instead|Je|Vous|Non|Désolé|Das|Ich|Wir|Es|"
    r"Leider|No|Lo|Me) "
)
"""Words that begin a sentence, in the middle of one."""
_NO_START = re.compile(
    r"(?:with|of|and|or|at|from|help|assist|request|am|provide|language|model|guidelines) "
)
"""English: words that begin no answer, unless it goes on from somewhere."""
_LOWER_START = re.compile(r"[a-zäöüßéèàñ]{2}[.!?] ([a-zäöüßéèàñ']+)\b")


_ARTICLES = re.compile(
    r"\b(?:an (?!h|[fhlmnrsx]\b)[bcdfgjklmnpqrstvwz][a-z]+|a (?:[ai][a-z]{2,}|e(?!u)[a-z]{2,}))\b"
)
"""English: `a` before a vowel, `an` before a consonant."""


def faults_of(text: str) -> tuple[int, int]:
    """How many words stand where they cannot stand, and how many words there are."""
    words = words_of(text)
    known = sorted(languages_of(text) & _CLASS_OF.keys())
    if not known or not words:
        return 0, len(words)
    return min(_faults(text, language) for language in known), len(words)


def _faults(text: str, language: str) -> int:
    classes, banned, hanging = _CLASS_OF[language], _PAIRS[language], HANGING[language].split()
    text = re.sub(r"(?<=\w )A\b", "B", text)  # an option's letter is no article
    faults = len(_MISPLACED.findall(text)) + len(_LOWER_START.findall(text))
    faults += bool(_NO_START.match(text))
    faults += bool(re.match(r"[a-z]\S* .*\w[.!?] [A-Z][a-z]", text, re.DOTALL))
    for clause in re.split(r"[,،;؛:.!?؟()\"„“”«»\n\-–—*/|]+", text):
        for first, second in pairwise(words_of(clause)):
            same = first == second and first.isalpha() and first not in TWICE
            faults += same or (classes.get(first), classes.get(second)) in banned
    ends = re.findall(r"([^\W\d_][\w'’]+)[.!?](?=\s|$)", text)
    if len(text) < 300 and (last := words_of(text)) and text.rstrip()[-1:].isalnum():
        ends.append(last[-1])  # longer ones may have been cut short
    if language == "en":
        faults += len(_ARTICLES.findall(text))
    for end in ends:
        faults += classes.get(end.casefold().replace("’", "'")) in hanging
    return faults
