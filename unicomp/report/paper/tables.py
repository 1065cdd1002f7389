"""The tables of the paper in its layout.

Tables 8 to 16 have the raw scores of one metric or dimension, each followed by the sub-scores and
the metric that are computed from them. `docs/paper_tables.md` says how the layout was derived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from unicomp.findings.calibrations import CalibrationEffect
from unicomp.findings.languages import RESOURCES
from unicomp.findings.study import Cell, Study, components_of
from unicomp.framework import DIMENSIONS, METRICS, PAPER_DIMENSIONS, PAPER_PROFILE, SubScore
from unicomp.spec import DENSE

Value = float | str | None
"""What a cell holds; None if it is missing, and an empty text where there can be no value."""
_OF_COMPRESSION = ("compute_cost", *components_of("compute_cost"))
"""What the dense model cannot have."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table: labels on the left, then a value for each column."""

    number: str
    """`1` to `16` for a table, `1b` to `5` for the numbers of a figure."""
    title: str
    labels: tuple[str, ...]
    """The headings of the labels."""
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Value, ...]], ...]
    """(labels, values)."""
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """What is not there: a line for each column that lacks a value, with the rows in words.

        `everything` if the table has no value at all.
        """
        if not self.rows or all(value is None for _, values in self.rows for value in values):
            return ["everything"]
        return [
            f"{column} of {rows}"
            for number, column in enumerate(self.columns)
            if (rows := self._lacking(number))
        ]

    def _lacking(self, column: int) -> str:
        """The rows without a value in a column: all, whole models, or checkpoints."""
        lacking = [labels for labels, values in self.rows if values[column] is None]
        if len(lacking) == len(self.rows):
            return "all"
        rows: dict[str, list[str]] = {}
        for labels, _ in self.rows:
            rows.setdefault(labels[0], []).append("/".join(labels[1:]))
        found: dict[str, list[str]] = {}
        for model, *name in lacking:
            found.setdefault(model, []).append("/".join(name))
        several = len(rows) > 1
        return ", ".join(
            model if several and names == rows[model] else f"{model}/{name}" if several else name
            for model, names in found.items()
            for name in (names[:1] if several and names == rows[model] else names)
        )


def tables(study: Study) -> Iterator[Table]:
    """All tables, 1 to 16."""
    yield coverage(study)
    yield _metrics(study, "2", "performance", "Retained performance, % of dense")
    yield _metrics(study, "3", "reliability", "Retained reliability, % of dense")
    yield _metrics(study, "4", "efficiency", "Efficiency, % of the best checkpoint of the model")
    yield calibrations(study)
    yield languages(study)
    yield perplexities(study)
    for number, (title, parts) in enumerate(_RAW, start=8):
        yield _raw(study, str(number), title, parts)


def coverage(study: Study) -> Table:
    """Which checkpoints are compared, and how many metrics of each dimension they have."""
    return Table(
        number="1",
        title="The compared checkpoints, and the metrics that each has",
        labels=("model", "checkpoint"),
        columns=("family", *PAPER_DIMENSIONS),
        rows=tuple(
            ((model, name), (_family(study, name), *_counts(study, model, name)))
            for model, name in study.pairs
        ),
    )


def _family(study: Study, name: str) -> str:
    return DENSE.name if name == DENSE.name else study.families.get(name) or "unknown"


def _counts(study: Study, model: str, name: str) -> Iterator[str]:
    for dimension, metrics in PAPER_DIMENSIONS.items():
        yield f"{study.metrics_of(model, name, dimension)} of {len(metrics)}"


def _metrics(study: Study, number: str, dimension: str, title: str) -> Table:
    metrics = DIMENSIONS[dimension]
    averaged = dimension != "efficiency"
    marked = {one for one in study.published if one[2] in metrics}
    return Table(
        number=number,
        title=title,
        labels=("model", "checkpoint"),
        columns=(*metrics, "mean") if averaged else metrics,
        rows=tuple(
            (
                (model, name),
                (
                    *(_found(study.metrics, model, name, metric) for metric in metrics),
                    *((study.average(model, name, dimension),) if averaged else ()),
                ),
            )
            for model, name in study.pairs
            if dimension == "efficiency" or name != DENSE.name
        ),
        notes=(
            *(("the mean is over the metrics that the model has",) if averaged else ()),
            *(
                f"{metric} of {model}/{name} contains a cost as its authors published it"
                for model, name, metric in sorted(marked)
            ),
        ),
    )


def _found(values: Mapping[Cell, float], model: str, name: str, what: str) -> Value:
    if name == DENSE.name and what in _OF_COMPRESSION:
        return ""
    return values.get((model, name, what))


def calibrations(study: Study) -> Table:
    """The effect of each calibration on each metric: points, and the relative gain beside them."""
    found = {(e.model, e.method, e.calibration, e.metric): e for e in study.effects}
    metrics = [metric for metric in METRICS if any(key[3] == metric for key in found)]
    columns = [(metric, what) for metric in metrics for what in ("points", "relative %")]
    rows = []
    for key in dict.fromkeys(one[:3] for one in found):
        effects = [found.get((*key, metric)) for metric in metrics]
        rows.append((key, tuple(v for e in effects for v in _points(e))))
    control = study.effects[0].control if study.effects else ""
    return Table(
        number="5",
        title="The effect of the calibration text" + (f", against {control}" if control else ""),
        labels=("model", "method", "calibration"),
        columns=tuple(f"{metric} {what}" for metric, what in columns) or ("reasoning points",),
        rows=tuple(rows),
    )


def _points(effect: CalibrationEffect | None) -> tuple[Value, Value]:
    return (effect.points, effect.relative) if effect else (None, None)


def languages(study: Study) -> Table:
    """The score in each language, and the retention of both groups of languages."""
    known = {what for _, _, what in study.languages}
    own = [one for group in RESOURCES.values() for one in group if one in known or not known]
    columns = (*own, "high", "low")
    return Table(
        number="6",
        title="Global-MMLU-Lite: score in each language, retention of high and low resource",
        labels=("model", "checkpoint"),
        columns=columns,
        rows=_rows(study, columns, lambda *cell: study.languages.get(cell)),
    )


def perplexities(study: Study) -> Table:
    """Retained perplexity by kind of models, and the overall score."""
    kinds = ("normal", "reasoning", "moe", "overall")
    names = dict.fromkeys(name for name, _ in study.perplexities)
    return Table(
        number="7",
        title="Retained perplexity on WikiText-2 by kind of models, % of dense",
        labels=("checkpoint",),
        columns=kinds,
        rows=tuple(
            ((name,), tuple(study.perplexities.get((name, kind)) for kind in kinds))
            for name in names
        ),
        notes=("a kind: sums over its models; overall: the mean over all models of dense / own",),
    )


_RAW: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Multilingual, reasoning and instruction following: raw scores",
     ("multilingual", "reasoning", "instruction_following")),
    ("Knowledge: raw scores", ("knowledge",)),
    ("Efficiency: measured values", DIMENSIONS["efficiency"]),
    ("Safety: raw scores", ("safety",)),
    ("Robustness: raw scores", ("robustness",)),
    ("Privacy: raw scores", ("privacy",)),
    ("Ethics: raw scores", ("ethics",)),
    ("Truthfulness: raw scores", ("truthfulness",)),
    ("Fairness: raw scores", ("fairness",)),
)  # fmt: skip
"""Title and metrics of tables 8 to 16."""


def _raw(study: Study, number: str, title: str, metrics: Sequence[str]) -> Table:
    columns = [column for metric in metrics for column in _columns(metric)]
    found = {"score": study.scores, "metric": study.metrics}
    return Table(
        number=number,
        title=title,
        labels=("model", "checkpoint"),
        columns=tuple(name if kind == "score" else _heading(name) for kind, name in columns),
        rows=tuple(
            ((model, name), tuple(_found(found[kind], model, name, what) for kind, what in columns))
            for model, name in study.pairs
        ),
        notes=(study.units,) if metrics == DIMENSIONS["efficiency"] else (),
    )


def _columns(metric: str) -> Iterator[tuple[str, str]]:
    """(`score` or `metric`, name) of the columns that a metric has in the paper."""
    if metric in DIMENSIONS["efficiency"]:
        yield from (("score", name) for name in components_of(metric))
    for part in PAPER_PROFILE.parts.get(metric, ()):
        if isinstance(part, SubScore):
            yield from (("score", name) for name in part.shares())
            yield "metric", f"{metric}.{part.name}"
        else:
            yield "score", part
    yield "metric", metric


def _heading(name: str) -> str:
    """A metric's heading; its name may be a benchmark's, too."""
    return f"{name} (score)"


def _rows(
    study: Study, columns: Sequence[str], value: Callable[[str, str, str], Value]
) -> tuple[tuple[tuple[str, ...], tuple[Value, ...]], ...]:
    """A row for each checkpoint that has at least one value."""
    found = [
        ((model, name), tuple(value(model, name, column) for column in columns))
        for model, name in study.pairs
    ]
    return tuple(row for row in found if any(one is not None for one in row[1]))
