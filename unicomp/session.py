"""One measuring session: builds checkpoints, asks them and scores answers, each at most once.

A checkpoint is measured in one go: the first test that needs one of its benchmarks starts all that
are on the agenda. So one process loads it, once, even if several work side by side. The dense model
is no exception: it is measured when the first retention needs it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from unicomp.agenda import Agenda, Subject
from unicomp.catalogue import CHECKPOINT
from unicomp.checkpoint import Builder, Checkpoint, Narrate
from unicomp.cluster.brought import Elsewhere
from unicomp.cluster.executor import Executor, Worked
from unicomp.cluster.unit import Workers
from unicomp.cost.recorded import Recorded
from unicomp.data.model_folder import hub_id
from unicomp.divergence import token_figures
from unicomp.efficiency.cost import Cost, cost_of_build
from unicomp.efficiency.gain import Gain
from unicomp.efficiency.gains import Gains
from unicomp.efficiency.measurements import MeasurementCounter, Measurements
from unicomp.efficiency.rounds import Conduct, Effort, in_a_loop
from unicomp.engines import Engine
from unicomp.errors import (
    ContextError,
    EngineError,
    IncomparableError,
    NotFiniteError,
    SpecError,
    UnicompError,
    UnmeasuredError,
)
from unicomp.findings.engines import crosscheck
from unicomp.item_texts import read_texts
from unicomp.machine.waiting import Say, silent
from unicomp.measuring import CheckpointRecords, Conditions, measure
from unicomp.responses import ResponseLog, ResponseProgress
from unicomp.retention import (
    Retention,
    correlations,
    paired,
    partial_retention,
    read_as,
    retention,
)
from unicomp.samples import samples_of
from unicomp.scorecard import Work
from unicomp.scores import Records, guarded
from unicomp.spec import (
    DENSE,
    OF_BUILDING,
    Benchmark,
    Calibration,
    CheckpointId,
    Method,
    Model,
    Probe,
)
from unicomp.store import content_key
from unicomp.units import items_so_far

if TYPE_CHECKING:
    from unicomp.early.convening import Early
    from unicomp.early.jury import Panel

K = TypeVar("K")
T = TypeVar("T")

Admit = Callable[[Mapping[CheckpointId, Sequence[Benchmark]]], list[str]]
"""Returns the unpinned data sets that benchmarks read; raises SpecError for rows that differ from
the lock."""


Count = Callable[[CheckpointId, str, float, int], None]
"""Takes a checkpoint, a benchmark, the items that are answered, and all of its items; or a load,
the rounds that were timed, and all of its rounds. An item that is answered in part counts in part.
"""


class Session:
    """Builds, measures and compares; keeps both results and failures."""

    def __init__(
        self,
        *,
        conditions: Mapping[str, Conditions],
        calibration: Callable[[Model, str], Calibration],
        agenda: Agenda,
        roots: Sequence[Path],
        effort: Effort,
        admit: Admit = lambda asked: [],
        fresh_timings: bool = False,
        narrate: Narrate = lambda text: None,
        count: Count = lambda checkpoint, benchmark, done, total: None,
        count_rounds: Count = lambda checkpoint, load, done, total: None,
        on_wait: Say = silent,
        finish: Callable[[CheckpointId], None] = lambda checkpoint: None,
        early: Early | None = None,
        expect: Callable[[CheckpointId, str, int], None] = lambda checkpoint, bench, items: None,
        workers: Workers | None = None,
        worked: Worked = lambda benchmark, items, seconds, workers: None,
    ) -> None:
        """Prepare a session; nothing is built or loaded yet.

        `conditions` are given by model name; `calibration` reads the calibration of a name for a
        model; methods are looked up in `roots`; `admit` checks benchmarks that are not on the
        agenda before they are measured. `narrate` takes what is being done, `on_wait` what is
        waited for, `count` the answered items of a benchmark, `count_rounds` the timed rounds of a
        load, `finish` a checkpoint that has answered everything. With `early`, asking stops where
        the verdict of all items is known; `expect` then takes a benchmark and the items that are
        likely to be asked. With `workers` these build, answer and measure, and not this process;
        `worked` takes what they have answered. Such a session does not stop early.
        """
        self._conditions = conditions
        self._calibration = calibration
        self._agenda = agenda
        self._roots = roots
        self._admit = admit
        self._unpinned: set[str] = set()
        self._narrate = narrate
        self._count = count
        self._on_wait = on_wait
        self._finish = finish
        self._early = early
        self._expect = expect
        self._stopped: dict[CheckpointId, dict[str, float]] = {}
        """Checkpoint → benchmark that stopped early → the chance that all items give another
        verdict."""
        self._unplanned: dict[CheckpointId, list[str]] = {}
        """Checkpoint → benchmarks that are not on the agenda, and may stop early."""
        self._asked: dict[str, Benchmark] = {}
        self._subjects = {subject.id: subject for subject in agenda.subjects}
        self._calibrations: dict[tuple[str, str], Calibration | UnicompError] = {}
        self._checkpoints: dict[CheckpointId, Checkpoint | UnicompError] = {}
        self._records: dict[CheckpointId, dict[str, Records | UnicompError]] = {}
        self._keys: dict[CheckpointId, dict[str, str]] = {}
        self._work: list[Work] = []
        self._timed: dict[CheckpointId, float] = {}
        """Checkpoint → seconds of its timings."""
        self._gains = Gains(
            measurements={
                name: Measurements(
                    known.store, known.engine, effort, fresh_timings, narrate, on_wait
                )
                for name, known in conditions.items()
            },
            count_rounds=count_rounds,
            on_wait=on_wait,
            probes=agenda.probes,
            keep=agenda.open_ended,
            find=lambda name: self.checkpoint(self._subjects[name]),
            done=self._note_measuring,
        )
        self._executor = (
            None
            if workers is None
            else Executor(
                workers,
                agenda=agenda,
                conditions=conditions,
                calibration=self._calibration_for,
                roots=roots,
                effort=effort,
                fresh_timings=fresh_timings,
                narrate=narrate,
                count=count,
                worked=worked,
            )
        )

    def close(self) -> None:
        """Unload all checkpoints."""
        self._gains.close()

    def take_work(self) -> list[Work]:
        """The work done since the last call."""
        done, self._work = self._work, []
        return done

    def take_unpinned(self) -> list[str]:
        """The unpinned data sets of benchmarks outside the agenda, since the last call."""
        found, self._unpinned = self._unpinned, set()
        return sorted(found)

    def checkpoint(self, subject: Subject) -> Checkpoint:
        """Build or find the checkpoint. A failure is kept and raised again."""
        self._check_known(subject)
        return _once(self._checkpoints, subject.id, lambda: self._find_or_build(subject))

    def retention(
        self, subject: Subject, benchmark: Benchmark, *, in_full: bool = False
    ) -> Retention:
        """The retention of a benchmark. Raises the error that prevented its measurement.

        With `in_full` the rest is asked if asking stopped early.
        """
        self._check_known(subject)
        if in_full:
            self._complete(subject, benchmark)
        if self._asked.setdefault(benchmark.name, benchmark) != benchmark:
            raise SpecError(f"two different benchmarks are named {benchmark.name!r}: rename one")
        of_dense = Subject(model=subject.model, method=DENSE)
        compressed, dense = self._both(subject, of_dense, benchmark)
        scored = self._scored(subject, benchmark)
        chance = self._stopped.get(subject.id, {}).get(benchmark.name)
        found = replace(
            retention(scored, compressed, dense)
            if chance is None
            else partial_retention(scored, compressed, dense, error=chance),
            candidate=self.checkpoint(subject).key,
            baseline=self.checkpoint(of_dense).key,
            items=content_key({"items": sorted(dense.items)}),
            records={
                side: key
                for side, one in (("candidate", subject), ("baseline", of_dense))
                if (key := self._keys[one.id].get(benchmark.name))
            },
        )
        if compressed is dense:
            return found
        if chance is not None:
            dense = dense.at(range(len(compressed.items)))
        whole = found.evidence and chance is None
        shared = self._shared(subject, (scored, compressed, dense)) if whole else {}
        tokens = self._with_tokens(subject, found.divergence, dense.items)
        samples = samples_of(
            *paired(benchmark, compressed, dense),
            lambda: read_texts(self._conditions[subject.model.name].store, compressed, dense),
        )
        return replace(found, shared=shared, divergence=tokens, samples=samples)

    def _both(
        self, subject: Subject, of_dense: Subject, benchmark: Benchmark
    ) -> tuple[Records, Records]:
        """The records of the candidate and the baseline.

        Raises IncomparableError for prompts that are longer than the baseline's context, whatever
        the candidate's is.
        """
        beyond: ContextError | None = None
        try:
            compressed = self._measured(subject, benchmark)
        except ContextError as error:
            beyond = error
        try:
            dense = self._measured(of_dense, benchmark)
        except ContextError as error:
            raise IncomparableError(
                f"{error} of the baseline, which says nothing about the candidate then"
            ) from None
        if beyond is not None:
            raise ContextError(
                f"{beyond} of the candidate, but not of its baseline: correct its config.json, or "
                "allow the gap under [allow]"
            )
        return compressed, dense

    def _scored(self, subject: Subject, benchmark: Benchmark) -> Benchmark:
        """The benchmark in the mode of scoring and the reading of the session."""
        instruments = self._conditions[subject.model.name].instruments
        return read_as(benchmark.scored_in(instruments.mode), instruments.reading)

    def _shared(
        self, subject: Subject, own: tuple[Benchmark, Records, Records]
    ) -> dict[str, float]:
        """Other benchmark of the metric with the same rows → the correlation of the retentions."""
        of_dense = self._records[Subject(model=subject.model, method=DENSE).id]
        others = []
        for bench in self._agenda.benchmarks_of(subject.id):
            now, before = self._records[subject.id].get(bench.name), of_dense.get(bench.name)
            if isinstance(now, Records) and isinstance(before, Records):
                others.append((self._scored(subject, bench), now, before))
        return correlations(own, others)

    def _with_tokens(
        self, subject: Subject, divergence: Mapping[str, Any], items: Sequence[str]
    ) -> Mapping[str, Any]:
        """A divergence with its token-level figures, if the store has both distributions."""
        if not divergence:
            return divergence
        conditions = self._conditions[subject.model.name]
        mine, base = (
            ResponseLog(conditions.store, self.checkpoint(one), conditions.engine)
            .distributions(items)
            .read()
            for one in (subject, Subject(model=subject.model, method=DENSE))
        )
        figures = {name: list(one) for name, one in token_figures(mine, base).items()}
        return {**divergence, "figures": {**divergence["figures"], **figures}}

    def gain(self, subject: Subject, probe: Probe, conduct: Conduct = in_a_loop) -> Gain:
        """The gain of the checkpoint in a probe; see `Gains.gain`."""
        self._check_known(subject)
        if self._executor is not None and probe.quantity not in OF_BUILDING:
            sides = (subject, Subject(model=subject.model, method=DENSE))
            if all(self.checkpoint(one).endpoint is None for one in sides):
                return self._gain_of_node(self._executor, subject, probe)
        return self._gains.gain(subject.id, probe, conduct)

    def _gain_of_node(self, executor: Executor, subject: Subject, probe: Probe) -> Gain:
        """The gain of a checkpoint as a node of the cluster measured it."""
        brought = executor.gain(subject, probe)
        where = {**_where(brought.nodes), "machine": dict(brought.machine)}
        self._note_measuring(subject.id, brought.counter, where)
        if isinstance(brought.gain, UnicompError):
            raise brought.gain
        return brought.gain

    def cost(self, subject: Subject, probe: Probe) -> Cost:
        """The cost of building the checkpoint, in the unit of the probe.

        Raises UnmeasuredError if it was not built here, SpecError for a probe that is no such cost.
        """
        self._check_known(subject)
        if probe.quantity not in OF_BUILDING:
            raise SpecError(
                f"probe {probe}: {probe.quantity} is not a cost of building; call gain() instead"
            )
        found = cost_of_build(self.checkpoint(subject).facts, probe.quantity)
        if found is None:
            raise UnmeasuredError(f"{subject.method} was not built here: its cost is not known")
        return found

    def _rates(self, name: CheckpointId, machine: Mapping[str, Any]) -> Recorded | None:
        """Where the times of a checkpoint are kept for `unicomp plan`.

        `machine` is the fingerprint of the node of a cluster; None if that is not known.
        """
        conditions = self._conditions[name.model]
        if self._executor is None:
            return Recorded.here(conditions.store, conditions.engine)
        return Recorded.on(conditions.store, conditions.engine, machine) if machine else None

    def _check_known(self, subject: Subject) -> None:
        if subject.model.name not in self._conditions:
            raise SpecError(
                f"the model {subject.model} is not one of the session: give it with --model"
            )
        dense = Subject(model=subject.model, method=DENSE)
        for one in (subject, dense):
            self._subjects.setdefault(one.id, one)

    # -- checkpoints ----------------------------------------------------------------------------

    def _find_or_build(self, subject: Subject) -> Checkpoint:
        model, method = subject.model, subject.method
        conditions = self._conditions[model.name]
        self._gains.close_others(model.name)  # a build needs the memory
        start = time.monotonic()
        builder = Builder(
            store=conditions.store,
            roots=self._roots,
            source=conditions.source,
            threads=conditions.engine.threads,
        )
        calibration = None
        if method.compress is not None:
            self._narrate(f"{subject}: reading the calibration")
            calibration = self._calibration_for(subject)
        where: Mapping[str, Any] = {}
        machine: Mapping[str, Any] = {}
        if self._executor is not None:
            made = self._executor.checkpoint(subject)
            checkpoint, where, machine = made.checkpoint, _where(made.nodes), made.machine
            start = time.monotonic() - made.seconds
        else:
            checkpoint = builder.build(model, method, calibration, self._narrate, self._on_wait)
        self._narrate("")
        if checkpoint.fresh and (rates := self._rates(subject.id, machine)):
            rates.remember_seconds(subject.id, "build", time.monotonic() - start)
        if method.name != DENSE.name:
            self._work.append(
                Work(
                    stage="build",
                    **subject.id._asdict(),
                    cached=not checkpoint.fresh,
                    seconds=time.monotonic() - start,
                    facts={**_cost_facts(checkpoint), **_making(method, calibration), **where},
                )
            )
        return checkpoint

    def _calibration_for(self, subject: Subject) -> Calibration:
        """The calibration, read once, since a failed request to the hub takes long."""
        return _once(
            self._calibrations,
            (subject.model.name, subject.calibration),
            lambda: self._calibration(subject.model, subject.calibration),
        )

    # -- records --------------------------------------------------------------------------------

    def _measured(self, subject: Subject, benchmark: Benchmark) -> Records:
        known = self._records.setdefault(subject.id, {})
        if benchmark.name not in known:
            asked = (*self._agenda.benchmarks_of(subject.id), benchmark)
            wanted = {bench.name: bench for bench in asked}
            todo = [bench for name, bench in wanted.items() if name not in known]
            if benchmark not in asked[:-1]:
                self._unpinned.update(self._admit({subject.id: [benchmark]}))
            measured = self._measure(subject, todo)
            known.update(measured.records)
            self._keys.setdefault(subject.id, {}).update(measured.keys)
        found = known[benchmark.name]
        if isinstance(found, NotFiniteError) and subject.method.name == DENSE.name:
            raise EngineError(f"the dense model {subject.model}: {found}")  # of no candidate
        if isinstance(found, UnicompError):
            raise found
        benign = known.get(benchmark.benign or "")
        return guarded(benchmark, found, benign if isinstance(benign, Records) else None)

    def _complete(self, subject: Subject, benchmark: Benchmark) -> None:
        """Ask the rest of a benchmark that stopped early."""
        if benchmark.name in self._stopped.get(subject.id, {}):
            measured = self._measure(subject, [benchmark], in_full=True)
            self._records[subject.id].update(measured.records)
            self._keys[subject.id].update(measured.keys)
            del self._stopped[subject.id][benchmark.name]

    def _measure(
        self, subject: Subject, benchmarks: Sequence[Benchmark], *, in_full: bool = False
    ) -> CheckpointRecords:
        checkpoint = self.checkpoint(subject)
        likely: dict[str, int] = {}

        def expect(benchmark: str, items: int) -> None:
            likely[benchmark] = items
            self._expect(subject.id, benchmark, items)

        early = self._early and subject.method.name != DENSE.name and not in_full
        jury = self._jury(subject, benchmarks, expect) if early else None
        brought = None
        if self._executor is None:
            self._gains.prepare(subject.model.name)
        elif checkpoint.endpoint is None:
            brought = self._executor.answer(subject, benchmarks)
        self._narrate(f"{subject}: reading its items and responses")

        def on_progress(state: ResponseProgress) -> None:
            name, done, total = state.benchmark, state.done, state.total
            counted = items_so_far(done, total, likely.get(name))
            self._narrate(f"{subject}: answering {name}, {counted}")
            self._count(subject.id, name, done, total)

        def open_engine(tokens: int) -> AbstractContextManager[Engine]:
            if brought is not None:
                return nullcontext(Elsewhere())
            self._narrate(f"{subject}: loading the checkpoint")
            return self._gains.borrowed(checkpoint, tokens)

        start = time.monotonic()
        measured = measure(
            checkpoint,
            benchmarks,
            self._conditions[subject.model.name],
            open_engine=open_engine,
            on_progress=on_progress,
            on_wait=lambda text: self._on_wait(text and f"{subject}: {text}"),
            jury=jury,
            failed=brought.failed if brought else None,
        )
        seconds = time.monotonic() - start
        if brought is not None:
            seconds += brought.seconds
            measured = replace(
                measured,
                asked=brought.asked,
                seconds=brought.seconds,
                loading=brought.loading,
                spent=brought.spent,
            )
        self._narrate("")
        self._finish(subject.id)
        machine = brought.machine if brought else {}
        if measured.asked and (rates := self._rates(subject.id, machine)):
            rates.remember_answers(subject.id, measured, seconds)
        if jury:
            stopped = dict.fromkeys(measured.full, jury.row_error)
            self._stopped.setdefault(subject.id, {}).update(stopped)
        self._work.append(
            Work(
                stage="answer",
                **subject.id._asdict(),
                cached=measured.asked == 0,
                seconds=measured.seconds,
                items=measured.asked,
                facts={
                    **self._crosschecks(subject, checkpoint, benchmarks),
                    "format": checkpoint.facts["format"],
                    **_where(brought.nodes if brought else ()),
                },
            )
        )
        return measured

    def _jury(
        self,
        subject: Subject,
        benchmarks: Sequence[Benchmark],
        expect: Callable[[str, int], None],
    ) -> Panel:
        """Who decides when a compressed checkpoint has answered enough; the dense one answers all
        items, first.

        A benchmark that is not on the agenda may stop as far as a part of the error was planned for
        it.
        """
        assert self._early is not None
        agenda = self._agenda.benchmarks_of(subject.id)
        others = [bench for bench in benchmarks if bench not in agenda]
        earlier = self._unplanned.setdefault(subject.id, [])
        earlier += self._early.planned_among(subject.id, others, earlier)
        conditions = self._conditions[subject.model.name]
        of_dense = Subject(model=subject.model, method=DENSE)
        dense = {}
        for bench in benchmarks:
            with suppress(UnicompError):  # which the retention raises again
                dense[bench.name] = self._measured(of_dense, bench)
        return self._early.panel(
            subject.id,
            [conditions.renderer.definition(bench) for bench in benchmarks],
            partial(self._scored, subject),
            dense,
            (self.checkpoint(subject).key, self.checkpoint(of_dense).key),
            conditions.store,
            expect,
            planned=[*earlier, *(bench.name for bench in agenda)],
        )

    def _crosschecks(
        self, subject: Subject, checkpoint: Checkpoint, benchmarks: Sequence[Benchmark]
    ) -> dict[str, Any]:
        """Differences of a server's scores from the other engine's, if the store has both."""
        conditions = self._conditions[subject.model.name]
        if not conditions.engine.serves:
            return {}
        found = crosscheck(subject.id, checkpoint, benchmarks, conditions)
        return {"crosschecks": [asdict(one) for one in found]} if found else {}

    def _note_measuring(
        self,
        name: CheckpointId,
        counter: MeasurementCounter,
        where: Mapping[str, Any] | None = None,
    ) -> None:
        self._narrate("")
        if counter.taken:
            self._timed[name] = self._timed.get(name, 0.0) + counter.seconds
            if rates := self._rates(name, (where or {}).get("machine", {})):
                rates.remember_seconds(name, "time", self._timed[name])
        if counter.found or counter.taken:
            self._work.append(
                Work(
                    stage="measure",
                    **name._asdict(),
                    cached=not counter.taken,
                    seconds=counter.seconds,
                    facts=where or {},
                )
            )


_COST_FACTS = (
    *("seconds", "cpu_seconds", "other_load", "shared_machine"),
    *("peak_rss_bytes", "peak_accelerator_bytes", "device", "threads"),
    *("estimate", "published", "base", "format"),
)


def _cost_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    known = {name: checkpoint.facts[name] for name in _COST_FACTS if name in checkpoint.facts}
    if known.get("base") not in (None, hub_id(checkpoint.model)):
        known["judged_against"] = checkpoint.model.name
    return known


def _making(method: Method, calibration: Calibration | None) -> dict[str, Any]:
    """How a checkpoint was made, as `made`; what was compressed elsewhere has no settings here."""
    elsewhere = CHECKPOINT in method.parameters or method.endpoint is not None
    made: dict[str, Any] = {
        "family": method.family,
        "also": method.also,
        "settings": {} if elsewhere else dict(method.parameters),
        "elsewhere": elsewhere,
    }
    if calibration is not None and method.calibrated:
        made["calibration"] = {
            "name": calibration.name,
            "digest": calibration.digest,
            "samples": len(calibration.samples),
            "tokens": calibration.tokens,
        }
    return {"made": made}


def _where(nodes: Sequence[str]) -> dict[str, Any]:
    """The nodes of a cluster that did a piece of work, as a fact of it."""
    return {"nodes": list(nodes)} if nodes else {}


def _once(memory: dict[K, T | UnicompError], key: K, make: Callable[[], T]) -> T:
    """Call `make` once for each key; return or raise its result every time."""
    if key not in memory:
        try:
            memory[key] = make()
        except UnicompError as error:
            memory[key] = error
    found = memory[key]
    if isinstance(found, UnicompError):
        raise found
    return found
