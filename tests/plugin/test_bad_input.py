"""Bad input is refused in one line, with exit status 4, before anything is built."""

from __future__ import annotations

import os
import sys

import pytest

CASES = {
    "method": (["--method=wanda_5"], "unknown method 'wanda_5': did you mean 'wanda_50'?"),
    "model": (["--model=embeded"], "did you mean 'embedded'?"),
    "model-folder": (["--model={empty}"], "is not a model folder: it has no config.json"),
    "marker": (["-m", "resoning"], "there is no marker 'resoning'; did you mean 'reasoning'?"),
    "home-of-nobody": (["--unicomp-home=~nobody-of-that-name/x"], "no home folder"),
    "floor-name": (["--floor=gms8k=90"], "'gms8k'; did you mean 'gsm8k'?"),
    "floor-text": (["--floor=gsm8k=high"], "which is not a number"),
    "floor-nan": (["--floor=gsm8k=nan"], "give a percentage of 0 or more"),
    "floor-fraction": (["--floor=gsm8k=0.95"], "did you mean 95?"),
    "floor-method": (["--floor=gsm8k@wanda_5=90"], "there is no method 'wanda_5'"),
    "early-word": (["--early=shot"], "--early=shot: did you mean 'shut'?"),
    "early-apart": (["--early", "shut"], "--early shut: write --early=shut"),
    "early-twice": (["--early", "--early=shut"], "--early is given twice, on and shut"),
    "early-empty": (["--early="], "--early has an empty value"),
    "samples": (["--samples=some"], "is not a number of items"),
    "repeats": (["--repeats=some"], "is not a number of samples"),
    "repeats-greedy": (["--repeats=4"], 'decoding is greedy: set sampling = "declared"'),
    "engine": (["--engine=tensorrt"], "there is no engine 'tensorrt'"),
    "engine-vllm": (["--engine=vllm"], "there is no vllm on PATH: run `make vllm`"),
    "calibration-name": (["--calibration=genric"], "did you mean 'generic'?"),
    "calibration-unseen": (["--method=dense", "--calibration=nope"], "unknown calibration 'nope'"),
    "calibration-twice": (
        ["--calibration=generic", "--calibration=generic"],
        "--calibration generic is given twice",
    ),
    "seeds": (["--seeds=0"], "is not a number of seeds"),
    "calibration-empty": (["--calibration={empty_file}"], "is empty"),
    "calibration-binary": (["--calibration={binary_file}"], "is not UTF-8 text"),
    "root-folder": (["--dataset-root={empty}/none"], "is not a folder"),
    "root-lacks": (
        ["--dataset-root={empty}", "--calibration={text_file}"],
        "lacks allenai/",
    ),
    "scorecard": (["--scorecard={empty}/no/card.json"], "cannot be written"),
    "baseline": (["--baseline={text_file}"], "is not JSON"),
    "checkpoint": (["--checkpoint={empty}"], "it has no config.json"),
}


@pytest.fixture
def places(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x80")
    (tmp_path / "text.txt").write_text("A text.\n\nAnother one.\n")
    return {
        "empty": tmp_path / "empty",
        "empty_file": tmp_path / "empty.txt",
        "binary_file": tmp_path / "binary.txt",
        "text_file": tmp_path / "text.txt",
    }


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_status_4(new_gate, places, tmp_path, monkeypatch, case):
    monkeypatch.setenv("PATH", os.defpath)  # which may have a vllm
    arguments, message = CASES[case]
    gate = new_gate(tmp_path / "home")
    run = gate.run_plain(*(argument.format(**places) for argument in arguments))
    assert run.status == 4, run.text
    (line,) = [line for line in run.lines if line.startswith("ERROR: ")]
    assert message in line
    assert "Traceback" not in run.text
    assert not list((tmp_path / "home").glob("checkpoints/*"))


@pytest.mark.long
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "together"])
def test_bad_input_is_the_same_in_a_new_process(new_gate, tmp_path, workers):
    gate = new_gate(tmp_path / "home", python=sys.executable)
    arguments, message = CASES["floor-name"]
    run = gate.run(*workers, *arguments)
    assert run.status == 4, run.text
    assert message in run.text
    assert "Traceback" not in run.text


@pytest.mark.parametrize("case", ["method", "floor-name", "root-lacks", "marker"])
def test_bad_input_is_the_same_side_by_side(new_gate, places, tmp_path, case):
    arguments, message = CASES[case]
    gate = new_gate(tmp_path / "home")
    run = gate.run("-n2", *(argument.format(**places) for argument in arguments))
    assert run.status == 4, run.text
    (line,) = [line for line in run.lines if line.startswith("ERROR: ")]
    assert message in line
    assert "INTERNALERROR" not in run.text


def test_a_broken_settings_file_is_named(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home", "[floors]\nreasoning = 0.9\n")
    run = gate.run()
    assert run.status == 4
    assert "unicomp.toml" in run.text
    assert "did you mean 90?" in run.text


POLICIES = {
    "key": ("[policy]\ngsm8k = { teir = 'guard' }", "no setting policy.gsm8k.teir"),
    "no-table": ("[policy]\ngsm8k = 95", "policy.gsm8k must be a table"),
    "tier": ("[policy]\ngsm8k = { tier = 'gard' }", "no tier 'gard'; did you mean 'guard'?"),
    "name": ("[policy]\ngms8k = { tier = 'guard' }", "'gms8k'; did you mean 'gsm8k'?"),
    "name-of-a-model": (
        "[models.embedded.policy]\nsaftey = { floor = 95 }",
        "[models.embedded.policy]: there is no benchmark, metric or dimension 'saftey'",
    ),
    "method": (
        "[policy]\n'gsm8k@wanda_5' = { max_drop = 1 }",
        "no method 'wanda_5'; did you mean 'wanda_50'?",
    ),
    "model": ("[models.embeded.floors]\nsafety = 95", "'embeded'; did you mean 'embedded'?"),
    "allowed-name": ("[allow]\nsaftey = 'known'", "'saftey'; did you mean 'safety'?"),
    "ceiling": ("[policy]\ngsm8k = { ceiling = 95 }", "the dense model exceeds a ceiling of 95 %"),
    "floor-and-drop": (
        "[policy]\ngsm8k = { floor = 101, max_drop = 1 }",
        "the policy of gsm8k contradicts itself",
    ),
    "floor-twice": (
        "[floors]\ngsm8k = 90\n[policy]\ngsm8k = { floor = 95 }",
        "gsm8k has a floor in [floors] and in [policy]",
    ),
    "inherited": (
        "[floors]\nreasoning = 95\n[policy]\n'gsm8k@wanda_50' = { ceiling = 92 }",
        "the policy of gsm8k@wanda_50 for the model embedded contradicts itself",
    ),
}


@pytest.mark.parametrize("case", POLICIES)
def test_a_policy_that_cannot_be_meant_is_one_line_and_status_4(new_gate, tmp_path, case):
    text, message = POLICIES[case]
    run = new_gate(tmp_path / "home", f"[engine]\nthreads = 1\n{text}\n").run()
    assert run.status == 4, run.text
    (line,) = [line for line in run.lines if line.startswith("ERROR: ")]
    assert message in line
    assert "Traceback" not in run.text
    assert not list((tmp_path / "home").glob("checkpoints/*"))


GOOD_POLICY = """
[policy]
gsm8k = { tier = "critical", max_drop = 1.0, relative_below = 20, floor = 95 }
xstest = { ceiling = 110 }
"xstest@wanda_50" = { ceiling = 98 }
safety = { tier = "guard", max_drop = 2 }
reliability = { tier = "advisory", floor = 80 }
model_size = { tier = "guard", floor = 100 }
[models.embedded.policy]
"ethics@wanda_2_4" = { tier = "advisory" }
"""


def test_a_policy_that_can_be_met_is_accepted(new_gate, tmp_path):
    run = new_gate(tmp_path / "home", GOOD_POLICY).run("--collect-only", "-q")
    assert run.status == 0, run.text


@pytest.mark.parametrize("case", ["model", "inherited", "floor-twice"])
def test_a_policy_is_refused_in_the_same_way_side_by_side(new_gate, tmp_path, case):
    text, message = POLICIES[case]
    run = new_gate(tmp_path / "home", f"{text}\n").run("-n2")
    assert run.status == 4, run.text
    assert message in run.text
    assert "INTERNALERROR" not in run.text


def test_a_method_in_the_policy_is_checked_where_only_a_folder_is_run(new_gate, tmp_path):
    text, message = POLICIES["method"]
    run = new_gate(tmp_path / "home", f"{text}\n").run("suites/performance")
    assert run.status == 4, run.text
    assert message in run.text


def test_without_a_network_it_says_what_would_have_been_fetched(new_gate, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    gate = new_gate(tmp_path / "home", python=sys.executable)
    run = gate.run("-m", "knowledge", "--model=nobody/no-such-model", "--dataset-root=embedded")
    assert run.status == 4
    assert "nobody/no-such-model cannot be fetched" in run.text
    assert "Traceback" not in run.text


def test_a_store_that_is_a_file_is_refused_before_anything_is_built(new_gate, tmp_path):
    (tmp_path / "home").write_text("not a folder")
    run = new_gate(tmp_path / "home").run("-m", "knowledge", "--method=dense")
    assert run.status == 4, run.text
    assert "cannot be written" in run.text


USER_TEST = """
from pathlib import Path
import pytest
from unicomp import Benchmark, Mean, TaskMetric

def named(name, key="acc,none"):
    task = Path(__file__).with_name("easy.yaml")
    scorer = TaskMetric(key)
    return Benchmark(name=name, metric="knowledge", task=task, scorer=scorer, aggregate=Mean())

one, other = named("same"), named("same", "acc_norm,none")
"""

USER_CASES = {
    "two-benchmarks-of-one-name": (
        "def test_one(retention): assert retention(one) >= 0\n"
        "def test_other(retention): assert retention(other) >= 0\n",
        "two different benchmarks are named 'same'",
    ),
    "a-method-by-its-name": (
        "@pytest.mark.parametrize('method', ['dense'])\n"
        "def test_one(retention, method): assert retention(one) >= 0\n",
        "choose it on the command line, with --method",
    ),
}


@pytest.mark.parametrize("case", USER_CASES)
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "together"])
def test_a_test_file_that_cannot_be_meant_is_refused_in_one_line(new_gate, tmp_path, case, workers):
    text, message = USER_CASES[case]
    gate = new_gate(tmp_path / "home")
    gate.write("mine/easy.yaml", (gate.folder / "suites/reliability/misuse.yaml").read_text())
    gate.write("mine/test_mine.py", USER_TEST + text)
    run = gate.run(*workers, "mine")
    assert run.status == 4, run.text
    assert message in run.text
    assert "INTERNALERROR" not in run.text


def test_a_task_file_that_is_no_yaml_is_refused(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home")
    gate.write("suites/reliability/misuse.yaml", "task: [misuse\n")
    run = gate.run("-m", "safety")
    assert run.status == 4, run.text
    assert "misuse.yaml cannot be read" in run.text


def test_a_mirror_that_lacks_a_file_of_a_set_is_refused(new_gate, tmp_path):
    mirror = tmp_path / "mirror/TrustLLM/TrustLLM-dataset/safety"
    mirror.mkdir(parents=True)
    run = new_gate(tmp_path / "home").run(
        "-m", "safety", "--method=dense", f"--dataset-root={tmp_path / 'mirror'}"
    )
    assert run.status == 4, run.text
    assert "lacks a file of TrustLLM/TrustLLM-dataset" in run.text


def test_an_engine_that_is_not_there_is_refused_before_anything_is_built(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home", f'[engine]\nvllm = "{tmp_path}/nowhere/vllm"\n')
    gate.write("conftest.py", "import os\nos.environ['PATH'] = '/usr/bin:/bin'\n")
    run = gate.run_plain("--engine=vllm", "--method=wanda_50", "-m", "reasoning")
    assert run.status == 4
    assert "make vllm" in run.text
    assert "Traceback" not in run.text
    assert not list((tmp_path / "home").glob("checkpoints/*"))
