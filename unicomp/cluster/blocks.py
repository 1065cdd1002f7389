"""Blocks of a checkpoint's items: what one unit answers, in the batches of a run without a cluster.

Padding can change an answer in its last digit, so items are asked together as `responses.batches`
has them. A block is one or more whole batches of a benchmark that follow each other. Its size
decides who answers when, and never what.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Any, TypeVar

from unicomp.prompts.items import RenderedItem
from unicomp.responses import SMALL, Questions, Responses, one_by_one

BLOCK_SECONDS = 10.0
"""The work of a block: long beside what a unit costs, short beside what a lost worker may cost."""
Batch = TypeVar("Batch", bound=Sized)
FIRST_SECONDS = 0.05
"""The seconds of an item of which nothing is known yet."""


@dataclass(frozen=True)
class Block:
    """Batches of a benchmark that one unit answers."""

    benchmark: str
    batches: tuple[tuple[RenderedItem, ...], ...]
    seconds: float
    """The time that it is expected to take."""

    @property
    def items(self) -> list[RenderedItem]:
        """All of its items."""
        return [item for batch in self.batches for item in batch]


@dataclass
class Pace:
    """The seconds that an item of each benchmark takes, as far as this run has seen."""

    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Benchmark → items and seconds."""

    def note(self, benchmark: str, items: int, seconds: float) -> None:
        """Note that some items took so long."""
        before = self._seen.get(benchmark, (0, 0.0))
        self._seen[benchmark] = before[0] + items, before[1] + seconds

    def of(self, benchmark: str) -> float:
        """The seconds of an item: those of the benchmark, else of all, else a guess."""
        counts = [self._seen[benchmark]] if benchmark in self._seen else list(self._seen.values())
        items = sum(count for count, _ in counts)
        return sum(seconds for _, seconds in counts) / items if items else FIRST_SECONDS


def blocks(
    questions: Questions, known: Responses, pace: Pace, smallest: int = SMALL
) -> Iterator[Block]:
    """The unanswered items, in blocks, in the order in which one process would ask them.

    An item that two benchmarks share is in the first one's blocks, as it would be asked there.
    `smallest` is that of `responses.batches`.
    """
    answered: dict[str, list[Any]] = dict(known)
    batches: dict[str, list[tuple[RenderedItem, ...]]] = {}
    for benchmark, batch in one_by_one(questions, answered, {}, smallest):
        batches.setdefault(benchmark, []).append(tuple(batch))
        answered |= {item.key: [] for item in batch}
    for benchmark, own in batches.items():
        each = pace.of(benchmark)
        for part in parts(own, each):
            yield Block(benchmark, tuple(part), each * sum(map(len, part)))


def parts(
    batches: Sequence[Batch], each: float, target: float = BLOCK_SECONDS
) -> Iterator[list[Batch]]:
    """Parts of some batches, each of about `target` seconds if an item takes `each`."""
    items = sum(map(len, batches))
    number = max(math.ceil(each * items / target), 1)
    begun = accumulate(map(len, batches), initial=0)
    numbered = zip((start * number // items for start in begun), batches, strict=False)
    for _, group in groupby(numbered, key=itemgetter(0)):
        yield [batch for _, batch in group]
