"""A benchmark is found however a test gets it; its row may come while the test runs."""

import pytest

from tests.plugin.conftest import Gate
from tests.plugin.test_isolation import EASY

FEW = ("--samples=40", "--method=dense", "--method=wanda_50")
MINE = """
from pathlib import Path

import pytest
from unicomp import Benchmark, Mean, TaskMetric


def make(name, metric="knowledge"):
    return Benchmark(name=name, metric=metric, scorer=TaskMetric("acc,none"), aggregate=Mean(),
                     task=Path(__file__).with_name("easy.yaml"))
"""
WAYS = {
    "module_name": """
mine = make("module_name")
def test_mine(retention):
    assert retention(mine) >= 10
""",
    "parameter": """
@pytest.mark.parametrize("bench", [make("parameter")], ids=str)
def test_mine(bench, retention):
    assert retention(bench) >= 10
""",
    "loop": """
BENCHES = [make("loop"), make("loop_too")]
def test_mine(retention):
    for bench in BENCHES:
        assert retention(bench) >= 10
""",
    "helper_function": """
def test_mine(retention):
    assert retention(make("helper_function")) >= 10
""",
    "fixture": """
@pytest.fixture
def bench():
    return make("fixture")
def test_mine(bench, retention):
    assert retention(bench) >= 10
""",
    "parameter_of_a_fixture": """
@pytest.fixture(params=[make("parameter_of_a_fixture")], ids=str)
def bench(request):
    return request.param
def test_mine(bench, retention):
    assert retention(bench) >= 10
""",
    "maker_of_tests": """
def make_test(bench):
    def test(retention):
        assert retention(bench) >= 10
    return test
test_mine = make_test(make("maker_of_tests"))
""",
    "attribute_of_a_class": """
class TestMine:
    bench = make("attribute_of_a_class")
    def test_mine(self, retention):
        assert retention(self.bench) >= 10
""",
}
FAULTY = {
    "too_much": """
def test_too_much(retention):
    assert retention(make("too_much")) >= 150
""",
    "nothing": """
def test_nothing(retention):
    pass
""",
    "another": """
@pytest.mark.parametrize("bench", [make("never_asked")], ids=str)
def test_another(bench, retention):
    assert retention(make("another")) >= 10
""",
    "broken": """
def test_broken(retention):
    raise KeyError("no such table")
""",
    "text": """
def test_text(retention):
    assert retention("gsm8k") >= 10
""",
    "twice": """
def test_twice(retention):
    assert retention(make("twice")) >= 10
    assert retention(make("twice", metric="reasoning")) >= 10
""",
}


def gate_of(folder, home, python, files):
    """A folder of the user's own: an empty unicomp.toml and test files, no suites."""
    gate = Gate(folder, home, python)
    gate.write("unicomp.toml", "")
    gate.write("pytest.ini", "[pytest]\naddopts = --import-mode=importlib --tb=short\n")
    gate.write("easy.yaml", EASY)
    for name, text in files.items():
        gate.write(f"test_{name}.py", MINE + text)
    return gate


@pytest.fixture(scope="module")
def ways(tmp_path_factory, shared_home, warm_python):
    return gate_of(tmp_path_factory.mktemp("ways"), shared_home, warm_python, WAYS)


@pytest.fixture(scope="module")
def found(ways):
    """One run of all ways, with a floor of a name that no collected test has as a parameter."""
    return ways.run(*FEW, "--floor=helper_function=12", ".")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory, shared_home, warm_python):
    gate = gate_of(tmp_path_factory.mktemp("faulty"), shared_home, warm_python, FAULTY)
    return gate.run("--samples=40", "--method=dense", "--floor=mien=12", ".")


def rows_of(run, table, name):
    return [row for row in run.card[table] if row["benchmark"] == name]


@pytest.mark.parametrize("way", WAYS)
def test_a_benchmark_is_found_however_the_test_gets_it(found, way):
    for name in (way, "loop_too") if way == "loop" else (way,):
        rows = rows_of(found, "scores", name)
        assert [row["method"] for row in rows] == ["dense", "wanda_50"]
        assert {(row["verdict"], row["floor"]) for row in rows} == {("pass", 10.0)}


def test_nothing_is_missing_and_the_gate_opens(found):
    assert found.status == 0, found.text
    assert found.card["missing"] == []
    assert found.card["decision"] == "open"
    assert f"{2 * len(WAYS)} passed" in found.text


def test_side_by_side_finds_the_same(ways, found):
    beside = ways.run(*FEW, "-n", "2", ".")
    assert beside.status == 0, beside.text
    assert beside.card["missing"] == []
    order = [sorted(map(str, run.card["scores"])) for run in (found, beside)]
    assert order[0] == order[1]


@pytest.mark.parametrize("way", ["module_name", "loop", "parameter"])
def test_the_benchmarks_of_a_module_mark_its_tests(ways, way):
    asked = (f"test_{way}.py", "--method=dense", "--collect-only", "-q")
    assert "1 test collected" in ways.run_plain(*asked, "-m", "knowledge").text
    assert "no tests collected" in ways.run_plain(*asked, "-m", "reasoning").text


def test_a_comparison_that_fails_has_its_own_row(faulty):
    assert faulty.status == 1
    (row,) = rows_of(faulty, "scores", "too_much")
    assert (row["verdict"], row["floor"]) == ("fail", 150.0)


def test_a_test_that_passes_without_measuring_is_a_gap(faulty):
    (row,) = rows_of(faulty, "missing", "test_nothing")
    assert row["reason"] == "its test ended without measuring it"


def test_a_parameter_that_the_test_never_asks_for_is_a_gap(faulty):
    (row,) = rows_of(faulty, "missing", "never_asked")
    assert row["reason"] == "its test ended without measuring it"
    assert len(rows_of(faulty, "scores", "another")) == 1


def test_a_failure_before_anything_is_measured_is_the_reason(faulty):
    (row,) = rows_of(faulty, "missing", "test_broken")
    assert "no such table" in row["reason"]


def test_what_is_no_benchmark_is_refused_in_one_line(faulty):
    (row,) = rows_of(faulty, "missing", "test_text")
    assert row["reason"] == "retention() takes a Benchmark, not 'gsm8k'"


def test_two_benchmarks_of_one_name_are_refused_while_they_are_asked_for(faulty):
    assert "two different benchmarks are named 'twice'" in faulty.text


def test_a_floor_that_names_nothing_of_the_run_shuts_the_gate(faulty):
    assert "--floor: no test measured 'mien'" in faulty.text
