"""How timed rounds are run: by pytest-benchmark where the engine is in this process.

Its storage, comparison and histograms then work on them. They hold for one machine: comparing with
those of another is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from unicomp.efficiency.fingerprint import check_same_machine, fingerprint_of
from unicomp.efficiency.rounds import Conduct, Setup, Target, in_a_loop
from unicomp.engines import EngineSettings
from unicomp.errors import SpecError
from unicomp.plugin.options import PLAN

_STORING = ("benchmark_save", "benchmark_autosave", "benchmark_json", "benchmark_compare")
"""Options of pytest-benchmark that want the timings of this very run."""
_CHOOSING = ("benchmark_only", "benchmark_skip")
"""Those that choose tests by whether they ask for its fixture."""
_MACHINE = "unicomp"
"""Where the fingerprint of the machine stands in what pytest-benchmark writes."""


def conductor(request: pytest.FixtureRequest, engine: EngineSettings) -> Conduct:
    """Who runs the rounds of a test; a server's are timed by its client alone.

    pytest-benchmark takes one benchmark for each test, so it gets the first load of a test.
    """
    if engine.serves or not request.config.pluginmanager.hasplugin("benchmark"):
        return in_a_loop
    unused = [True]

    def conduct(setup: Setup, target: Target, rounds: int) -> None:
        if not unused:
            in_a_loop(setup, target, rounds)
            return
        unused.clear()
        benchmark = request.getfixturevalue("benchmark")
        if benchmark.disabled:  # it would run a single round
            benchmark.pedantic(in_a_loop, args=(setup, target, rounds))
        else:
            benchmark.pedantic(target, setup=setup, rounds=rounds)

    return conduct


def wants_fresh_timings(config: pytest.Config) -> bool:
    """Whether timings of an earlier run are of no use: pytest-benchmark is to have this one's."""
    if config.stash[PLAN].settings.engine.serves:
        return False
    return any(config.getoption(option, None) for option in (*_STORING, "benchmark_only"))


def ask_for_benchmark(config: pytest.Config, timed: Iterable[pytest.Item]) -> None:
    """Have the tests that are timed chosen by pytest-benchmark's options, where they are given.

    Its fixture is asked for by no name in a test, since only the first test of a load uses it.
    """
    if hasattr(config, "workerinput") or config.stash[PLAN].settings.engine.serves:
        return
    if any(config.getoption(option, None) for option in _CHOOSING):
        for item in timed:  # the list is shared with other tests
            item.fixturenames = [*item.fixturenames, "benchmark"]  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Say what the timings hold for; the name of the machine is nobody's business."""
    machine_info[_MACHINE] = fingerprint_of(config.stash[PLAN].settings.engine)
    machine_info.pop("node", None)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_compare_machine_info(
    machine_info: Mapping[str, Any], compared_benchmark: Mapping[str, Any]
) -> None:
    """Refuse to compare with timings of another machine."""
    then = compared_benchmark.get("machine_info", {}).get(_MACHINE, {})
    try:
        check_same_machine(machine_info[_MACHINE], then, "what pytest-benchmark has saved")
    except SpecError as error:
        raise pytest.UsageError(str(error)) from None
