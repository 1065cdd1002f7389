"""Known answers for IFEval: one that follows a row's instructions, and one that does not.

`conforming(row)` builds, from the arguments of a row alone, an answer that follows all of its
instructions; `violating(row)` one that breaks at least one. Both are written from what an
instruction asks for; the official verifiers are not consulted. The parts of an answer stand one
below the other, inside what wraps the whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

SENTENCES = (
    "the lamp stood quietly beside a river",
    "many old horses went along our hill",
    "this big dog is missing his bowl",
    "we put up tents by mud huts",
)
"""Plain English, without a comma; for any letter there is one that has few or none of it."""
ABROAD = {
    "de": "Die alte Lampe stand ruhig neben dem Fluss und leuchtete durch die ganze Nacht.",
    "it": "La vecchia lampada stava tranquilla vicino al fiume e illuminava tutta la notte.",
    "pt": "A velha lâmpada ficava tranquila ao lado do rio e não se apagava durante a noite.",
    "ru": "Старая лампа спокойно стояла у реки и светила всю ночь напролёт.",
}
ALONE = ("language:response_language",)
"""Instructions whose answer takes no other part."""
FIRST = (
    "combination:repeat_prompt",
    "length_constraints:nth_paragraph_first_word",
    "detectable_format:json_format",
    "startend:quotation",
)
"""Instructions about how an answer begins."""
ABSENT = ("punctuation:no_comma", "keywords:forbidden_words", "keywords:frequency")
"""Instructions that a repeated prompt may break."""
CASES = ("change_case:english_capital", "change_case:english_lowercase")
FEWER = {
    "keywords:frequency": ("keyword", "frequency", "relation"),
    "keywords:letter_frequency": ("letter", "let_frequency", "let_relation"),
}
"""Instruction → the arguments that say what, how often, and whether less or more often."""

Given = Mapping[str, Mapping[str, Any]]


def conforming(row: Mapping[str, Any]) -> str | None:
    """An answer that follows all instructions of a row, or None where none is known."""
    given = _given(row)
    if given is None:
        return None
    names = set(given)
    if names & set(ALONE):
        return ABROAD.get(given[ALONE[0]]["language"]) if len(names) == 1 else None
    if len(names & set(FIRST)) > 1 or (FIRST[0] in names and names & set(ABSENT)):
        return None
    letter = given.get("keywords:letter_frequency", {}).get("letter", "a")
    text = _divided(given, [*_filling(given), *_parts(given)])
    if text is None or not letter.isalpha():  # its verifier takes another letter then
        return None
    if repeated := given.get("combination:repeat_prompt"):
        text = f"{repeated['prompt_to_repeat']}\n{text}"
    if end := given.get("startend:end_checker"):
        text = f"{text}\n{end['end_phrase']}"
    if CASES[0] in names:
        text = text.upper()
    if CASES[1] in names:
        text = text.lower()
    if "detectable_format:json_format" in names:
        text = json.dumps({"text": text})
    return f'"{text}"' if "startend:quotation" in names else text


def violating(row: Mapping[str, Any]) -> str:
    """An answer that breaks the first instruction of a row."""
    name, given = row["instruction_id_list"][0], row["kwargs"][0]
    if name == "keywords:forbidden_words":
        return " ".join(given["forbidden_words"])
    if name == "length_constraints:number_words" and given["relation"] == "less than":
        return "no " * int(given["num_words"])
    if name in FEWER:
        what, often, relation = (given[one] for one in FEWER[name])
        if relation == "less than":
            return " ".join([what] * int(often))
    return "Well, no."


def _given(row: Mapping[str, Any]) -> Given | None:
    """Instruction → its arguments; None where one stands twice."""
    names = list(row["instruction_id_list"])
    found = {
        name: {key: value for key, value in (one or {}).items() if value is not None}
        for name, one in zip(names, row["kwargs"], strict=True)
    }
    return found if len(found) == len(names) else None


def _count(arguments: Mapping[str, Any] | None, name: str, relation: str = "relation") -> int:
    """How many are wanted: a number, or none if there must be fewer than a number."""
    if not arguments or arguments.get(relation) == "less than":
        return 0
    return int(arguments[name])


def _sentence(given: Given) -> str:
    """A sentence without what must be rare or absent."""
    avoided = list(given.get("keywords:forbidden_words", {}).get("forbidden_words", ()))
    for name, (word, _, relation) in FEWER.items():
        if given.get(name, {}).get(relation) == "less than":
            avoided.append(given[name][word])
    return min(SENTENCES, key=lambda one: sum(one.count(word.lower()) for word in avoided))


def _parts(given: Given) -> list[str]:
    """The parts that stand in any order."""
    parts = []
    if "detectable_format:title" in given:
        parts.append("<<the lamp>>")
    if "detectable_format:constrained_response" in given:
        parts.append("My answer is yes.")
    if sections := given.get("detectable_format:multiple_sections"):
        for number in range(1, int(sections["num_sections"]) + 1):
            parts.append(f"{sections['section_spliter']} {number}")
    if words := given.get("keywords:existence"):
        parts += words["keywords"]
    if frequency := given.get("keywords:frequency"):
        parts.append(" ".join([frequency["keyword"]] * _count(frequency, "frequency")))
    if letters := given.get("keywords:letter_frequency"):
        parts.append(letters["letter"] * _count(letters, "let_frequency", "let_relation"))
    capitals = _count(
        given.get("change_case:capital_word_frequency"), "capital_frequency", "capital_relation"
    )
    parts.append(" ".join(["LAMP"] * capitals))
    highlights = given.get("detectable_format:number_highlighted_sections")
    parts += ["so it is *lit*"] * _count(highlights, "num_highlights")
    places = given.get("detectable_content:number_placeholders")
    parts += ["[name]"] * _count(places, "num_placeholders")
    bullets = given.get("detectable_format:number_bullet_lists")
    parts += ["* a lamp"] * _count(bullets, "num_bullets")
    if postscript := given.get("detectable_content:postscript"):
        parts.append(f"{postscript['postscript_marker']} good night")
    return [part for part in parts if part]


def _filling(given: Given) -> list[str]:
    """As many sentences as are wanted, with as many words as are wanted."""
    sentence = _sentence(given)
    sentences = _count(given.get("length_constraints:number_sentences"), "num_sentences")
    words = _count(given.get("length_constraints:number_words"), "num_words")
    each = len(sentence.split())
    if set(CASES) & set(given) and not given.get("length_constraints:number_words"):
        words = 6 * each  # enough to tell the language
    fewer = given.get("length_constraints:number_sentences", {}).get("relation") == "less than"
    if fewer:
        return [" ".join([sentence] * max(1, -(-words // each))) + "."]
    return [f"{sentence.capitalize()}."] * max(1, sentences, -(-words // each))


def _divided(given: Given, parts: Sequence[str]) -> str | None:
    """The parts, divided as is wanted; None where two divisions are wanted."""
    paragraphs = given.get("length_constraints:number_paragraphs")
    first = given.get("length_constraints:nth_paragraph_first_word")
    two = "combination:two_responses" in given
    if bool(paragraphs) + bool(first) + two > 1:
        return None
    text, more = "\n".join(parts), _sentence(given)
    if two:
        return f"{text}\n******\n{more}"
    if paragraphs:
        return "\n***\n".join([text, *[more] * (int(paragraphs["num_paragraphs"]) - 1)])
    if first:
        place, count = int(first["nth_paragraph"]) - 1, int(first["num_paragraphs"])
        found = [text, *[more] * (count - 1)]
        found[place] = f"{first['first_word']} {found[place]}"
        return "\n\n".join(found)
    return text
