"""The gains of a session: which checkpoints are loaded for its probes, and when.

A probe compares two loaded checkpoints. So everything that needs the memory for itself (builds,
footprints) is done before the first of them is loaded, and a checkpoint that will be probed stays
loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial

from unicomp.checkpoint import Checkpoint
from unicomp.data.calibration import UNSEEN
from unicomp.efficiency.gain import Gain
from unicomp.efficiency.measurements import MeasurementCounter, Measurements
from unicomp.efficiency.rounds import Conduct
from unicomp.engines import Engine
from unicomp.engines.pool import Pool
from unicomp.errors import SpecError, UnicompError, UnmeasuredError
from unicomp.machine.waiting import Say, silent
from unicomp.spec import DENSE, OF_BUILDING, CheckpointId, Probe


class Gains:
    """Measures the probes of a session, and holds the checkpoints that are loaded for them."""

    def __init__(
        self,
        *,
        measurements: Mapping[str, Measurements],
        probes: Mapping[CheckpointId, Sequence[Probe]],
        keep: Collection[CheckpointId],
        find: Callable[[CheckpointId], Checkpoint],
        done: Callable[[CheckpointId, MeasurementCounter], None],
        count_rounds: Callable[[CheckpointId, str, int, int], None],
        on_wait: Say = silent,
    ) -> None:
        """`measurements` are given by model name, `probes` are those known beforehand.

        `keep` are checkpoints that may get further probes, so that they stay loaded.
        `find` builds or finds a checkpoint; `done` is called after measuring, even if it failed.
        `count_rounds` takes a checkpoint, a load, the rounds that were timed, and all of them;
        `on_wait` takes what is waited for.
        """
        self._measurements = measurements
        self._probes = {one: list(asked) for one, asked in probes.items()}
        self._kept_models = {one.model for one in keep}
        self._keep = keep
        self._find = find
        self._done = done
        self._count_rounds = count_rounds
        self._on_wait = on_wait
        self._pool = Pool()
        self._prepared: set[str] = set()

    def close(self) -> None:
        """Unload all checkpoints."""
        self._pool.close()

    def close_others(self, model: str) -> None:
        """Unload the checkpoints of all other models, since a build needs the memory."""
        self._pool.close_others(model)

    def gain(self, name: CheckpointId, probe: Probe, conduct: Conduct) -> Gain:
        """The gain of a checkpoint in a probe; `conduct` runs rounds that are not in the store.

        Raises SpecError for a cost of building, which has no gain, and the error that prevented
        the measurement.
        """
        if probe.quantity in OF_BUILDING:
            raise SpecError(
                f"probe {probe}: the dense model has no cost of building; call cost() instead"
            )
        asked = self._probes.setdefault(name, [])
        if probe not in asked:
            asked.append(probe)
        checkpoint, dense = self._find(name), self._find(_dense(name.model))
        for one in (checkpoint, dense):
            if one.endpoint is not None:
                raise UnmeasuredError(
                    f"{probe} of {one} is not known: {one.endpoint} tells neither size nor memory, "
                    "and its timings would be those of the network and of its other users"
                )

        if self._measurements[name.model].opens(probe):
            self.prepare(name.model)
        with self._measuring(name) as measurements:
            return measurements.gain(
                probe,
                checkpoint,
                dense,
                partial(self.borrowed, tokens=_longest(probe)),
                conduct,
                unload=self._pool.close,
                count=partial(self._count_rounds, name),
            )

    def borrowed(self, checkpoint: Checkpoint, tokens: int) -> AbstractContextManager[Engine]:
        """The checkpoint loaded for requests of `tokens`, and for its probes.

        It stays loaded if its model has probes, or may get some.
        """
        model = checkpoint.model.name
        probes = self._opening(model)
        keep = bool(probes) or model in self._kept_models
        return self._pool.borrowed(
            checkpoint,
            self._measurements[model].seated(checkpoint, alone=not keep),
            max([tokens, *map(_longest, probes)]),
            keep=keep,
            on_wait=self._on_wait,
        )

    def prepare(self, model: str) -> None:
        """Build all checkpoints to probe and measure their memory, before one stays loaded.

        Call this before timing a load, so that its cost is not counted as load time.
        """
        if model in self._prepared or not self._opening(model):
            return
        self._prepared.add(model)
        dense = _dense(model)
        probes = {
            one: asked for one, asked in self._probes.items() if one.model == model and one != dense
        }
        for name, asked in {dense: self._all_probes(model), **probes}.items():
            # a failure is reported by the tests of that checkpoint
            with suppress(UnicompError), self._measuring(name) as measurements:
                checkpoint = self._find(name)
                for probe in asked:
                    here = checkpoint.endpoint is None
                    if here and probe.quantity == "inference_memory" and probe.load:
                        measurements.footprint(checkpoint, probe.load)

    def _opening(self, model: str) -> list[Probe]:
        """The probes for which checkpoints of a model are loaded."""
        opens = self._measurements[model].opens
        return [probe for probe in self._all_probes(model) if opens(probe)]

    def _all_probes(self, model: str) -> list[Probe]:
        """The probes of all checkpoints of a model; the dense one takes part in each."""
        own = (asked for name, asked in self._probes.items() if name.model == model)
        return [probe for asked in own for probe in asked]

    @contextmanager
    def _measuring(self, name: CheckpointId) -> Iterator[Measurements]:
        measurements = self._measurements[name.model]
        counter = measurements.counter = MeasurementCounter()
        try:
            yield measurements
        finally:
            self._done(name, counter)


def _dense(model: str) -> CheckpointId:
    return CheckpointId(model, DENSE.name, UNSEEN)


def _longest(probe: Probe) -> int:
    """The tokens of one request of a probe, including those to generate."""
    return probe.load.prompt_tokens + probe.load.new_tokens if probe.load else 0
