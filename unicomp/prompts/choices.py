"""Multiple choice: the options of an item, those that are right, and the one a model picks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_eval.api.task import ConfigurableTask

MULTIPLE_CHOICE = "multiple_choice"
"""lm-eval's `output_type` of a task whose options have one request each."""

_RIGHT = ("acc", "acc_norm", "acc_bytes")
"""Metrics of a task that say whether the likeliest option is right."""
_SURE, _RULED_OUT = (0.0, True), (-1000.0, False)


def right_options(task: ConfigurableTask, doc: Any) -> list[int]:
    """The options that the task's own rules call right, from 0; several if they are synonyms.

    Each option is tried as the only likely one. Empty if the task does not judge the options, or if
    its code fails on such answers.
    """
    count = len(task.doc_to_choice(doc))
    right = []
    for chosen in range(count):
        answers = [_SURE if option == chosen else _RULED_OUT for option in range(count)]
        if "acc_mutual_info" in task._metric_fn_list:  # asks each option without the question, too
            answers += [_RULED_OUT] * count
        try:
            results = task.process_results(dict(doc), answers)
        except Exception:  # a user's code; the score does not need this
            return []
        if any(results.get(name) == 1.0 for name in _RIGHT):
            right.append(chosen)
    return right


def picked_option(
    task: ConfigurableTask, doc: Any, log_likelihoods: Sequence[float], metric: str
) -> int:
    """The option that a model picks, from 0: the likeliest one, for its length if `metric` is so.

    `metric` is lm-eval's name of the score, such as `acc_norm`.
    """
    values = list(log_likelihoods)
    if metric in ("acc_norm", "acc_bytes"):
        options = task.doc_to_choice(doc)
        length = len if metric == "acc_norm" else lambda option: len(option.encode())
        values = [
            value / max(length(option), 1) for value, option in zip(values, options, strict=True)
        ]
    return max(range(len(values)), key=values.__getitem__)
