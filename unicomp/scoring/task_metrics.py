"""Values that lm-eval computes: the metrics of a task, or a likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unicomp.errors import ScoringError
from unicomp.scoring.prose import is_unfinished
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

    `at_end`: the answer stands at the end of the text. One that was cut off at its limit of tokens
    then is unparsed, and `correct` is 0.
    """

    name: str
    keep: tuple[str, ...] = ()
    at_end: bool = False

    def __call__(self, item: Item) -> Reading:
        """The metric's value for one item."""
        ended = not (self.at_end and is_unfinished(item))
        value = float(_result(item, self.name)) if ended else 0.0
        filtered = self.name.partition(",")[2]
        answer = item.answers[filtered]
        blank = isinstance(answer, str) and not answer.strip()
        return Reading(
            fields={"correct": value, **{name: str(item.doc[name]) for name in self.keep}},
            parsed=ended
            and not blank
            and answer not in ([_UNREADABLE], _UNREADABLE)
            and bool(item.results.get(f"parsed,{filtered}", True)),
        )


@dataclass(frozen=True)
class BiasedAnswer:
    """The facts that lm-eval's BBQ task finds in an answer, for `Mean("correct")` and `BiasScore`.

    Fields, each 0 or 1: `correct`; `biased`, the answer follows the stereotype; `informed`, it is
    any answer but `not known`; `disambiguated`, the context holds the answer. Raises ScoringError
    for another task.
    """

    def __call__(self, item: Item) -> Reading:
        """The four facts of one item."""
        names = ("correct", "biased", "informed", "disambiguated")
        values = _result(item, "disamb_bias_score,none")
        return Reading(fields={n: float(v) for n, v in zip(names, values, strict=True)})


@dataclass(frozen=True)
class TokenLikelihood:
    """The likelihood of a window of running text, for `Perplexity`.

    Fields: `log_likelihood`, in nats, and the lengths `tokens` and `words`.
    """

    def __call__(self, item: Item) -> Reading:
        """The figures of one window."""
        return Reading(
            fields={
                "log_likelihood": float(item.responses[0]),
                "tokens": float(item.doc["tokens"]),
                "words": float(item.doc["words"]),
            }
        )


def _result(item: Item, name: str) -> Any:
    """A metric that the task computed; ScoringError if it has no such metric."""
    if name not in item.results:
        raise ScoringError(
            f"the task has no metric {name!r}; it has {', '.join(sorted(item.results))}"
        )
    return item.results[name]
