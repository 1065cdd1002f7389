"""Which benchmark of the suites a task of lm-eval is, and how any other task is judged.

A task is a benchmark of the suites if it has the name and the wording of the benchmark's task, or,
of a benchmark with several configurations, the data set's configuration and the wording. It may
have other examples or limits: then that is noted. Its answers are read by the suite's own scorer.
Any other task is a benchmark of its own: the mean of lm-eval's value of each item.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unicomp.data.sources import EMBEDDED_ROWS, HUB, Source, shipped_fixtures
from unicomp.elsewhere.folders import TaskLog
from unicomp.elsewhere.samples import LoggedItem
from unicomp.errors import SpecError
from unicomp.instruments import Mode
from unicomp.prompts.choices import MULTIPLE_CHOICE
from unicomp.prompts.tasks import Definition
from unicomp.retention import read_as
from unicomp.scoring.aggregate import Mean
from unicomp.scoring.task_metrics import TaskMetric
from unicomp.spec import Benchmark, check_name, nearest

_WORDING: Mapping[str, str | None] = {
    "output_type": "generate_until",
    "doc_to_text": None,
    "doc_to_choice": None,
}
"""The settings that make the wording of a task, with lm-eval's defaults."""
OF_LM_EVAL = "lm_eval."
"""Prefix of a task that is called like a benchmark of the suites, and is another one."""
_OF_OPTIONS = ("acc", "acc_norm", "acc_bytes")
"""Metrics that guessing scores by the number of options."""

Chosen = Mapping[str, str]
"""Benchmark or task → the metric that the user chose: `METRIC` or `METRIC,FILTER`."""


@dataclass(frozen=True)
class Recognised:
    """A benchmark of the suites in the log of a task."""

    definition: Definition
    config: str | None = None
    """The configuration of the data set that the log is of."""

    @property
    def benchmark(self) -> Benchmark:
        """The benchmark, in the mode of its definition."""
        return self.definition.benchmark


class Suites:
    """The benchmarks of the suites, as tasks of lm-eval."""

    def __init__(self, benchmarks: Iterable[Benchmark], mode: Mode, reading: str) -> None:
        # lm-eval asks each item once
        known = {bench.name: bench for bench in benchmarks if not bench.wordings}
        self.names = set(known)
        self._sources = [
            [
                Definition(read_as(bench.scored_in(mode), reading), Source(rows), mode)
                for bench in known.values()
            ]
            for rows in (HUB, EMBEDDED_ROWS)
        ]

    def recognise(self, logs: Sequence[TaskLog]) -> list[list[Recognised]]:
        """The benchmarks of each log; several if they share a task, none if it is unknown.

        All are of the embedded world if one of them can be of no other.
        """
        real, embedded = (
            [
                [one for definition in definitions if (one := _recognised(definition, log))]
                for log in logs
            ]
            for definitions in self._sources
        )
        if any(map(_has_embedded_rows, logs)) or any(
            ours and not theirs for ours, theirs in zip(embedded, real, strict=True)
        ):
            real, embedded = embedded, real
        return [first or second for first, second in zip(real, embedded, strict=True)]

    def notes(self, log: TaskLog, found: Sequence[Recognised]) -> Iterator[str]:
        """What a log has otherwise than the suites; a line each."""
        task, names = log.task, ", ".join(one.benchmark.name for one in found)
        if not found and task in self.names:
            yield (
                f"{task}: lm-eval's task has another wording than the suites' {task}, so it is "
                f"judged on its own, as {OF_LM_EVAL}{task}"
            )
        if found and log.results is None:
            yield f"{names}: without results_DATE.json the settings cannot be compared"
        if not found or log.results is None:
            return
        definition = found[0].definition
        pairs = {
            "examples": (log.run.get("n-shot", {}).get(task), definition.shots),
            "new tokens at most": (
                (log.settings.get("generation_kwargs") or {}).get("max_gen_toks"),
                definition.max_new_tokens,
            ),
            "chat template": (
                "one" if log.run.get("chat_template_sha") else "none",
                "one" if definition.chat else "none",
            ),
        }
        for what, (here, there) in pairs.items():
            if here is not None and there is not None and here != there:
                yield f"{names}: {what}: {here}, in the suites {there}"


def _has_embedded_rows(log: TaskLog) -> bool:
    rows = (shipped_fixtures() / "embedded" / "rows").resolve()
    return rows in Path(str(log.settings.get("dataset_path", ""))).resolve().parents


def _recognised(definition: Definition, log: TaskLog) -> Recognised | None:
    bench, settings, logged = definition.benchmark, definition.settings, log.settings
    task, config = settings.get("task"), logged.get("dataset_name")
    if not bench.configs:
        if log.task != task:
            return None
        config = None
    elif config not in bench.configs or not (
        log.task in (f"{task}_{config}", task)
        or str(logged.get("dataset_path", "")).endswith(definition.dataset)
    ):
        return None
    if logged and (
        int(logged.get("repeats") or 1) > 1
        or any(
            _differ(settings.get(name, default), logged.get(name, default))
            for name, default in _WORDING.items()
        )
    ):
        return None
    return Recognised(definition, config)


def _differ(declared: Any, logged: Any) -> bool:
    """Whether a setting differs; functions, which a log has as source text, are not compared."""
    functions = isinstance(logged, str) and logged.lstrip().startswith(("def ", "lambda"))
    return declared != logged and not functions


# -- the metric ------------------------------------------------------------------------------------


def by_metric(bench: Benchmark, items: Sequence[LoggedItem], chosen: Chosen) -> Benchmark:
    """A benchmark of the suites as it is, or with lm-eval's metric if the user chose one."""
    if bench.name not in chosen:
        return bench
    key = _chosen_metric(bench.name, chosen[bench.name], items)
    return replace(bench, scorer=TaskMetric(key), aggregate=Mean("correct"), details={})


def own_benchmark(
    log: TaskLog, items: Sequence[LoggedItem], chosen: Chosen, name: str
) -> tuple[Benchmark, list[str]]:
    """A task that the suites do not have as a benchmark, and notes. Raises SpecError.

    The first metric of the task counts that gives each item a value from 0 to 1, unless the user
    chose one.
    """
    check_name("task", name)
    usable = [key for key in _keys(items) if _is_share(key, items)]
    notes = []
    if log.task in chosen:
        key = _chosen_metric(log.task, chosen[log.task], items)
        if key not in usable:
            raise SpecError(
                f"--metric {log.task}={chosen[log.task]}: its values in {log.path} are not all "
                "numbers from 0 to 1"
            )
    else:
        key = _first_metric(log, usable, items)
        if len(usable) > 1:
            notes.append(
                f"{name}: {key} counts, of {', '.join(usable)}; choose with --metric {log.task}="
            )
    metric = key.partition(",")[0]
    better = log.run.get("higher_is_better", {}).get(log.task, {}).get(metric, True)
    options = {len(item.continuations) for item in items}
    chance = None
    if log.settings.get("output_type") == MULTIPLE_CHOICE and metric in _OF_OPTIONS:
        chance = 100.0 / max(options) if len(options) == 1 and max(options) > 1 else None
    return (
        Benchmark(
            name=name,
            metric=None,
            task=log.path,
            scorer=TaskMetric(key),
            aggregate=Mean("correct"),
            chance=chance,
            higher_is_better=bool(better),
        ),
        notes,
    )


def _keys(items: Sequence[LoggedItem]) -> list[str]:
    """The `metric,filter` of a log, in its order."""
    return list(dict.fromkeys(key for item in items for key in item.results))


def _is_share(key: str, items: Sequence[LoggedItem]) -> bool:
    values = [item.results.get(key) for item in items]
    # NaN is refused later, with its line
    return all(isinstance(one, int | float) and (0 <= one <= 1 or one != one) for one in values)


def _first_metric(log: TaskLog, usable: Sequence[str], items: Sequence[LoggedItem]) -> str:
    ranks = {name: rank for rank, name in enumerate(log.metrics)}
    ordered = sorted(usable, key=lambda key: ranks.get(key.partition(",")[0], len(ranks)))
    if not ordered:
        raise SpecError(
            f"{log.path}: no metric of {log.task} has a value from 0 to 1 for each item (it has "
            f"{', '.join(_keys(items)) or 'none'}): give the values as a table, see unicomp "
            "verdict --help"
        )
    metric = ordered[0].partition(",")[0]
    rivals = [key for key in ordered if key.partition(",")[0] == metric]
    if len(rivals) > 1 or (len(ordered) > 1 and metric not in ranks):
        raise SpecError(
            f"{log.path}: {', '.join(rivals if len(rivals) > 1 else ordered)} of {log.task} could "
            f"count: choose with --metric {log.task}=METRIC,FILTER"
        )
    return ordered[0]


def _chosen_metric(name: str, given: str, items: Sequence[LoggedItem]) -> str:
    known = _keys(items)
    found = [key for key in known if given in (key, key.partition(",")[0])]
    if not found:
        raise SpecError(f"--metric {name}={given}: its log has none; {nearest(given, known)}")
    if len(found) > 1:
        raise SpecError(f"--metric {name}={given}: give METRIC,FILTER, one of {', '.join(found)}")
    return found[0]
