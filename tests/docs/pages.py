"""Read the pages of the documentation: their code blocks and their links.

A block with a title is a file. A block of language `console` has commands, and a block of language
`text` directly below one has their output. An HTML comment on the lines above a block says how it
is run:

- `not run: REASON`: never; it is only parsed
- `in the clone`: in a clone of UniComp, where `.ci/run` runs the same commands; it is only parsed
- `long`: only by `make test-long`
- `exit N`: the status of the last command
- `figures`: the digits of the output may be others
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
FILES = (
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(DOCS.rglob("*.md")),
)
_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>.*)")
_COMMENT = re.compile(r"\s*<!--\s*(.*?)\s*-->\s*")
_TITLE = re.compile(r"""title=["']([^"']+)["']""")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?[^)]*\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    """The number of its first line, from 1."""
    language: str
    title: str | None
    body: str
    notes: tuple[str, ...]
    """The comments above it, without `not run`."""
    reason: str | None
    """Why it is not run; None if it is."""
    output: Block | None = None
    """The block of the commands' output."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"

    @property
    def is_long(self) -> bool:
        return "long" in self.notes

    @property
    def is_of_the_clone(self) -> bool:
        return "in the clone" in self.notes

    @property
    def status(self) -> int:
        """The exit status that its last command has."""
        found = [int(note.removeprefix("exit ")) for note in self.notes if note.startswith("exit ")]
        return found[0] if found else 0

    @cached_property
    def commands(self) -> list[str]:
        """Its commands, each on one line, without comments."""
        joined = self.body.replace("\\\n", " ")
        lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
        return [line for line in lines if line]


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page in their order, those of an output with their commands."""
    found: list[Block] = []
    ends = 0
    for block, end in _fenced(page):
        before = found[-1] if found else None
        follows = before and all(not line.strip() for line in _lines(page)[ends : block.line - 1])
        if block.language == "text" and follows and before and before.language == "console":
            found[-1] = Block(**(vars_of(before) | {"output": block}))
        else:
            found.append(block)
        ends = end
    return found


def vars_of(block: Block) -> dict[str, object]:
    """The fields of a block."""
    return {name: getattr(block, name) for name in Block.__dataclass_fields__}


def _lines(page: Path) -> list[str]:
    return page.read_text(encoding="utf-8").splitlines()


def _fenced(page: Path) -> Iterator[tuple[Block, int]]:
    """Each fenced block, and the index of the line below it."""
    lines = _lines(page)
    at = 0
    while at < len(lines):
        opening = _FENCE.fullmatch(lines[at])
        if opening is None:
            at += 1
            continue
        end = next(
            place
            for place in range(at + 1, len(lines))
            if lines[place].strip().startswith(opening["fence"])
        )
        indent = len(opening["indent"])
        body = "".join(f"{line[indent:]}\n" for line in lines[at + 1 : end])
        info = opening["info"].strip()
        title = _TITLE.search(info)
        comments = list(_comments_above(lines, at))
        reasons = [one.partition(":")[2].strip() for one in comments if one.startswith("not run")]
        notes = [
            note.strip()
            for one in comments
            if not one.startswith("not run")
            for note in one.split(",")
        ]
        yield (
            Block(
                page=page,
                line=at + 1,
                language=info.split()[0] if info else "",
                title=title[1] if title else None,
                body=body,
                notes=tuple(notes),
                reason=reasons[0] if reasons else None,
            ),
            end + 1,
        )
        at = end + 1


def _comments_above(lines: list[str], at: int) -> Iterator[str]:
    """The comments on the lines directly above a line; markers of generated text are none."""
    for line in reversed(lines[:at]):
        comment = _COMMENT.fullmatch(line)
        if comment is None:
            return
        if not re.match(r"\w+:(begin|end)\b", comment[1]):
            yield comment[1]


def prose_of(text: str) -> str:
    """A page without its fenced blocks and code spans."""
    kept, fence = [], ""
    for line in text.splitlines():
        found = _FENCE.fullmatch(line)
        if fence:
            if line.strip().startswith(fence):
                fence = ""
        elif found:
            fence = found["fence"]
        else:
            kept.append(re.sub(r"`[^`]*`", "`", line))
    return "\n".join(kept)


def links_of(text: str) -> list[str]:
    """The targets of a page's links and images."""
    return _LINK.findall(prose_of(text))


def anchors_of(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs write them."""
    found: set[str] = set()
    fence = ""
    for line in text.splitlines():
        fenced = _FENCE.fullmatch(line)
        if fence:
            fence = "" if line.strip().startswith(fence) else fence
        elif fenced:
            fence = fenced["fence"]
        elif heading := re.fullmatch(r"#{1,6} +(.*?) *#*", line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            github = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            found |= {github, re.sub(r"-+", "-", github).strip("-")}
    return found
