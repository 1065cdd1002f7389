"""Text of models and users in a page: data that neither runs, hides nor breaks anything.

Markup is escaped by the template engine. What is left is what escaping does not show: characters
that turn the reading direction, that have no width or that control a terminal, and texts that are
too long.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape

LONGEST = 2100
"""Characters of any text in the page: a sample's text with its mark of what it lacks."""

_SHOWN_AS_THEY_ARE = "\n\t"
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Fillers and joiners that Unicode counts as letters, marks or symbols, but that show nothing."""
_WITHOUT_SHAPE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Categories of Unicode: control, format, surrogate, private, unassigned, separators of lines."""


def is_hidden(character: str) -> bool:
    """Whether a character shows nothing itself, or changes how others are shown."""
    if character in _SHOWN_AS_THEY_ARE:
        return False
    selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return (
        selector
        or character in _INVISIBLE
        or unicodedata.category(character) in _WITHOUT_SHAPE
        or (character.isspace() and not character.isprintable() and character not in " \u00a0")
    )


def code_point(character: str) -> str:
    """The code point of a character, such as `U+202E`."""
    return f"U+{ord(character):04X}"


def shortened(text: str, most: int = LONGEST) -> str:
    """The start of a text, with a mark of how many characters are left out."""
    left_out = len(text) - most
    return f"{text[:most]} [… {left_out:,} characters]" if left_out > 0 else text


def ending(text: str, most: int) -> str:
    """The end of a text, with a mark of how many characters are left out."""
    left_out = len(text) - most
    return f"[… {left_out:,} characters] {text[left_out:]}" if left_out > 0 else text


def visible(text: str, most: int = LONGEST) -> str:
    """A text with each hidden character as ⟨U+202E⟩, not longer than `most` before that."""
    return _shown(shortened(text, most), "⟨{}⟩")


def marked(text: str, most: int = LONGEST) -> str:
    """A text as HTML: escaped, with each hidden character as a marked code point."""
    return _shown(escape(shortened(text, most)), '<b class="cp">{}</b>')


_MAY_BE_HIDDEN = re.compile(r"[^\n\t -~]")


def _shown(text: str, form: str) -> str:
    def of(found: re.Match[str]) -> str:
        return form.format(code_point(found[0])) if is_hidden(found[0]) else found[0]

    return _MAY_BE_HIDDEN.sub(of, text)
