"""A jury for each checkpoint: its benchmarks that can stop, its level and its error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from unicomp.decision import early_error
from unicomp.early.eligible import all_in_full, why_in_full_after
from unicomp.early.jury import Panel, Rules
from unicomp.framework import METRICS, Profile
from unicomp.looks import coming_look
from unicomp.policy import Policy
from unicomp.prompts.tasks import Definition
from unicomp.retention import retention
from unicomp.scores import Records
from unicomp.spec import LEVEL, Benchmark, CheckpointId
from unicomp.store import Store, content_key
from unicomp.verdict import demand_of, metric_row, row_of


@dataclass(frozen=True, kw_only=True)
class Early:
    """How a session decides early."""

    policy: Policy
    profile: Callable[[str], Profile]
    """Of a model."""
    planned: Mapping[CheckpointId, int]
    """The rows and metrics that each checkpoint is to have."""
    open_ended: Mapping[CheckpointId, int] = field(default_factory=dict)
    """The tests of each checkpoint whose benchmarks are known only while they run. Each is planned
    as one row, so one of its benchmarks may stop; not one of a metric, which is not planned."""
    rivals: Callable[[CheckpointId], int] = lambda checkpoint: 1
    """The checkpoints among which one will be picked."""
    gives_up: bool = False
    """See `Rules.gives_up`."""

    def planned_among(
        self, checkpoint: CheckpointId, benchmarks: Sequence[Benchmark], earlier: Collection[str]
    ) -> list[str]:
        """Those of some benchmarks of open-ended tests that may stop; `earlier` ones did."""
        inside = self.profile(checkpoint.model).names
        names = [bench.name for bench in benchmarks if bench.name not in {*inside, *earlier}]
        return names[: max(self.open_ended.get(checkpoint, 0) - len(earlier), 0)]

    def panel(
        self,
        checkpoint: CheckpointId,
        definitions: Sequence[Definition],
        read: Callable[[Benchmark], Benchmark],
        dense: Mapping[str, Records],
        keys: tuple[str, str],
        store: Store,
        expect: Callable[[str, int], None],
        planned: Collection[str],
    ) -> Panel:
        """The jury of a checkpoint.

        `definitions` are those of its benchmarks, and `read` gives a benchmark as it is scored and
        read; `dense` has the dense model's records of all items, where there are some; `keys` are
        those of the checkpoint and of the dense one. `expect` takes a benchmark and the items that
        are likely to be asked. Only `planned` benchmarks may stop: the error is divided among them.
        """
        profile = self.profile(checkpoint.model)
        in_full = all_in_full(
            definitions, {}, profile, partial(demand_of, self.policy, profile, checkpoint)
        )
        benchmarks = {one.benchmark.name: read(one.benchmark) for one in definitions}
        stopping = [
            name
            for name, bench in benchmarks.items()
            if name in planned and name not in in_full
            if name in dense and not why_in_full_after(bench, dense[name])
        ]
        look = self._look(checkpoint, benchmarks, dense, keys, store)
        rules = Rules(
            checkpoint=checkpoint,
            policy=self.policy,
            profile=profile,
            family=max(self.planned.get(checkpoint, 1), 1),
            level=LEVEL / look / self.rivals(checkpoint),
            error=early_error(look),
            gives_up=self.gives_up,
        )
        return Panel(rules, benchmarks, dense, stopping, expect)

    def _look(
        self,
        checkpoint: CheckpointId,
        benchmarks: Mapping[str, Benchmark],
        dense: Mapping[str, Records],
        keys: tuple[str, str],
        store: Store,
    ) -> int:
        """The number of the look at the checkpoint that the full run is."""
        profile, whole = self.profile(checkpoint.model), {}
        for name, bench in benchmarks.items():
            if name in dense:
                kept = replace(
                    retention(bench, dense[name], dense[name]),
                    items=content_key({"items": sorted(dense[name].items)}),
                    candidate=keys[0],
                    baseline=keys[1],
                )
                whole[name] = row_of(checkpoint, bench, kept, self.policy, profile)
        metrics = [
            metric_row(checkpoint, metric, whole, profile, self.policy)
            for metric in METRICS
            if not whole.keys().isdisjoint(profile.benchmarks(metric))
        ]
        return coming_look(store, list(whole.values()), metrics, profile, self.policy)
