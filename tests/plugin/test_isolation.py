"""Silent where it is not wanted, and overridable where it is."""

from __future__ import annotations

FEW = ("--samples=60", "--method=dense", "--method=wanda_50")


def test_an_unrelated_project_keeps_its_own_options_and_fixtures(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home", suites=False)
    (gate.folder / "unicomp.toml").unlink()
    gate.write(
        "conftest.py",
        "import pytest\n"
        "def pytest_addoption(parser):\n"
        "    parser.addoption('--model', default='mine')\n"
        "@pytest.fixture\n"
        "def model(request): return request.config.getoption('--model')\n"
        "@pytest.fixture\n"
        "def method(): return 'own'\n"
        "@pytest.fixture\n"
        "def retention(model, method): return (model, method)\n",
    )
    gate.write(
        "test_own.py",
        "import pytest\n"
        "def test_own(retention, pytestconfig):\n"
        "    assert retention == ('yours', 'own')\n"
        "    assert not pytestconfig.pluginmanager.hasplugin('unicomp.plugin.options')\n",
    )
    done = gate.run_plain("--model", "yours", "test_own.py")
    assert done.status == 0, done.text
    assert "scorecard" not in done.text


def test_an_active_project_keeps_tests_that_ask_for_their_own_fixtures(gate):
    gate.write(
        "mine/test_own.py",
        "import pytest\n"
        "@pytest.fixture\n"
        "def retention(): return 7\n"
        "@pytest.mark.parametrize('method', ['a', 'b'])\n"
        "def test_own(retention, method): assert retention == 7 and method in 'ab'\n",
    )
    run = gate.run("mine", "-q")
    assert run.status == 0, run.text
    assert "2 passed" in run.text
    assert run.card is None


def test_ten_lines_of_a_user_gate_a_benchmark_of_their_own(gate):
    gate.write("mine/easy.yaml", (gate.folder / "suites/performance/arc_easy.yaml").read_text())
    gate.write(
        "mine/test_mine.py",
        "from pathlib import Path\n"
        "from unicomp import Benchmark, Mean, TaskMetric\n"
        "mine = Benchmark(name='mine', metric='knowledge',\n"
        "                 task=Path(__file__).with_name('easy.yaml'),\n"
        "                 scorer=TaskMetric('acc,none'), aggregate=Mean())\n"
        "def test_mine(retention):\n"
        "    assert retention(mine) >= 10\n",
    )
    run = gate.run("mine", *FEW)
    assert run.status == 0, run.text
    row = run.score("wanda_50", "mine")
    assert (row["floor"], row["verdict"], row["metric"]) == (10.0, "pass", "knowledge")
    assert run.card["metrics"] == []  # it is reported beside knowledge and never joins it


def test_the_floor_that_a_test_asserts_is_the_one_that_decides(gate):
    test = (gate.folder / "suites/performance/test_knowledge.py").read_text()
    gate.write("mine/arc_easy.yaml", (gate.folder / "suites/performance/arc_easy.yaml").read_text())
    gate.write("mine/test_knowledge.py", test.replace("floor(bench)\n", "150\n"))
    run = gate.run("mine", *FEW)
    assert run.status == 1
    assert run.score("wanda_50", "arc_easy")["floor"] == 150.0


def test_a_fixture_of_ours_can_be_overridden(gate):
    gate.write(
        "conftest.py",
        "import pytest\n@pytest.fixture\ndef floor():\n    return lambda bench: 1.0\n",
    )
    run = gate.run("-m", "knowledge", *FEW)
    assert run.score("wanda_50", "arc_easy")["floor"] == 1.0


def test_a_run_in_which_all_is_skipped_is_no_pass(gate):
    gate.write(
        "fixtures/methods/picky.py",
        "from unicomp import Claims, Method\n"
        "method = Method(name='picky', family='pruning', compress=print,\n"
        "                claims=Claims(sparsity=0.5), refuse=lambda config: 'not this one')\n",
    )
    run = gate.run("-m", "knowledge", "--samples=60", "--method=picky")
    assert run.status == 1
    assert run.score("picky", "arc_easy")["verdict"] == "unsupported"
    assert "not this one" in run.text
