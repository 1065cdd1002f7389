"""The collected tests: their expected rows, and any problem that stops the run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Self

import pytest

from unicomp.agenda import Agenda
from unicomp.framework import METRICS, Profile
from unicomp.spec import DENSE, Benchmark, CheckpointId
from unicomp.verdict import Row

IDENTITY = pytest.StashKey[list[Row]]()
"""The rows of a test before it is measured: a missing one for each of its known measures. A test
without known measures has one row with the name of the test, until it measures something."""


@dataclass(kw_only=True)
class Grid:
    """The collected rows and checkpoints; the collecting process sends it to the reporting one."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    """Node id → the expected rows."""
    open_ended: list[str] = field(default_factory=list)
    """Node ids of the tests whose benchmarks and probes are known only when they run."""
    checkpoints: dict[str, str] = field(default_factory=dict)
    """Node id → the checkpoint, whose tests belong on one worker."""
    lacking: dict[str, dict[str, str]] = field(default_factory=dict)
    """Model → benchmark → why its rows are not in the model's source."""
    programs: list[str] = field(default_factory=list)
    """The benchmarks for which generated programs are run, in the sandbox."""
    unmeasurable: dict[str, str] = field(default_factory=dict)
    """Benchmark → the sandbox or judge that it lacks here, so that it is not measured."""
    beyond: dict[str, dict[str, int]] = field(default_factory=dict)
    """Model → benchmark whose prompts are longer than the model's context → their tokens."""
    unpinned: list[str] = field(default_factory=list)
    """The data sets in use that no lock pins."""
    unmatched: list[tuple[str, str]] = field(default_factory=list)
    """(where, name): names in floors and the like that only an open-ended test can have."""
    foresight: list[str] = field(default_factory=list)
    """What `--repeats` repeats, and how likely a lossless candidate passes: a line for each metric
    and critical benchmark."""
    early: dict[str, list[str]] = field(default_factory=dict)
    """Model → how many of its benchmarks may stop early, and which run in full for which reason."""
    datasets: dict[str, dict[str, dict[str, str | None]]] = field(default_factory=dict)
    """Model → benchmark → `id` on the hub and pinned `revision` of its data set, if it has one."""
    there: dict[str, dict[str, int]] = field(default_factory=dict)
    """Model → benchmark → the rows in the model's source, where they can be counted."""
    items: dict[str, dict[str, int]] = field(default_factory=dict)
    """Checkpoint → benchmark → the items to answer, where they can be counted."""
    asked: dict[str, list[str]] = field(default_factory=dict)
    """Model → the methods of the tests that run on it."""
    notes: list[str] = field(default_factory=list)
    """Remarks on the folders that are measured; made by the process that reports."""
    problem: str | None = None
    """Why no test may run, in one line; None if tests may run."""
    agenda: Agenda = field(default_factory=Agenda)
    """The measurements known beforehand; stays with the collector."""
    absent: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """(benchmark, source) → why none of its rows are there; stays with the collector."""

    def planned(self, profile: Callable[[str], Profile]) -> dict[CheckpointId, int]:
        """Checkpoint → the number of its expected rows and metrics that may shut the gate.

        `profile` gives the profile of a model.
        """
        return self._counted(profile, lambda row: row.tier != "advisory")

    def family(self, profile: Callable[[str], Profile]) -> dict[CheckpointId, int]:
        """Checkpoint → the number of all of its expected rows and metrics, as a scorecard has them.

        `profile` gives the profile of a model.
        """
        return self._counted(profile, lambda row: True)

    def _counted(
        self, profile: Callable[[str], Profile], counts: Callable[[Row], bool]
    ) -> dict[CheckpointId, int]:
        """Checkpoint → its expected rows that count, and the metrics of these."""
        expected: dict[CheckpointId, set[str]] = {}
        for row in filter(counts, chain.from_iterable(self.rows.values())):
            expected.setdefault(row.checkpoint, set()).add(row.benchmark)
        return {
            one: len(names)
            + sum(not names.isdisjoint(profile(one.model).benchmarks(m)) for m in METRICS)
            + profile(one.model).has_verbosity
            for one, names in expected.items()
        }

    @property
    def open_ended_tests(self) -> dict[CheckpointId, int]:
        """Checkpoint → its tests whose benchmarks and probes are known only when they run."""
        rows = chain.from_iterable(self.rows[nodeid] for nodeid in self.open_ended)
        return Counter(row.checkpoint for row in rows)

    def rivals(self, checkpoint: CheckpointId) -> int:
        """The compressed checkpoints of the same model."""
        subjects = (one.id for one in self.agenda.subjects)
        return sum(o.model == checkpoint.model and o.method != DENSE.name for o in subjects)

    @property
    def asks_more(self) -> bool:
        """Whether something besides the known benchmarks is measured, or may be."""
        return bool(self.open_ended) or any(self.agenda.probes.values())

    def present(self) -> dict[CheckpointId, list[Benchmark]]:
        """The known benchmarks of each checkpoint whose rows are there, and fit the context."""
        out = {
            name.model: {*self.lacking.get(name.model, ()), *self.beyond.get(name.model, ())}
            for name in self.agenda.benchmarks
        }
        return {
            name: [bench for bench in asked if bench.name not in out[name.model]]
            for name, asked in self.agenda.benchmarks.items()
        }

    @property
    def lines(self) -> list[str]:
        """What is printed before the run."""
        early = ["\n  ".join(lines) for lines in self.early.values()]
        return [*self.foresight, *early, *self.notes]

    @property
    def remarks(self) -> list[str]:
        """What the scorecard keeps of these lines."""
        return [*("; ".join(lines) for lines in self.early.values()), *self.notes]

    def to_json(self) -> str:
        """The fields that the reporting process needs, as JSON."""
        rows = {nodeid: [asdict(row) for row in rows] for nodeid, rows in self.rows.items()}
        plain = (
            *(
                "open_ended",
                "checkpoints",
                "lacking",
                "programs",
                "beyond",
                "unmeasurable",
                "unpinned",
                "unmatched",
                "foresight",
                "early",
                "datasets",
                "there",
                "items",
                "asked",
            ),
            "problem",
        )
        return json.dumps({"rows": rows, **{name: getattr(self, name) for name in plain}})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Restore a grid from `to_json`, without the fields that stay with the collector."""
        content: dict[str, Any] = json.loads(text)
        content["rows"] = {
            nodeid: [Row(**row) for row in rows] for nodeid, rows in content["rows"].items()
        }
        content["unmatched"] = [(where, name) for where, name in content["unmatched"]]
        return cls(**content)


GRID = pytest.StashKey[Grid]()
