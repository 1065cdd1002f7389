"""Texts of models and users in GitHub-flavoured Markdown: data that is only shown.

A backslash takes the meaning from punctuation. It does not stop GitHub from finding mentions,
references and addresses in the rendered text, so an invisible joiner breaks those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from unicomp.decision import Decision
from unicomp.report.tables import plain

DECISIONS: Mapping[Decision, str] = {"open": "✅", "shut": "❌", "undecided": "❔"}
LONGEST = 300
"""Characters of a text that are shown."""
_JOINER = "\u2060"
_PUNCTUATION = re.compile(r"[\\`*_\[\]<>~|&]|^(?:[#+\-=:]|\d+(?=[.)]))")
"""What may be markup anywhere, or at the start of a line: headings, lists, and their numbers."""
_LINKED = re.compile(
    r"(?<=[@#])(?=\w)|(?<=\bGH)(?=-\d)|(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=:)(?=[\w+-]+:)",
    re.IGNORECASE,
)
"""Where a mention, a reference, an address or the name of an emoji is broken."""
_DOLLAR = "<span>$</span>"
"""GitHub's way to write the sign that begins a formula."""


def text(value: object, most: int = LONGEST) -> str:
    """A text on one line in which nothing is markup, a mention, a reference or a link."""
    line = " ".join(plain(str(value)).split())
    if len(line) > most:
        line = f"{line[:most]} …"
    return _PUNCTUATION.sub(_escaped, _LINKED.sub(_JOINER, line)).replace("$", _DOLLAR)


def _escaped(found: re.Match[str]) -> str:
    """Punctuation after a backslash; a number at the start of a line after a joiner."""
    return f"{_JOINER if found[0].isdigit() else chr(92)}{found[0]}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; cells are Markdown. All columns but the first are on the right."""
    yield f"| {' | '.join(heads)} |"
    yield f"|---|{'---:|' * (len(heads) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def folded(summary: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines that are shown only when a reader opens them."""
    yield from ("", f"<details><summary>{summary}</summary>", "", *lines, "", "</details>")


def code(command: str) -> str:
    """A text in a span of code, in which nothing else means anything."""
    line = " ".join(plain(command).split())
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence, space = "`" * (longest + 1), " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}"
