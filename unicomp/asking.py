"""Ask the items of several benchmarks in rounds, until a jury needs no more answers.

A benchmark that can stop gets one batch in each round. One that cannot is asked to its end: before
the others if they wait for it, else after them, since the decision may be known by then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from unicomp.errors import UnicompError, UnmeasuredError
from unicomp.prompts.items import RenderedItem
from unicomp.responses import Asking, Failures, Questions, Responses, batches, unanswered
from unicomp.scores import Records, RecordsReader


class Jury(Protocol):
    """Decides from the answers so far which benchmarks of a checkpoint need more."""

    def hear(self, benchmark: str, records: Records) -> None:
        """Take in the records of a benchmark's first items: more each time, at last all.

        Of a benchmark that cannot stop, the records are of all items.
        """
        ...

    def waits(self) -> Mapping[str, Collection[str]]:
        """The benchmarks that can stop, each with those that it needs to the end before it can."""
        ...

    def unsettled(self) -> Collection[str]:
        """The benchmarks that can stop and need more answers."""
        ...

    def skipped(self) -> Mapping[str, str]:
        """Benchmark → why it is not asked any more although it is not settled."""
        ...


class Rounds:
    """An order of asking for `collect`: in rounds, while a jury hears the records.

    `readers` read the answers of the benchmarks, and have the records afterwards. Of a benchmark
    that stopped they have read the first items.
    """

    def __init__(self, jury: Jury, readers: Mapping[str, RecordsReader]) -> None:
        self._jury = jury
        self._readers = readers
        self._left: dict[str, list[Sequence[RenderedItem]]] = {}
        """Benchmark → the batches that were not asked; without those that are at their end."""
        self.errors: dict[str, UnicompError] = {}
        """Benchmark → why it has no records although it was answered so far, or skipped."""

    def __call__(self, questions: Questions, known: Responses, failures: Failures) -> Asking:
        """The items to ask, a batch of a benchmark at a time."""
        self._left = {name: list(batches(items)) for name, items in questions.items()}
        for name, items in questions.items():
            if not unanswered(items, known):  # answers that are there cost nothing
                del self._left[name]
                self._read(name, items, known)
        while due := self._due():
            for name in due:
                batch = self._left[name].pop(0)
                if missing := unanswered(batch, known):
                    yield name, missing
                if not self._left[name] or name in failures:
                    del self._left[name]
                if name in failures:
                    continue
                if name in self._jury.waits():
                    self._read(name, batch, known)
                elif name not in self._left:
                    self._read(name, questions[name], known)
        for name, why in self._jury.skipped().items():
            if name in self._left:
                self.errors[name] = UnmeasuredError(why)

    def _due(self) -> list[str]:
        """The benchmarks that get their next batch in this round."""
        waits, unsettled, skipped = self._jury.waits(), self._jury.unsettled(), self._jury.skipped()
        left = [name for name in self._left if name not in skipped]
        open_ones = [
            name
            for name in left
            if name in waits and (name in unsettled or not len(self._readers[name]))
        ]
        whole = sorted(
            (name for name in left if name not in waits), key=lambda name: len(self._left[name])
        )
        free = [name for name in open_ones if not any(one in whole for one in waits[name])]
        needed = [name for name in whole if any(name in waits[one] for one in open_ones)]
        return free or needed[:1] or whole[:1]

    def _read(self, name: str, items: Sequence[RenderedItem], known: Responses) -> None:
        """Read a benchmark's next items, and let the jury hear of all that were read."""
        reader = self._readers[name]
        try:
            reader.read(items, known)
        except UnicompError as error:
            self.errors[name] = error
            self._left.pop(name, None)
        else:
            self._jury.hear(name, reader.records())
