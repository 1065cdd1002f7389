r"""The answer in a generated text, without markup, copies of the prompt, and what comes after it.

A base model goes on to ask itself another question; the text is cut off there.

Boxes, tags and JSON keys that mark an answer become plain words: `\boxed{B}`, `<answer>B</answer>`
and `{"answer": "B"}` all read `Answer: B`.
"""

from __future__ import annotations

import re
import unicodedata

from unicomp.spec import Item

_ENDS = re.compile(
    r"<\|(?!im_start|start)[^|<>\n]{0,40}\|>|</s>|<end_of_turn>|<eos>|\[/?INST\]|<\|im_start\|>",
    re.IGNORECASE,
)
"""Special tokens that end a turn, written out."""
_HEADER = re.compile(
    r"\s*(?:(?:<\|[^|<>\n]{0,40}\|>|<start_of_turn>|<s>|\[/INST\])\s*(?:(?:assistant|model)\b)?\s*)+"
)
"""Special tokens that begin a turn, written out."""
_NEXT = re.compile(
    r"\n[ \t]*[*#]*[ \t]*(?:"
    r"(?:Q|Question|Problem|Scenario|Story|User|Human|Exercise|Instruction|Input|Paragraph|Claim|"
    r"Dialogue History|Sentence|Review|Premise|Text|Document|Next question|"
    r"(?:Another|New) (?:question|example|problem))"
    r"(?:[ \t]*\d*)[*#]*[ \t]*:|"
    r"Here is (?:the|a|another) \w+(?: \w+)?:|"
    r"(?:You are|You should answer|You have been|Now please|Please (?:answer|verify|identify))\b)"
    r"|(?<=\w[.!?] )(?:Problem|Question):\s",
    re.IGNORECASE,
)
"""The beginning of another question, which a base model asks and answers itself."""

_TICK, _CROSS = (
    re.compile(rf"(?m)(?<=\S)[ \t:-]*[{signs}]\ufe0f?[ \t]*$") for signs in ("✅✔☑✓", "❌✗✘✖")
)
_RUN = re.compile(r"([^\w])\1{3,}")
"""One sign again and again, as broken models write it."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_WRAPPED = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathbf|mathrm|mathit|mathsf|bf|rm|emph|bold|boldsymbol)\s*"
    r"\{([^{}]*)\}"
)
_ANSWER_TAG = re.compile(
    r"<(\w*(?:answer|label|choice|result|verdict|judge?ment|output))>\s*(.*?)\s*(?:</\1>|$)",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"</?[A-Za-z][\w-]*>")
_MARKUP = re.compile(
    r"(?m)\*+|`+(?:json|text)?|^[ \t]*[#>]+(?=[ \t])|[{}$\"“”«»]|\\[()\[\]]|\\left|\\right"
)


def answer_part(text: str) -> str:
    """A generated text up to a written special token, or to the next question that it invents."""
    text = _without_header(text)
    text = _ENDS.split(text, maxsplit=1)[0]
    for found in _NEXT.finditer(text):
        if text[: found.start()].strip():
            return text[: found.start()]
    return text


def is_unfinished(item: Item) -> bool:
    """Whether an answer was cut off at its limit of tokens before it had ended.

    It has ended where a special token or another question follows it.
    """
    return item.cut and len(answer_part(item.text)) == len(_without_header(item.text))


def _without_header(text: str) -> str:
    text = _RUN.sub(r"\1\1\1", text)
    return text[found.end() :] if (found := _HEADER.match(text)) else text


def before_copies(text: str, prompt: str) -> list[str]:
    """The text before the first line that copies a question of its prompt; empty without one."""
    asked, at = _spaced(prompt), 0
    for line in text.split("\n"):
        copied = line.strip()[-1:] in ("?", ":") and len(line.split()) > _FEW
        if at and copied and _spaced(line) in asked:
            return [text[:at]]
        at += len(line) + 1
    return []


def without_copies(text: str, prompt: str) -> str:
    """A text without the lines that it copies from its prompt.

    A single copied line stays, since a copied option is a choice; several only list the options.
    """
    asked, lines = _spaced(prompt), text.split("\n")
    copied = [len(line.split()) > _FEW and _spaced(line) in asked for line in lines]
    if sum(copied) < 2:
        return text
    return "\n".join(line for line, drop in zip(lines, copied, strict=True) if not drop)


_FEW = 3
"""Words of a line that may equal one of the prompt by chance."""


def _spaced(text: str) -> str:
    return " ".join(text.split()).strip(" .")


def plain(text: str) -> str:
    """A text in plain characters and without markup; marked answers read `Answer: …`."""
    text = _TICK.sub(": correct", _CROSS.sub(": incorrect", text))
    text = _WRAPPED.sub(r"\1", _WRAPPED.sub(r"\1", text))
    text = _ANSWER_TAG.sub(r"\nAnswer: \2\n", _unboxed(text))
    text = re.sub(r',\s*(?="\w+"\s*:)', "\n", text)
    text = _MARKUP.sub("", _TAG.sub(" ", text)).replace("’", "'").replace("not_", "not ")
    return "".join(map(_plain_character, text))


_BOXES = 20
"""The last boxes of a text are read."""


def _unboxed(text: str) -> str:
    r"""A text with each `\boxed{X}` replaced by `Answer: X` in a line of its own."""
    parts, at = [], 0
    for found in list(_BOX.finditer(text))[-_BOXES:]:
        if found.start() < at:
            continue
        end = closing(text, found.end())
        parts += [text[at : found.start()], "\nAnswer: ", text[found.end() : end].strip("{}"), "\n"]
        at = end
    return "".join([*parts, text[at:]])


def closing(text: str, start: int) -> int:
    """The end of the group in braces that begins at `start`; without a brace, of the next word."""
    if text[start : start + 1] != "{":
        found = re.compile(r"\S*").match(text, start)
        return found.end() if found else start
    depth = 0
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at + 1
    return len(text)


def _plain_character(one: str) -> str:
    """ASCII digits and letters for their variants; no emoji."""
    if one.isascii():
        return one
    if (digit := unicodedata.decimal(one, None)) is not None:
        return str(digit)
    if one in "–—−‐‑":
        return "-" if one in "−‐‑" else " - "
    if unicodedata.decomposition(one).startswith("<super>"):
        return "^" + unicodedata.normalize("NFKC", one)
    kind = unicodedata.category(one)
    if kind in ("So", "Mn", "Me", "Sk", "Cf", "Co", "Cn"):
        folded = unicodedata.normalize("NFKC", one)
        return folded if folded.isascii() and folded.isalnum() else ""
    return unicodedata.normalize("NFKC", one).replace("⁄", "/")
