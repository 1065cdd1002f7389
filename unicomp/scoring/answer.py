"""Scorers of answers with one right solution: a choice, a number, a label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from unicomp.errors import ScoringError
from unicomp.spec import Item, Reading

_UNREADABLE = "[invalid]"
"""What lm-eval's regex filters put where nothing matched."""


@dataclass(frozen=True)
class TaskMetric:
    """What the lm-eval task itself says of an item: `acc,none`, `exact_match,strict-match`.

    `keep` copies columns of the row, for aggregates that group by them. An answer is unparsed if it
    is blank, if a filter found nothing in it, or if the task's own rules give `parsed` as 0.
    """

    name: str
    keep: tuple[str, ...] = ()

    def __call__(self, item: Item) -> Reading:
        """What was read, with the field `correct`."""
        if self.name not in item.results:
            raise ScoringError(
                f"the task has no metric {self.name!r}; it has {', '.join(sorted(item.results))}"
            )
        filtered = self.name.partition(",")[2]
        answer = item.answers[filtered]
        blank = isinstance(answer, str) and not answer.strip()
        return Reading(
            fields={
                "correct": float(item.results[self.name]),
                **{name: str(item.doc[name]) for name in self.keep},
            },
            parsed=not blank
            and answer not in ([_UNREADABLE], _UNREADABLE)
            and bool(item.results.get(f"parsed,{filtered}", True)),
        )


@dataclass(frozen=True)
class LabelWord:
    """One label word in a generated answer, on word boundaries.

    `words` maps a task to its labels' words. Exactly one label must be named: an answer that
    names several, or none, is unparsed and wrong. The gold label is `labels[task][row["label"]]`.
    Rules of TrustLLM's AdvGLUE evaluation, made strict.
    """

    labels: Mapping[str, Mapping[int, str]]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    task: str = "task"
    keep: tuple[str, ...] = ()

    def __call__(self, item: Item) -> Reading:
        """What was read, with the field `correct` and the kept columns."""
        labels = self.labels[str(item.doc[self.task])]
        named = {
            label
            for label in set(labels.values())
            if any(
                re.search(rf"\b{re.escape(word)}\b", item.text, re.IGNORECASE)
                for word in (label, *self.words.get(label, ()))
            )
        }
        gold = labels[int(item.doc["label"])]
        return Reading(
            fields={
                "correct": float(named == {gold}),
                **{name: str(item.doc[name]) for name in self.keep},
            },
            parsed=len(named) == 1,
        )
