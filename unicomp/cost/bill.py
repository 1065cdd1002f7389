"""What a run takes, added up from its schedule: time, GPU-hours, money and disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unicomp.cluster.unit import Kind
from unicomp.cost.figures import Basis, Figure
from unicomp.cost.fleet import Fleet
from unicomp.cost.matrix import Matrix
from unicomp.cost.schedule import Ran, Schedule

HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """All units of a kind."""

    kind: Kind
    units: int
    seconds: float
    """Of all of them together, with loading."""
    accelerator_seconds: float
    """The same for each GPU that they had, or each CPU where there are no GPUs."""
    bases: Mapping[Basis, float]
    """Where the times are from → the seconds."""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """The cost of a run on a cluster."""

    fleet: Fleet
    matrix: Matrix
    schedule: Schedule
    disk: int
    """Bytes of the checkpoints that are built."""
    price: float | None
    """Of a GPU for an hour; None if it is not known."""

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.schedule.seconds

    @property
    def busy_hours(self) -> float:
        """The GPU-hours that units had, or CPU-hours where there are no GPUs."""
        schedule = self.schedule
        return (schedule.gpu_seconds if self.fleet.gpu else schedule.cpu_seconds) / HOUR

    @property
    def held_hours(self) -> float:
        """The GPU-hours, or CPU-hours, of the whole cluster until the run ends."""
        return self.seconds * (self.fleet.gpus if self.fleet.gpu else self.fleet.cpus) / HOUR

    @property
    def utilisation(self) -> float:
        """The share of the held hours in which units had them."""
        return self.busy_hours / self.held_hours if self.held_hours else 0.0

    @property
    def money(self) -> float | None:
        """The price of all GPUs until the run ends; None without a price."""
        return None if self.price is None else self.price * self.held_hours

    @property
    def stages(self) -> list[Stage]:
        """Each kind of unit that there is."""
        kinds: tuple[Kind, ...] = ("build", "answer", "time")
        return [self._stage(kind) for kind in kinds if self.schedule.of(kind)]

    @property
    def bound(self) -> str:
        """What decides the wall time: the work, or the critical path."""
        path = self.schedule.critical_seconds
        work = self.seconds * self.utilisation
        return "the critical path" if path >= work else "the work"

    def as_json(self) -> dict[str, Any]:
        """The bill as JSON values."""
        path = self.schedule.critical_path
        hours = "gpu_hours" if self.fleet.gpu else "cpu_hours"
        return {
            "cluster": str(self.fleet),
            "nodes": [node.as_json() for node in self.fleet.nodes],
            "units": len(self.matrix.units),
            "items": dict(self.matrix.items),
            "stages": [{**vars(stage), "bases": dict(stage.bases)} for stage in self.stages],
            "seconds": self.seconds,
            hours: self.busy_hours,
            f"held_{hours}": self.held_hours,
            "utilisation": self.utilisation,
            "price": self.price,
            "money": self.money,
            "disk_bytes": self.disk,
            "critical_path": {
                "units": [unit.name for unit in path],
                "seconds": self.schedule.critical_seconds,
            },
            "bound_by": self.bound,
            "unrated": list(self.matrix.unrated),
        }

    def _stage(self, kind: Kind) -> Stage:
        ran = self.schedule.of(kind)
        figure = sum((self._figure(one) for one in ran), Figure())
        return Stage(
            kind=kind,
            units=len(ran),
            seconds=sum(one.seconds for one in ran),
            accelerator_seconds=sum(
                one.seconds * (one.unit.needs.gpus if self.fleet.gpu else one.unit.needs.cpus)
                for one in ran
            ),
            bases=figure.parts,
        )

    def _figure(self, one: Ran) -> Figure:
        """Where the time of a unit is from."""
        unit, figures = one.unit, self.matrix.figures
        own = figures.get(unit.name)
        if own is None:  # a build that is made once more
            own = next(figure for name, figure in figures.items() if unit.name.startswith(name))
        return own + self.matrix.loadings[unit.checkpoint] if one.loaded else own
