"""Write the error rates of `docs/comparison.md`: `python -m tests.comparison_simulations`.

Each case draws the answers of a dense model and of the candidates of two releases, ten metrics of
one benchmark each, and compares them by the project's own functions. `--quick` prints rough rates
and writes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from tests.releases import CANDIDATE, records_of
from tests.verdict_simulations import bench
from unicomp import Mean
from unicomp.changes import Comparison
from unicomp.comparison import compare
from unicomp.confidence import to_json
from unicomp.framework import RETAINED, Profile
from unicomp.item_records import ItemRecords
from unicomp.retention import evidence_of, score_pair
from unicomp.scorecard import Scorecard
from unicomp.verdict import MetricRow, Row

PAGE = Path(__file__).parent.parent / "docs" / "comparison.md"
BEGIN, END = "<!-- simulations:begin -->\n", "<!-- simulations:end -->"
DENSE = 0.7
"""The share of right answers of the dense model."""
PROFILE = Profile("simulated", {metric: (metric,) for metric in RETAINED})


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    n: int
    """The items of each benchmark."""
    churn: float
    """The share of items on which two releases differ, though both are as good."""
    paired: bool
    fall: float = 0.0
    """The points of retention that the first metric lost in truth."""
    replications: int = 300


def cases() -> Iterator[Case]:
    """The lines: nothing became worse, then what a single worse metric is noticed with."""
    for paired in (True, False):
        yield Case("nothing became worse", 300, 0.02, paired)
        yield Case("nothing became worse", 300, 0.10, paired)
        yield Case("nothing became worse", 1000, 0.10, paired)
    yield Case("one metric fell by 1, as it may", 1000, 0.02, True, 1.0)
    for n, fall in ((300, 3.0), (1000, 3.0), (3000, 3.0), (1000, 5.0)):
        for paired in (True, False):
            yield Case(f"one metric fell by {fall:g}", n, 0.02, paired, fall, 100)


@dataclass(frozen=True)
class Rates:
    """Shares of the replications."""

    named: float
    """In which the worse metric fails."""
    others: float
    """In which another one fails."""


def run(case: Case, replications: int | None = None) -> Rates:
    """Draw and compare two releases many times."""
    rng = np.random.default_rng(case.n)
    replications = replications or case.replications
    worse = {RETAINED[0]} if case.fall else set()
    named = others = 0
    for _ in range(replications):
        found = {failure.name for failure in drawn(rng, case).failures}
        named += bool(found & worse)
        others += bool(found - worse)
    return Rates(named / replications, others / replications)


def drawn(rng: np.random.Generator, case: Case) -> Comparison:
    """The comparison of two releases whose answers are drawn."""
    releases: list[dict[str, ItemRecords]] = [{}, {}]
    for metric in RETAINED:
        dense = rng.random(case.n) < DENSE
        fall = case.fall if metric == RETAINED[0] else 0.0
        for release, lost in zip(releases, (0.0, fall / 100), strict=True):
            release[metric] = answers(rng, metric, dense, case.churn / 2, lost)
    cards = [card_of(release, str(place)) for place, release in enumerate(releases)]
    records = {
        id(row): release[row.benchmark]
        for card, release in zip(cards, releases, strict=True)
        for row in card.rows
    }
    return compare(
        cards[0],
        cards[1],
        most_fall=lambda checkpoint, metric: 1.0,
        behind=lambda row: records.get(id(row)) if case.paired else None,
        benchmarks={metric: bench(Mean("correct"), metric) for metric in RETAINED},
    )


def answers(
    rng: np.random.Generator, metric: str, dense: np.ndarray, flips: float, lost: float
) -> ItemRecords:
    """A candidate that flips a share of all items against its dense model, and loses as stated.

    As many right answers are lost by flips as are gained, so that retention is 1 - `lost`.
    """
    loses = rng.random(len(dense)) < flips / 2 / DENSE + lost
    gains = rng.random(len(dense)) < flips / 2 / (1 - DENSE)
    now = np.where(dense, ~loses, gains)
    return ItemRecords(records_of(metric, now.tolist()), records_of(metric, dense.tolist()))


def card_of(release: Mapping[str, ItemRecords], weights: str) -> Scorecard:
    """The scorecard of a release, whose verdicts do not matter here."""
    rows, metrics = [], []
    for name, both in release.items():
        benchmark = bench(Mean("correct"), name)
        found = evidence_of(benchmark, both.candidate, both.baseline)["kept"]
        score, dense = score_pair(benchmark, both.candidate, both.baseline)
        limits = (100 * one for one in astuple(found.limits()))
        about = dict(zip(("value", "low", "high"), limits, strict=True))
        row = Row(
            **CANDIDATE._asdict(),
            benchmark=name,
            metric=name,
            verdict="pass",
            score=score,
            dense=dense,
            retention=about["value"],
            low=about["low"],
            high=about["high"],
            evidence={"kept": to_json(found)},
            candidate=weights,
            baseline="dense",
            items=name,
        )
        rows.append(row)
        metrics.append(
            MetricRow(**CANDIDATE._asdict(), metric=name, verdict="pass", floor=0.0, **about)
        )
    return Scorecard(rows=tuple(rows), metrics=tuple(metrics), profiles={"m": PROFILE})


def table(*, quick: bool) -> Iterator[str]:
    """The lines of the table, a case each."""
    yield "| | items | differ | compared | comparisons | it fails, % | another fails, % |"
    yield "|---|---:|---:|---|---:|---:|---:|"
    for case in cases():
        times = case.replications // (20 if quick else 1)
        rates = run(case, times)
        way = "paired" if case.paired else "intervals"
        named = f"{100 * rates.named:.0f}" if case.fall else ""
        yield (
            f"| {case.name} | {case.n:,} | {100 * case.churn:.0f} % | {way} | {times:,} | {named} "
            f"| {100 * rates.others:.1f} |"
        )


if __name__ == "__main__":
    is_quick = "--quick" in sys.argv[1:]
    lines = []
    for line in table(quick=is_quick):
        print(line, flush=True)
        lines.append(line)
    if not is_quick:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        new = before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2]
        PAGE.write_text(new, encoding="utf-8")
