"""The answers themselves: samples of all rows, each item once, as many as fit the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unicomp.report.html.texts import ending, marked, shortened
from unicomp.scorecard import Scorecard

KINDS: Mapping[str, str] = {
    "lost": "lost: only the baseline is right",
    "loop": "loop: only the candidate repeats itself",
    "refused": "refused: only the candidate refuses",
    "answered": "answered: only the baseline refuses",
}
"""Kind of a sample → what it means."""
LENGTHS = (2000, 1000, 500, 250)
"""The characters of each text that are tried, until all samples fit."""
_MARK = 60
"""Characters beyond that: a text that was cut before ends with a mark of what it lacks."""
_FRAME = 420
"""Bytes of markup around one sample, about."""


@dataclass
class Candidate:
    """What one checkpoint answered to an item."""

    candidate: str | None
    candidate_read: str
    kinds: list[str] = field(default_factory=list)


@dataclass
class Item:
    """One item with the baseline's answer, and those of all checkpoints that it shows."""

    model: str
    benchmark: str
    item: str
    prompt: str | None
    right: str | None
    baseline: str | None
    baseline_read: str
    candidates: dict[str, Candidate] = field(default_factory=dict)
    """By the name of the checkpoint."""


@dataclass(frozen=True)
class Answers:
    """The samples of a page."""

    groups: Mapping[tuple[str, str], Sequence[Item]]
    """(model, benchmark) → its items."""
    length: int
    """The characters to which each text is cut."""
    shown: int
    there: int
    """The samples that are shown, and those of the scorecard."""


def answers(card: Scorecard, room: int) -> Answers:
    """The samples in at most about `room` bytes of HTML.

    Texts are cut first, and the least important samples are left out then: of each kind the later
    ones, and of all kinds those that repeat what another one shows.
    """
    samples = sorted(_ranked(card), key=lambda one: one[0])
    for length in LENGTHS:
        found, shown = _fitting(samples, length, room)
        if shown == len(samples):
            break
    groups: dict[tuple[str, str], list[Item]] = {}
    for item in found:
        groups.setdefault((item.model, item.benchmark), []).append(item)
    order = {(row.model, row.benchmark): None for row in card.rows}
    return Answers(
        {key: groups[key] for key in order if key in groups}, length, shown, len(samples)
    )


_Sample = tuple[tuple[int, int, int], str, str, str, Mapping[str, Any]]
"""Rank, model, benchmark, checkpoint, the sample."""


def _ranked(card: Scorecard) -> Iterator[_Sample]:
    """All samples; a small rank is shown first: the worst of each kind of each row."""
    kinds = [*KINDS]
    for number, row in enumerate(card.rows):
        seen: dict[str, int] = {}
        for sample in row.samples:
            kind = sample["kind"]
            place = seen[kind] = seen.get(kind, -1) + 1
            rank = (place, kinds.index(kind) if kind in kinds else len(kinds), number)
            yield rank, row.model, row.benchmark, card.name_of(row.checkpoint), sample


def _fitting(samples: Sequence[_Sample], length: int, room: int) -> tuple[list[Item], int]:
    """The items of the first samples that fit, and the number of these samples."""
    items: dict[tuple[str, str, str], Item] = {}
    for shown, (_, model, benchmark, checkpoint, sample) in enumerate(samples):
        key = (model, benchmark, sample["item"])
        known = items.get(key)
        own = known.candidates.get(checkpoint) if known else None
        item = known or Item(model, benchmark, sample["item"], **_cut(sample, _OF_ITEM, length))
        answer = own or Candidate(**_cut(sample, _OF_CANDIDATE, length))
        room -= _FRAME
        room -= 0 if known else _bytes(item.prompt, item.right, item.baseline, item.baseline_read)
        room -= 0 if own else _bytes(answer.candidate, answer.candidate_read)
        if room < 0:
            return [*items.values()], shown
        items[key] = item
        item.candidates[checkpoint] = answer
        if sample["kind"] not in answer.kinds:
            answer.kinds.append(sample["kind"])
    return [*items.values()], len(samples)


_OF_ITEM = ("prompt", "right", "baseline", "baseline_read")
_OF_CANDIDATE = ("candidate", "candidate_read")


def _cut(sample: Mapping[str, Any], names: Sequence[str], length: int) -> dict[str, Any]:
    """Some texts of a sample; of a prompt the end is kept, since the question stands there."""
    found: dict[str, Any] = {}
    for name in names:
        text = sample[name]
        cut = ending if name == "prompt" else shortened
        found[name] = text if text is None else cut(text, length + _MARK)
    return found


def _bytes(*texts: str | None) -> int:
    """The bytes of texts in the page."""
    return len("".join(marked(text) for text in texts if text).encode())
