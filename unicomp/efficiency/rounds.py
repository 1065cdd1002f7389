"""Rounds: two loaded checkpoints answer the same fresh prompts in turn, and are timed.

What slows a machine for a while slows both sides of a round alike, so it is the rounds that are
compared. Each side goes first in one half of them, as the second one finds a warmer chip, and which
half that is is drawn: what disturbs a machine now and then was seen to fall in step with an order
that alternates, and to make one of two equal sides the slower by a quarter for forty rounds.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from unicomp.efficiency.energy import UNMETERED, Meter
from unicomp.engines import Engine, Timing
from unicomp.errors import SpecError
from unicomp.spec import Load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Prompts = list[list[int]]
Setup = Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]
"""Gets a round ready and returns the arguments of the target; its time counts nowhere."""
Target = Callable[..., Timing]
"""The compressed checkpoint's turn of a round."""
Conduct = Callable[[Setup, Target, int], object]
"""Runs `target` with what `setup` returns, as often as it is told: `in_a_loop`, or one who times
the target as well."""
Progress = Callable[[int, int], None]
"""Is told how many rounds are done, and of how many."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long is measured: as many rounds as fill the seconds, within limits."""

    warmup_rounds: int = 2
    """Rounds that do not count; from the last one's duration the number of rounds is told."""
    least_rounds: int = 10
    least_seconds: float = 10.0
    """Of both sides together."""
    most_rounds: int = 100

    def __post_init__(self) -> None:
        if self.warmup_rounds < 1:
            raise SpecError("warmup_rounds must be at least 1: the first answers are slower")
        if self.least_rounds < 2:
            raise SpecError("least_rounds must be at least 2: one round has no interval")
        if not 0 <= self.least_seconds < math.inf:
            raise SpecError(f"least_seconds = {self.least_seconds} is no duration")
        if self.most_rounds < self.least_rounds:
            raise SpecError(
                f"most_rounds = {self.most_rounds} is less than least_rounds = {self.least_rounds}"
            )

    def rounds(self, seconds: float) -> int:
        """The number of rounds if one takes `seconds`: even, so that each side goes first as often
        as the other, unless `most_rounds` is odd and reached.
        """
        enough = self.least_seconds / seconds if seconds > 0 else math.inf
        rounds = max(self.least_rounds, math.ceil(min(enough, self.most_rounds)))
        return min(rounds + rounds % 2, self.most_rounds)


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """What both sides took: the n-th of the one and the n-th of the other answered the same."""

    load: Load
    dense: tuple[Timing, ...]
    compressed: tuple[Timing, ...]
    """The very tuple `dense` where the dense checkpoint was measured alone."""
    dense_joules: float | None = None
    """What the machine spent during the dense one's turns; None where it does not tell."""
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


def ordinary_tokens(size: int, special: Sequence[int]) -> NDArray[np.int64]:
    """The ids below `size` that are not special: what prompts are drawn from."""
    import numpy as np

    tokens = np.setdiff1d(np.arange(size), np.asarray(special, dtype=np.int64))
    if not len(tokens):
        raise SpecError(f"a vocabulary of {size} tokens has none that is not special")
    return tokens


def fresh_prompts(load: Load, vocabulary: NDArray[np.int64], seed: int, number: int) -> Prompts:
    """The prompts of round `number`: token ids drawn uniformly, the same ones whenever it is asked.

    Every round has its own, as a server remembers the beginnings of prompts.
    """
    import numpy as np

    rng = np.random.default_rng([seed, number])
    drawn = rng.choice(vocabulary, size=(load.concurrency, load.prompt_tokens))
    prompts: Prompts = drawn.tolist()
    return prompts


def in_a_loop(setup: Setup, target: Target, rounds: int) -> None:
    """Conduct the rounds with nothing around them."""
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
    progress: Progress = lambda done, rounds: None,
) -> Rounds:
    """Both engines answer the same prompts, round by round; each is warm before it counts.

    With no engine of the dense checkpoint, the other one is the dense one itself: both sides of its
    rounds are one.

    `vocabulary` holds the token ids that prompts are made of, shape (tokens,); both checkpoints
    must know them. A `seed` gives the same prompts every time, and a server that has seen them
    answers faster: one that stays up needs another seed for each measurement. Raises EngineError
    where a side does not answer.
    """
    turns = _Turns(load, vocabulary, seed, compressed, dense, meter)
    rounds = _conducted(turns, effort, conduct, progress)
    timings = tuple(turns.compressed[:rounds])
    joules = _sum(turns.compressed_joules[:rounds])
    return Rounds(
        load=load,
        dense=timings if dense is None else tuple(turns.dense[:rounds]),
        compressed=timings,
        dense_joules=joules if dense is None else _sum(turns.dense_joules[:rounds]),
        compressed_joules=joules,
    )


def _conducted(turns: _Turns, effort: Effort, conduct: Conduct, progress: Progress) -> int:
    """Warm up and have the rounds run; returns how many count.

    Those that come after are no measurements: one who profiles the target runs it once more.
    """
    seconds = [turns.warm_up() for _ in range(effort.warmup_rounds)]
    rounds = effort.rounds(seconds[-1])
    turns.draw_order(rounds)
    turns.on_round = lambda done: progress(min(done, rounds), rounds)
    conduct(turns.setup, turns.target, rounds)
    turns.finish()
    if (run := len(turns.compressed)) < rounds:
        raise RuntimeError(f"{run} of {rounds} rounds were conducted")
    return rounds


class _Turns:
    """Rounds, cut in such a way that another's clock may run while the compressed one answers."""

    def __init__(
        self,
        load: Load,
        vocabulary: NDArray[np.int64],
        seed: int,
        compressed: Engine,
        dense: Engine | None,
        meter: Meter,
    ) -> None:
        self.on_round: Callable[[int], None] = lambda done: None
        self.dense: list[Timing] = []
        self.compressed: list[Timing] = []
        self.dense_joules: list[float | None] = []
        self.compressed_joules: list[float | None] = []
        self._draw = (fresh_prompts(load, vocabulary, seed, number) for number in count())
        self._order: list[bool] = []
        self._prompts: Prompts = []
        self._new_tokens = load.new_tokens
        self._seed = seed
        self._sides = compressed, dense
        self._meter = meter
        self._open = False

    def warm_up(self) -> float:
        """One round that does not count; returns its seconds."""
        prompts = next(self._draw)
        start = time.perf_counter()
        for side in self._sides:
            if side is not None:
                side.generate(prompts, self._new_tokens)
        return time.perf_counter() - start

    def draw_order(self, rounds: int) -> None:
        """Draw the rounds in which the dense one goes first: every other one, shuffled."""
        import numpy as np

        rng = np.random.default_rng([self._seed, rounds])
        self._order = rng.permutation(np.arange(rounds) % 2 == 0).tolist()

    def setup(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Open a round: what comes before the compressed one's turn."""
        self.finish()
        self._prompts = next(self._draw)
        if self._order[len(self.compressed) % len(self._order)]:
            self._ask_dense()
        self._open = True
        self._meter.start()
        return (self._prompts, self._new_tokens), {}

    def target(self, prompts: Prompts, new_tokens: int) -> Timing:
        """The compressed one's turn."""
        with _undisturbed():
            timing = self._sides[0].generate(prompts, new_tokens)
        self.compressed.append(timing)
        return timing

    def finish(self) -> None:
        """Close the round that is open, if one is: what comes after the compressed one's turn."""
        if not self._open:
            return
        self.compressed_joules.append(self._meter.stop())
        self._open = False
        if len(self.dense) < len(self.compressed):
            self._ask_dense()
        self.on_round(len(self.compressed))

    def _ask_dense(self) -> None:
        dense = self._sides[1]
        if dense is None:
            return
        self._meter.start()
        with _undisturbed():
            timing = dense.generate(self._prompts, self._new_tokens)
        self.dense.append(timing)
        self.dense_joules.append(self._meter.stop())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No garbage is collected and nothing is traced.

    One who conducts may see to that for the target; it has to be so for both sides or for none.
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


def _sum(joules: Sequence[float | None]) -> float | None:
    known = [spent for spent in joules if spent is not None]
    return math.fsum(known) if known and len(known) == len(joules) else None
