"""Probes as tests: what is measured, refused, held to floors and budgets, and found again."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from unicomp.report import json as json_report

SCHEMA = Path(json_report.__file__).with_name("scorecard.schema.json")
SETTINGS = """\
[engine]
threads = 1
[efficiency]
warmup_rounds = 1
least_rounds = 4
least_seconds = 0
"""
PROBES = """
import pytest
from unicomp import Load, Probe

short = Load(prompt_tokens=24, new_tokens=6)
timed = [
    Probe(name=name, metric="runtime_acceleration", quantity=name, load=short)
    for name in ("throughput", "latency", "time_to_first_token", "inter_token_latency")
]
needed = [
    Probe(
        name="inference_memory",
        metric="inference_efficiency",
        quantity="inference_memory",
        load=Load(prompt_tokens=256),
    ),
    Probe(name="model_size", metric="inference_efficiency", quantity="model_size"),
    Probe(
        name="flops",
        metric="inference_efficiency",
        quantity="flops",
        load=Load(prompt_tokens=64),
    ),
]
spent = [
    Probe(name=name, metric="compute_cost", quantity=name)
    for name in ("compression_time", "compression_memory")
]
served = Probe(
    name="throughput_at_4",
    metric="runtime_acceleration",
    quantity="throughput",
    load=Load(prompt_tokens=24, new_tokens=6, concurrency=4),
    served=True,
)
benched = [
    Probe(
        name=f"vllm_bench_{quantity}",
        metric="runtime_acceleration",
        quantity=quantity,
        load=short,
        bench=True,
    )
    for quantity in ("throughput", "latency")
]

@pytest.mark.parametrize("probe", [*timed, *needed], ids=str)
def test_gain(probe, gain, floor):
    assert gain(probe) >= floor(probe)

@pytest.mark.parametrize("probe", spent, ids=str)
def test_cost(probe, cost, budget):
    assert cost(probe) <= budget(probe)

@pytest.mark.concurrency
def test_served(gain, floor):
    assert gain(served) >= floor(served)

@pytest.mark.vllm_bench
@pytest.mark.parametrize("probe", benched, ids=str)
def test_benched(probe, gain, floor):
    assert gain(probe) >= floor(probe)
"""
TWO = ("--method=dense", "--method=wanda_50")
TIMED = ("throughput", "latency", "time_to_first_token", "inter_token_latency")


@pytest.fixture
def bench(new_gate, shared_home):
    """A gate that has nothing but probes."""
    gate = new_gate(shared_home, SETTINGS, suites=False)
    gate.write("test_probes.py", PROBES)
    return gate


def probes(run):
    return {(row["method"], row["benchmark"]): row for row in run.card["probes"]}


@pytest.mark.long
def test_every_probe_of_every_checkpoint_has_a_row_that_follows_the_schema(bench):
    run = bench.run(*TWO)
    assert run.status == 0, run.text
    jsonschema.validate(run.card, json.loads(SCHEMA.read_text()))
    found = probes(run)
    gained = {*TIMED, "inference_memory", "model_size", "flops"}
    costs = {"compression_time", "compression_memory"}
    assert {name for method, name in found if method == "dense"} == gained
    assert {name for method, name in found if method == "wanda_50"} == gained | costs
    for (method, name), row in found.items():
        assert row["score"] > 0
        if name in costs:
            assert row["retention"] is None
        else:
            assert row["low"] <= row["retention"] <= row["high"]
        if method == "dense" and name in gained:
            assert row["retention"] == row["low"] == row["high"] == 100.0
    assert found["wanda_50", "model_size"]["retention"] == pytest.approx(100.0, abs=1)
    assert found["wanda_50", "flops"]["retention"] == 100.0
    assert {"p95", "p99", "median", "dense.p95"} <= found["wanda_50", "latency"]["details"].keys()
    assert {row["metric"] for row in run.card["efficiency"]} == {
        "runtime_acceleration",
        "inference_efficiency",
        "compute_cost",
    }
    assert all(row["compared_with"] for row in run.card["efficiency"])
    assert {row["compared_with"][0] for row in run.card["efficiency"]} == {"dense", "wanda_50"}


def test_expected_gains_that_the_engine_does_not_realise_are_named(bench):
    run = bench.run("-v", *TWO, "-k", "model_size or flops")
    for name in ("model_size", "flops"):
        row = probes(run)["wanda_50", name]
        assert row["expected_gain"] > 110
        assert row["low"] == pytest.approx(100.0, abs=0.2)
    assert "not realised" in run.text


@pytest.mark.long
def test_a_size_that_shrank_is_realised(bench):
    run = bench.run("-v", "--method=dense", "--method=gptq_w4a16", "-k", "model_size")
    row = probes(run)["gptq_w4a16", "model_size"]
    assert row["retention"] > 200
    assert row["expected_gain"] > 200
    assert "not realised" not in run.text


@pytest.mark.long
def test_a_timing_is_held_to_no_floor_unless_one_is_set(bench):
    assert bench.run(*TWO, "-k", "latency").status == 0
    run = bench.run(*TWO, "-k", "test_gain and latency", "--floor=latency=100000")
    assert run.status == 1
    assert probes(run)["wanda_50", "latency"]["verdict"] == "fail"
    assert probes(run)["wanda_50", "inter_token_latency"]["verdict"] == "pass"
    assert re.search(r"assert <latency: .* of dense .*> >= 100000", run.text)


def test_a_size_is_held_to_no_floor_unless_one_is_set(bench):
    assert bench.run(*TWO, "-k", "model_size").status == 0
    run = bench.run(*TWO, "-k", "model_size", "--floor=model_size=101")
    assert run.status == 1
    assert probes(run)["wanda_50", "model_size"]["verdict"] == "fail"


@pytest.mark.long
def test_a_gain_that_is_asked_for_is_not_asked_of_the_dense_model(bench):
    run = bench.run(
        "--method=dense", "--method=gptq_w4a16", "-k", "model_size", "--floor=model_size=120"
    )
    assert run.status == 0, run.text
    found = probes(run)
    assert found["dense", "model_size"]["floor"] == 100.0
    assert found["gptq_w4a16", "model_size"]["floor"] == 120.0


@pytest.mark.long
def test_several_loads_in_one_test_are_all_measured(bench):
    bench.write(
        "test_probes.py",
        PROBES
        + """
longer = Probe(
    name="longer",
    metric="runtime_acceleration",
    quantity="latency",
    load=Load(prompt_tokens=32, new_tokens=6),
)

def test_both(gain, floor):
    assert gain(timed[1]) >= floor(timed[1])
    assert gain(longer) >= floor(longer)
""",
    )
    run = bench.run(*TWO, "-k", "test_both", "--unicomp-home=own")
    assert run.status == 0, run.text
    assert {name for _, name in probes(run)} == {"latency", "longer"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('metric="compute_cost"', 'metric="compute_costs"'),
            "names the metric 'compute_costs', which does not exist; did you mean 'compute_cost'?",
        ),
        (
            ("load=Load(prompt_tokens=256)", "load=Load(prompt_tokens=256, concurrency=2)"),
            "inference_memory needs a load with concurrency=1",
        ),
    ],
)
def test_a_probe_that_cannot_be_is_refused_by_name(bench, change, message):
    bench.write("test_probes.py", PROBES.replace(*change))
    run = bench.run_plain(*TWO)
    assert run.status != 0
    assert message in run.text
    assert "INTERNALERROR" not in run.text


def test_what_compressing_takes_is_held_to_a_budget(bench):
    bench.write("unicomp.toml", f'{SETTINGS}[budgets]\ncompression_time = "1 h"\n')
    assert bench.run(*TWO, "-k", "test_cost").status == 0
    bench.write(
        "unicomp.toml",
        f'{SETTINGS}[models.embedded.budgets]\n"compression_memory@wanda_50" = "1 MB"\n',
    )
    run = bench.run(*TWO, "-k", "test_cost")
    assert run.status == 1
    row = probes(run)["wanda_50", "compression_memory"]
    assert (row["verdict"], row["budget"]) == ("fail", 1e6)
    assert "budget 1 MB" in run.text
    assert re.search(r"assert <compression_memory: .* bytes> <= 1000000", run.text)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('latency = "1 s"', "latency has no budget"),
        ("compression_time = 5", "give a number with its unit, one of ms, s, min, h"),
        ('compression_memory = "5 min"', "one of MB, MiB, GB, GiB"),
        ('"compression_time@wandaa" = "1 h"', "there is no method 'wandaa'"),
    ],
)
def test_a_budget_that_means_nothing_is_refused_before_anything_is_built(bench, table, message):
    bench.write("unicomp.toml", f"[budgets]\n{table}\n")
    run = bench.run_plain(*TWO)
    assert run.status == 4
    assert message in run.text


def limits(bench, text):
    bench.write("unicomp.toml", f"{SETTINGS}[limits]\n{text}\n")


def test_a_size_is_held_to_a_limit_of_its_own(bench):
    limits(bench, 'model_size = "4 MB"')
    run = bench.run("-v", *TWO, "-k", "model_size")
    assert run.status == 0, run.text
    found = probes(run)
    assert (found["wanda_50", "model_size"]["limit"], found["dense", "model_size"]["limit"]) == (
        4e6,
        None,
    )
    assert "at most 4 MB" in run.text
    limits(bench, 'model_size = "3 MB"')
    run = bench.run(*TWO, "-k", "model_size", "--floor=model_size=90")
    assert run.status == 1
    row = probes(run)["wanda_50", "model_size"]
    assert (row["verdict"], row["unmet"]) == ("fail", ["limit"])
    assert re.search(r"assert <model_size: .* limit: at most 3 MB> >= 90", run.text)
    assert "floor 90; 3.09 MB, limit: at most 3 MB (not met: limit)" in run.text


@pytest.mark.long
def test_a_latency_is_held_to_its_limit_on_the_machine_that_is_named(bench):
    chosen = (*TWO, "-k", "test_gain and latency and not inter")
    run = bench.run("-v", *chosen)
    here = re.search(r"^measured on (.*), 1 thread$", run.text, re.MULTILINE)[1]
    limits(bench, f"machine = '{here.upper()}'\nlatency = \"1 h\"")
    run = bench.run(*chosen)
    assert run.status == 0, run.text
    row = probes(run)["wanda_50", "latency"]
    assert row["absolute_low"] <= row["absolute"] <= row["absolute_high"]
    assert (row["verdict"], row["tier"]) == ("pass", "critical")
    limits(bench, f"machine = '{here}'\nlatency = \"0.001 ms\"")
    run = bench.run(*chosen)
    assert run.status == 1
    assert probes(run)["wanda_50", "latency"]["verdict"] == "fail"
    limits(bench, 'machine = "Another"\nlatency = "1 h"')
    run = bench.run(*chosen)
    assert run.status == 1
    row = probes(run)["wanda_50", "latency"]
    assert row["verdict"] == "not_measured"
    assert row["reason"].startswith(
        f"not measured on Another, which its limit holds for, but on {here}"
    )
    assert row["retention"] > 0
    assert probes(run)["dense", "latency"]["verdict"] == "pass"
    bench.write(
        "unicomp.toml",
        f"{SETTINGS}[limits]\nmachine = 'Another'\nlatency = '1 h'\n[allow]\nlatency = 'CI'\n",
    )
    assert bench.run(*chosen).status == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('latency = "1 s"', 'so name it there: machine = "NAME"'),
        ('throughput_at_4 = "5 GB"', "throughput_at_4 is 5 GB, but it is measured in tokens/s"),
        ('model_size = "5 min"', "give a number with its unit, one of MB, MiB, GB, GiB"),
        ('model_sice = "5 GB"', "did you mean 'model_size'?"),
        ('"model_size@wandaa" = "5 GB"', "there is no method 'wandaa'"),
        ('gsm8k = "5 GB"', "limit in [limits], but is no efficiency measurement"),
    ],
)
def test_a_limit_that_means_nothing_is_refused_before_anything_is_built(bench, table, message):
    bench.write(
        "test_other.py",
        "from unicomp.suites.performance.test_reasoning import gsm8k\n\n"
        "def test_it(retention, floor):\n    assert retention(gsm8k) >= floor(gsm8k)\n",
    )
    limits(bench, table)
    run = bench.run_plain(*TWO)
    assert run.status == 4
    assert message in run.text


def test_efficiency_beside_other_workers_is_a_usage_error(bench):
    run = bench.run_plain(*TWO, "-n", "2")
    assert run.status == 4
    assert "efficiency is measured by one process alone" in run.text


def test_other_tests_run_side_by_side_where_probes_are_left_out(bench):
    bench.write("test_other.py", "def test_nothing():\n    pass\n")
    assert bench.run_plain(*TWO, "-n", "2", "-m", "not efficiency").status == 0


ON_REQUEST = {"concurrency": "test_served", "vllm_bench": "test_benched"}


@pytest.mark.parametrize("marker", [*ON_REQUEST, None])
def test_what_is_measured_on_request_is_left_out_unless_it_is_named(bench, marker):
    chosen = ("-m", f"{marker} or runtime_acceleration") if marker else ()
    text = bench.run_plain("--collect-only", "-q", *chosen).text
    assert "test_gain" in text
    assert {name for name, test in ON_REQUEST.items() if test in text} == {marker} - {None}


@pytest.mark.parametrize(("marker", "rows"), [("concurrency", 1), ("vllm_bench", 2)])
def test_what_needs_vllm_is_not_measured_without_it_and_says_how_to_get_it(bench, marker, rows):
    run = bench.run("--method=dense", "-m", marker)
    assert run.status == 1
    assert len(run.card["missing"]) == rows
    for row in run.card["missing"]:
        assert row["verdict"] == "not_measured"
        assert "--engine vllm" in row["reason"]
        assert "make vllm" in row["reason"]


@pytest.mark.long
def test_what_was_measured_is_found_again_without_loading_anything(bench):
    first = bench.run(*TWO)
    bench.write(
        "conftest.py",
        "import sys\n\n\ndef pytest_sessionfinish():\n    assert 'torch' not in sys.modules\n",
    )
    again = replace(bench, python=sys.executable).run(*TWO)
    assert again.status == 0, again.text
    assert probes(again) == probes(first)
    assert all(piece["cached"] for piece in again.card["work"])


@pytest.mark.long
def test_pytest_benchmark_carries_the_timings(bench):
    stored = bench.folder / "timings.json"
    run = bench.run(*TWO, "-k", "latency", f"--benchmark-json={stored}")
    assert run.status == 0, run.text
    timings = {one["name"]: one["stats"] for one in json.loads(stored.read_text())["benchmarks"]}
    name = "test_gain[embedded-wanda_50-latency]"
    row = probes(run)["wanda_50", "latency"]
    assert timings[name]["rounds"] == row["n"]
    assert timings[name]["median"] == pytest.approx(row["score"], rel=0.1)


def test_a_checkpoint_made_elsewhere_has_no_cost_that_is_known(bench, shared_home):
    run = bench.run(*TWO, "-k", "model_size")
    assert run.status == 0, run.text
    made = next(
        path
        for path in (shared_home / "checkpoints").glob("*/manifest.json")
        if json.loads(path.read_text())["facts"]["label"] == "embedded/wanda_50"
    ).parent
    chosen = ("--checkpoint", str(made / "model"), "-k", "test_cost or model_size")
    run = bench.run(*chosen)
    assert run.status == 0, run.text
    assert {name for _, name in probes(run)} == {"model_size"}
    bench.write("unicomp.toml", f'{SETTINGS}[budgets]\ncompression_time = "1 h"\n')
    run = bench.run(*chosen)
    assert run.status == 1
    (row,) = run.card["missing"]
    assert (row["benchmark"], row["verdict"]) == ("compression_time", "not_measured")
    assert "was not built here" in row["reason"]


def test_two_probes_of_one_name_are_refused(bench):
    bench.write("test_more.py", PROBES.replace("prompt_tokens=24", "prompt_tokens=25"))
    run = bench.run_plain(*TWO)
    assert run.status == 4
    assert "two different benchmarks are named 'throughput'" in run.text


@pytest.mark.long
def test_timings_of_another_machine_are_not_compared_with(bench):
    chosen = (*TWO, "-k", "test_gain and latency")
    assert bench.run_plain(*chosen, "--benchmark-autosave").status == 0
    (saved,) = (bench.folder / ".benchmarks").glob("*/*.json")
    timings = json.loads(saved.read_text())
    assert timings["machine_info"]["unicomp"]["threads"] == 1
    assert bench.run_plain(*chosen, "--benchmark-compare").status == 0
    timings["machine_info"]["unicomp"]["processor"] = "another one"
    saved.write_text(json.dumps(timings))
    run = bench.run_plain(*chosen, "--benchmark-compare")
    assert run.status == 4
    assert "another machine, which are not valid here: processor is" in run.text


@pytest.mark.long
def test_pytest_benchmarks_own_choice_of_tests_knows_the_timed_ones(bench):
    run = bench.run("--method=dense", "--benchmark-only")
    assert {name for _, name in probes(run)} == set(TIMED)
    run = bench.run("--method=dense", "--benchmark-skip")
    assert not {name for _, name in probes(run)} & set(TIMED)


@pytest.mark.long
def test_without_pytest_benchmark_the_rounds_are_timed_all_the_same(bench):
    run = bench.run(*TWO, "-k", "latency", "-p", "no:benchmark", "--unicomp-home=own")
    assert run.status == 0, run.text
    assert probes(run)["wanda_50", "latency"]["n"] >= 4
