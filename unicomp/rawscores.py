"""Read a table of raw scores, and compute its metrics and sub-scores.

    model,method,benchmark,value
    llama,dense,gsm8k,76.8
    llama,wanda_50,gsm8k,19.48

A value is in points for a score, and in any unit that all methods share for efficiency. The method
`dense` is the baseline of its model. If a value is missing, so is its metric, with the reason.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unicomp.errors import SpecError
from unicomp.framework import EFFICIENCY, PAPER_PROFILE, SubScore, compared, oriented
from unicomp.spec import DENSE, nearest

COLUMNS = ("model", "method", "benchmark", "value")

ModelScores = Mapping[str, Mapping[str, float]]
"""Method → benchmark → raw score, of one model."""
RawScores = Mapping[str, ModelScores]
"""Model → method → benchmark → raw score."""

_SCORES = tuple(name for metric in PAPER_PROFILE for name in PAPER_PROFILE.benchmarks(metric))
_COMPONENTS = tuple(name for components in EFFICIENCY.values() for name in components)
_KNOWN = (*_SCORES, *_COMPONENTS)
_OF_COMPRESSION = frozenset(EFFICIENCY["compute_cost"])
"""Components that only a compressed checkpoint has."""
_POINTS = (0.0, 100.0)
_RANGES = {
    "advglue": (-100.0, 100.0),  # adversarial accuracy less the success rate of the attacks
    "advinstruction": (-100.0, 100.0),  # a cosine
    "confaide": (-100.0, 100.0),  # a correlation
    "sycophancy": (-200.0, 200.0),  # a difference of cosines
}
"""The ranges of scores that may lie outside 0 to 100 points."""
_SLACK = 1e-9
"""The rounding of a mean may add as much to a score of 100."""
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, kw_only=True)
class MetricScore:
    """A metric or a sub-score of one method."""

    model: str
    method: str
    metric: str
    """One of the thirteen, or `METRIC.SUB_SCORE`."""
    value: float | None
    """Percent of dense for the ten retained metrics, percent of the best for efficiency, points
    for a sub-score; never rounded. None if it is missing."""
    reason: str = ""
    """Why it is missing."""
    compared_with: tuple[str, ...] = ()
    """For efficiency: the compared methods; the best one has 100."""


def read_raw_scores(path: Path, on_line: Callable[[int], None] = lambda line: None) -> RawScores:
    """Read the raw scores in a CSV file: UTF-8, with a header, columns in any order.

    `on_line` is called with the number of each line that was read.
    Raises SpecError with the file and the line for an unknown column or benchmark, a second value
    of one score, a model without its baseline, and a value that is no number or is impossible for
    its benchmark.
    """
    raw: dict[str, dict[str, dict[str, float]]] = {}
    lines: dict[tuple[str, str, str], int] = {}
    for line, record in _records(path):
        on_line(line)
        model, method, benchmark = (record[column] for column in COLUMNS[:3])
        try:
            value = _value(model, method, benchmark, record["value"])
            first = lines.setdefault((model, method, benchmark), line)
            if first != line:
                where = f"the first is in line {first}"
                raise SpecError(f"a second value of {benchmark} for {method} of {model}: {where}")
        except SpecError as error:
            raise SpecError(f"{path}:{line}: {error}") from None
        raw.setdefault(model, {}).setdefault(method, {})[benchmark] = value
    for (model, _, benchmark), line in lines.items():
        if DENSE.name not in raw[model] and benchmark not in _OF_COMPRESSION:
            baseline = f"rows of the method {DENSE.name!r}, its baseline"
            raise SpecError(f"{path}:{line}: model {model} has no {baseline}")
    return raw


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The records below the header, column → text, each with the number of its first line."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    expected = f"the first line must be {','.join(COLUMNS)}"
    header: list[str] = []
    count, line = 0, 1
    try:
        for fields in reader:
            start, line = line, reader.line_num + 1
            fields = [field.strip() for field in fields]
            if fields in ([], [""]):
                continue
            if not header:
                for name in fields:
                    if name not in COLUMNS:
                        raise SpecError(f"{path}:{start}: unknown column {name!r}; {expected}")
                if sorted(fields) != sorted(COLUMNS):
                    raise SpecError(f"{path}:{start}: each column is needed once; {expected}")
                header = fields
            elif len(fields) != len(header):
                raise SpecError(f"{path}:{start}: {len(fields)} fields instead of {len(header)}")
            else:
                count += 1
                yield start, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise SpecError(f"{path}:{line}: not CSV: {error}") from None
    if not header:
        raise SpecError(f"{path}:1: the file is empty; {expected}")
    if not count:
        raise SpecError(f"{path}:{reader.line_num}: there are no scores below the header")


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpecError(f"the raw scores {path} cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{path}:{line}: the file is not UTF-8 text") from None


def _value(model: str, method: str, benchmark: str, text: str) -> float:
    for column, name in (("model", model), ("method", method)):
        if not name or not name.isprintable():
            raise SpecError(f"{name!r} is not a valid name of a {column}")
    if benchmark not in _KNOWN:
        raise SpecError(f"there is no benchmark {benchmark!r}; {nearest(benchmark, _KNOWN)}")
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise SpecError(f"the value {text!r} of {benchmark} is not a finite number")
    if benchmark in _COMPONENTS:
        if method == DENSE.name and benchmark in _OF_COMPRESSION:
            raise SpecError(f"{method} was not compressed, so it has no {benchmark}")
        if value <= 0:
            raise SpecError(f"{benchmark} is {text}: it must be above 0")
    else:
        low, high = _RANGES.get(benchmark, _POINTS)
        if not low - _SLACK <= value <= high + _SLACK:
            raise SpecError(f"{benchmark} is {text}: it must be from {low:g} to {high:g} points")
    return value


def metric_scores(raw: RawScores, reading: str = "paper") -> tuple[MetricScore, ...]:
    """The metrics and sub-scores of every method: section 3 of the paper, equations 1 to 8.

    For each model the metrics, then the sub-scores; each for all methods, `dense` first. A metric
    without any component in the table is left out; one with a part missing, or not divisible, has
    the value None. Efficiency is compared among the methods of a model; dense has no compute cost.
    Raises SpecError for an unknown reading, ValueError for an efficiency value that is not positive
    and finite, which `read_raw_scores` refuses.
    """
    return tuple(
        score for model, measured in raw.items() for score in _of_model(model, measured, reading)
    )


def _of_model(model: str, measured: ModelScores, reading: str) -> Iterator[MetricScore]:
    methods = sorted(measured, key=lambda method: method != DENSE.name)
    entered = {method: oriented(measured[method], reading) for method in methods}
    known = {name for scores in measured.values() for name in scores}
    for metric in PAPER_PROFILE:
        if not known.isdisjoint(PAPER_PROFILE.benchmarks(metric)):
            yield from _retained(model, metric, entered)
    for metric, components in EFFICIENCY.items():
        if not known.isdisjoint(components):
            yield from _compared(model, metric, entered)
    for metric in PAPER_PROFILE:
        for part in PAPER_PROFILE.sub_scores(metric):
            if not known.isdisjoint(part.shares()):
                yield from _sub_scores(model, metric, part, entered)


def _retained(model: str, metric: str, entered: ModelScores) -> Iterator[MetricScore]:
    names = PAPER_PROFILE.benchmarks(metric)
    dense = entered.get(DENSE.name, {})
    of_dense = _lacking(f"no {DENSE.name} score of", names, dense)
    for method, scores in entered.items():
        own = "" if method == DENSE.name else _lacking("no score of", names, scores)
        value, reason = _attempt(
            (own, of_dense), partial(PAPER_PROFILE.retained, metric, scores, dense)
        )
        yield MetricScore(model=model, method=method, metric=metric, value=value, reason=reason)


def _compared(model: str, metric: str, entered: ModelScores) -> Iterator[MetricScore]:
    rivals = {
        method: scores
        for method, scores in entered.items()
        if method != DENSE.name or metric != "compute_cost"
    }
    names = tuple(EFFICIENCY[metric])
    values = compared(metric, rivals)
    # one tuple for all methods: with one for each, many methods would take a square of memory
    among = tuple(m for m, has in rivals.items() if not has.keys().isdisjoint(names))
    for method, scores in rivals.items():
        yield MetricScore(
            model=model,
            method=method,
            metric=metric,
            value=values.get(method),
            reason=_lacking("no value of", names, scores),
            compared_with=among,
        )


def _sub_scores(
    model: str, metric: str, part: SubScore, entered: ModelScores
) -> Iterator[MetricScore]:
    name = f"{metric}.{part.name}"
    for method, scores in entered.items():
        own = _lacking("no score of", tuple(part.shares()), scores)
        value, reason = _attempt((own,), partial(part.score, scores))
        yield MetricScore(model=model, method=method, metric=name, value=value, reason=reason)


def _lacking(what: str, names: Sequence[str], scores: Mapping[str, float]) -> str:
    lacking = [name for name in names if name not in scores]
    return f"{what} {', '.join(lacking)}" if lacking else ""


def _attempt(lacking: Sequence[str], compute: Callable[[], float]) -> tuple[float | None, str]:
    """The value and "", or None and the reason: a score is missing or has no ratio."""
    if any(lacking):
        return None, "; ".join(filter(None, lacking))
    try:
        return compute(), ""
    except ValueError as error:
        return None, str(error)
