"""Read the baseline and the candidate from their files, whatever format they have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from unicomp.data.model_folder import slug
from unicomp.elsewhere import folders, readings, samples, tables
from unicomp.elsewhere.folders import TaskLog
from unicomp.elsewhere.measured import Measured, Side
from unicomp.elsewhere.pairing import Pair, paired
from unicomp.elsewhere.readings import Part
from unicomp.elsewhere.recognition import (
    OF_LM_EVAL,
    Chosen,
    Recognised,
    Suites,
    by_metric,
    own_benchmark,
)
from unicomp.elsewhere.samples import LoggedItem
from unicomp.errors import SpecError
from unicomp.instruments import Instruments
from unicomp.retention import read_as
from unicomp.spec import Benchmark, nearest
from unicomp.store import content_key, file_digest

FORMATS = "a folder or a file of lm-eval's --log_samples, or a table in .csv or .jsonl"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The same items on both sides."""

    baseline: Side
    candidate: Side
    pairs: Mapping[str, Pair]
    """By benchmark."""
    notes: tuple[str, ...] = ()
    """What the user should know of the files, a line each."""
    embedded: bool = False
    """Whether the items are rows of the embedded world."""
    reading: str = "oriented"
    """How the components of reliability enter their metrics."""
    instruments: Mapping[str, Any] = field(default_factory=dict)
    """What read the generated answers; empty if nothing was needed."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads evidence as the user's settings say."""

    benchmarks: Callable[[], Iterable[Benchmark]]
    """Loads the benchmarks of the suites."""
    instruments: Callable[[], Instruments]
    """Makes what reads generated answers."""
    chosen: Chosen = field(default_factory=dict)
    """See `recognition.Chosen`."""
    lower_is_better: Collection[str] = ()
    """Benchmarks of a table of which less is better."""

    def read(self, baseline: Path, candidate: Path) -> Evidence:
        """The evidence in two files or folders. Raises SpecError."""
        kinds = [_is_table(path) for path in (baseline, candidate)]
        if kinds[0] != kinds[1]:
            raise SpecError(
                f"one of {baseline} and {candidate} is a table, the other a log of lm-eval: their "
                "items have different names; give the same format for both"
            )
        evidence = self._of_tables if kinds[0] else self._of_logs
        return evidence(baseline, candidate)

    @cached_property
    def _instruments(self) -> Instruments:
        return self.instruments()

    def _of_tables(self, baseline: Path, candidate: Path) -> Evidence:
        if self.chosen:
            raise SpecError("--metric chooses among the metrics of a log: a table has one value")
        reading = self._instruments.reading
        known = {bench.name: read_as(bench, reading) for bench in self.benchmarks()}
        sides = [
            Side(
                given=path,
                name=slug(path.stem) or "model",
                key=content_key({"file": file_digest(path)}),
                measured=tables.read_table(path, known, self.lower_is_better),
                facts={"format": path.suffix[1:], "file": path.name},
            )
            for path in (baseline, candidate)
        ]
        return Evidence(
            baseline=sides[0],
            candidate=sides[1],
            pairs={name: tables.with_keys(pair) for name, pair in paired(*sides).items()},
            notes=_alike(*sides),
            reading=reading,
        )

    def _of_logs(self, baseline: Path, candidate: Path) -> Evidence:
        if self.lower_is_better:
            raise SpecError("--lower-is-better is for tables: a log of lm-eval says it itself")
        (first, notes), (second, more) = (folders.find_logs(path) for path in (baseline, candidate))
        pairs = folders.paired_logs(first, second)
        suites = Suites(self.benchmarks(), self._instruments.mode, self._instruments.reading)
        logs = [log for log, _ in pairs]
        found = dict(zip((log.path for log in logs), suites.recognise(logs), strict=True))
        self._check_chosen(pairs, found)
        lines = [*notes, *more]
        for log, _ in pairs:
            lines += suites.notes(log, found[log.path])
        side = _Logs(baseline, [(log, found[log.path]) for log, _ in pairs], self._instruments)
        own = side.own_benchmarks(self.chosen, suites.names)
        other = _Logs(candidate, [(log, found[one.path]) for one, log in pairs], self._instruments)
        measured = [one.read(self.chosen, own) for one in (side, other)]
        embedded = any(one.definition.source.is_embedded for own in found.values() for one in own)
        lines += [*side.notes, *_alike(*measured)]
        return Evidence(
            baseline=measured[0],
            candidate=measured[1],
            pairs=paired(*measured),
            notes=tuple(dict.fromkeys(lines)),
            embedded=embedded,
            reading=self._instruments.reading,
            instruments=self._instruments.identity if _needs_instruments(measured[0]) else {},
        )

    def _check_chosen(
        self,
        pairs: Iterable[tuple[TaskLog, TaskLog]],
        found: Mapping[Path, list[Recognised]],
    ) -> None:
        known: list[str] = []
        for log, _ in pairs:
            known += [one.benchmark.name for one in found[log.path]] or [log.task]
        for name in self.chosen:
            if name not in known:
                raise SpecError(f"--metric {name}: no log is of it; {nearest(name, known)}")


class _Logs:
    """The logs of one side."""

    def __init__(
        self,
        given: Path,
        logs: Sequence[tuple[TaskLog, list[Recognised]]],
        instruments: Instruments,
    ) -> None:
        self._given, self._logs, self._instruments = given, logs, instruments
        self.notes: list[str] = []

    @cached_property
    def _items(self) -> list[list[LoggedItem]]:
        """The items of each log."""
        return [samples.read_samples(log.path) for log, _ in self._logs]

    def own_benchmarks(self, chosen: Chosen, taken: Collection[str]) -> list[Benchmark | None]:
        """For each log of a task that the suites do not have: its benchmark.

        `taken` are the names of the suites' benchmarks.
        """
        benchmarks: list[Benchmark | None] = []
        for (log, found), items in zip(self._logs, self._items, strict=True):
            if found:
                benchmarks.append(None)
                continue
            name = f"{OF_LM_EVAL}{log.task}" if log.task in taken else log.task
            bench, notes = own_benchmark(log, items, chosen, name)
            self.notes += notes
            benchmarks.append(bench)
        return benchmarks

    def read(self, chosen: Chosen, own: Sequence[Benchmark | None]) -> Side:
        """All benchmarks of the logs; `own` are those that the suites do not have."""
        parts: dict[str, list[Part]] = {}
        benchmarks: dict[str, Benchmark] = {}
        for (log, found), items, mine in zip(self._logs, self._items, own, strict=True):
            if mine is not None:
                benchmarks[mine.name], parts[mine.name] = mine, [(log, None, items)]
            for one in found:
                bench = by_metric(one.benchmark, items, chosen)
                benchmarks.setdefault(bench.name, bench)
                parts.setdefault(bench.name, []).append((log, one, items))
        measured = {name: self._measured(benchmarks[name], its) for name, its in parts.items()}
        runs = [log.run for log, _ in self._logs if log.run]
        digests = {str(place): file_digest(log.path) for place, (log, _) in enumerate(self._logs)}
        return Side(
            given=self._given,
            name=self._name(runs),
            key=content_key({"files": digests}),
            measured={name: one for name, one in measured.items() if one is not None},
            facts=_facts(runs, self._logs),
        )

    def _measured(
        self,
        bench: Benchmark,
        parts: Sequence[Part],
    ) -> Measured | None:
        """None for a benchmark that only shares its task with others, and has no rows here."""
        if bench.where and not any(
            readings.is_kept(bench, item) for _, _, items in parts for item in items
        ):
            return None
        if bench.configs:
            parts = sorted(parts, key=lambda part: _rank(bench, part[1]))
        return readings.measured(bench, parts, self._instruments)

    def _name(self, runs: list[Mapping[str, Any]]) -> str:
        given = str(runs[0].get("model_name") or "") if runs else ""
        return slug(Path(given).name or self._given.stem) or "model"


def _needs_instruments(side: Side) -> bool:
    return any(not callable(one.benchmark.scorer) for one in side.measured.values())


def _rank(bench: Benchmark, found: Recognised | None) -> int:
    """The place of a log's configuration among those of its benchmark, as a run takes them."""
    return bench.configs.index(found.config) if found and found.config else 0


def _is_table(path: Path) -> bool:
    """Whether it is a table rather than a log. Raises SpecError for anything else."""
    if not path.exists():
        raise SpecError(f"there is no {path}: give {FORMATS}")
    if path.is_dir() or path.suffix == ".json":
        return False
    if path.suffix not in tables.SUFFIXES:
        unpack = "unpack it, and " if path.suffix in (".gz", ".zip", ".zst", ".bz2", ".xz") else ""
        raise SpecError(f"{path}: {unpack}give {FORMATS}")
    return path.suffix == ".csv" or not samples.is_log(path)


def _facts(
    runs: list[Mapping[str, Any]], logs: Sequence[tuple[TaskLog, list[Recognised]]]
) -> dict[str, Any]:
    """The software and the settings of a side, as its newest run states them."""
    facts: dict[str, Any] = {"format": "lm-eval", "files": [log.path.name for log, _ in logs]}
    if runs:
        run = runs[-1]
        command = run.get("config", {})
        facts |= {
            "model": Path(str(run.get("model_name"))).name,
            "engine": run.get("model_source"),
            "dtype": command.get("model_dtype"),
            "revision": command.get("model_sha") or command.get("model_revision"),
            "lm-eval": run.get("lm_eval_version"),
            "transformers": run.get("transformers_version"),
            "tasks": {log.task: log.version for log, _ in logs},
        }
    return facts


def _alike(baseline: Side, candidate: Side) -> tuple[str, ...]:
    """What differs between the sides besides the model, and the same file given twice."""
    if baseline.key == candidate.key:
        return (f"{baseline.given} and {candidate.given} have the same content",)
    return tuple(
        f"the baseline was measured with {name} {baseline.facts.get(name)}, the candidate with "
        f"{candidate.facts.get(name)}"
        for name in ("engine", "lm-eval", "transformers")
        if baseline.facts.get(name) != candidate.facts.get(name)
    )
