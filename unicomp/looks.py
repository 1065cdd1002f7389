"""Looks: the store remembers when a candidate was judged, on which items and by which policy.

A candidate that is tested again with more items until it passes is wrongly accepted more often than
one that is tested once. So the number of a look lowers the level of passing (`scorecard.py`).

A look is of one *unit*: a metric, or a benchmark. The same items again are the same look, and other
metrics (`-m`) are no further look at those seen before. The number of a checkpoint's look is that
of its critical unit which was judged on the most different items. A changed policy does not start
the count anew, since another floor is no protection against trying until it passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

from unicomp.errors import StoreError
from unicomp.framework import VERBOSITY, Profile
from unicomp.machine.waiting import Say, silent, waiting
from unicomp.policy import Policy
from unicomp.spec import CheckpointId, OfCheckpoint
from unicomp.store import LOOKS, Store, content_key
from unicomp.verdict import MetricRow, Row, rows_with_length

_ASKED = ("tier", "floor", "max_drop", "ceiling", "allowed")
"""What a policy says about a unit."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One unit of a candidate when it was measured on some items under some policy."""

    kind: Literal["metric", "benchmark"]
    name: str
    items: str
    """A key of the items of its benchmarks."""
    n: int
    """Their number."""
    judged: bool
    """Whether it had a retention, so that it could pass."""
    tier: str
    floor: float | None
    max_drop: float | None = None
    ceiling: float | None = None
    allowed: str | None
    """The reason why a gap of it is allowed, whether or not there was one."""
    policy: str
    """The digest of the policy."""
    date: str

    @property
    def unit(self) -> tuple[str, str]:
        """The same for all looks at one metric or benchmark."""
        return self.kind, self.name

    @property
    def decides(self) -> bool:
        """Whether the gate needed it to pass."""
        return self.judged and self.tier == "critical"


@dataclass(frozen=True, kw_only=True)
class PolicyChange(OfCheckpoint):
    """What the policy says about one unit now, and said when its answers were first seen."""

    name: str
    """The metric or benchmark."""
    key: str
    """Such as `floor`."""
    old: float | str | None
    new: float | str | None
    seen: int
    """The items whose answers were seen."""
    date: str
    """When they were seen."""

    def __str__(self) -> str:
        old, new = (
            "none" if one is None else f"{one:g}" if isinstance(one, float) else one
            for one in (self.old, self.new)
        )
        return f"{self.key} of {self.name}@{self.method} ({self.model}) {old} -> {new}"


def look_again(
    store: Store,
    rows: Sequence[Row],
    metrics: Sequence[MetricRow],
    profiles: Mapping[str, Profile],
    policy: Policy,
    *,
    date: str | None = None,
    on_wait: Say = silent,
) -> tuple[dict[CheckpointId, int], list[PolicyChange]]:
    """Remember what was judged; return the number of this look at each checkpoint, and what was
    changed in the policy after its answers were seen.

    `profiles` gives the profile of each model. Raises StoreError.
    """
    date = date or datetime.now(UTC).isoformat(timespec="seconds")
    numbers: dict[CheckpointId, int] = {}
    changes: list[PolicyChange] = []
    for checkpoint, candidate, baseline in _candidates(rows):
        own = [row for row in rows if row.checkpoint == checkpoint]
        judged = [metric for metric in metrics if metric.checkpoint == checkpoint]
        looks = list(_looks(own, judged, profiles[checkpoint.model], policy, date))
        earlier = _remember(store, candidate, baseline, looks, on_wait)
        numbers[checkpoint] = max((_number(earlier, look) for look in looks), default=1)
        changes += [change for look in looks for change in _changed(checkpoint, earlier, look)]
    return numbers, changes


def merge_looks(
    store: Store, candidate: str, baseline: str, looks: Sequence[Look], on_wait: Say = silent
) -> bool:
    """Add looks that another store has remembered; return whether there were new ones.

    Equal ones are one look, the earlier; the order does not depend on who merges first. Raises
    StoreError.
    """
    key = content_key({"candidate": candidate, "baseline": baseline})
    with store.lock(f"{LOOKS}-{key}", waiting(on_wait, "record its look")):
        earlier = _recalled(store, key)
        merged: dict[tuple[object, ...], Look] = {}
        for look in sorted((*earlier, *looks), key=lambda one: (one.date, repr(one))):
            merged.setdefault(_without_date(look), look)
        if changed := list(merged.values()) != earlier:
            _write(store, key, candidate, baseline, list(merged.values()))
    return changed


def coming_look(
    store: Store,
    rows: Sequence[Row],
    metrics: Sequence[MetricRow],
    profile: Profile,
    policy: Policy,
) -> int:
    """The number of the look at a checkpoint that is about to be measured.

    Its rows and metrics are those that it would have if it answered as its baseline. Raises
    StoreError.
    """
    for _, candidate, baseline in _candidates(rows):
        earlier = _recalled(store, content_key({"candidate": candidate, "baseline": baseline}))
        looks = _looks(rows, metrics, profile, policy, "")
        return max((_number(earlier, look) for look in looks), default=1)
    return 1


def _candidates(rows: Iterable[Row]) -> Iterator[tuple[CheckpointId, str, str]]:
    """The checkpoints that can differ from their baseline, with both keys."""
    known = {row.checkpoint: (row.candidate, row.baseline) for row in rows if row.items}
    for checkpoint, (candidate, baseline) in known.items():
        if candidate and baseline and candidate != baseline:
            yield checkpoint, candidate, baseline


def _looks(
    rows: Sequence[Row],
    metrics: Sequence[MetricRow],
    profile: Profile,
    policy: Policy,
    date: str,
) -> Iterator[Look]:
    """The present look at all units of a checkpoint that have answers."""
    answered = {row.benchmark: row for row in rows if row.items is not None}
    digest = policy.digest
    for row in answered.values():
        yield Look(
            kind="benchmark",
            name=row.benchmark,
            items=row.items or "",
            n=row.full_n or row.n or 0,
            judged=row.decided,
            tier=row.tier,
            floor=row.floor,
            max_drop=row.max_drop,
            ceiling=row.ceiling,
            allowed=policy.allowed(
                row.checkpoint, metric=row.metric, benchmark=row.benchmark, dimension=row.dimension
            ),
            policy=digest,
            date=date,
        )
    for metric in metrics:
        if metric.metric == VERBOSITY:
            names = tuple(
                n for n in rows_with_length(answered, profile) if n not in metric.left_out
            )
        else:
            names = profile.without(metric.metric, metric.left_out).benchmarks(metric.metric)
        parts = {name: answered[name] for name in names if name in answered}
        if parts:
            yield Look(
                kind="metric",
                name=metric.metric,
                items=content_key({name: row.items for name, row in parts.items()}),
                n=sum(row.full_n or row.n or 0 for row in parts.values()),
                judged=metric.value is not None,
                tier=metric.tier,
                floor=metric.floor,
                ceiling=metric.ceiling,
                allowed=policy.allowed(metric.checkpoint, metric=metric.metric, benchmark=None),
                policy=digest,
                date=date,
            )


def _remember(
    store: Store, candidate: str, baseline: str, looks: Sequence[Look], on_wait: Say
) -> list[Look]:
    """Add new looks to those of a candidate; return the earlier ones, the oldest first."""
    key = content_key({"candidate": candidate, "baseline": baseline})
    with store.lock(f"{LOOKS}-{key}", waiting(on_wait, "record its look")):
        earlier = _recalled(store, key)
        known = {_without_date(look) for look in earlier}
        new = [look for look in looks if _without_date(look) not in known]
        if new:
            _write(store, key, candidate, baseline, [*earlier, *new])
    return earlier


def _write(store: Store, key: str, candidate: str, baseline: str, looks: Sequence[Look]) -> None:
    """Store the looks at a candidate, the oldest first. Raises StoreError."""
    content = {
        "candidate": candidate,
        "baseline": baseline,
        "looks": [asdict(look) for look in looks],
    }
    try:
        store.remember(LOOKS, key, content)
    except OSError as error:
        raise StoreError(
            f"this look cannot be remembered in {store.home}: {error.strerror}"
        ) from None


def _recalled(store: Store, key: str) -> list[Look]:
    """The remembered looks. Raises StoreError if the file is damaged: no look may be forgotten."""
    path = store.home / LOOKS / f"{key}.json"
    if not path.exists():
        return []
    try:
        content: Any = store.recall(LOOKS, key)
        return [Look(**look) for look in content["looks"]]
    except (KeyError, TypeError):
        raise StoreError(
            f"{path} is damaged: earlier looks at a candidate are not known; restore or remove it"
        ) from None


def _without_date(look: Look) -> tuple[object, ...]:
    return tuple(getattr(look, field.name) for field in fields(Look) if field.name != "date")


def _number(earlier: Sequence[Look], look: Look) -> int:
    """Which look at its unit this is: 1 for the first items on which it had to pass."""
    if not look.decides:
        return 1
    seen = [one.items for one in (*earlier, look) if one.unit == look.unit and one.decides]
    return list(dict.fromkeys(seen)).index(look.items) + 1


def _changed(
    checkpoint: CheckpointId, earlier: Sequence[Look], look: Look
) -> Iterator[PolicyChange]:
    """What the policy said otherwise when answers of the unit were first seen."""
    first = next((one for one in earlier if one.unit == look.unit), look)
    for key in _ASKED:
        old, new = getattr(first, key), getattr(look, key)
        if old != new:
            yield PolicyChange(
                **checkpoint._asdict(),
                name=look.name,
                key=key,
                old=old,
                new=new,
                seen=first.n,
                date=first.date,
            )
