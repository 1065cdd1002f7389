"""Gain: a compressed checkpoint's efficiency in percent of the dense one's; more is better.

A gain of 200 % is twice the throughput, half the time, or half the bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unicomp.efficiency.rounds import Rounds
from unicomp.engines import Benched, Timing
from unicomp.errors import ScoringError, SpecError
from unicomp.spec import Load, Probe, Unit
from unicomp.units import amount, interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unicomp.statistics import Interval

LOADING_ERROR = 0.005
"""Standard deviation of the ratio between two loadings of one checkpoint, seen in the time from
one token to the next of an embedded model on a quiet machine. One loading lies better in memory
than the other, in every round alike. So no interval of a timing is narrower than 1 % to either
side."""

_TIMES: Mapping[str, Callable[[Timing], Sequence[float]]] = {
    "throughput": lambda timing: (timing.seconds,),
    "latency": lambda timing: (timing.seconds,),
    "time_to_first_token": lambda timing: timing.first,
    "inter_token_latency": lambda timing: timing.gaps,
}


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A compressed checkpoint's efficiency in percent of the dense one's, with its 95 % interval.

    `score` and `dense` are in the probe's own unit and direction. For times they are medians over
    the rounds of each round's mean. `value` comes from per-round ratios, which cancel noise common
    to both sides; it may differ from score / dense.

    >>> Gain(probe="size", unit="bytes", score=4e9, dense=16e9, value=400.0, low=400.0, high=400.0)
    <size: 400.0 % of dense 16 GB (measured 4 GB)>
    """

    probe: str
    unit: Unit
    score: float
    dense: float
    value: float
    low: float
    high: float
    n: int = 0
    """Rounds, or figures of vLLM's benchmark for each checkpoint; 0 for exact counts."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Further figures by name; the dense one's as `dense.NAME`.

    Times have `median`, `p95` and `p99` over all of them, throughput `median`, `p5` and `p1` over
    the rounds. Both have `generated_tokens_per_second`, and `joules_per_token`, all energy for each
    generated token, where the machine counts it.
    """
    expected_gain: float | None = None
    """The gain if an engine made use of all that the format offers, in percent."""
    absolute: float | None = None
    """The value that a limit judges, in `unit`: for timings that of the median round, as one slow
    round of a few says little about the mean."""
    absolute_low: float | None = None
    """The 95 % interval of `absolute`. Noise is not cancelled by the dense side: it covers what
    changes from round to round, and not what slows all rounds of a run."""
    absolute_high: float | None = None

    def __repr__(self) -> str:
        exact = self.low == self.high
        limits = "" if exact else f" {interval(self.low, self.high)}"
        rounds = f", {self.n} rounds" if self.n > 1 else ""
        return (
            f"<{self.probe}: {self.value:.1f} %{limits} of dense {amount(self.dense, self.unit)} "
            f"(measured {amount(self.score, self.unit)}){rounds}>"
        )


def of_both(compressed: Mapping[str, float], dense: Mapping[str, float]) -> dict[str, float]:
    """The details of a gain: all of the compressed side, then all of the dense one."""
    return {**compressed, **{f"dense.{name}": value for name, value in dense.items()}}


def gain_of_figures(
    probe: Probe,
    score: float,
    dense: float,
    *,
    error: float = 0.0,
    own_error: float = 0.0,
    details: Mapping[str, float] | None = None,
    expected_gain: float | None = None,
) -> Gain:
    """The gain of a count, such as bytes, whose only noise is the relative `error` of the ratio.

    `own_error` is that of the compressed checkpoint's figure alone. Raises ScoringError for a
    figure that has no ratio.
    """
    for whose, figure in (("compressed", score), ("dense", dense)):
        if not 0 < figure < math.inf:
            raise ScoringError(
                f"probe {probe.name}: no ratio can be taken, since the {whose} checkpoint "
                f"has {figure} {probe.unit}"
            )
    value = 100.0 * (score / dense if probe.higher_is_better else dense / score)
    return Gain(
        probe=probe.name,
        unit=probe.unit,
        score=score,
        dense=dense,
        value=value,
        low=value * (1.0 - error),
        high=value * (1.0 + error),
        details=details or {},
        expected_gain=expected_gain,
        absolute=score,
        absolute_low=score * (1.0 - own_error),
        absolute_high=score * (1.0 + own_error),
    )


def gain_of_rounds(probe: Probe, rounds: Rounds, *, expected_gain: float | None = None) -> Gain:
    """The gain of a timing, paired by round: of all rounds together, or typically within one.

    Raises SpecError if the probe is not timed, ScoringError if a round lacks its times.
    """
    from unicomp.statistics import ratio_of_pairs, ratio_of_totals

    if not probe.timed:
        raise SpecError(f"probe {probe.name}: {probe.quantity} is counted, not timed")
    compressed = _side_of_rounds(probe, rounds.load, rounds.compressed, rounds.compressed_joules)
    dense = _side_of_rounds(probe, rounds.load, rounds.dense, rounds.dense_joules)
    ratio = ratio_of_totals if probe.quantity == "throughput" else ratio_of_pairs
    return _timed_gain(
        probe, compressed, dense, ratio, alone=rounds.alone, expected_gain=expected_gain
    )


def gain_of_bench(probe: Probe, compressed: Benched, dense: Benched) -> Gain:
    """The gain that vLLM's own benchmark measured; of the dense one if both are one object.

    The benchmark ran for one checkpoint after the other: the gain contains noise between the two
    runs, and the interval does not cover it. A single figure of each has no finite interval, and
    meets no floor above 0. Raises SpecError if the probe is not one of a benchmark.
    """
    from unicomp.statistics import ratio_of_samples

    if not probe.bench:
        raise SpecError(f"probe {probe.name} cannot be measured by vllm bench")
    one, other = (_side_of_bench(probe, side) for side in (compressed, dense))
    return _timed_gain(probe, one, other, ratio_of_samples, alone=compressed is dense)


@dataclass(frozen=True)
class _Side:
    """The time of one checkpoint."""

    seconds: NDArray[np.float64]
    """For each round or figure, shape (n,); the ratio is taken of these."""
    score: float
    absolute: Interval
    """What a limit judges, in the probe's unit."""
    details: Mapping[str, float]


def _timed_gain(
    probe: Probe,
    compressed: _Side,
    dense: _Side,
    ratio: Callable[[NDArray[np.float64], NDArray[np.float64]], Interval],
    *,
    alone: bool,
    expected_gain: float | None = None,
) -> Gain:
    """Dense seconds over compressed seconds; exactly 1 where the dense one is measured alone."""
    from unicomp import statistics

    interval = statistics.Interval(1.0, 1.0, 1.0)
    if not alone:
        interval = statistics.blurred(ratio(dense.seconds, compressed.seconds), LOADING_ERROR)
    return Gain(
        probe=probe.name,
        unit=probe.unit,
        score=compressed.score,
        dense=dense.score,
        value=100.0 * interval.estimate,
        low=100.0 * interval.low,
        high=100.0 * interval.high,
        n=min(len(compressed.seconds), len(dense.seconds)),
        details=of_both(compressed.details, dense.details),
        expected_gain=expected_gain,
        absolute=compressed.absolute.estimate,
        absolute_low=compressed.absolute.low,
        absolute_high=compressed.absolute.high,
    )


def _absolute(probe: Probe, seconds: NDArray[np.float64], tokens: float) -> Interval:
    """The value of the median round, in the probe's unit; a round has `tokens`."""
    from unicomp import statistics

    found = statistics.blurred(statistics.median_in_order(seconds), LOADING_ERROR)
    if probe.quantity != "throughput":
        return found
    least, most = (tokens / one if one > 0 else math.inf for one in (found.high, found.low))
    return statistics.Interval(tokens / found.estimate, least, most)


def _side_of_rounds(
    probe: Probe, load: Load, timings: Sequence[Timing], joules: float | None
) -> _Side:
    import numpy as np

    rounds = [np.asarray(_TIMES[probe.quantity](timing)) for timing in timings]
    times = np.concatenate(rounds)
    # tokens of a busy server arrive in bursts, with no time between some of them
    by_round = np.array([np.mean(times) if len(times) else 0.0 for times in rounds])
    if not np.all((by_round > 0) & (by_round < math.inf)):
        raise ScoringError(f"probe {probe.name}: not every round has a {probe.quantity}")
    total = math.fsum(timing.seconds for timing in timings)
    details = _percentiles(times)
    score = float(np.median(by_round))
    if probe.quantity == "throughput":
        score = len(timings) * load.tokens / total
        slow = zip(("median", "p5", "p1"), details.values(), strict=True)
        details = {name: load.tokens / seconds for name, seconds in slow}
    generated = len(timings) * load.concurrency * load.new_tokens
    details["generated_tokens_per_second"] = generated / total
    if joules is not None:
        details["joules_per_token"] = joules / generated
    return _Side(by_round, score, _absolute(probe, by_round, load.tokens), details)


def _side_of_bench(probe: Probe, benched: Benched) -> _Side:
    import numpy as np

    seconds = np.asarray(benched.seconds)
    per_token = seconds / benched.tokens
    absolute = _absolute(probe, seconds, benched.tokens)
    if probe.quantity == "throughput":
        return _Side(per_token, float(1.0 / np.median(per_token)), absolute, {})
    return _Side(per_token, float(np.median(seconds)), absolute, _percentiles(seconds))


def _percentiles(seconds: NDArray[np.float64]) -> dict[str, float]:
    import numpy as np

    found = np.percentile(seconds, [50, 95, 99])
    return dict(zip(("median", "p95", "p99"), map(float, found), strict=True))
