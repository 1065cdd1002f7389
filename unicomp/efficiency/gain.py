"""Gain: what a compressed checkpoint costs beside the dense one, oriented so that more is better.

A gain of 200 % is twice the throughput, half the time, or half the bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unicomp.efficiency.amount import amount
from unicomp.efficiency.rounds import Rounds
from unicomp.engines import Benched, Timing
from unicomp.errors import ScoringError, SpecError
from unicomp.spec import Load, Probe, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unicomp.statistics import Interval

LOADING_ERROR = 0.005
"""Standard deviation of the ratio of two loadings of the very same checkpoint, as seen in
the time from one token to the next, with an embedded model on a quiet machine. One lies better in
memory than the other, and no number of rounds makes up for it: no interval of a timing is narrower
than 1 % to either side."""

_TIMES: Mapping[str, Callable[[Timing], Sequence[float]]] = {
    "throughput": lambda timing: (timing.seconds,),
    "latency": lambda timing: (timing.seconds,),
    "time_to_first_token": lambda timing: timing.first,
    "inter_token_latency": lambda timing: timing.gaps,
}


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A compressed checkpoint's efficiency in percent of the dense one's, with its 95 % interval.

    `score` and `dense` are in the probe's own unit and direction. Of times they are medians over
    the rounds, of what each took on average, while `value` comes from the ratios within the rounds,
    which what disturbs both sides of a round does not reach: it need not be their very quotient.

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
    """Rounds, or figures that vLLM's benchmark told of a checkpoint; 0 of what was counted rather
    than timed, which is exact."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Further figures by name, and the dense one's as `dense.NAME`. Of times `median`, `p95` and
    `p99` over all of them, of throughput `median`, `p5` and `p1` over the rounds;
    `generated_tokens_per_second`; `joules_per_token`, all that was spent for each generated token,
    where the machine counts its energy."""
    expected_gain: float | None = None
    """The gain that the format would have where all of it is made use of, in percent."""

    def __repr__(self) -> str:
        exact = self.low == self.high
        limits = "" if exact else f" {written_interval(self.low, self.high)}"
        rounds = f", {self.n} rounds" if self.n > 1 else ""
        return (
            f"<{self.probe}: {self.value:.1f} %{limits} of dense {amount(self.dense, self.unit)} "
            f"(measured {amount(self.score, self.unit)}){rounds}>"
        )


def written_interval(low: float, high: float) -> str:
    """The limits in percent, or that there are none."""
    return f"[{low:.1f}, {high:.1f}]" if math.isfinite(high) else "(no interval)"


def gain_of_figures(
    probe: Probe,
    score: float,
    dense: float,
    *,
    expected_gain: float | None = None,
    error: float = 0.0,
) -> Gain:
    """The gain of what is counted, such as bytes, which has no noise but a relative `error`.

    Raises ScoringError.
    """
    for whose, figure in (("compressed", score), ("dense", dense)):
        if not 0 < figure < math.inf:
            raise ScoringError(
                f"probe {probe.name}: there is no ratio with {figure} {probe.unit} of the {whose} "
                "checkpoint"
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
        expected_gain=expected_gain,
    )


def gain_of_rounds(probe: Probe, rounds: Rounds, *, expected_gain: float | None = None) -> Gain:
    """The gain of what is timed, paired by round.

    Raises SpecError if the probe is not timed, ScoringError if the rounds have no such times.
    """
    if not probe.timed:
        raise SpecError(f"probe {probe.name}: {probe.quantity} is counted, not timed")
    compressed = _side(probe, rounds.load, rounds.compressed, rounds.compressed_joules)
    dense = _side(probe, rounds.load, rounds.dense, rounds.dense_joules)
    interval = _interval(probe, compressed, dense, alone=rounds.alone)
    return Gain(
        probe=probe.name,
        unit=probe.unit,
        score=compressed.score,
        dense=dense.score,
        value=100.0 * interval.estimate,
        low=100.0 * interval.low,
        high=100.0 * interval.high,
        n=len(rounds),
        details={**compressed.details, **{f"dense.{k}": v for k, v in dense.details.items()}},
        expected_gain=expected_gain,
    )


def gain_of_bench(probe: Probe, compressed: Benched, dense: Benched) -> Gain:
    """The gain in what vLLM's own benchmark told; `compressed` may be the very same as `dense`.

    The two ran one after the other: what slowed the machine for a while is in the gain, and its
    interval knows nothing of it. One figure of each has an interval without end, and meets no
    floor above 0. Raises SpecError if the probe is not one of a benchmark.
    """
    import numpy as np

    from unicomp import statistics

    if not probe.bench:
        raise SpecError(f"probe {probe.name} is not taken by vllm bench")
    sides = (compressed, dense)
    per_token = [np.asarray(side.seconds) / side.tokens for side in sides]
    interval = statistics.Interval(1.0, 1.0, 1.0)
    if compressed is not dense:
        ratio = statistics.ratio_of_samples(per_token[1], per_token[0])
        interval = statistics.blurred(ratio, LOADING_ERROR)
    details: dict[str, float] = {}
    if probe.quantity == "throughput":
        scores = [float(1.0 / np.median(seconds)) for seconds in per_token]
    else:
        scores = [float(np.median(side.seconds)) for side in sides]
        for whose, side in zip(("", "dense."), sides, strict=True):
            median, p95, p99 = np.percentile(side.seconds, [50, 95, 99])
            found = {"median": median, "p95": p95, "p99": p99}
            details |= {f"{whose}{name}": float(figure) for name, figure in found.items()}
    return Gain(
        probe=probe.name,
        unit=probe.unit,
        score=scores[0],
        dense=scores[1],
        value=100.0 * interval.estimate,
        low=100.0 * interval.low,
        high=100.0 * interval.high,
        n=min(len(side.seconds) for side in sides),
        details=details,
    )


@dataclass(frozen=True)
class _Side:
    """What one checkpoint took."""

    seconds: NDArray[np.float64]
    """Of each round, shape (rounds,): what its ratio is taken of."""
    score: float
    details: Mapping[str, float]


def _side(probe: Probe, load: Load, timings: Sequence[Timing], joules: float | None) -> _Side:
    import numpy as np

    rounds = [np.asarray(_TIMES[probe.quantity](timing)) for timing in timings]
    times = np.concatenate(rounds)
    # tokens of a busy server arrive in bursts, with no time between some of them
    by_round = np.array([np.mean(times) if len(times) else 0.0 for times in rounds])
    if not np.all((by_round > 0) & (by_round < math.inf)):
        raise ScoringError(f"probe {probe.name}: its rounds have no {probe.quantity} each")
    details: dict[str, float]
    total = math.fsum(timing.seconds for timing in timings)
    if probe.quantity == "throughput":
        score = len(timings) * load.tokens / total
        median, p5, p1 = load.tokens / np.percentile(times, [50, 95, 99])
        details = {"median": median, "p5": p5, "p1": p1}
    else:
        score = np.median(by_round)
        median, p95, p99 = np.percentile(times, [50, 95, 99])
        details = {"median": median, "p95": p95, "p99": p99}
    generated = len(timings) * load.concurrency * load.new_tokens
    details["generated_tokens_per_second"] = generated / total
    if joules is not None:
        details["joules_per_token"] = joules / generated
    plain = {name: float(figure) for name, figure in details.items()}
    return _Side(by_round, float(score), plain)


def _interval(probe: Probe, compressed: _Side, dense: _Side, *, alone: bool) -> Interval:
    """Dense seconds over compressed seconds: of all rounds together, or typically within one."""
    from unicomp import statistics

    if alone:
        return statistics.Interval(1.0, 1.0, 1.0)
    ratio = statistics.ratio_of_pairs
    if probe.quantity == "throughput":
        ratio = statistics.ratio_of_totals
    return statistics.blurred(ratio(dense.seconds, compressed.seconds), LOADING_ERROR)
