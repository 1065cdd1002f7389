"""What a session will measure: subjects, with their benchmarks and probes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from unicomp.data.calibration import GENERIC, UNSEEN
from unicomp.spec import DENSE, Benchmark, CheckpointId, Method, Model, Probe


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The subject of a test: a method on a model with a calibration."""

    model: Model
    method: Method
    calibration: str = UNSEEN
    """See `CheckpointId.calibration`."""

    @property
    def id(self) -> CheckpointId:
        """Its names."""
        return CheckpointId(self.model.name, self.method.name, self.calibration)

    def __str__(self) -> str:
        seen = "" if self.calibration in (UNSEEN, GENERIC) else f" ({self.calibration})"
        return f"{self.model}/{self.method}{seen}"


@dataclass(frozen=True, kw_only=True)
class Agenda:
    """The measurements of a session that are known before it starts."""

    subjects: list[Subject] = field(default_factory=list)
    benchmarks: dict[CheckpointId, list[Benchmark]] = field(default_factory=dict)
    probes: dict[CheckpointId, list[Probe]] = field(default_factory=dict)
    """Has an entry for every subject."""
    open_ended: set[CheckpointId] = field(default_factory=set)
    """Checkpoints of tests whose benchmarks and probes are known only when they run."""

    def add(
        self,
        subject: Subject,
        benchmarks: Collection[Benchmark],
        probes: Collection[Probe],
        *,
        open_ended: bool = False,
    ) -> None:
        """Add the measurements of one test."""
        if subject.id not in self.probes:
            self.subjects.append(subject)
        known = self.benchmarks.setdefault(subject.id, [])
        known.extend(bench for bench in benchmarks if bench not in known)
        self.probes.setdefault(subject.id, []).extend(probes)
        if open_ended:
            self.open_ended.add(subject.id)

    def benchmarks_of(self, name: CheckpointId) -> Sequence[Benchmark]:
        """The benchmarks of a checkpoint; for the dense one, those of all of its model."""
        if name.method != DENSE.name:
            return self.benchmarks.get(name, ())
        own = (asked for one, asked in self.benchmarks.items() if one.model == name.model)
        return [bench for asked in own for bench in asked]
