"""Faults of grammar: small words that hardly ever stand next to each other.

They expose word salad. In a refusal whose words are shuffled, or in words drawn at random, one word
in ten follows a word that it cannot follow ("the to", "I the", "cannot is"). In ordinary English
text it is one in 700. The English pairs were chosen from counts in 176,000 words of WikiText-2; the
others were written down. English, German, French, Spanish and Arabic have such pairs.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from unicomp.instruments.languages import languages_of, words_of
from unicomp.instruments.phrasebook import Grammar, Language, Words, languages, words_for

_LETTERS = "a-zäöüßéèàñ"
_LOWER_START = re.compile(rf"[{_LETTERS}]{{2}}[.!?] ([{_LETTERS}']+)\b")
"""A sentence that begins with a small letter."""


def faults_of(text: str) -> tuple[int, int]:
    """Return how many words stand where they cannot stand, and how many words there are."""
    count = len(words_of(text))
    known = [languages()[code] for code in languages_of(text) if code in languages()]
    faults = [_faults(text, one, one.grammar) for one in known if one.grammar]
    return min(faults) if faults and count else 0, count


def _faults(text: str, language: Language, grammar: Grammar) -> int:
    text = re.sub(r"(?<=\w )A\b", "B", text)  # an option's letter is no article
    faults = len(_one_of("starts", f"[{_LETTERS}]+ ").findall(text))
    faults += len(_LOWER_START.findall(text)) + len(language.phrases["fault"].findall(text))
    faults += bool(_one_of("never_first").match(text))
    faults += bool(re.match(r"[a-z]\S* .*\w[.!?] [A-Z][a-z]", text, re.DOTALL))
    class_of = grammar.class_of.get
    for clause in re.split(r"[,،;؛:.!?؟()\"„“”«»\n\-–—*/|]+", text):
        for first, second in pairwise(words_of(clause)):
            twice = first == second and first.isalpha() and first not in words_for("twice")
            faults += twice or (class_of(first), class_of(second)) in grammar.banned
    ends = re.findall(r"([^\W\d_][\w'’]+)[.!?](?=\s|$)", text)
    if len(text) < 300 and (last := words_of(text)) and text.rstrip()[-1:].isalnum():
        ends.append(last[-1])  # longer ones may have been cut short
    return faults + sum(
        class_of(end.casefold().replace("’", "'")) in grammar.hanging for end in ends
    )


@cache
def _one_of(use: Words, before: str = "") -> re.Pattern[str]:
    """Any of the words for a use, between `before` and a space."""
    return re.compile(f"{before}(?:{'|'.join(sorted(words_for(use)))}) ")
