"""How timed rounds are run: by pytest-benchmark where the engine is in this process."""

from __future__ import annotations

import pytest

from unicomp.efficiency.rounds import Conduct, Setup, Target, in_a_loop
from unicomp.engines import EngineSettings

_STORING = ("benchmark_save", "benchmark_autosave", "benchmark_json", "benchmark_compare")
"""Options of pytest-benchmark that want the timings of this very run."""


def conductor(request: pytest.FixtureRequest, engine: EngineSettings) -> Conduct:
    """Who runs the rounds of a test; a server's are timed by its client alone."""
    if engine.serves:
        return in_a_loop

    def conduct(setup: Setup, target: Target, rounds: int) -> None:
        benchmark = request.getfixturevalue("benchmark")
        if benchmark.enabled:
            benchmark.pedantic(target, setup=setup, rounds=rounds, iterations=1)
        else:
            in_a_loop(setup, target, rounds)

    return conduct


def wants_fresh_timings(config: pytest.Config) -> bool:
    """Whether timings of an earlier run are of no use: pytest-benchmark is to have this one's."""
    return any(config.getoption(option, None) for option in _STORING)
