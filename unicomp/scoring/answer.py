"""Answers with one right solution: by the metric of an lm-eval task, or by a label word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from unicomp.errors import ScoringError
from unicomp.spec import Item, Reading

_UNREADABLE = "[invalid]"
"""The answer that lm-eval's regex filters give where nothing matched."""


@dataclass(frozen=True)
class TaskMetric:
    """A metric that the lm-eval task itself computes, named `METRIC,FILTER`.

        TaskMetric("acc,none")
        TaskMetric("exact_match,flexible-extract", keep=("config",))

    Fields: `correct`, the value of the metric; and the columns of the row in `keep`, for aggregates
    that group by them. An answer is unparsed if it is blank, if the filter found nothing in it, or
    if the task's own rules give `parsed` as 0. Raises ScoringError if the task has no such metric.
    """

    name: str
    keep: tuple[str, ...] = ()

    def __call__(self, item: Item) -> Reading:
        """The metric's value for one item."""
        if self.name not in item.results:
            raise ScoringError(
                f"the task has no metric {self.name!r}; it has {', '.join(sorted(item.results))}"
            )
        filtered = self.name.partition(",")[2]
        answer = item.answers[filtered]
        blank = isinstance(answer, str) and not answer.strip()
        return Reading(
            fields={"correct": float(item.results[self.name]), **_columns(item, self.keep)},
            parsed=not blank
            and answer not in ([_UNREADABLE], _UNREADABLE)
            and bool(item.results.get(f"parsed,{filtered}", True)),
        )


@dataclass(frozen=True)
class LabelWord:
    """The one label word in a generated answer, on word boundaries, in any letter case.

        LabelWord({"sst2": {0: "negative", 1: "positive"}}, words={"positive": ("good",)})

    The right label is `labels[TASK][row["label"]]`, where TASK is the row's column `task`. `words`
    are further words for a label. Fields: `correct` (0 or 1), and the columns of the row in `keep`.
    An answer that names several labels or none is unparsed and wrong. Raises KeyError if the task
    or the label is not in `labels`. Source: TrustLLM's AdvGLUE evaluation, made strict.
    """

    labels: Mapping[str, Mapping[int, str]]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    task: str = "task"
    keep: tuple[str, ...] = ()

    def __call__(self, item: Item) -> Reading:
        """The label of one answer."""
        labels = self.labels[str(item.doc[self.task])]
        named = {
            label
            for label in set(labels.values())
            if any(
                re.search(rf"\b{re.escape(word)}\b", item.text, re.IGNORECASE)
                for word in (label, *self.words.get(label, ()))
            )
        }
        return Reading(
            fields={"correct": float(named == {self.gold(item)}), **_columns(item, self.keep)},
            parsed=len(named) == 1,
        )

    def gold(self, item: Item) -> str:
        """The right label."""
        return self.labels[str(item.doc[self.task])][int(item.doc["label"])]


def _columns(item: Item, names: tuple[str, ...]) -> dict[str, float | str]:
    return {name: str(item.doc[name]) for name in names}
