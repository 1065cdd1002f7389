"""The metrics of a table of raw scores, at the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from unicomp.rawscores import MetricScore

_READINGS = {
    "paper": "as published, the two disclosure rates of privacy.leakage are not inverted",
    "oriented": "every component is oriented so that more is better",
}

_Column = tuple[str, list[str]]
"""A heading, which may have two lines, and a cell for each method."""


def print_metrics(
    console: Console,
    scores: Sequence[MetricScore],
    reading: str,
    on_model: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Print each model's metrics and sub-scores, then the missing ones with the reason.

    `on_model` is called with the number of models printed before, and that of all.
    """
    by_model: dict[str, list[MetricScore]] = {}
    for score in scores:
        by_model.setdefault(score.model, []).append(score)
    for done, (model, own) in enumerate(by_model.items()):
        on_model(done, len(by_model))
        title = f"UniComp metrics of {model}, reading {reading}: {_READINGS[reading]}"
        console.print(Text(title, style="bold"), soft_wrap=True)
        metrics = [score for score in own if "." not in score.metric]
        sub_scores = [score for score in own if "." in score.metric]
        _print_tables(console, metrics, "metrics: % of dense; efficiency metrics: % of the best")
        _print_tables(console, sub_scores, "sub-scores: points")
        for line in (*_comparisons(own), *_missing(own)):
            console.print(Text(line), soft_wrap=True)
        console.print()


def _print_tables(console: Console, scores: Sequence[MetricScore], title: str) -> None:
    """Print the scores with methods as rows, split into tables that fit the width."""
    methods = list(dict.fromkeys(score.method for score in scores))
    first = max((len(method) for method in methods), default=0)
    if scores:
        console.print(Text(f"\n{title}", style="italic"))
    for columns in _fitting(list(_columns(scores, methods)), console.width - first):
        console.out(_table(methods, columns), highlight=False)


def _table(methods: Sequence[str], columns: Sequence[_Column]) -> str:
    """A table as text. rich's own takes ten times as long, which counts for thousands of models."""
    names, height = ["method", *methods], max(heading.count("\n") + 1 for heading, _ in columns)
    wide = max(map(cell_len, names))
    lines = [" " * wide] * (height - 1) + [_left(name, wide) for name in names]
    for heading, cells in columns:
        head = heading.split("\n")
        column = [*[""] * (height - len(head)), *head, *cells]
        width = 1 + max(map(len, column))
        lines = [line + cell.rjust(width) for line, cell in zip(lines, column, strict=True)]
    return "\n".join([*lines[:height], "─" * cell_len(lines[0]), *lines[height:]])


def _left(name: str, width: int) -> str:
    """A name on the left of `width` terminal cells; a character may take two."""
    return name + " " * (width - cell_len(name))


def _columns(scores: Sequence[MetricScore], methods: Sequence[str]) -> Iterator[_Column]:
    for metric in dict.fromkeys(score.metric for score in scores):
        found = {score.method: score for score in scores if score.metric == metric}
        cells = [_cell(found.get(method)) for method in methods]
        yield metric.replace("." if "." in metric else "_", "\n", 1), cells


def _cell(score: MetricScore | None) -> str:
    if score is None:
        return ""
    return "missing" if score.value is None else f"{score.value:.2f}"


def _fitting(columns: Sequence[_Column], room: int) -> Iterator[list[_Column]]:
    """Group the columns so that each group fits `room`; a group has at least one."""
    group: list[_Column] = []
    left = room
    for heading, cells in columns:
        width = 1 + max(map(len, (*heading.split("\n"), *cells)))
        if group and width > left:
            yield group
            group, left = [], room
        group.append((heading, cells))
        left -= width
    if group:
        yield group


def _comparisons(scores: Sequence[MetricScore]) -> Iterator[str]:
    """A line for each efficiency metric with the methods it is compared among."""
    rivals = {score.metric: score.compared_with for score in scores if score.compared_with}
    for metric, methods in rivals.items():
        yield f"{metric} is compared among {', '.join(methods)}"


def _missing(scores: Sequence[MetricScore]) -> Iterator[str]:
    methods: dict[tuple[str, str], list[str]] = {}
    for score in scores:
        if score.value is None:
            methods.setdefault((score.metric, score.reason), []).append(score.method)
    for (metric, reason), names in methods.items():
        yield f"missing: {metric} of {', '.join(names)}: {reason}"
