"""Thoughts: what a reasoning model writes before its answer, between tags or in channels."""

from __future__ import annotations

import re

_WORDS = "think|thinking|thought|thoughts|reasoning|scratchpad|longcat_think|seed:think"
_OPENING = (
    rf"<(?:{_WORDS})>",
    r"\[think\]",
    r"◁think▷",
    r"<\|(?:begin_of_thought|thought_start|start_thinking)\|>",
    r"<\|channel>thought\b",
    # channels, as gpt-oss writes them: analysis is thought, final is the answer
    r"<\|channel\|>\s*(?:analysis|commentary)\b",
)
_CLOSING = (
    rf"</(?:{_WORDS})>",
    r"\[/think\]",
    r"◁/think▷",
    r"<\|(?:end_of_thought|thought_end|end_thinking)\|>",
    r"<channel\|>",
    r"<\|channel\|>\s*final\s*(?:<\|constrain\|>[^<]*)?<\|message\|>",
)
_OPENS = re.compile("|".join(_OPENING), re.IGNORECASE)
_CLOSES = re.compile("|".join(_CLOSING), re.IGNORECASE)
_OPENED = re.compile(rf"(?:{'|'.join(_OPENING)})\s*(?:<\|message\|>)?\s*\Z", re.IGNORECASE)
_AT_LINE_START = re.compile(rf"(?:\A|\n)[^\S\n]*(?:{'|'.join(_OPENING)})", re.IGNORECASE)
_SOLUTION = re.compile(r"<\|(?:begin|end)_of_solution\|>", re.IGNORECASE)
_CHANNEL = ("<|channel|>", "<|message|>", "<|channel>", "<channel|>")


def without_thoughts(text: str, *, opened: bool = False) -> str:
    """The text after the last thought; what precedes a thought that never ends, often nothing.

    `opened`: the prompt has begun the thinking, as some chat templates do.
    """
    ends = list(_CLOSES.finditer(text))
    if opened and not ends:
        return ""
    answer = text[ends[-1].end() :] if ends else text
    if unended := _AT_LINE_START.search(answer):
        answer = answer[: unended.start()].rstrip()
    answer = _SOLUTION.sub("", answer)
    return answer.lstrip() if ends else answer


def opens_thoughts(prompt: str) -> bool:
    """Whether a prompt ends with the beginning of a thought."""
    return _OPENED.search(prompt[-80:]) is not None


def mentions_thoughts(text: str) -> bool:
    """Whether a text, such as a chat template, has the end of a thought in it."""
    return _CLOSES.search(text) is not None or "<|channel|>" in text


def is_tag(token: str) -> bool:
    """Whether a token is a part of what marks thoughts: it must stay in the text of an answer."""
    patterns = (_OPENS, _CLOSES, _SOLUTION)
    return token in _CHANNEL or any(pattern.fullmatch(token) for pattern in patterns)
