"""Write the coverage of intervals of repeated items into `docs/repeats.md`.

    python -m tests.repeat_simulations [--quick]

Each item has a chance of its own to be answered right, from a beta distribution, so the samples of
an item are alike. The candidate's chances correlate with the baseline's, by .9 on a normal scale;
their mean is that of the baseline times the retention. The limits are those of the project's own
functions. `--quick` prints rough rates and writes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from unicomp.divergence import of_samples
from unicomp.retention import evidence_of
from unicomp.scores import Records
from unicomp.scoring.aggregate import Mean
from unicomp.scoring.task_metrics import TaskMetric
from unicomp.spec import Benchmark

PAGE = Path(__file__).parent.parent / "docs" / "repeats.md"
BEGIN, END = "<!-- simulations:begin -->\n", "<!-- simulations:end -->"
BENCH = Benchmark(
    name="drawn", metric=None, task="drawn.yaml", scorer=TaskMetric("exact"), aggregate=Mean()
)
HEAD = ("items", "K", "baseline", "spread", "moved", "avg@K", "pass@K", "kept", "passes", "fails")
REPLICATIONS = 1000
KEPT = 0.95
"""The true retention, which is also the floor."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Answers that are drawn: so many items, and samples of each."""

    items: int
    repeats: int
    right: float = 0.6
    """The baseline's mean chance."""
    spread: float = 1.0
    """The sum of the beta distribution's parameters: the smaller, the more alike samples are."""
    lost: bool = False
    """Whether the candidate loses some items altogether and no other; else chances correlate."""

    def chances(self, rng: np.random.Generator, n: int) -> tuple[NDArray, NDArray]:
        """The candidate's and the baseline's chance for each of n items."""
        if self.lost:
            base = rng.beta(self.right * self.spread, (1 - self.right) * self.spread, n)
            return np.where(rng.random(n) < 1 - KEPT, 0.0, base), base
        first, other = rng.standard_normal((2, n))
        second = 0.9 * first + np.sqrt(1 - 0.9**2) * other
        means = (KEPT * self.right, self.right)
        candidate, baseline = (
            betaincinv(mean * self.spread, (1 - mean) * self.spread, ndtr(one))
            for mean, one in zip(means, (second, first), strict=True)
        )
        return candidate, baseline

    def answers(self, rng: np.random.Generator) -> tuple[Records, Records]:
        """The records of both sides."""
        candidate, baseline = (
            (rng.random((self.repeats, self.items)) < chances).ravel()
            for chances in self.chances(rng, self.items)
        )
        return records(candidate, self.repeats), records(baseline, self.repeats)


@dataclass(frozen=True)
class Rates:
    """What happened in the replications of a cell, in percent."""

    average: float
    """How often the interval of avg@K has the truth."""
    passed: float
    """How often that of pass@K has."""
    retained: float
    passes: float
    """How often a retention at its floor passes: the lower limit is above the truth."""
    fails: float


def records(right: NDArray[np.bool_], repeats: int) -> Records:
    """The records of samples, all first ones first."""
    n = len(right) // repeats
    items = [str(number) for number in range(n)] * repeats
    return Records(
        benchmark=BENCH.name,
        items=items,
        clusters=items,
        fields={"correct": right.astype(float).tolist()},
        parsed=[True] * len(items),
        gaps=[None] * len(items),
        sample=np.repeat(np.arange(repeats), n).tolist(),
    )


def rates(cell: Cell, replications: int, seed: int = 0) -> Rates:
    """Draw a cell again and again."""
    rng = np.random.default_rng((seed, cell.items, cell.repeats))
    many = cell.chances(np.random.default_rng(1), 1_000_000)[1]
    truths = 100 * cell.right, 100 * float(1 - np.mean((1 - many) ** cell.repeats))
    found = []
    for _ in range(replications):
        candidate, baseline = cell.answers(rng)
        right = (one.columns["correct"] == 1.0 for one in (candidate, baseline))
        figures = of_samples(*right, baseline)
        limits = evidence_of(BENCH, candidate, baseline)["kept"].limits()
        average, passed = (figures[f"dense.{name}"] for name in ("avg_at_k", "pass_at_k"))
        below, above = limits.low >= KEPT - 1e-12, limits.high < KEPT - 1e-12
        covered = [
            one[1] <= truth <= one[2] for one, truth in zip((average, passed), truths, strict=True)
        ]
        found.append((*covered, not below and not above, below, above))
    return Rates(*(100 * np.mean(found, axis=0)).tolist())


def cells() -> Iterator[Cell]:
    """All cells of the table."""
    for items in (30, 100, 400):
        for repeats in (2, 4, 8):
            yield Cell(items=items, repeats=repeats)
    for items in (30, 100):
        yield Cell(items=items, repeats=4, right=0.85)
        yield Cell(items=items, repeats=4, right=0.2)
        yield Cell(items=items, repeats=4, spread=0.3)
        yield Cell(items=items, repeats=8, lost=True)
        yield Cell(items=items, repeats=8, spread=0.2, lost=True)


def table(replications: int) -> Iterator[str]:
    """The lines of the table."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|"
    for cell in cells():
        found = rates(cell, replications)
        about = (cell.items, cell.repeats, cell.right, cell.spread, "few" if cell.lost else "all")
        shown = (*map(str, about), *(f"{one:.1f}" for one in vars(found).values()))
        yield f"| {' | '.join(shown)} |"


if __name__ == "__main__":
    if "--quick" in sys.argv:
        for line in table(50):
            print(line, flush=True)
    else:
        written = "\n".join(table(REPLICATIONS)) + "\n"
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(before + BEGIN + written + END + rest.partition(END)[2], encoding="utf-8")
