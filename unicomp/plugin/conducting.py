"""Timed rounds are run by pytest-benchmark if the engine is in this process.

Its storage, comparison and histograms then work on them. Timings are valid for one machine only:
comparing them with those of another machine is refused.
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
"""Options of pytest-benchmark that need the timings of the current run."""
_CHOOSING = ("benchmark_only", "benchmark_skip")
"""Its options that select tests which use its fixture."""
_MACHINE = "unicomp"
"""The key of the machine's fingerprint in the files of pytest-benchmark."""


def conductor(request: pytest.FixtureRequest, engine: EngineSettings) -> Conduct:
    """Choose who runs the rounds of a test: pytest-benchmark, or a plain loop for a server.

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
    """Whether pytest-benchmark needs timings of this run, so that stored ones are not used."""
    if _timed_elsewhere(config):
        return False
    return any(config.getoption(option, None) for option in (*_STORING, "benchmark_only"))


def _timed_elsewhere(config: pytest.Config) -> bool:
    """Whether a server or a node of a cluster is timed, and pytest-benchmark times nothing."""
    settings = config.stash[PLAN].settings
    return settings.engine.serves or settings.cluster.address is not None


def ask_for_benchmark(config: pytest.Config, timed: Iterable[pytest.Item]) -> None:
    """Let the selecting options of pytest-benchmark, if given, choose the timed tests.

    No test requests its fixture by name, since only the first test of a load uses it.
    """
    if hasattr(config, "workerinput") or _timed_elsewhere(config):
        return
    if any(config.getoption(option, None) for option in _CHOOSING):
        for item in timed:  # the list is shared with other tests
            item.fixturenames = [*item.fixturenames, "benchmark"]  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Describe the machine that the timings are valid for, without its network name."""
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
