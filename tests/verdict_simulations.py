"""Write the error rates of `docs/statistics.md`: `python -m tests.verdict_simulations`.

Each case draws answers of a baseline and of a candidate whose true retention is exactly at the
floor, and judges them by the project's own functions. `--quick` prints rough rates and writes
nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import gammaln, ndtr, ndtri

from unicomp import Benchmark, Mean, TaskMetric
from unicomp.confidence import (
    FEWEST_RIGHT,
    PairedShares,
    difference_limits,
    ratio_limits,
    to_json,
)
from unicomp.framework import PAPER_PROFILE, Profile, SubScore
from unicomp.policy import Policy
from unicomp.retention import correlation, evidence_of, retention
from unicomp.scorecard import scorecard
from unicomp.scores import Records
from unicomp.scoring.aggregate import Beyond, MacroF1, Perplexity, RightAnswerF1, RobustnessScore
from unicomp.scoring.correlation import Correlation
from unicomp.spec import LEVEL, Aggregate, CheckpointId
from unicomp.verdict import Row, expected, judged, measured, metric_row

CHAPTER = Path(__file__).parent.parent / "docs" / "statistics.md"
BEGIN, END = "<!-- simulations:begin -->\n", "<!-- simulations:end -->"
CANDIDATE = CheckpointId("model", "candidate", "none")

Fields = Mapping[str, Any]
Pair = tuple[Fields, Fields, Any]
"""The fields of the candidate and of the baseline, and the cluster of each item."""
Draw = Callable[[np.random.Generator, int], Pair]
"""Draws answers of the stated size."""


@dataclass(frozen=True)
class Rates:
    """What happened in the replications of a case, as shares."""

    passes: float
    fails: float
    half: float
    """The mean half width of the 95 % interval, in points of retention."""


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    kind: str
    name: str
    replications: int
    """0 if the rates are exact."""
    run: Callable[[int], Rates]


# -- shares, exactly ------------------------------------------------------------------------------


def cells() -> Iterator[tuple[float, float, float]]:
    """Baseline shares, retentions, and the candidate's rate of gains, that can be together."""
    for q in (0.1, 0.2, 0.35, 0.5, 0.6, 0.7, 0.9, 0.97):
        for kept in (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0, 1.02):
            for gain in (0.0, 0.002, 0.01, 0.03, 0.1, 0.2):
                loss = 1 - kept + gain * (1 - q) / q
                if 0 <= loss <= 1:
                    yield q, kept, gain


def chances(q: float, kept: float, gain: float) -> list[float]:
    """The chances of: right with both, the candidate only, the baseline only, neither."""
    loss = 1 - kept + gain * (1 - q) / q
    return [q * (1 - loss), (1 - q) * gain, q * loss, (1 - q) * (1 - gain)]


TYPICAL = (0.6, 0.95, 0.03)
"""The cell whose half width is reported."""


def exact_shares(n: int, *, absolute: bool) -> Rates:
    """The worst rates of all cells, from every table of n items."""
    a, b, c = (one.ravel() for one in np.indices((n + 1,) * 3))
    inside = a + b + c <= n
    tables = np.stack([a, b, c, n - a - b - c], axis=1)[inside].astype(np.float64)
    low, high = (difference_limits if absolute else ratio_limits)(tables)
    if not absolute:
        low = np.where(tables[:, 0] + tables[:, 2] < FEWEST_RIGHT, 0.0, low)
    wide = np.where(np.isfinite(high), high - low, 0.0)
    ways = gammaln(n + 1) - gammaln(tables + 1).sum(axis=1)

    def weights(cell: tuple[float, float, float]) -> Any:
        p = np.array(chances(*cell))
        possible = ~(tables[:, p <= 0] > 0).any(axis=1)
        return np.where(possible, np.exp(ways + tables @ np.log(np.maximum(p, 1e-300))), 0.0)

    worst = []
    for q, kept, gain in cells():
        truth, weight = q * (kept - 1) if absolute else kept, weights((q, kept, gain))
        passes, fails = low >= truth - 1e-12, high < truth - 1e-12
        worst.append((float(weight @ passes), float(weight @ fails)))
    passing, failing = np.max(worst, axis=0).tolist()
    return Rates(passing, failing, float(weights(TYPICAL) @ wide) / 2)


def sampled_shares(n: int, replications: int) -> Rates:
    """The worst rates of some cells."""
    rng = np.random.default_rng(n)
    worst, half = [], 0.0
    for q, kept, gain in (
        TYPICAL,
        (0.6, 0.98, 0.0),
        (0.6, 0.9, 0.0),
        (0.9, 0.99, 0.1),
        (0.6, 1.0, 0.0),
        (0.6, 1.0, 0.015),
        (0.2, 0.8, 0.1),
        (0.35, 0.5, 0.2),
    ):
        tables = rng.multinomial(n, chances(q, kept, gain), size=replications).astype(np.float64)
        low, high = ratio_limits(tables)
        worst.append((float(np.mean(low >= kept)), float(np.mean(high < kept))))
        half = half or float(np.mean(high - low)) / 2
    passing, failing = np.max(worst, axis=0).tolist()
    return Rates(passing, failing, half)


# -- any aggregate --------------------------------------------------------------------------------


def bench(aggregate: Aggregate, name: str = "simulated", **about: Any) -> Benchmark:
    return Benchmark(
        name=name,
        metric=None,
        task="arc/arc_easy.yaml",
        scorer=TaskMetric("acc,none"),
        aggregate=aggregate,
        **about,
    )


def records(fields: Fields, clusters: Sequence[Any]) -> Records:
    n = len(clusters)
    return Records(
        benchmark="simulated",
        items=[str(number) for number in range(n)],
        clusters=[str(one) for one in clusters],
        fields={name: list(np.asarray(values).tolist()) for name, values in fields.items()},
        parsed=[True] * n,
        gaps=[None] * n,
    )


def truth_of(benchmark: Benchmark, draw: Draw, name: str) -> float:
    """The true quantity: that of very many items."""
    now, before, clusters = draw(np.random.default_rng(7), 400_000)

    def score(fields: Fields) -> float:
        columns = {key: np.asarray(one) for key, one in fields.items()}
        columns["cluster"] = np.asarray(clusters)
        return float(benchmark.aggregate(columns, np.ones((1, len(clusters))))[0])

    candidate, baseline = score(now), score(before)
    if name == "drop":
        return (candidate - baseline) / 100 * (1 if benchmark.higher_is_better else -1)
    if name == "raw" or benchmark.higher_is_better:
        return candidate / baseline
    if benchmark.in_points:
        return (100 - candidate) / (100 - baseline)
    return baseline / candidate


def of_evidence(
    benchmark: Benchmark, draw: Draw, size: int, truth: float | None = None, name: str = "kept"
) -> Callable[[int], Rates]:
    """Judge the evidence of a benchmark by its true value."""

    def run(replications: int) -> Rates:
        exact = truth_of(benchmark, draw, name) if truth is None else truth
        rng = np.random.default_rng(size)
        passes = fails = 0
        widths = []
        for _ in range(replications):
            now, before, clusters = draw(rng, size)
            found = evidence_of(benchmark, records(now, clusters), records(before, clusters))
            limits = found[name].limits()
            # a ceiling is passed from above
            below, above = limits.low >= exact, limits.high < exact
            passes, fails = passes + below, fails + above
            widths.append(min(limits.high - limits.low, 2.0) / 2)
        return Rates(passes / replications, fails / replications, float(np.mean(widths)))

    return run


def answers(
    rng: np.random.Generator, n: int, q: float, loss: float, gain: float
) -> tuple[Any, Any]:
    """Right answers of the candidate and of the baseline, shape (n,) each."""
    dense = rng.random(n) < q
    return np.where(dense, rng.random(n) >= loss, rng.random(n) < gain), dense


def kept_of(q: float, loss: float, gain: float) -> float:
    return (q * (1 - loss) + (1 - q) * gain) / q


def grouped(groups: Sequence[float], q: float, loss: float, gain: float) -> Draw:
    """Shares by group, whose parts of the items are given."""

    def draw(rng: np.random.Generator, n: int) -> Pair:
        group = rng.choice(len(groups), n, p=groups).astype(str)
        now, before = answers(rng, n, q, loss, gain)
        return (
            {"correct": now.astype(float), "group": group},
            {"correct": before.astype(float), "group": group},
            np.arange(n),
        )

    return draw


def verified(rare: float, q: float, loss: float, gain: float) -> Draw:
    """Labels of claims, one of them rare."""

    def draw(rng: np.random.Generator, n: int) -> Pair:
        gold = rng.random(n) >= rare
        pair = [
            {
                "gold": np.where(gold, "SUPPORT", "REFUTE"),
                "said": np.where(right == gold, "SUPPORT", "REFUTE"),
                "counted": np.ones(n),
            }
            for right in answers(rng, n, q, loss, gain)
        ]
        return pair[0], pair[1], np.arange(n)

    return draw


def attacked(q: float, loss: float, gain: float) -> Draw:
    """Pairs of an original and a modified item, of four tasks."""

    def draw(rng: np.random.Generator, n: int) -> Pair:
        task = rng.choice(["qnli", "sst2", "mnli", "qqp"], n, p=[0.29, 0.29, 0.26, 0.16])
        dense = rng.random(n) < q
        twin = np.where(dense, rng.random(n) < 0.85, rng.random(n) < 0.3)

        def after(right: Any) -> Any:
            return np.where(right, rng.random(n) >= loss, rng.random(n) < gain)

        def fields(original: Any, modified: Any) -> Fields:
            return {
                "correct": np.concatenate([original, modified]).astype(float),
                "type": np.repeat(["original", "modified"], n),
                "task": np.tile(task, 2),
            }

        clusters = np.tile(np.arange(n), 2).astype(str)
        return fields(after(dense), after(twin)), fields(dense, twin), clusters

    return draw


def similar(changed: float) -> Draw:
    """Similarities with and without an attack; some answers change."""

    def draw(rng: np.random.Generator, n: int) -> Pair:
        base, same = rng.beta(2, 6, n), rng.beta(8, 2, n)
        now = np.where(rng.random(n) < changed, rng.beta(5, 3, n), same)
        rest = {"other": base, "counted": np.ones(n)}
        return {"same": now, **rest}, {"same": same, **rest}, np.arange(n)

    return draw


def rated(noise: float) -> Draw:
    """Ratings in half steps that correlate with labels."""

    def draw(rng: np.random.Generator, n: int) -> Pair:
        label = rng.normal(size=n)
        dense = label + 0.6 * rng.normal(size=n)
        now = dense + noise * rng.normal(size=n)
        pair = [
            {"label": label, "rating": np.clip(np.round(2 * one) / 2, -2, 2), "counted": np.ones(n)}
            for one in (now, dense)
        ]
        return pair[0], pair[1], np.arange(n)

    return draw


def unread(lost: float) -> Draw:
    """The same ratings, some of which can no longer be read."""

    def draw(rng: np.random.Generator, n: int) -> Pair:
        label = rng.normal(size=n)
        rating = np.clip(np.round(2 * label + 1.2 * rng.normal(size=n)) / 2, -2, 2)
        rest = {"label": label, "rating": rating}
        still = (rng.random(n) >= lost).astype(float)
        return {**rest, "counted": still}, {**rest, "counted": np.ones(n)}, np.arange(n)

    return draw


def read(noise: float) -> Draw:
    """Log-likelihoods of texts of 50 to 512 tokens; the candidate's are heavily tailed."""

    def draw(rng: np.random.Generator, n: int) -> Pair:
        tokens = rng.integers(50, 512, n).astype(float)
        dense = -tokens * (2.5 + 0.8 * rng.normal(size=n))
        now = dense - tokens * noise * 0.2 * np.exp(rng.normal(size=n) - 0.5)
        return (
            {"log_likelihood": now, "tokens": tokens},
            {"log_likelihood": dense, "tokens": tokens},
            np.arange(n),
        )

    return draw


SIZES = {"15": [15], "1–40": [1, 1, 2, 3, 5, 10, 40]}
"""Sizes of clusters, drawn with equal chances."""


def clustered(sizes: Sequence[int], rho: float, q: float, loss: float, gain: float) -> Draw:
    """Shares in clusters, each of which has its own rates: `rho` is the correlation within one."""

    def draw(rng: np.random.Generator, clusters: int) -> Pair:
        clusters = min(clusters, 50_000)
        ids = np.repeat(np.arange(clusters), rng.choice(sizes, clusters))

        def happens(rate: float) -> Any:
            if 0 < rate < 1 and rho > 0:
                spread = (1 - rho) / rho
                each = rng.beta(rate * spread, (1 - rate) * spread, clusters)
            else:
                each = np.full(clusters, rate)
            return rng.random(len(ids)) < each[ids]

        dense = happens(q)
        now = np.where(dense, ~happens(loss), happens(gain))
        return {"correct": now.astype(float)}, {"correct": dense.astype(float)}, ids

    return draw


# -- metrics, decisions ---------------------------------------------------------------------------


def row_of(benchmark: Benchmark, now: Records, before: Records) -> Row:
    return judged(measured(expected(CANDIDATE, benchmark), retention(benchmark, now, before)))


def judged_metric(rows: Mapping[str, Row], truth: float) -> tuple[bool, bool, float]:
    """Whether a metric of one sub-score passes and fails at its true retention; half its width."""
    profile = Profile("simulated", {"privacy": (SubScore("parts", tuple(rows)),)})
    policy = Policy(command_line={"privacy": 100 * truth})
    found = metric_row(CANDIDATE, "privacy", rows, profile, policy)
    assert found.low is not None
    assert found.high is not None
    return found.verdict == "pass", found.verdict == "fail", (found.high - found.low) / 200


def counted(once: Callable[[np.random.Generator], tuple[bool, bool, float]]) -> Any:
    def run(replications: int) -> Rates:
        rng = np.random.default_rng(1)
        seen = np.array([once(rng) for _ in range(replications)], dtype=np.float64)
        return Rates(*(float(one) for one in seen.mean(axis=0)))

    return run


def three_of_the_same(clusters: int) -> Callable[[np.random.Generator], tuple[bool, bool, float]]:
    """A metric of three scores of the same responses: refusals, and two rates of disclosure."""
    rates = {"refused": (0.5, 0.1, 0.02), "kept": (0.7, 0.1, 0.05), "kept_if_asked": (0.6, 0.08, 0)}
    truth = sum(kept_of(*one) * one[0] for one in rates.values()) / sum(
        one[0] for one in rates.values()
    )

    def once(rng: np.random.Generator) -> tuple[bool, bool, float]:
        ids = np.repeat(np.arange(clusters), rng.choice([2, 4, 8], clusters))
        one, other, third = (rng.random(len(ids)) for _ in range(3))
        person = [rng.normal(size=clusters)[ids] for _ in range(3)]

        def uniform(own: Any, shared: Any) -> Any:  # correlated within a person
            return np.sqrt(0.3) * shared + np.sqrt(0.7) * own

        u, v, w = (
            ndtr(uniform(ndtri(x), who)) for x, who in zip((one, other, third), person, strict=True)
        )
        found = []
        for name, (q, loss, gain) in rates.items():
            before = u < q
            now = np.where(before, v >= loss, w < gain)
            pair = [records({"correct": x.astype(float)}, ids) for x in (now, before)]
            found.append((bench(Mean("correct"), name), *pair))
        rows = {}
        for place, triple in enumerate(found):
            shared = {o[0].name: correlation(triple, o) for o in found[:place]}
            rows[triple[0].name] = replace(row_of(*triple), shared=shared)
        return judged_metric(rows, truth)

    return once


def of_unequal_parts(rng: np.random.Generator) -> tuple[bool, bool, float]:
    """A sub-score of two benchmarks with retentions of 100 and of 5 percent, 400 items each."""
    rows = {}
    for name, q, loss, gain in (("kept", 0.6, 0.02, 0.03), ("lost", 0.4, 0.95, 0.0)):
        pair = [
            records({"correct": one.astype(float)}, range(400))
            for one in answers(rng, 400, q, loss, gain)
        ]
        rows[name] = row_of(bench(Mean("correct"), name), *pair)
    return judged_metric(rows, (0.6 * 1.0 + 0.4 * 0.05) / 1.0)


@cache
def share_row(metric: str, name: str, table: tuple[float, ...]) -> Row:
    """The row of an unclustered share."""
    both, gained, lost, neither = table
    n = both + gained + lost + neither
    shares = PairedShares(((both, gained, lost, neither),))
    limits = shares.limits()
    q = (both + lost) / n
    return Row(
        **CANDIDATE._asdict(),
        benchmark=name,
        metric=metric,
        score=100 * (both + gained) / n,
        dense=100 * q,
        retention=100 * limits.estimate,
        low=100 * limits.low,
        high=100 * limits.high,
        n=int(n),
        clusters=int(n),
        floor=90.0,
        verdict="undecided",
        evidence={"kept": to_json(shares)},
        dense_error=100 * float(np.sqrt(q * (1 - q) / n)),
    )


def gate(kept: float, **others: float) -> Callable[[np.random.Generator], tuple[bool, bool, float]]:
    """The paper's 53 rows and ten metrics at a floor of 90: opens, fails something, metrics' width.

    Every row keeps `kept` of a dense .6, with 1 % flips; `others` gives the retention of metrics.
    """

    def once(rng: np.random.Generator) -> tuple[bool, bool, float]:
        rows = []
        for metric in PAPER_PROFILE:
            names = PAPER_PROFILE.benchmarks(metric)
            true = others.get(metric, kept)
            p = chances(0.6, true, 0.005 / 0.4)
            for name in names:
                table = rng.multinomial(max(60, 300 // len(names)), p).astype(float)
                rows.append(share_row(metric, name, tuple(table.tolist())))
        policy = Policy(command_line={"performance": 90.0, "reliability": 90.0})
        card = scorecard(rows, {"model": PAPER_PROFILE}, policy)
        failed = any(one.verdict == "fail" for one in (*card.rows, *card.metrics))
        wide = [one.high - one.low for one in card.metrics if one.high and one.low]
        return card.decision == "open", failed, float(np.mean(wide)) / 200

    return once


def looking(looks: int, *, corrected: bool) -> Callable[[np.random.Generator], Any]:
    """Raise the number of items until the gate opens: 200 more each time."""
    level = {True: lambda look: LEVEL / look, False: lambda look: LEVEL}[corrected]

    def once(rng: np.random.Generator) -> tuple[bool, bool, float]:
        table = np.zeros(4)
        for look in range(1, looks + 1):
            table += rng.multinomial(200, chances(0.6, 0.95, 0.02))
            a, b, c, d = table.tolist()
            limits = PairedShares(((a, b, c, d),)).limits(level(look))
            if limits.low >= 0.95:
                return True, False, (limits.high - limits.low) / 2
        return False, False, (limits.high - limits.low) / 2

    return once


def picking(candidates: int, *, corrected: bool) -> Callable[[np.random.Generator], Any]:
    """Release the best of some candidates that are all at the floor, if it passes."""
    level = LEVEL / candidates if corrected else LEVEL

    def once(rng: np.random.Generator) -> tuple[bool, bool, float]:
        tables = rng.multinomial(800, chances(0.6, 0.95, 0.02), size=candidates).tolist()
        limits = [PairedShares(((a, b, c, d),)).limits(level) for a, b, c, d in tables]
        return any(x.low >= 0.95 for x in limits), False, (limits[0].high - limits[0].low) / 2

    return once


# -- the table ------------------------------------------------------------------------------------

SHARES, GROUPS = "share", "shares by group"
OTHERS, CLUSTERS = "other aggregates", "clusters"
METRIC, GATE, REPEATED = "metric", "gate", "looking again, picking"

EQUAL, UNEQUAL = (0.25,) * 4, (0.84, 0.08, 0.08)
FEW, MANY = (0.6, 0.05, 0.0), (0.6, 0.3, 0.1)


def cases() -> Iterator[Case]:
    """All cases, in the order of the table."""
    for n in (50, 100):
        yield Case(SHARES, f"worst of {len(list(cells()))}, n={n}", 0, lambda _, n=n: exact_shares(
            n, absolute=False
        ))  # fmt: skip
    yield Case(SHARES, "the same, drop in points, n=50", 0, lambda _: exact_shares(
        50, absolute=True
    ))  # fmt: skip
    for n in (200, 400, 1319):
        yield Case(SHARES, f"worst of 8, n={n}", 20_000, lambda r, n=n: sampled_shares(n, r))
    yield from _grouped()
    yield from _others()
    yield from _clustered()
    for clusters in (50, 200):
        name = f"three scores of the same responses, {clusters} clusters"
        yield Case(METRIC, name, 1000, counted(three_of_the_same(clusters)))
    yield Case(METRIC, "sub-score of 100 % and 5 %, n=400", 1000, counted(of_unequal_parts))
    for name, once in (
        ("lossless, floor 90", gate(1.0)),
        ("every row and metric at its floor", gate(0.9)),
        ("one metric at its floor, all others at 100", gate(1.0, reasoning=0.9)),
        ("one metric 5 points below, all others at 100", gate(1.0, reasoning=0.85)),
    ):
        yield Case(GATE, name, 250, counted(once))
    for corrected in (False, True):
        how = "corrected" if corrected else "not corrected"
        yield Case(REPEATED, f"5 looks, {how}", 2000, counted(looking(5, corrected=corrected)))
        yield Case(REPEATED, f"best of 6, {how}", 1000, counted(picking(6, corrected=corrected)))


def _grouped() -> Iterator[Case]:
    two = (0.5, 0.5)
    for n, groups, label, rates in (
        (50, EQUAL, "4 equal", MANY),
        (100, EQUAL, "4 equal", FEW),
        (400, EQUAL, "4 equal", FEW),
        (50, UNEQUAL, "84/8/8 %", MANY),
        (100, UNEQUAL, "84/8/8 %", FEW),
        (400, UNEQUAL, "84/8/8 %", FEW),
        (1319, UNEQUAL, "84/8/8 %", MANY),
        (400, two, "2 equal", FEW),
        (1319, two, "2 equal", (0.9, 0.03, 0.01)),
    ):
        name = f"{label}, {_flips(*rates)}, n={n}"
        draw, truth = grouped(groups, *rates), kept_of(*rates)
        balanced = Mean("correct", by="group")
        yield Case(GROUPS, name, 1000, of_evidence(bench(balanced), draw, n, truth))
        if n == 400:
            f1 = bench(RightAnswerF1(balanced))
            yield Case(GROUPS, f"RightAnswerF1, {name}", 1000, of_evidence(f1, draw, n))


def _flips(q: float, loss: float, gain: float) -> str:
    return f"dense {q:g}, {100 * loss:g} % lost, {100 * gain:g} % gained"


def _others() -> Iterator[Case]:
    for n in (50, 100, 400):
        for rare, rates in ((0.15, FEW), (0.15, MANY)):
            name = f"MacroF1, rare label {100 * rare:g} %, {_flips(*rates)}, n={n}"
            draw = verified(rare, *rates)
            yield Case(OTHERS, name, 1000, of_evidence(bench(MacroF1()), draw, n))
    for n in (50, 100, 228):
        for rates in ((0.7, 0.05, 0.0), (0.9, 0.05, 0.0)):
            name = f"RobustnessScore, {_flips(*rates)}, {n} pairs"
            score = bench(RobustnessScore())
            yield Case(OTHERS, name, 1000, of_evidence(score, attacked(*rates), n))
    rating = bench(Correlation("label", "rating", where="counted"))
    beyond = bench(Beyond("same", "other"))
    unit = bench(Perplexity("tokens"), higher_is_better=False, in_points=False)
    for n in (50, 200):
        for name, score, draw in (
            ("Correlation, noise 0.2", rating, rated(0.2)),
            ("Correlation, noise 0.5", rating, rated(0.5)),
            ("Correlation, few ratings unreadable", rating, unread(2 / n)),
            ("Beyond, 3 % changed", beyond, similar(0.03)),
            ("Beyond, 20 % changed", beyond, similar(0.2)),
            ("Beyond, 50 % changed", beyond, similar(0.5)),
            ("Perplexity, noise 0.2", unit, read(0.2)),
            ("Perplexity, noise 0.5", unit, read(0.5)),
        ):
            yield Case(OTHERS, f"{name}, n={n}", 1000, of_evidence(score, draw, n))


def _clustered() -> Iterator[Case]:
    for clusters, label, rho, rates in (
        (20, "15", 0.0, (0.6, 0.1, 0.05)),
        (20, "15", 0.3, FEW),
        (20, "15", 0.9, FEW),
        (20, "1–40", 0.3, FEW),
        (20, "1–40", 0.9, MANY),
        (50, "15", 0.3, (0.6, 0.02, 0.0)),
        (50, "1–40", 0.3, FEW),
        (50, "1–40", 0.9, MANY),
        (100, "1–40", 0.0, FEW),
        (100, "1–40", 0.3, FEW),
        (100, "1–40", 0.3, MANY),
        (100, "1–40", 0.9, FEW),
        (200, "1–40", 0.3, FEW),
        (200, "1–40", 0.9, MANY),
    ):
        name = f"{clusters} of {label}, correlation {rho:g}, {_flips(*rates)}"
        draw, one = clustered(SIZES[label], rho, *rates), bench(Mean("correct"))
        yield Case(CLUSTERS, name, 1000, of_evidence(one, draw, clusters, kept_of(*rates)))
    fewer = bench(Mean("correct"), higher_is_better=False)
    rates = (0.4, 0.1, 0.05)
    drop = rates[0] * (1 - kept_of(*rates))
    for quantity, truth in (("drop", drop), ("raw", kept_of(*rates))):
        name = f"{quantity} of a score that is to be low, 50 of 15, correlation 0.3"
        draw = clustered(SIZES["15"], 0.3, *rates)
        yield Case(CLUSTERS, name, 1000, of_evidence(fewer, draw, 50, truth, quantity))


def table(quick: bool = False) -> Iterator[str]:
    """The lines of the table."""
    yield "| | case | replications | passes, % | fails, % | half width |"
    yield "|---|---|---:|---:|---:|---:|"
    for case in cases():
        if quick and case.replications == 0:
            continue
        times = max(case.replications // (20 if quick else 1), 5)
        rates = case.run(times)
        shown = "exact" if case.replications == 0 else f"{times:,}"
        yield (
            f"| {case.kind} | {case.name} | {shown} | {100 * rates.passes:.1f} | "
            f"{100 * rates.fails:.1f} | {100 * rates.half:.1f} |"
        )


if __name__ == "__main__":
    quick = "--quick" in sys.argv[1:]
    lines = []
    for line in table(quick):
        print(line, flush=True)
        lines.append(line)
    if not quick:
        before, _, rest = CHAPTER.read_text(encoding="utf-8").partition(BEGIN)
        new = before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2]
        CHAPTER.write_text(new, encoding="utf-8")
