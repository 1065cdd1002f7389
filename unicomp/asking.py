"""Ask the items of several benchmarks batch by batch, until a jury needs no more answers.

A benchmark that can stop gets a batch in each pass. One that cannot is asked to its end: before the
others if they wait for it, else after them, since the decision may be known by then. Batches are
those of a run in full, so that one may follow and ask the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from unicomp.errors import UnicompError, UnmeasuredError
from unicomp.prompts.items import RenderedItem
from unicomp.responses import SMALL, Asking, Failures, Questions, Responses, batches, unanswered
from unicomp.scores import Records, RecordsReader


class Jury(Protocol):
    """Decides from the answers so far which benchmarks of a checkpoint need more."""

    def waits(self) -> Mapping[str, Collection[str]]:
        """The benchmarks that can stop, each with those that must be at their end before it.

        They are the same each time, but what one waits for may change.
        """
        ...

    def hear(self, benchmark: str, records: Records) -> None:
        """Take in the records of a benchmark's first items: more each time, at last all.

        Before anything is asked it hears what earlier runs left. If that does not settle
        everything, benchmarks are read from their start again. Of a benchmark that cannot stop the
        jury hears once, of all items. Those of another can be all at once, too.
        """
        ...

    def unsettled(self) -> Collection[str]:
        """The benchmarks that need more answers; of those that can stop."""
        ...

    def skipped(self) -> Mapping[str, str]:
        """Benchmark → why it is not asked any more although it is not settled."""
        ...


class UntilSettled:
    """An order of asking for `collect`: until a jury, which hears the records, needs no more.

    `readers` read the answers of the benchmarks, and have the records afterwards: of a benchmark
    that stopped those of its first items. `errors` says why others have none. A benchmark that
    shares items with another is asked to its end, since batches without these items would differ
    from those of a run in full. `smallest` is that of `responses.batches`.
    """

    def __init__(
        self, jury: Jury, readers: Mapping[str, RecordsReader], smallest: int = SMALL
    ) -> None:
        self._jury = jury
        self._readers = readers
        self._smallest = smallest
        self._stopping: set[str] = set()
        """The benchmarks that can stop."""
        self._left: dict[str, list[Sequence[RenderedItem]]] = {}
        """Benchmark → the batches that were not asked; without those that are at their end."""
        self.errors: dict[str, UnicompError] = {}

    def __call__(self, questions: Questions, known: Responses, failures: Failures) -> Asking:
        """The items to ask, a batch of a benchmark at a time."""
        self._stopping = self._jury.waits().keys() & _without_shared_items(questions)
        self._left = {
            name: list(batches(items, self._smallest)) for name, items in questions.items()
        }
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
                if name in self._stopping:
                    self._read(name, batch, known)
                elif name not in self._left:
                    self._read(name, questions[name], known)
        for name, why in self._jury.skipped().items():
            if name in self._left:
                self.errors[name] = UnmeasuredError(why)

    def _due(self) -> list[str]:
        """The benchmarks that get their next batch in this pass."""
        unsettled, skipped, waits = self._jury.unsettled(), self._jury.skipped(), self._jury.waits()
        left = [name for name in self._left if name not in skipped]
        whole = [name for name in left if name not in self._stopping]
        wanting = [
            name
            for name in left
            if name in self._stopping and (name in unsettled or not self._readers[name].n)
        ]
        free = [name for name in wanting if not any(one in waits[name] for one in whole)]
        needed = [name for name in whole if any(name in waits[one] for one in wanting)]
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


def _without_shared_items(questions: Questions) -> set[str]:
    """The benchmarks that have all of their items to themselves."""
    keys = {name: {item.key for item in items} for name, items in questions.items()}
    benchmarks = Counter(key for own in keys.values() for key in own)
    return {name for name, own in keys.items() if all(benchmarks[key] == 1 for key in own)}
