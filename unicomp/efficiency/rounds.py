"""Rounds: two loaded checkpoints answer the same fresh prompts in turn, and are timed.

A temporary slowdown of the machine slows both sides of a round alike, so sides are compared within
rounds. The second side of a round finds a warmer chip, so each goes first in half of them. Which
half is drawn: with an alternating order, a periodic disturbance once fell in step and made one of
two equal sides slower by a quarter for forty rounds.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from unicomp.efficiency.energy import UNMETERED, Meter
from unicomp.efficiency.random_prompts import TokenPrompts, fresh_prompts
from unicomp.engines import Engine, Timing
from unicomp.errors import SpecError
from unicomp.spec import Load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Setup = Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]
"""Prepares a round and returns the arguments of the target; its time is not measured."""
Target = Callable[..., Timing]
"""The compressed checkpoint's turn of a round."""
Conduct = Callable[[Setup, Target, int], object]
"""Runs a setup and its target for a number of rounds: `in_a_loop`, or a benchmark tool that times
the target as well."""
OnRound = Callable[[int, int], None]
"""Called after each round with the rounds done and the rounds in all."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long to measure: as many rounds as fill the seconds, within limits."""

    warmup_rounds: int = 2
    """Rounds that do not count; the last one's duration decides the number of rounds."""
    least_rounds: int = 10
    """The fewest rounds that count."""
    least_seconds: float = 10.0
    """For both sides together."""
    most_rounds: int = 100
    """The most rounds that count."""

    def __post_init__(self) -> None:
        if self.warmup_rounds < 1:
            raise SpecError("warmup_rounds must be at least 1: the first answers are slower")
        if self.least_rounds < 2:
            raise SpecError("least_rounds must be at least 2: one round has no interval")
        if not 0 <= self.least_seconds < math.inf:
            raise SpecError(
                f"least_seconds = {self.least_seconds} is not a duration: give 0 or more"
            )
        if self.most_rounds < self.least_rounds:
            raise SpecError(
                f"most_rounds = {self.most_rounds} is less than least_rounds = {self.least_rounds}"
            )

    def rounds(self, seconds: float) -> int:
        """The number of rounds if one takes `seconds`.

        It is even, so that both sides go first equally often, unless it is an odd `most_rounds`.
        """
        enough = self.least_seconds / seconds if seconds > 0 else math.inf
        rounds = max(self.least_rounds, math.ceil(min(enough, self.most_rounds)))
        return min(rounds + rounds % 2, self.most_rounds)


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """The timings of both sides; the n-th of each answered the same prompts."""

    load: Load
    dense: tuple[Timing, ...]
    compressed: tuple[Timing, ...]
    """The same object as `dense` where the dense checkpoint was measured alone."""
    dense_joules: float | None = None
    """Energy of the dense one's turns; None where the machine does not report it."""
    compressed_joules: float | None = None

    def __post_init__(self) -> None:
        if len(self.dense) != len(self.compressed) or not self.dense:
            raise SpecError(
                f"{len(self.compressed)} timings cannot be paired with {len(self.dense)}"
            )

    def __len__(self) -> int:
        return len(self.dense)

    @property
    def alone(self) -> bool:
        """Whether the dense checkpoint was measured alone."""
        return self.compressed is self.dense

    def as_json(self) -> dict[str, Any]:
        """JSON values that `from_json` reads."""
        plain = asdict(self)
        if self.alone:
            del plain["compressed"]
        return plain

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The rounds that `as_json` wrote."""
        dense = _timings(values["dense"])
        return cls(
            load=Load(**values["load"]),
            dense=dense,
            compressed=_timings(values["compressed"]) if "compressed" in values else dense,
            dense_joules=values["dense_joules"],
            compressed_joules=values["compressed_joules"],
        )


def _timings(values: Sequence[Mapping[str, Any]]) -> tuple[Timing, ...]:
    return tuple(
        Timing(timing["seconds"], tuple(timing["first"]), tuple(timing["gaps"]))
        for timing in values
    )


def in_a_loop(setup: Setup, target: Target, rounds: int) -> None:
    """Run the rounds, and nothing else."""
    for _ in range(rounds):
        arguments, named = setup()
        target(*arguments, **named)


def interleave(
    dense: Engine | None,
    compressed: Engine,
    load: Load,
    vocabulary: NDArray[np.int64],
    effort: Effort,
    *,
    seed: int,
    conduct: Conduct = in_a_loop,
    meter: Meter = UNMETERED,
    on_round: OnRound = lambda done, rounds: None,
) -> Rounds:
    """Let both engines answer the same prompts, round by round, after a warm-up.

    Without `dense`, `compressed` is the dense checkpoint itself, and both sides of the rounds are
    the same. `vocabulary` holds the token ids of prompts, shape (tokens,); both checkpoints must
    know them. Equal seeds give equal prompts, and a server answers prompts that it has seen faster:
    one that stays up needs another seed for each measurement. Raises EngineError where a side does
    not answer, RuntimeError where `conduct` runs too few rounds.
    """
    turns = _Turns(compressed, dense, load, vocabulary, seed, meter)
    seconds = [turns.warm_up() for _ in range(effort.warmup_rounds)]
    rounds = effort.rounds(seconds[-1])
    turns.draw_order(rounds)
    turns.on_round = lambda done: on_round(min(done, rounds), rounds)
    conduct(turns.setup, turns.compressed.answer, rounds)
    turns.finish()
    if (run := len(turns.compressed.timings)) < rounds:
        raise RuntimeError(f"{run} of {rounds} rounds were conducted")
    # further rounds do not count: a profiler runs the target once more
    timings = tuple(turns.compressed.timings[:rounds])
    other = turns.dense or turns.compressed
    return Rounds(
        load=load,
        dense=timings if dense is None else tuple(other.timings[:rounds]),
        compressed=timings,
        dense_joules=other.energy(rounds),
        compressed_joules=turns.compressed.energy(rounds),
    )


@dataclass
class _Side:
    """An engine, with the times and joules of its turns."""

    engine: Engine
    timings: list[Timing] = field(default_factory=list)
    joules: list[float | None] = field(default_factory=list)

    def answer(self, prompts: TokenPrompts, new_tokens: int) -> Timing:
        """Take a turn of a round."""
        with _undisturbed():
            timing = self.engine.generate(prompts, new_tokens)
        self.timings.append(timing)
        return timing

    def energy(self, rounds: int) -> float | None:
        """Joules of the first `rounds` turns; None if those of a turn are not known."""
        known = [spent for spent in self.joules[:rounds] if spent is not None]
        return math.fsum(known) if len(known) == rounds else None


class _Turns:
    """Rounds in pieces, so that a benchmark tool can time the compressed side's turns only."""

    def __init__(
        self,
        compressed: Engine,
        dense: Engine | None,
        load: Load,
        vocabulary: NDArray[np.int64],
        seed: int,
        meter: Meter,
    ) -> None:
        self.on_round: Callable[[int], None] = lambda done: None
        self.compressed = _Side(compressed)
        self.dense = None if dense is None else _Side(dense)
        self._draw = (fresh_prompts(load, vocabulary, seed, number) for number in count())
        self._order: list[bool] = []
        self._prompts: TokenPrompts = []
        self._new_tokens = load.new_tokens
        self._seed = seed
        self._meter = meter
        self._open = False

    def warm_up(self) -> float:
        """Run a round that does not count; returns its seconds."""
        prompts = next(self._draw)
        start = time.perf_counter()
        for side in (self.compressed, self.dense):
            if side is not None:
                side.engine.generate(prompts, self._new_tokens)
        return time.perf_counter() - start

    def draw_order(self, rounds: int) -> None:
        """Draw the half of the rounds in which the dense side goes first."""
        import numpy as np

        rng = np.random.default_rng([self._seed, rounds])
        self._order = rng.permutation(np.arange(rounds) % 2 == 0).tolist()

    def setup(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Open a round: everything before the compressed side's turn."""
        self.finish()
        self._prompts = next(self._draw)
        if self._order[len(self.compressed.timings) % len(self._order)]:
            self._ask_dense()
        self._open = True
        self._meter.start()
        return (self._prompts, self._new_tokens), {}

    def finish(self) -> None:
        """Close an open round: everything after the compressed side's turn."""
        if not self._open:
            return
        self.compressed.joules.append(self._meter.stop())
        self._open = False
        done = len(self.compressed.timings)
        if self.dense is not None and len(self.dense.timings) < done:
            self._ask_dense()
        self.on_round(done)

    def _ask_dense(self) -> None:
        if self.dense is not None:
            self._meter.start()
            self.dense.answer(self._prompts, self._new_tokens)
            self.dense.joules.append(self._meter.stop())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Switch garbage collection and tracing off, for both sides alike.

    A benchmark tool may do so for the target, which is the compressed side only.
    """
    collecting, tracer = gc.isenabled(), sys.gettrace()
    gc.disable()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)
        if collecting:
            gc.enable()
