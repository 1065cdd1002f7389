"""Rows of RULER's tasks that fill a number of tokens of a model's own tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from unicomp.errors import SpecError, UnmeasuredError
from unicomp.long_context.fitting import fitted
from unicomp.long_context.tasks import TASKS, Make, Task, Text
from unicomp.spec import MadeRow

_SMALL = 4096
"""Texts of fewer tokens have the smaller form of a task, as in RULER."""


@dataclass(frozen=True, kw_only=True)
class RulerRows:
    """Makes the rows of RULER's tasks for a length. Raises SpecError.

    Each row is a function of the seed, its task, its number in the task and the length. The same
    rows of another tokenizer have more or fewer sentences.

    >>> RulerRows(length=4096).size
    260
    """

    length: int
    """The tokens of a prompt and the longest answer together."""
    each: int = 20
    """Rows of each task; the authors of RULER take 500."""
    tasks: tuple[str, ...] = tuple(TASKS)
    seed: int = 42

    def __post_init__(self) -> None:
        if self.length < 1 or self.each < 1:
            raise SpecError("rows of RULER need length and each of at least 1")
        if unknown := [name for name in self.tasks if name not in TASKS]:
            raise SpecError(f"RULER has no task {unknown[0]!r}; known: {', '.join(TASKS)}")
        if not self.tasks:
            raise SpecError("rows of RULER need at least one task")

    @property
    def size(self) -> int:
        """The number of rows."""
        return self.each * len(self.tasks)

    def identity_of(self, number: int) -> str:
        """The name of a row, whatever the tokenizer: task, seed, number and length."""
        task, place = self._place(number)
        return f"ruler/{task.name}/{self.seed}/{place}/{self.length}"

    def row(self, number: int, tokens: Callable[[str, str], int], room: int) -> MadeRow:
        """A row whose prompt has at most `room` tokens, and hardly fewer.

        `tokens` counts those of a prompt and the beginning of its answer as a model is asked them.
        Raises UnmeasuredError if the room is too small for the task.
        """
        task, _ = self._place(number)
        seed = hashlib.sha256(self.identity_of(number).encode()).hexdigest()

        def sized(make: Make) -> Text | None:
            return fitted(
                lambda units: make(Random(seed), units),
                lambda text: tokens(text.prompt, text.prefix),
                room,
                task.least,
            )

        forms = task.forms if self.length >= _SMALL else task.forms[-1:]
        text = next(filter(None, map(sized, forms)), None)
        if text is None:
            raise UnmeasuredError(
                f"the task {task.name} of RULER has no text of {room} tokens in this model's "
                f"tokenizer: take a length above {self.length}, or leave the task out"
            )
        columns = {"task": task.name, "outputs": list(text.outputs), "wrong": list(text.wrong)}
        return MadeRow(text.prompt, text.prefix, task.new_tokens, columns)

    def _place(self, number: int) -> tuple[Task, int]:
        """The task of a row, and its number in the task."""
        place, task = divmod(number, len(self.tasks))
        return TASKS[self.tasks[task]], place
