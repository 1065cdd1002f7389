"""pytest-benchmark can conduct the rounds: its clock runs while the compressed one answers.

What is relied on of it, and what it does when it is switched off.
"""

import json

import numpy  # noqa: F401  (pytester unloads what its sessions load first, and that cannot be)
import pytest

CONFTEST = """
import os

import pytest

from unicomp.efficiency.rounds import Effort, in_a_loop, interleave, ordinary_tokens
from unicomp.engines import Timing
from unicomp.spec import Load


class Engine:
    def __init__(self, name, log):
        self.name, self.log = name, log

    def generate(self, prompts, new_tokens):
        self.log.append(self.name)
        return Timing(0.5, (0.1,), (0.2,))


@pytest.fixture
def rounds(request):
    def measure():
        benchmark = request.getfixturevalue("benchmark")

        def conduct(setup, target, rounds):
            if benchmark.disabled:  # it would run a single round
                benchmark.pedantic(in_a_loop, args=(setup, target, rounds))
            else:
                benchmark.pedantic(target, setup=setup, rounds=rounds)

        benchmark.group = "latency of m"
        benchmark.extra_info["gain"] = 104.2
        log = []
        effort = Effort(warmup_rounds=1, least_rounds=6, least_seconds=0, most_rounds=6)
        load = Load(prompt_tokens=3, new_tokens=2)
        found = interleave(
            Engine("dense", log),
            Engine("compressed", log),
            load,
            ordinary_tokens(50, [0]),
            effort,
            seed=0,
            conduct=conduct,
        )
        assert log.count("dense") > len(found)  # one more to get warm
        return found

    return measure


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if config.getoption("dist", "no") != "no" or "PYTEST_XDIST_WORKER" in os.environ:
        return
    for item in items:
        if "rounds" in item.fixturenames and item.callspec.params["timed"]:
            item.fixturenames = [*item.fixturenames, "benchmark"]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["unicomp"] = {"machine": os.environ["MACHINE"]}


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_compare_machine_info(config, machine_info, compared_benchmark):
    if compared_benchmark["machine_info"].get("unicomp") != machine_info["unicomp"]:
        raise pytest.UsageError("the timings are of another machine")
"""

TESTS = """
import pytest

@pytest.mark.parametrize("timed", [True, False], ids=["timed", "counted"])
def test_efficiency(timed, rounds):
    assert not timed or len(rounds()) == 6

def test_other():
    pass
"""


@pytest.fixture
def session(pytester, monkeypatch):
    monkeypatch.setenv("MACHINE", "one")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=TESTS)

    def run(*arguments):
        return pytester.runpytest_inprocess("-p", "no:unicomp", "-q", *arguments)

    return run


def written(path):
    (benchmark,) = json.loads(path.read_text())["benchmarks"]
    return benchmark


def test_the_rounds_are_in_what_it_writes(session, pytester):
    session("--benchmark-json=out.json").assert_outcomes(passed=3)
    kept = written(pytester.path / "out.json")
    assert kept["name"] == "test_efficiency[timed]"
    assert kept["group"] == "latency of m"
    assert kept["extra_info"] == {"gain": 104.2}
    assert kept["stats"]["rounds"] == len(kept["stats"]["data"]) == 6
    assert kept["stats"]["iterations"] == 1
    assert json.loads((pytester.path / "out.json").read_text())["machine_info"]["unicomp"]


def test_what_was_saved_is_compared_with(session):
    session("--benchmark-autosave").assert_outcomes(passed=3)
    result = session("--benchmark-compare")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*benchmark 'latency of m': 2 tests*", "*(NOW)*"])


def test_what_was_saved_on_another_machine_is_refused_in_one_line(session, monkeypatch):
    session("--benchmark-autosave")
    monkeypatch.setenv("MACHINE", "other")
    result = session("--benchmark-compare")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: the timings are of another machine"])


def test_a_profile_adds_no_round(session):
    session("--benchmark-cprofile=tottime").assert_outcomes(passed=3)


def test_switched_off_it_measures_all_the_same_and_is_silent(session, pytester):
    result = session("--benchmark-disable", "--benchmark-json=out.json")
    result.assert_outcomes(passed=3)
    assert not (pytester.path / "out.json").exists()


def test_many_processes_are_no_reason_for_a_warning(session):
    result = session("-n", "2")
    result.assert_outcomes(passed=3)
    assert "xdist plugin is active" not in result.stdout.str() + result.stderr.str()


def test_only_benchmarks_are_the_timed_ones(session):
    session("--benchmark-only").assert_outcomes(passed=1, skipped=2)


def test_benchmarks_that_are_skipped_are_the_timed_ones(session):
    session("--benchmark-skip").assert_outcomes(passed=2, skipped=1)


def test_without_it_nothing_else_breaks(session):
    session("-p", "no:benchmark", "-k", "counted or other").assert_outcomes(passed=2, deselected=1)
