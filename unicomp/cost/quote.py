"""From models, methods and machines to a bill: nothing is built, loaded or fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from unicomp.cluster.needs import needs_of
from unicomp.cluster.unit import Needs
from unicomp.cost.bill import Bill
from unicomp.cost.fleet import Fleet
from unicomp.cost.matrix import Asked, Matrix, Part
from unicomp.cost.published import PublishedRates
from unicomp.cost.rates import Measured, OnGpus, Rates
from unicomp.cost.recorded import Recorded, hardware_of
from unicomp.cost.schedule import simulate
from unicomp.cost.weights import Sizes, sizes_of
from unicomp.distillation.estimate import PlannedTraining
from unicomp.efficiency.rounds import Effort
from unicomp.engines import EngineSettings
from unicomp.engines.placement import placed
from unicomp.errors import UnmeasuredError
from unicomp.hardware import GpuKind
from unicomp.machine.gpus import Gpu
from unicomp.methods.footprint import Counts, stored_bytes
from unicomp.spec import DENSE, Load, Method, Model, Probe
from unicomp.store import Store


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A run on a cluster that was never started."""

    fleet: Fleet
    engine: EngineSettings
    effort: Effort
    store: Store
    methods: Mapping[str, Method]
    """All methods by name; the times of others stand for one that was never measured."""
    benchmarks: Sequence[str]
    """All benchmarks by name."""
    left_out: dict[str, list[str]] = field(default_factory=dict, init=False)
    """Why → what is not in the bill."""

    def bill(
        self,
        models: Mapping[Model, Sequence[Method]],
        asked: Mapping[str, Sequence[Asked]],
        probes: Sequence[Probe],
        price: float | None,
    ) -> Bill:
        """The cost of models, each with its methods and, by its name, its benchmarks.

        Raises SpecError for what fits nowhere, and for what has no rate.
        """
        loads = [probe.load for probe in probes if probe.load and probe.timed]
        parts, disk = [], 0
        for model, methods in models.items():
            own = _OfModel(quote=self, model=model, methods=self._supported(model, methods))
            parts.append(own.part(asked[model.name], loads))
            disk += own.disk
        matrix = Matrix.of(parts)
        for name in matrix.unrated:
            self.leave_out("since nobody knows what their items ask: run them once", name)
        schedule = simulate(matrix.units, self.fleet.nodes)
        return Bill(fleet=self.fleet, matrix=matrix, schedule=schedule, disk=disk, price=price)

    def leave_out(self, reason: str, name: str) -> None:
        """Note that something is not in the bill."""
        known = self.left_out.setdefault(reason, [])
        if name not in known:
            known.append(name)

    def _supported(self, model: Model, methods: Iterable[Method]) -> list[Method]:
        """The methods that can compress a model; the others are noted."""
        found = [DENSE]
        for method in methods:
            if method.compress is None:
                continue
            if reason := method.why_unsupported(sizes_of(model).config):
                self.leave_out(f"since it is not supported ({reason})", f"{model}/{method}")
            else:
                found.append(method)
        return found

    @cached_property
    def recorded(self) -> Recorded:
        """What runs recorded on such hardware."""
        kind = self.fleet.gpu.name if self.fleet.gpu else hardware_of(self.engine)
        return Recorded(store=self.store, engine=self.engine.name, hardware=kind)


@dataclass(frozen=True, kw_only=True)
class _OfModel:
    """The arithmetic of one model on the machines."""

    quote: Quote
    model: Model
    methods: Sequence[Method]

    def part(self, asked: Sequence[Asked], loads: Sequence[Load]) -> Part:
        """What is planned of the model. Raises SpecError."""
        compressed = [method for method in self.methods if method is not DENSE]
        part = Part(
            model=self.model,
            methods=self.methods,
            asked=asked,
            loads=loads,
            rates=self._rates(),
            needs=self._needs,
            builds={name: Needs(gpus=devices) for name, (_, devices) in self._trainings.items()},
            timings={
                method.name: needs for method in compressed if (needs := self._to_time(method))
            },
            smallest_batch=self._batch,
        )
        return part if loads else replace(part, timings={})

    @cached_property
    def disk(self) -> int:
        """Bytes of the checkpoints that are built."""
        return sum(self._stored[method.name] for method in self.methods if method is not DENSE)

    # -- times ----------------------------------------------------------------------------------

    def _rates(self) -> Rates:
        quote = self.quote
        names = [method.name for method in self.methods if method is not DENSE][:1]
        options = "".join(f" --method {name}" for name in names)
        return Measured(
            model=self.model.name,
            recorded=quote.recorded,
            methods=quote.methods,
            benchmarks=quote.benchmarks,
            otherwise=self._on_gpus(quote.fleet.gpu) if quote.fleet.gpu else None,
            hint="measure them with `pytest --pyargs unicomp.suites --model "
            f"{self.model.name}{options} --samples 64`",
        )

    def _on_gpus(self, gpu: GpuKind) -> OnGpus:
        rates = {
            method.name: PublishedRates(
                gpu=gpu, sizes=self._sizes_after(method), gpus=self._needs.gpus, batch=self._batch
            )
            for method in self.methods
        }
        return OnGpus(
            published=rates,
            stored=self._stored,
            trainings=self._trainings,
            effort=self.quote.effort,
        )

    @cached_property
    def _trainings(self) -> dict[str, tuple[PlannedTraining, int]]:
        """Method that trains → its training, and its GPUs: all of the largest node."""
        devices = max(node.gpus for node in self.quote.fleet.nodes)
        return {
            method.name: (PlannedTraining.by(self._sizes.config, method), devices)
            for method in self.methods
            if method.corpus is not None and devices
        }

    # -- sizes ----------------------------------------------------------------------------------

    @cached_property
    def _sizes(self) -> Sizes:
        return sizes_of(self.model)

    def _sizes_after(self, method: Method) -> Sizes:
        """The sizes of a checkpoint: a student has fewer weights."""
        if (planned := self._trainings.get(method.name)) is None:
            return self._sizes
        student = planned[0].student.parameters()
        share = student / self._sizes.weights.all
        weights = Counts(all=student, matrices=int(share * self._sizes.weights.matrices))
        return replace(self._sizes, weights=weights, active=share * self._sizes.active)

    @cached_property
    def _stored(self) -> dict[str, int]:
        """Method → bytes of its checkpoint."""
        found = {}
        for method in self.methods:
            sizes = self._sizes_after(method)
            found[method.name] = stored_bytes(sizes.config, sizes.weights, method.guarantees)
        return found

    # -- machines -------------------------------------------------------------------------------

    @property
    def _batch(self) -> int:
        device = "cuda" if self.quote.fleet.gpu else "cpu"
        return replace(self.quote.engine, device=device).smallest_batch

    @cached_property
    def _gpus(self) -> list[Gpu]:
        """The GPUs of the largest node."""
        quote = self.quote
        largest = max(node.gpus for node in quote.fleet.nodes)
        if quote.fleet.gpu is None:
            return []
        kind = quote.fleet.gpu
        return [Gpu(str(place), kind.name, kind.memory) for place in range(largest)]

    @cached_property
    def _placed(self) -> EngineSettings:
        """The engine with a place for the dense checkpoint. Raises SpecError if there is none."""
        stored = self._stored[DENSE.name]
        return placed(self.quote.engine, self.model.name, stored, self._sizes.config, self._gpus)

    @cached_property
    def _needs(self) -> Needs:
        if self.quote.fleet.gpu is None:
            return Needs(cpus=self.quote.engine.threads)
        return needs_of(self.model, self._placed)

    def _to_time(self, method: Method) -> Needs | None:
        """What it takes to time a checkpoint beside the dense one; None if there is no room."""
        if self.quote.fleet.gpu is None:
            return replace(self._needs, alone=True)
        placement, stored = self._placed.placement, self._stored[method.name]
        assert placement is not None
        try:
            placement.second(stored)
        except UnmeasuredError as error:
            reason = str(error).partition(":")[0]
            self.quote.leave_out(
                f"since both are loaded to be timed ({reason})", f"{self.model}/{method}"
            )
            return None
        return replace(needs_of(self.model, self._placed, stored), alone=True)


def own_probes(probes: Iterable[Probe]) -> Iterator[Probe]:
    """The probes that run without being asked for by name."""
    return (probe for probe in probes if not probe.served and not probe.bench)
