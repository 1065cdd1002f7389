"""Silent where it is not wanted, and overridable where it is."""

from __future__ import annotations

FEW = ("--samples=60", "--method=dense", "--method=wanda_50")

EASY = """
task: easy
dataset_path: allenai/ai2_arc
dataset_name: ARC-Easy
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: "{{choices.text}}"
doc_to_target: "{{choices.label.index(answerKey)}}"
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""


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
    gate.write("mine/easy.yaml", EASY)
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
    assert run.card["metrics"] == []  # it is reported with knowledge but is not part of it


def test_the_floor_that_a_test_asserts_is_the_one_that_decides(gate):
    test = (gate.folder / "suites/performance/test_knowledge.py").read_text()
    gate.write("mine/mmlu.yaml", (gate.folder / "suites/performance/mmlu.yaml").read_text())
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
        "from unicomp import Guarantees, Method\n"
        "method = Method(name='picky', family='pruning', compress=print,\n"
        "                guarantees=Guarantees(sparsity=0.5),\n"
        "                why_unsupported=lambda config: 'not this one')\n",
    )
    run = gate.run("-m", "knowledge", "--samples=60", "--method=picky")
    assert run.status == 1
    assert run.score("picky", "arc_easy")["verdict"] == "unsupported"
    assert "not this one" in run.text


MINE = (
    "from pathlib import Path\n"
    "from unicomp import Benchmark, Mean, Reading, TaskMetric\n"
    "def bench(name, scorer=TaskMetric('acc,none')):\n"
    "    return Benchmark(name=name, metric='knowledge', scorer=scorer, aggregate=Mean(),\n"
    "                     task=Path(__file__).with_name('easy.yaml'))\n"
)


def _write_mine(gate, text):
    gate.write("mine/easy.yaml", EASY)
    gate.write("mine/test_mine.py", MINE + text)


def test_a_test_that_fails_after_its_comparison_is_no_pass(gate):
    _write_mine(
        gate,
        "mine = bench('mine')\n"
        "def test_mine(retention):\n"
        "    assert retention(mine) >= 0\n"
        "    assert False, 'and yet'\n",
    )
    run = gate.run("mine", *FEW)
    assert run.status == 1
    assert run.score("wanda_50", "mine")["verdict"] == "fail"
    assert run.card["decision"] == "shut"


def test_a_broken_scorer_takes_no_other_benchmark_with_it(gate):
    _write_mine(
        gate,
        "def broken(item): return Reading(fields={'correct': item.doc['no such column']})\n"
        "good, bad = bench('good'), bench('bad', broken)\n"
        "def test_good(retention): assert retention(good) >= 0\n"
        "def test_bad(retention): assert retention(bad) >= 0\n",
    )
    run = gate.run("mine", *FEW)
    assert run.status == 1
    assert run.score("wanda_50", "good")["verdict"] == "pass"
    assert "KeyError" in run.score("wanda_50", "bad")["reason"]


def test_a_changed_scorer_of_the_users_own_is_run_again(gate):
    text = (
        "def judge(item): return Reading(fields={'correct': SHARE})\n"
        "mine = bench('mine', judge)\n"
        "def test_mine(retention): assert retention(mine) >= 0\n"
    )
    scores = []
    for share in (1.0, 0.5):
        _write_mine(gate, text.replace("SHARE", str(share)))
        scores.append(gate.run("mine", *FEW).score("wanda_50", "mine")["score"])
    assert scores == [100.0, 50.0]


def test_a_floor_by_name_reaches_a_benchmark_that_only_a_test_names(gate):
    _write_mine(
        gate,
        "mine = bench('mine')\n"
        "def test_mine(retention, floor): assert retention(mine) >= floor(mine)\n",
    )
    run = gate.run("-v", "mine", *FEW, "--floor=mine=2", "-m", "knowledge")
    assert run.status == 0, run.text
    assert run.score("wanda_50", "mine")["floor"] == 2.0
    assert "mine (beside knowledge): " in run.text


def test_the_settings_may_name_benchmarks_that_this_run_does_not_collect(gate):
    gate.write("unicomp.toml", "[floors]\nglobal_mmlu_lite_low = 50\nperformance = 2\n")
    run = gate.run("suites/performance/test_knowledge.py", *FEW)
    assert run.status == 0, run.text


def test_a_method_that_sees_no_calibration_is_built(gate):
    gate.write(
        "fixtures/methods/copy_it.py",
        "import shutil\n"
        "from unicomp import Method\n"
        "def compress(source, target, calibration): shutil.copytree(source, target)\n"
        "method = Method(name='copy_it', family='pruning', compress=compress, calibrated=False)\n",
    )
    run = gate.run("-m", "knowledge", "--samples=60", "--method=copy_it")
    row = run.score("copy_it", "arc_easy")
    assert (row["retention"], row["calibration"]) == (100.0, "none")
    assert row["low"] < 100.0 < row["high"]  # equal answers are no proof of equal models


def test_tests_that_only_ask_for_a_refused_checkpoint_are_no_pass(gate):
    gate.write(
        "fixtures/methods/picky.py",
        "from unicomp import Guarantees, Method\n"
        "method = Method(name='picky', family='pruning', compress=print,\n"
        "                guarantees=Guarantees(sparsity=0.5),\n"
        "                why_unsupported=lambda config: 'not this one')\n",
    )
    gate.write("mine/test_size.py", "def test_size(checkpoint): assert checkpoint.path.exists()\n")
    run = gate.run("mine", "--method=picky")
    assert run.status == 1, run.text
    assert run.card["missing"][0]["verdict"] == "unsupported"
