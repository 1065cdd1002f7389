"""Write the tables of early decisions in `docs/statistics.md`: `python -m tests.early_simulations`.

Each case fixes the answers to all items, and asks them in random orders until the verdict on all
items is known, by the project's own functions and in its own batches. `--quick` prints rough
figures and writes nothing.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy.special import betaln, gammaln

from tests.verdict_simulations import CANDIDATE, CHAPTER, bench, records
from unicomp import Mean
from unicomp.confidence import PairedShares, PartialShares, PartTable, to_json
from unicomp.confidence.urns import MIXTURES, log_mixed, log_mixture
from unicomp.decision import EARLY_ERROR
from unicomp.framework import Profile, SubScore
from unicomp.policy import Policy
from unicomp.responses import batches
from unicomp.retention import partial_evidence
from unicomp.spec import LEVEL
from unicomp.verdict import UNSETTLED, Row, Verdict, judged, metric_row

SAVED = ("<!-- early-saved:begin -->\n", "<!-- early-saved:end -->")
RIGHT = ("<!-- early-right:begin -->\n", "<!-- early-right:end -->")
METRICS = ("<!-- early-metrics:begin -->\n", "<!-- early-metrics:end -->")
METRIC = "privacy"


@dataclass(frozen=True)
class Answers:
    """The answers of a full run to the items of a group."""

    right: int
    """Items that the baseline has right; the candidate loses some of them, and gains others."""
    wrong: int
    lost: int
    gained: int

    @classmethod
    def of(
        cls, n: int, kept: float, flips: float, dense: float = 0.6, lost: float = 0.5
    ) -> Answers:
        """Of n items with a retention; of the flips besides, a part is `lost`."""
        right = round(n * dense)
        back = (1 - lost) * flips * n
        gone = (1 - kept) * right + back
        return cls(right, n - right, round(gone), round(back))

    @property
    def n(self) -> int:
        return self.right + self.wrong

    @property
    def kinds(self) -> tuple[int, int, int, int]:
        """Items that are right with both, lost, wrong with both, gained."""
        return self.right - self.lost, self.lost, self.wrong - self.gained, self.gained

    @property
    def table(self) -> tuple[float, float, float, float]:
        """As in `PairedShares`."""
        kept, lost, wrong, gained = map(float, self.kinds)
        return kept, gained, lost, wrong

    def part(self, kinds: Sequence[int]) -> PartTable:
        """What is known after items of these kinds."""
        kept, lost, wrong, gained = map(float, kinds)
        return PartTable(self.right, self.wrong, kept + lost, lost, wrong + gained, gained)


Whole = tuple[Answers, ...]
"""The answers of a benchmark, by group."""


def size(whole: Whole) -> int:
    return sum(one.n for one in whole)


@lru_cache
def sizes(n: int) -> tuple[int, ...]:
    """Those of the batches of n items."""
    return tuple(map(len, batches(range(n))))  # type: ignore[arg-type]


def asked_in_order(rng: np.random.Generator, whole: Whole) -> Iterator[PartialShares]:
    """What is known after each batch but the last, in a random order of all items."""
    left = np.array([one.kinds for one in whole]).ravel()
    seen = np.zeros_like(left)
    for batch in sizes(size(whole))[:-1]:
        drawn = rng.multivariate_hypergeometric(left, batch, method="marginals")
        left, seen = left - drawn, seen + drawn
        parts = zip(whole, seen.reshape(-1, 4).tolist(), strict=True)
        yield PartialShares(tuple(one.part(kinds) for one, kinds in parts))


# -- one benchmark --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What is asked of a benchmark."""

    floor: float | None = 90.0
    max_drop: float | None = None
    family: int = 1
    level: float = LEVEL
    error: float = EARLY_ERROR


def full_row(whole: Whole, asked: Asked) -> Row:
    """The row of the full run, judged."""
    shares = PairedShares(tuple(one.table for one in whole))
    n, right = size(whole), sum(one.right for one in whole) / size(whole)
    row = Row(
        **CANDIDATE._asdict(),
        benchmark="simulated",
        score=100 * shares.estimate * right,
        dense=100 * right,
        dense_error=100 * math.sqrt(right * (1 - right) / n),
        retention=100 * shares.estimate,
        n=n,
        clusters=n,
        floor=asked.floor,
        max_drop=asked.max_drop,
        evidence=_evidence(shares, asked.floor, asked.max_drop),
    )
    return judged(row, level=asked.level, family=asked.family)


def early_row(whole: Row, part: PartialShares, error: float) -> Row:
    """The row of a part of the items, not judged."""
    return replace(
        whole,
        n=part.asked,
        full_n=whole.n,
        early_error=error,
        retention=100 * part.estimate,
        evidence=_evidence(part, whole.floor, whole.max_drop),
    )


def _evidence(shares: Any, floor: float | None, drop: float | None) -> dict[str, Any]:
    """Only what is asked about, since there are many rows."""
    return {
        **({"kept": to_json(shares)} if floor is not None else {}),
        **({"drop": to_json(replace(shares, absolute=True))} if drop is not None else {}),
    }


def all_verdicts(whole: Whole, asked: Asked) -> set[Verdict]:
    """The verdicts that the full run may have, whatever Holm's procedure adds."""
    return {full_row(whole, replace(asked, family=one)).verdict for one in (asked.family, 1)}


@dataclass(frozen=True)
class Found:
    """What happened in the replications of a case."""

    share: float
    """The mean share of the items that was asked."""
    wrong: float
    """The share of replications with another verdict than that of the full run."""


def replayed(
    whole: Whole, asked: Asked, replications: int, other: Whole | None = None, seed: int = 1
) -> Found:
    """Ask a benchmark in random orders until its verdict is known; see `_orders` for `other`."""
    rng = np.random.default_rng(seed)
    row, possible = full_row(whole, asked), all_verdicts(whole, asked)

    @cache  # many orders come by the same counts
    def known(part: PartialShares) -> Verdict | None:
        early = early_row(row, part, asked.error)
        found = judged(early, level=asked.level, family=asked.family)
        return None if found.reason == UNSETTLED else found.verdict

    total = wrong = 0
    for parts in _orders(rng, whole, other, asked.error, replications):
        stopped = size(whole)
        for part in parts:
            if (verdict := known(part)) is not None:
                stopped = part.asked
                wrong += {verdict} != possible
                break
        total += stopped
    return Found(total / replications / size(whole), wrong / replications)


def _orders(
    rng: np.random.Generator, whole: Whole, other: Whole | None, error: float, replications: int
) -> Iterator[Iterable[PartialShares]]:
    """The parts of each order at which the verdict may be known.

    It is not where both the full run and the `other` one with another verdict are possible, by the
    counts of all orders at once.
    """
    if other is None or len(whole) > 1:
        for _ in range(replications):
            yield asked_in_order(rng, whole)
        return
    (one,), (near,) = whole, other
    ends = np.cumsum(sizes(one.n))[:-1] - 1
    kinds = np.repeat(np.arange(4), one.kinds)
    orders = (rng.permutation(kinds) for _ in range(replications))
    seen = np.array([[(own == kind).cumsum()[ends] for kind in range(4)] for own in orders])
    kept, lost, stayed, gained = np.moveaxis(seen, 1, 0)
    mixed = np.logaddexp.reduce(
        [
            math.log(weight)
            + betaln(a + lost, b + kept)
            - betaln(a, b)
            + betaln(c + gained, d + stayed)
            - betaln(c, d)
            for weight, (a, b), (c, d) in MIXTURES
        ]
    )
    is_open = np.ones(lost.shape, dtype=bool)
    for answers in (one, near):
        chance = _log_chance(answers.right, answers.lost, kept, lost)
        chance += _log_chance(answers.wrong, answers.gained, stayed, gained)
        is_open &= mixed - chance <= -math.log(error) - 1e-9
    for counts, opened in zip(np.moveaxis(seen, 1, 2), is_open, strict=True):
        yield [PartialShares((one.part(own.tolist()),)) for own in counts[~opened]]


def _log_chance(size: int, total: int, blank: Any, marked: Any) -> Any:
    """The log-likelihood of draws from an urn with a total of marked balls."""

    def falling(n: int, count: Any) -> Any:
        fits = count <= n
        return np.where(fits, gammaln(n + 1) - gammaln(np.where(fits, n - count, 0) + 1), -np.inf)

    return falling(total, marked) + falling(size - total, blank) - falling(size, blank + marked)


# -- the boundaries of a full run's verdicts ------------------------------------------------------


def boundaries(
    at: Callable[[int], Any], verdict: Callable[[Any], set[Verdict]], most: int
) -> Iterator[tuple[str, Any, Any]]:
    """Two neighbours at each change of the full run's verdict, as `at` loses 0 to `most` items."""
    found = cache(lambda lost: "/".join(sorted(verdict(at(lost)))))

    def between(low: int, high: int) -> Iterator[tuple[int, int]]:
        if found(low) == found(high):
            return
        if high == low + 1:
            yield low, high
            return
        middle = (low + high) // 2
        yield from between(low, middle)
        yield from between(middle, high)

    for low, high in between(0, most):
        for here, there in ((low, high), (high, low)):
            yield f"{found(here)}, one item from {found(there)}", at(here), at(there)


def one_share(n: int, gained: float, lost: int, *, groups: Sequence[float] = (1.0,)) -> Whole:
    """A baseline of .6 and a share of all items that is gained; the losses are spread evenly."""
    found = []
    for number, part in enumerate(groups):
        own = round(n * part)
        right = round(0.6 * own)
        each = lost // len(groups) + (number < lost % len(groups))
        found.append(Answers(right, own - right, min(each, right), round(gained * own)))
    return tuple(found)


def read_from_records(whole: Whole, asked: Asked, replications: int, seed: int = 1) -> Found:
    """As `replayed`, for a score that is to be low, from the records of its answers."""
    rng = np.random.default_rng(seed)
    benchmark = bench(Mean("wrong"), higher_is_better=False)
    (one,) = whole
    kinds = np.repeat(np.arange(4), one.kinds)
    before, now = (np.isin(kinds, wrong).astype(float) for wrong in ((2, 3), (1, 2)))
    row, possible = full_row(whole, asked), all_verdicts(whole, asked)
    total = wrong = 0
    for _ in range(replications):
        order, stopped = rng.permutation(one.n), one.n
        dense = records({"wrong": before[order]}, range(one.n))
        for end in np.cumsum(sizes(one.n))[:-1].tolist():
            part = partial_evidence(
                benchmark, records({"wrong": now[order[:end]]}, range(end)), dense
            )
            assert part is not None
            found = judged(
                early_row(row, part, asked.error), level=asked.level, family=asked.family
            )
            if found.reason != UNSETTLED:
                stopped = end
                wrong += {found.verdict} != possible
                break
        total += stopped
    return Found(total / replications / one.n, wrong / replications)


# -- metrics --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """The full run of a metric: its benchmarks, of which some were asked in full before."""

    members: tuple[Answers, ...]
    known: int = 0
    """The first ones."""
    parts: int = 0
    """Sub-scores with equally many benchmarks; 0 if each benchmark is one."""

    @property
    def profile(self) -> Profile:
        names = [f"b{number}" for number in range(len(self.members))]
        each = len(names) // self.parts if self.parts else 1
        scores = [
            SubScore(names[at], tuple(names[at : at + each])) for at in range(0, len(names), each)
        ]
        return Profile("simulated", {METRIC: tuple(scores)})

    def rows(self) -> dict[str, Row]:
        """Those of the full run. Only the metric decides."""
        return {
            f"b{number}": replace(full_row((one,), Asked(floor=0.0)), benchmark=f"b{number}")
            for number, one in enumerate(self.members)
        }

    def judged(self, rows: Mapping[str, Row], family: int = 1) -> Any:
        return metric_row(
            CANDIDATE,
            METRIC,
            rows,
            self.profile,
            Policy(command_line={METRIC: 90.0}),
            family=family,
        )


def shuffled(n: int, seed: int) -> Any:
    """The order of n items, as `unicomp.prompts.items.permutation` with another seed."""
    places = list(range(n))
    random.Random(seed).shuffle(places)
    return np.array(places)


def replayed_metric(whole: Metric, family: int, replications: int, other: Metric) -> Found:
    """Ask all benchmarks of a metric in rounds until its verdict is known.

    All have their losses first, and one seed for their orders: those of equal size then have the
    same answers at each time. It is the hardest case.
    """
    rows = whole.rows()
    possible = {whole.judged(rows, one).verdict for one in (family, 1)}
    kinds = [np.repeat([1, 0, 3, 2], np.array(one.kinds)[[1, 0, 3, 2]]) for one in whole.members]
    items = sum(one.n for one in whole.members[whole.known :])
    total = wrong = 0
    for seed in range(replications):
        orders = [own[shuffled(len(own), seed)] for own in kinds]
        found, ends = dict(rows), [0] * len(orders)
        for place in range(max(len(sizes(len(own))) for own in orders)):
            for number, (name, own) in enumerate(zip(rows, orders, strict=True)):
                if number >= whole.known and place < len(sizes(len(own))):
                    ends[number] += sizes(len(own))[place]
                    found[name] = _asked_to(
                        whole.members[number], rows[name], own[: ends[number]], family
                    )
            if all(not one.early for one in found.values()):
                break
            if _is_open(whole, other, orders, ends, -math.log(EARLY_ERROR / family)):
                continue
            row = whole.judged(found, family)
            if row.reason != UNSETTLED:
                wrong += {row.verdict} != possible
                break
        total += sum(ends)
    return Found(total / replications / items, wrong / replications)


def _is_open(
    whole: Metric, other: Metric, orders: Sequence[Any], ends: Sequence[int], nats: float
) -> bool:
    """Whether both the full run and the `other` one with another verdict are possible; then the
    verdict is not known. It is far faster than to judge.
    """
    pairs, seen = zip(whole.members, other.members, strict=True), zip(orders, ends, strict=True)
    parts = []
    for (one, near), (kinds, end) in zip(pairs, seen, strict=True):
        if end < one.n:
            parts.append((one, near, np.bincount(kinds[:end], minlength=4).tolist()))
        elif one != near:
            return False
    power = 1 / len(parts)
    mixed = log_mixed([(power, log_mixture(*one.part(counts).urns)) for one, _, counts in parts])
    for which in (0, 1):
        chance = 0.0
        for *pair, (kept, lost, stayed, gained) in parts:
            chance += _log_chance(pair[which].right, pair[which].lost, kept, lost)
            chance += _log_chance(pair[which].wrong, pair[which].gained, stayed, gained)
        if mixed - power * chance > nats - 1e-9:
            return False
    return True


def _asked_to(member: Answers, row: Row, kinds: Any, family: int) -> Row:
    """The row of a benchmark of a metric after some items."""
    if len(kinds) == member.n:
        return row
    part = PartialShares((member.part(np.bincount(kinds, minlength=4).tolist()),))
    early = early_row(row, part, EARLY_ERROR / family)
    return replace(early, evidence={"kept": to_json(part)}, verdict="undecided")


# -- the tables -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    kind: str
    name: str
    replications: int
    run: Callable[[int], str]
    """Returns the figures of the line."""


def saved() -> Iterator[Case]:
    """How much is asked of one benchmark."""
    for n, replications in ((1319, 100), (14042, 40)):
        for kept in (1.0, 0.99, 0.97, 0.95, 0.9, 0.7, 0.4):
            yield Case(f"{n:,}", f"{100 * kept:g} %", replications, partial(_mean, n, kept, 0.0))
        for apart in (0.06, -0.06):
            side = "above" if apart > 0 else "below"
            name = f"{100 * abs(apart):g} points {side} the floor"
            yield Case(f"{n:,}", name, replications, partial(_mean, n, None, apart))


def _mean(n: int, kept: float | None, apart: float, replications: int) -> str:
    """The mean share asked of four cells, the largest, and verdicts that differ."""
    found = {}
    for floor in (90.0, 95.0):
        for flips in (0.015, 0.04):
            whole = (Answers.of(n, floor / 100 + apart if kept is None else kept, flips),)
            found[floor, flips] = replayed(whole, Asked(floor=floor), replications)
    mean = float(np.mean([one.share for one in found.values()]))
    wrong = float(np.mean([one.wrong for one in found.values()]))
    floor, flips = max(found, key=lambda cell: found[cell].share)
    worst = f"{100 * found[floor, flips].share:.1f} (floor {floor:g}, {100 * flips:g} % flips)"
    return f"{100 * mean:.1f} | {worst} | {100 * wrong:.2f}"


@dataclass(frozen=True)
class Edge:
    """A benchmark, or a metric, whose full run's verdict changes with its losses."""

    kind: str
    name: str
    at: Callable[[int], Any]
    most: int
    verdicts: Callable[[Any], set[Verdict]]
    replay: Callable[[Any, int, Any], Found]
    """Takes the full run, the replications, and the neighbour with another verdict."""
    replications: int = 4000

    def cases(self) -> Iterator[Case]:
        for name, whole, other in boundaries(self.at, self.verdicts, self.most):

            def run(times: int, whole: Any = whole, other: Any = other) -> str:
                found = self.replay(whole, times, other)
                return f"{100 * found.share:.0f} | {100 * found.wrong:.2f}"

            yield Case(self.kind, f"{self.name}: {name}", self.replications, run)


def edges() -> Iterator[Edge]:
    """One item from each boundary of the full run's verdicts."""
    for n, gained, asked, name in (
        (1319, 0.0075, Asked(), "floor 90, 0.75 % gained"),
        (1319, 0.02, Asked(floor=95.0, family=40), "floor 95, 2 % gained, family of 40"),
        (14042, 0.0075, Asked(floor=95.0), "floor 95, 0.75 % gained"),
        (1319, 0.0, Asked(), "floor 90, none gained"),
        (1319, 0.06, Asked(), "floor 90, 6 % gained"),
        (1319, 0.01, Asked(floor=None, max_drop=4.0), "drop of 4 points, 1 % gained"),
        (
            1319,
            0.01,
            Asked(max_drop=5.0, family=40),
            "floor 90 and drop of 5 points, 1 % gained, family of 40",
        ),
    ):
        yield _edge("one share", n, gained, asked, name)
    yield replace(
        _edge("one share", 400, 0.01, Asked(), "floor 90, a score that is to be low, 1 % gained"),
        replay=lambda whole, times, other: read_from_records(whole, Asked(), times),
        replications=250,
    )
    yield replace(
        _edge("three groups", 400, 0.01, Asked(), "floor 90, 1 % gained", (0.5, 0.3, 0.2)),
        replications=50,
    )


def metric_edges() -> Iterator[Edge]:
    """The same for metrics."""
    for name, family, replications, many in (
        ("2 of 500", 1, 100, partial(_members, (500, 500))),
        ("2 of 500 and 510", 1, 100, partial(_members, (500, 510))),
        ("2 of 400 and 800", 40, 100, partial(_members, (400, 800))),
        ("4 of 300 to 420, two sub-scores", 1, 100, partial(_four)),
        ("4 of 400, one known", 1, 100, partial(_members, (400,) * 4, known=1)),
        ("8 of 210 to 350", 1, 50, partial(_members, tuple(range(210, 351, 20)))),
    ):
        yield Edge(
            "metric of",
            f"{name}, family of {family}" if family > 1 else name,
            many,
            400,
            lambda whole, family=family: {  # type: ignore[misc]
                whole.judged(whole.rows(), one).verdict for one in (family, 1)
            },
            lambda whole, times, other, family=family: replayed_metric(  # type: ignore[misc]
                whole, family, times, other
            ),  # type: ignore[misc]
            replications,
        )


def _edge(
    kind: str, n: int, gained: float, asked: Asked, name: str, groups: Sequence[float] = (1.0,)
) -> Edge:
    return Edge(
        kind,
        f"{name}, n={n:,}",
        lambda lost: one_share(n, gained, lost, groups=groups),
        round(0.3 * n),
        lambda whole: all_verdicts(whole, asked),
        lambda whole, times, other: replayed(whole, asked, times, other),
    )


def _members(sizes: Sequence[int], lost: int, known: int = 0, parts: int = 0) -> Metric:
    """Benchmarks that lose equally many items, and gain 1 % of theirs."""
    members = []
    for number, n in enumerate(sizes):
        each = lost // len(sizes) + (number < lost % len(sizes))
        right = round(0.6 * n)
        members.append(Answers(right, n - right, min(each, right), round(0.01 * n)))
    return Metric(tuple(members), known, parts)


def _four(lost: int) -> Metric:
    return _members((300, 340, 380, 420), lost, parts=2)


def right() -> Iterator[Case]:
    """How often the verdict is another one, where that is most likely."""
    for edge in edges():
        yield from edge.cases()


def metrics() -> Iterator[Case]:
    """The same for metrics."""
    for edge in metric_edges():
        yield from edge.cases()


HEADS = {
    SAVED: ("items", "retention", "asked, % of the items", "most of four cells", "differ, %"),
    RIGHT: ("", "the full run's verdict", "asked, %", "differ, %"),
    METRICS: ("", "the full run's verdict", "asked, %", "differ, %"),
}
TABLES = {"saved": (SAVED, saved), "right": (RIGHT, right), "metrics": (METRICS, metrics)}


def table(name: str, part: int, jobs: int) -> Iterator[str]:
    """The lines of a table, from a `part`th of the replications."""
    first, second, *figures = HEADS[TABLES[name][0]]
    yield f"| {first} | {second} | replications | {' | '.join(figures)} |"
    yield "|---|---|---:|" + "---:|" * len(figures)
    count = len(listed(name))  # here, so that the processes have them
    with ProcessPoolExecutor(jobs, get_context("fork")) as processes:
        yield from processes.map(_line, [name] * count, range(count), [part] * count)


@cache
def listed(name: str) -> list[Case]:
    """The cases of a table."""
    return list(TABLES[name][1]())


def _line(name: str, number: int, part: int) -> str:
    case = listed(name)[number]
    times = max(case.replications // part, 2)
    return f"| {case.kind} | {case.name} | {times:,} | {case.run(times)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", type=int, default=1, help="ask for a `part`th of replications")
    parser.add_argument("--quick", action="store_true", help="a fortieth, and write nothing")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--only", choices=TABLES, help="one of the tables")
    chosen = parser.parse_args()
    for name, (marks, _) in TABLES.items():
        if chosen.only not in (None, name):
            continue
        lines = []
        for line in table(name, 40 if chosen.quick else chosen.part, chosen.jobs):
            print(line, flush=True)
            lines.append(line)
        if not chosen.quick:
            before, _, rest = CHAPTER.read_text(encoding="utf-8").partition(marks[0])
            new = (
                before + marks[0] + "\n".join(lines) + "\n" + marks[1] + rest.partition(marks[1])[2]
            )
            CHAPTER.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
