"""A session's work on the workers of a cluster: what is submitted when, and where results land.

Everything that the agenda names is submitted at the first measurement: builds and the answers of
the dense model first, the answers of another checkpoint as soon as it is built, its timings once it
has answered. Results land in the session's store as they arrive, whoever waits for which of them. A
run that is killed loses what was under way, and the next one asks only the rest.

The session then reads its store, as it does without a cluster. So scores cannot depend on who
answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unicomp.agenda import Agenda, Subject
from unicomp.checkpoint import Builder, Checkpoint, why_unsupported
from unicomp.cluster.blocks import Block, Pace, blocks
from unicomp.cluster.brought import Brought, Made, Measured
from unicomp.cluster.companions import CompanionLog
from unicomp.cluster.needs import needs_of, needs_of_build, travelling
from unicomp.cluster.tasks import (
    Answered,
    AnswerTask,
    BuildTask,
    Recipe,
    Timed,
    TimeTask,
)
from unicomp.cluster.unit import Kind, Needs, Outcome, Unit, Workers
from unicomp.distributions import DistributionLog, chunks_of
from unicomp.efficiency.gain import Gain
from unicomp.efficiency.measurements import MeasurementCounter
from unicomp.efficiency.rounds import Effort
from unicomp.errors import UnicompError, UnsupportedError
from unicomp.measuring import Conditions, Inquiry, RecordLog, inquire
from unicomp.prompts.items import RenderedItem
from unicomp.responses import ResponseLog, Spent, spent_on, unanswered
from unicomp.spec import DENSE, OF_BUILDING, Benchmark, Calibration, CheckpointId, Model, Probe
from unicomp.store import MEASUREMENTS, content_key

LOADING = 5.0
"""The seconds of loading a checkpoint before one was loaded: mostly imports for a small one."""
MOMENT = 1.0
"""Seconds between two looks at what is under way."""

Answering = Callable[[CheckpointId, str, float, int], None]
"""Takes a checkpoint, a benchmark, the items that are answered, and all of its items."""
Worked = Callable[[str, int, float, int], None]
"""Takes a benchmark, items that were answered, the seconds of their worker, and the workers."""


@dataclass
class _Standing:
    """What is known of a checkpoint, and what is under way."""

    subject: Subject
    recipe: Recipe | None = None
    checkpoint: Checkpoint | UnicompError | None = None
    """None as long as it is being built."""
    placed: bool = False
    """Whether a node was asked to find or build it."""
    build: Outcome | None = None
    """How it was built, if it was not there."""
    timed_on: set[str] = field(default_factory=set)
    """The nodes that have measured its probes."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """The fingerprint of the last of them."""
    answers: set[str] = field(default_factory=set)
    """The names of its units of answers that are under way."""
    timings: set[str] = field(default_factory=set)
    planned: bool = False
    """Whether the answers of the agenda are submitted."""
    timed: bool = False
    """Whether the probes of the agenda are submitted."""
    failed: dict[str, UnicompError] = field(default_factory=dict)
    left: dict[str, set[str]] = field(default_factory=dict)
    """Benchmark → the keys of its items without responses."""
    totals: dict[str, int] = field(default_factory=dict)
    gains: dict[Probe, Gain | UnicompError] = field(default_factory=dict)
    counter: MeasurementCounter = field(default_factory=MeasurementCounter)
    unread: set[str] = field(default_factory=set)
    """Running texts without distributions, by the names of their files."""
    asked: int = 0
    seconds: float = 0.0
    loading: float = 0.0
    spent: dict[str, Spent] = field(default_factory=dict)
    nodes: Counter[str] = field(default_factory=Counter)
    answered_on: list[Mapping[str, Any]] = field(default_factory=list)
    """The fingerprints of the nodes that have answered, each once."""


@dataclass(frozen=True)
class _UnderWay:
    """A unit that was submitted, and what its result is for."""

    standing: _Standing
    block: Block | None = None
    running: DistributionLog | None = None
    probes: tuple[Probe, ...] = ()


class Executor:
    """Lets workers do the work of a session, and lands their results in the session's store."""

    def __init__(
        self,
        workers: Workers,
        *,
        agenda: Agenda,
        conditions: Mapping[str, Conditions],
        calibration: Callable[[Subject], Calibration],
        roots: Sequence[Path],
        effort: Effort,
        fresh_timings: bool = False,
        narrate: Callable[[str], None] = lambda text: None,
        count: Answering = lambda checkpoint, benchmark, done, total: None,
        worked: Worked = lambda benchmark, items, seconds, workers: None,
    ) -> None:
        """Nothing is submitted yet; see `Session` for the arguments."""
        self._workers = workers
        self._agenda = agenda
        self._conditions = conditions
        self._calibration = calibration
        self._roots = roots
        self._effort = effort
        self._fresh_timings = fresh_timings
        self._narrate = narrate
        self._count = count
        self._worked = worked
        self._standings: dict[CheckpointId, _Standing] = {}
        self._under_way: dict[str, _UnderWay] = {}
        self._names: Counter[str] = Counter()
        self._done = 0
        self._last = ""
        self._pace = Pace()
        self._loading = LOADING
        """The longest time of loading that was seen."""
        self._tokens: dict[tuple[str, ...], int] = {}
        self._needs_of: dict[tuple[str, int | None], Needs] = {}
        self._begun = False

    # -- what a session asks for ------------------------------------------------------------------

    def checkpoint(self, subject: Subject) -> Made:
        """A checkpoint that a worker found or built. Raises UnicompError.

        Its folder here has configuration and tokenizer only, unless it lies in the session's store.
        """
        standing = self._standing(subject)
        self._wait_until(lambda: standing.checkpoint is not None)
        if isinstance(standing.checkpoint, UnicompError):
            raise standing.checkpoint
        assert standing.checkpoint is not None
        if (build := standing.build) is None:
            return Made(checkpoint=standing.checkpoint)
        return Made(
            checkpoint=standing.checkpoint,
            seconds=build.seconds,
            nodes=(build.node,),
            machine=build.result.machine,
        )

    def answer(self, subject: Subject, benchmarks: Sequence[Benchmark]) -> Brought:
        """Bring the responses to some benchmarks into the store, as far as they can be had.

        The checkpoint is known: `checkpoint` gave it.
        """
        standing = self._standing(subject)
        self._wait_until(lambda: not standing.answers)
        # an item that a failed benchmark shares with another is still to be asked
        while self._submit_answers(standing, benchmarks):
            self._wait_until(lambda: not standing.answers)
        brought = Brought(
            failed={b.name: e for b in benchmarks if (e := standing.failed.get(b.name))},
            asked=standing.asked,
            seconds=standing.seconds,
            loading=standing.loading,
            spent=standing.spent,
            nodes=tuple(sorted(standing.nodes)),
            machine=standing.answered_on[0] if len(standing.answered_on) == 1 else {},
        )
        standing.asked, standing.seconds, standing.spent = 0, 0.0, {}
        standing.nodes.clear()
        self._submit_timings(standing)
        return brought

    def gain(self, subject: Subject, probe: Probe) -> Measured:
        """The gain in a probe as a node measured it."""
        standing = self._standing(subject)
        self._wait_until(lambda: standing.checkpoint is not None and not standing.answers)
        self._submit_timings(standing)
        self._wait_until(lambda: not standing.timings)
        if probe not in standing.gains:
            self._submit_timing(standing, (probe,))
            self._wait_until(lambda: not standing.timings)
        counter, standing.counter = standing.counter, MeasurementCounter()
        nodes = tuple(sorted(standing.timed_on))
        return Measured(
            gain=standing.gains[probe], counter=counter, nodes=nodes, machine=standing.machine
        )

    # -- what is submitted ------------------------------------------------------------------------

    def _standing(self, subject: Subject) -> _Standing:
        """What is known of a checkpoint; the first question submits all that the agenda names."""
        if not self._begun:
            self._begun = True
            models = {one.model.name: one.model for one in self._agenda.subjects}
            dense = [Subject(model=model, method=DENSE) for model in models.values()]
            for one in (*dense, *self._agenda.subjects):
                self._start(one)
            for standing in list(self._standings.values()):
                self._go_on(standing)
        return self._start(subject)

    def _start(self, subject: Subject) -> _Standing:
        """Find a checkpoint, or let it be built."""
        if (known := self._standings.get(subject.id)) is not None:
            return known
        standing = self._standings[subject.id] = _Standing(subject)
        try:
            standing.checkpoint = self._find(standing)
        except UnicompError as error:
            standing.checkpoint = error
        if standing.checkpoint is None:
            self._submit_build(standing)
        return standing

    def _submit_build(self, standing: _Standing) -> None:
        """Let a node find or build a checkpoint: what works on it runs where it lies then."""
        recipe = standing.recipe
        if recipe is not None and recipe.files and not standing.placed:
            standing.placed = True
            self._submit(
                standing,
                "build",
                "building it",
                BuildTask(recipe=recipe),
                _UnderWay(standing),
                seconds=_seconds_to_build(standing),
            )

    def _find(self, standing: _Standing) -> Checkpoint | None:
        """The checkpoint, if this process has what it needs of it."""
        model, method = standing.subject.model, standing.subject.method
        conditions = self._conditions[model.name]
        if reason := why_unsupported(model, method):
            raise UnsupportedError(f"{method} cannot compress {model}: {reason}")
        calibration = None
        if method.compress is not None:
            self._narrate(f"{standing.subject}: reading the calibration")
            calibration = self._calibration(standing.subject)
        builder = self._builder(model)
        key = builder.key(model, method, calibration)
        standing.recipe = Recipe.of(
            standing.subject.id,
            key,
            model,
            method,
            calibration,
            self._roots,
            conditions.source,
            travelling(conditions.engine),
        )
        if (found := builder.find(model, method, calibration)) is not None:
            return found
        if (there := CompanionLog(conditions.store).find(key)) is None:
            return None
        return _elsewhere(standing, key, *there)

    def _builder(self, model: Model) -> Builder:
        """Finds what lies in the store of this process, which nodes may share."""
        conditions = self._conditions[model.name]
        return Builder(store=conditions.store, roots=self._roots, source=conditions.source)

    def _go_on(self, standing: _Standing) -> None:
        """Submit the answers of a checkpoint that is known, then its timings."""
        if not isinstance(standing.checkpoint, Checkpoint):
            return
        if not standing.planned:
            standing.planned = True
            self._submit_answers(standing, self._agenda.benchmarks_of(standing.subject.id))
        if not standing.answers:
            self._submit_timings(standing)

    def _submit_answers(self, standing: _Standing, benchmarks: Sequence[Benchmark]) -> bool:
        """Submit what these benchmarks lack in the store; whether there is anything."""
        checkpoint, recipe = standing.checkpoint, standing.recipe
        assert isinstance(checkpoint, Checkpoint)
        assert recipe is not None
        if checkpoint.endpoint is not None:
            return False
        conditions = self._conditions[checkpoint.model.name]
        records = RecordLog(checkpoint, benchmarks, conditions)
        there = {**records.errors, **records.read(), **standing.failed}
        todo = [bench for bench in benchmarks if bench.name not in there]
        if not todo:
            return False
        self._narrate(f"{standing.subject}: reading its items and responses")
        log = ResponseLog(conditions.store, checkpoint, conditions.engine)
        with conditions.store.lock(f"responses-{log.key}"):
            log.take()
            known = log.read()
        try:
            inquiry = inquire(checkpoint, todo, conditions)
        except UnicompError:  # which the session meets again
            return False
        for name, items in inquiry.questions.items():
            standing.totals[name] = len(items)
            standing.left[name] = {item.key for item in unanswered(items, known)}
            self._report(standing, name)
        running = {
            one.name: (one, windows)
            for windows in inquiry.running
            if not (one := log.distributions([w.item for w in windows])).exists
            and one.name not in standing.unread
        }
        smallest = conditions.engine.smallest_batch
        found = list(blocks(inquiry.questions, known, self._pace, smallest))
        if not found and not running:
            return False
        tokens = self._longest(checkpoint.model, inquiry)
        for block in found:
            places = {item.key: n for n, item in enumerate(inquiry.questions[block.benchmark], 1)}
            numbers = [places[item.key] for item in block.items]
            self._submit(
                standing,
                "answer",
                f"{block.benchmark}, items {min(numbers)} to {max(numbers)}",
                AnswerTask(
                    recipe=recipe,
                    tokens=tokens,
                    batches=[list(_requests(batch)) for batch in block.batches],
                ),
                _UnderWay(standing, block=block),
                seconds=block.seconds,
            )
        for one, windows in running.values():
            self._submit(
                standing,
                "answer",
                "next-token distributions",
                AnswerTask(recipe=recipe, tokens=tokens, chunks=chunks_of(windows)),
                _UnderWay(standing, running=one),
                seconds=self._pace.of(one.name) * len(windows),
            )
        return True

    def _longest(self, model: Model, inquiry: Inquiry) -> int:
        """The tokens of the longest request; the same items are asked of many checkpoints."""
        tokenizer = inquiry.tokenizer
        template = tokenizer.template.identity if tokenizer.template else ""
        which = (model.name, tokenizer.identity, template, *inquiry.questions)
        if which not in self._tokens:
            self._tokens[which] = inquiry.tokens
        return self._tokens[which]

    def _submit_timings(self, standing: _Standing) -> None:
        """Submit the probes that the agenda names, once."""
        if standing.timed:
            return
        standing.timed = True
        probes = dict.fromkeys(self._agenda.probes.get(standing.subject.id, ()))
        gains = tuple(probe for probe in probes if probe.quantity not in OF_BUILDING)
        if gains and isinstance(standing.checkpoint, Checkpoint):
            self._submit_timing(standing, gains)

    def _submit_timing(self, standing: _Standing, probes: tuple[Probe, ...]) -> None:
        """Let a node measure probes of a checkpoint and of the dense one."""
        model = standing.subject.model
        dense = self._start(Subject(model=model, method=DENSE))
        for one in (standing, dense):
            if isinstance(one.checkpoint, UnicompError):
                standing.gains |= dict.fromkeys(probes, one.checkpoint)
                return
            if one.checkpoint is not None and one.checkpoint.endpoint is not None:
                return
        assert standing.recipe is not None
        assert dense.recipe is not None
        store = self._conditions[model.name].store
        known = store.recall(MEASUREMENTS, self._figures_key(standing, dense)) or []
        figures = {key: store.recall(MEASUREMENTS, key) for key in known}
        task = TimeTask(
            recipe=standing.recipe,
            dense=dense.recipe,
            probes=probes,
            effort=self._effort,
            fresh=self._fresh_timings,
            figures={key: value for key, value in figures.items() if value is not None},
        )
        what = f"timing {', '.join(probe.name for probe in probes)}"
        self._submit(standing, "time", what, task, _UnderWay(standing, probes=probes), alone=True)

    @staticmethod
    def _figures_key(standing: _Standing, dense: _Standing) -> str:
        """The key of the note which figures of two checkpoints nodes have brought."""
        assert standing.recipe is not None
        assert dense.recipe is not None
        return content_key({"brought": [dense.recipe.key, standing.recipe.key]})

    def _submit(
        self,
        standing: _Standing,
        kind: Kind,
        what: str,
        task: Any,
        under_way: _UnderWay,
        *,
        seconds: float = 0.0,
        alone: bool = False,
    ) -> None:
        if kind != "build":
            self._submit_build(standing)
        name = f"{standing.subject}: {what}"
        self._names[name] += 1
        if self._names[name] > 1:  # asked again, such as an item of a benchmark that failed
            name = f"{name} ({self._names[name]})"
        unit = Unit(
            name=name,
            kind=kind,
            checkpoint=str(standing.subject),
            needs=self._building(standing)
            if kind == "build"
            else self._needs(standing, alone=alone),
            seconds=seconds,
            loading=self._loading if kind == "answer" else 0.0,
            first=standing.subject.method.name == DENSE.name and kind != "time",
            key=standing.recipe.key if standing.recipe and kind == "build" else "",
            known=kind == "build" and isinstance(standing.checkpoint, Checkpoint),
        )
        self._under_way[name] = under_way
        if kind == "answer":
            standing.answers.add(name)
        elif kind == "time":
            standing.timings.add(name)
        try:
            self._workers.submit(unit, task)
        except UnicompError as error:  # no node has what it needs
            self._land(Outcome(unit=unit, error=error))

    def _building(self, standing: _Standing) -> Needs:
        """What a build takes; less if it is only found, where nothing could build it again."""
        subject, recipe = standing.subject, standing.recipe
        assert recipe is not None
        engine = self._conditions[subject.model.name].engine
        nodes = self._workers.nodes
        needs = needs_of_build(subject.model, subject.method, recipe.calibration, engine, nodes)
        have = [node for node in nodes if recipe.key in node.checkpoints]
        known = have or isinstance(standing.checkpoint, Checkpoint)
        if known and not any(node.has(needs) for node in have or nodes):
            return self._needs(standing, alone=False)
        return needs

    def _needs(self, standing: _Standing, *, alone: bool) -> Needs:
        """What a unit on a checkpoint takes; a timing loads the dense checkpoint, too."""
        model, beside = standing.subject.model, None
        if alone and isinstance(standing.checkpoint, Checkpoint):
            beside = int(standing.checkpoint.facts["bytes"])
        which = (model.name, beside)
        if which not in self._needs_of:
            self._needs_of[which] = needs_of(model, self._conditions[model.name].engine, beside)
        return replace(self._needs_of[which], alone=alone)

    # -- what lands -------------------------------------------------------------------------------

    def _wait_until(self, done: Callable[[], bool]) -> None:
        """Take what ends, whatever it is, until the session can go on."""
        while not done():
            if not self._under_way:
                raise RuntimeError("a unit has ended without what was asked of it")
            self._narrate(self._doing())
            for outcome in self._workers.outcomes(timeout=MOMENT):
                self._land(outcome)
        self._narrate("")

    def _doing(self) -> str:
        nodes = len(self._workers.nodes)
        where = f"{nodes} node{'s' if nodes != 1 else ''}"
        done = f"{self._done} of {self._done + len(self._under_way)} units done"
        return f"{where}: {done}{self._last}"

    def _land(self, outcome: Outcome) -> None:
        under_way = self._under_way.pop(outcome.unit.name, None)
        if under_way is None:
            return
        self._done += 1
        standing = under_way.standing
        standing.answers.discard(outcome.unit.name)
        standing.timings.discard(outcome.unit.name)
        if outcome.node:
            self._last = f"; last {outcome.unit.name} on {outcome.node}"
        if under_way.block is not None:
            self._land_block(standing, under_way.block, outcome)
        elif under_way.running is not None:
            self._land_distributions(standing, under_way.running, outcome)
        elif under_way.probes:
            self._land_timings(standing, under_way.probes, outcome)
        else:
            self._land_build(standing, outcome)
        self._go_on(standing)

    def _land_build(self, standing: _Standing, outcome: Outcome) -> None:
        if standing.checkpoint is not None:  # known from an earlier run
            return
        if outcome.error is not None:
            standing.checkpoint = outcome.error
            return
        built, recipe, subject = outcome.result, standing.recipe, standing.subject
        assert recipe is not None
        found = self._builder(subject.model).find(subject.model, subject.method, recipe.calibration)
        if found is None:
            log = CompanionLog(self._conditions[subject.model.name].store)
            folder = log.keep(recipe.key, built)
            facts = {"calibration": built.calibration, "facts": built.facts}
            found = _elsewhere(standing, recipe.key, folder, facts)
        standing.checkpoint = replace(found, fresh=built.fresh)
        standing.build = outcome
        self._workers.expect(outcome.unit.checkpoint, _seconds_to_build(standing))

    def _land_block(self, standing: _Standing, block: Block, outcome: Outcome) -> None:
        answered: Answered = outcome.result or Answered(batches=())
        log = self._log(standing)
        for batch, responses in zip(block.batches, answered.batches, strict=False):
            given = iter(responses)
            new = {item.key: [next(given) for _ in item.requests] for item in batch}
            log.append(new)
            standing.asked += len(batch)
            for left in standing.left.values():  # benchmarks may share items
                left.difference_update(new)
        self._note_work(standing, outcome)
        if answered.machine and answered.machine not in standing.answered_on:
            standing.answered_on.append(answered.machine)
        if items := sum(map(len, block.batches[: len(answered.batches)])):
            self._pace.note(block.benchmark, items, answered.seconds)
            standing.loading = max(standing.loading, outcome.seconds - answered.seconds)
            self._loading = max(self._loading, standing.loading)
            spent = spent_on(block.batches, answered.batches, answered.seconds)
            before = standing.spent.get(block.benchmark, Spent())
            standing.spent[block.benchmark] = before + spent
            workers = min(len(self._under_way) + 1, sum(one.cpus for one in self._workers.nodes))
            self._worked(block.benchmark, items, answered.seconds, workers)
        self._report(standing, block.benchmark)
        if error := outcome.error or answered.error:
            self._fail(standing, block.benchmark, error)

    def _land_distributions(
        self, standing: _Standing, running: DistributionLog, outcome: Outcome
    ) -> None:
        """Keep them if they came: the scores do not need them."""
        self._note_work(standing, outcome)
        answered: Answered | None = outcome.result
        if answered is None or answered.distributions is None:
            standing.unread.add(running.name)
        else:
            running.write(answered.distributions)

    def _land_timings(
        self, standing: _Standing, probes: tuple[Probe, ...], outcome: Outcome
    ) -> None:
        if outcome.error is not None:
            standing.gains |= dict.fromkeys(probes, outcome.error)
            return
        timed: Timed = outcome.result
        standing.gains |= timed.gains
        standing.timed_on.add(outcome.node)
        standing.machine = timed.machine
        standing.counter.taken += timed.taken
        standing.counter.found += len(timed.figures) - timed.taken
        standing.counter.seconds += timed.seconds
        store = self._conditions[standing.subject.model.name].store
        dense = self._start(Subject(model=standing.subject.model, method=DENSE))
        note = self._figures_key(standing, dense)
        for key, value in timed.figures.items():
            store.remember(MEASUREMENTS, key, value)
        known = store.recall(MEASUREMENTS, note) or []
        store.remember(MEASUREMENTS, note, sorted({*known, *timed.figures}))

    def _fail(self, standing: _Standing, benchmark: str, error: UnicompError) -> None:
        """Note why a benchmark has no answers, and drop the rest of it."""
        standing.failed.setdefault(benchmark, error)
        rest = {
            name
            for name, one in self._under_way.items()
            if one.standing is standing and one.block and one.block.benchmark == benchmark
        }
        self._workers.cancel(rest)
        standing.answers -= rest
        for name in rest:
            del self._under_way[name]

    def _note_work(self, standing: _Standing, outcome: Outcome) -> None:
        standing.seconds += outcome.seconds
        if outcome.node:
            standing.nodes[outcome.node] += 1

    def _report(self, standing: _Standing, benchmark: str) -> None:
        total = standing.totals[benchmark]
        self._count(standing.subject.id, benchmark, total - len(standing.left[benchmark]), total)

    def _log(self, standing: _Standing) -> ResponseLog:
        assert isinstance(standing.checkpoint, Checkpoint)
        conditions = self._conditions[standing.subject.model.name]
        return ResponseLog(conditions.store, standing.checkpoint, conditions.engine)


def _seconds_to_build(standing: _Standing) -> float:
    """The time that a build took, which another one is expected to take; 0 if nobody knows."""
    known = standing.checkpoint
    return float(known.facts.get("seconds", 0.0)) if isinstance(known, Checkpoint) else 0.0


def _elsewhere(standing: _Standing, key: str, folder: Path, kept: Mapping[str, Any]) -> Checkpoint:
    """A checkpoint that lies on a node, with its small files in `folder`."""
    return Checkpoint(
        model=standing.subject.model,
        method=standing.subject.method,
        calibration=kept["calibration"],
        path=folder,
        key=key,
        facts=kept["facts"],
        fresh=False,
    )


def _requests(batch: Sequence[RenderedItem]) -> list[tuple[str, tuple[Any, ...]]]:
    """The requests of some items as they travel."""
    return [
        (request.request_type, tuple(request.arguments))
        for item in batch
        for request in item.requests
    ]
