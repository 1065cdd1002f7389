"""`unicomp`: the store is listed, verified and pruned; floors follow from a scorecard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unicomp import catalogue
from unicomp.churn import remember
from unicomp.cli import main
from unicomp.commands.progress import Teller
from unicomp.distillation.speed import remember_speed
from unicomp.findings import findings_of
from unicomp.findings.floors import supported_floors
from unicomp.policy import parse_floor
from unicomp.report import json as json_report
from unicomp.scorecard import Scorecard
from unicomp.store import CHECKPOINTS, ITEMS, LOOKS, SCORES, Store
from unicomp.verdict import MetricRow, Row

ROOTS = catalogue.roots(Path("/nowhere"))


def make(folder):
    (folder / "weights").write_text("w" * 1000)
    return {"label": "tiny/wanda_50"}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNICOMP_HOME", raising=False)
    return Store(tmp_path / "home")


def run(capsys, *arguments):
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_the_store_is_listed_with_what_is_in_it(store, capsys):
    store.build(CHECKPOINTS, {"a": 1}, make)
    store.remember(SCORES, "key", {"benchmark": "gsm8k"})
    store.remember(ITEMS, "key", {"benchmark": "math_500"})
    status, text = run(capsys, "cache", "--unicomp-home", str(store.home))
    assert status == 0
    assert "math_500" in text
    assert "tiny/wanda_50" in text
    assert "gsm8k" in text


def test_a_changed_weight_is_found_by_verify(store, capsys):
    built = store.build(CHECKPOINTS, {"a": 1}, make)
    arguments = ("cache", "verify", "--unicomp-home", str(store.home))
    assert run(capsys, *arguments)[0] == 0
    (built.path / "weights").write_text("x" * 1000)
    status, text = run(capsys, *arguments)
    assert status == 1
    assert built.key in text
    (built.path / "weights").write_text("cut")
    assert run(capsys, *arguments)[0] == 1


def test_pruning_removes_the_old_and_keeps_the_new_and_the_locked(store, capsys):
    old, new, busy = (store.build(CHECKPOINTS, {"number": n}, make) for n in range(3))
    long_ago = time.time() - 100 * 86400
    for artifact in (old, busy):
        for path in artifact.path.rglob("*"):
            os.utime(path, (long_ago, long_ago))
    with store.lock(f"{CHECKPOINTS}-{busy.key}"):
        status, text = run(capsys, "cache", "prune", "--unicomp-home", str(store.home))
    assert (status, "removed 1 entries" in text) == (0, True)
    assert store.find(CHECKPOINTS, old.key) is None
    assert store.find(CHECKPOINTS, new.key)
    assert store.find(CHECKPOINTS, busy.key)


def test_a_broken_off_build_is_pruned(store, capsys):
    partial = store.home / CHECKPOINTS / ".partial-abc"
    partial.mkdir(parents=True)
    run(capsys, "cache", "prune", "--unicomp-home", str(store.home))
    assert not partial.exists()


def test_looks_are_listed_and_outlive_pruning(store, capsys):
    store.remember(LOOKS, "key", {"looks": []})
    home = ("--unicomp-home", str(store.home))
    assert "1 candidates" in run(capsys, "cache", *home)[1]
    status, text = run(capsys, "cache", "prune", "--older-than", "0", *home)
    assert (status, "removed 0 entries" in text) == (0, True)
    assert store.recall(LOOKS, "key") is not None


def test_the_store_of_the_settings_file_is_used(store, capsys, tmp_path):
    (tmp_path / "unicomp.toml").write_text('[paths]\nhome = "elsewhere"\n')
    run(capsys, "cache")
    assert (tmp_path / "elsewhere").is_dir()


def bench(name, low):
    place = {"model": "tiny", "method": "wanda_50", "calibration": "generic"}
    return Row(**place, benchmark=name, metric="safety", tier="critical", low=low)


def metric(method, name, low):
    place = {"model": "tiny", "method": method, "calibration": "generic"}
    return MetricRow(**place, metric=name, verdict="pass", floor=90.0, low=low)


ROWS = [
    bench("misuse", 40.0),
    bench("xstest", 90.0),
    metric("wanda_50", "safety", 70.0),
    metric("wanda_50", "reasoning", 4.5),
    metric("wanda_50", "privacy", None),
    metric("dense", "safety", 100.0),
]


def test_floors_lie_below_everything_that_was_measured():
    assert supported_floors(ROWS, 3.0) == [
        '[models."tiny".floors]',
        '"safety@wanda_50" = 37',
        '"reasoning@wanda_50" = 0',  # 1 would look like a fraction
    ]


def test_printed_floors_are_accepted_as_settings():
    for line in supported_floors(ROWS, 3.0)[1:]:
        name, _, floor = line.partition(" = ")
        parse_floor(name, int(floor))


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "other"}', None])
def test_what_is_no_scorecard_is_refused_in_one_line(capsys, tmp_path, text):
    path = tmp_path / "card.json"
    if text is not None:
        path.write_text(text)
    status, message = run(capsys, "floors", str(path))
    assert status == 4
    assert len(message.strip().splitlines()) == 1


def test_the_floors_of_a_scorecard_are_printed(capsys, tmp_path):
    path = tmp_path / "card.json"
    judged = [one for one in ROWS if isinstance(one, MetricRow) and one.low is not None]
    card = Scorecard(rows=(), metrics=tuple(judged))
    json_report.write(card, findings_of(card), path)
    status, text = run(capsys, "floors", str(path), "--margin", "10")
    assert status == 0
    assert '"safety@wanda_50" = 60' in text


RAW = """model,method,benchmark,value
tiny,wanda_50,ifbench,20.67
tiny,dense,ifbench,28.33
tiny,wanda_50,enron_refusal,61
tiny,dense,enron_refusal,64.25
tiny,dense,throughput,40
tiny,wanda_50,throughput,50
tiny,dense,latency,8
tiny,wanda_50,latency,10
tiny,wanda_50,enron_total_disclosure,10
tiny,dense,enron_total_disclosure,12
tiny,wanda_50,enron_conditional_disclosure,10
tiny,dense,enron_conditional_disclosure,12
"""


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.csv"
    path.write_text(RAW)
    return path


def test_a_table_of_raw_scores_becomes_metrics_as_json_and_nothing_else(capsys, raw):
    assert main(("score", str(raw), "--json")) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    rows = {(row["method"], row["metric"]): row for row in json.loads(captured.out)}
    assert rows["wanda_50", "instruction_following"] == {
        "model": "tiny",
        "method": "wanda_50",
        "metric": "instruction_following",
        "value": 100 * (20.67 / 28.33),  # to the last digit
        "reading": "paper",
    }
    assert rows["dense", "instruction_following"]["value"] == 100.0
    assert rows["dense", "runtime_acceleration"]["value"] == 100 * 0.8**0.5
    assert rows["wanda_50", "privacy.leakage"]["value"] == 27.0
    assert rows["wanda_50", "privacy"] == {
        "model": "tiny",
        "method": "wanda_50",
        "metric": "privacy",
        "value": None,
        "reading": "paper",
        "reason": "no score of confaide, privacy_awareness_normal, privacy_awareness_augmented; "
        "no dense score of confaide, privacy_awareness_normal, privacy_awareness_augmented",
    }


def test_the_oriented_reading_is_named_and_turns_the_disclosure(capsys, raw):
    assert main(("score", str(raw), "--json", "--reading", "oriented")) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["reading"] for row in rows} == {"oriented"}
    (leakage,) = (
        row["value"]
        for row in rows
        if (row["method"], row["metric"]) == ("wanda_50", "privacy.leakage")
    )
    assert leakage == pytest.approx((61 + 90 + 90) / 3)


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ("strict", "the reading 'strict' is now called 'oriented'"),
        ("loose", "there is no reading 'loose'; known: paper, oriented"),
    ],
)
def test_a_reading_that_is_not_there_is_refused_in_one_line(capsys, raw, reading, message):
    assert main(("score", str(raw), "--reading", reading)) == 4
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"unicomp: {message}\n")


@pytest.mark.parametrize("width", ["60", "80", "200"])
def test_the_metrics_are_shown_with_their_reading_and_their_comparison(
    capsys, raw, monkeypatch, width
):
    monkeypatch.setenv("COLUMNS", width)
    status, text = run(capsys, "score", str(raw))
    assert status == 0
    assert "UniComp metrics of tiny, reading paper: as published" in text
    assert "72.96" in text
    assert "runtime_acceleration is compared among dense, wanda_50" in text
    assert "missing: privacy of dense: no dense score of confaide" in text
    assert "…" not in text


def test_names_are_shown_as_they_are_written(capsys, raw):
    raw.write_text(RAW.replace("wanda_50", "[bold]:smile:").replace("tiny", "[/x]"))
    _, text = run(capsys, "score", str(raw))
    assert "[bold]:smile:" in text
    assert "metrics of [/x]" in text


def test_a_table_that_is_wrong_is_refused_in_one_line(capsys, raw):
    raw.write_text(RAW + "tiny,dense,ifbnech,1\n")
    assert main(("score", str(raw), "--json")) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"unicomp: {raw}:14: there is no benchmark 'ifbnech'; did you mean 'ifbench'?\n"
    )


def test_a_distillation_is_planned_from_what_was_published(store, capsys):
    arguments = ("plan", "minitron_width", "--model", "embedded", "--unicomp-home", str(store.home))
    status, text = run(capsys, *arguments)
    assert status == 0
    assert "minitron_width of embedded" in text
    assert "6 layers, 112 channels, 288 neurons, 4 heads" in text
    assert "on 256 × H100, as published" in text


def test_a_distillation_that_was_done_here_is_planned_from_its_speed(store, capsys):
    model, method = (
        catalogue.load_model("embedded", ROOTS),
        catalogue.load_method("minitron_width", ROOTS),
    )
    facts = {
        "estimate": {"flops": 7.2e15, "devices": 2},
        "seconds": 3700.0,
        "train_seconds": 3000.0,
        "correction_seconds": 600.0,
    }
    remember_speed(model, method, facts, store)
    arguments = ("plan", "minitron_width", "--model", "embedded", "--json")
    status, text = run(capsys, *arguments, "--unicomp-home", str(store.home))
    plan = json.loads(text)
    assert status == 0
    assert plan["measured"]
    assert plan["devices"] == 1
    assert plan["hours_most"] == pytest.approx(plan["flops"] / 1e12 / 3600)
    assert plan["student"]["hidden"] == 112
    assert plan["tokens"] >= plan["parameters"]


def test_a_build_that_trains_nothing_is_planned_by_memory_disk_and_time(store, capsys):
    method = catalogue.load_method("w4a16_rtn", ROOTS)
    arguments = ("plan", "w4a16_rtn", "--model", "embedded", "--unicomp-home", str(store.home))
    status, text = run(capsys, *arguments)
    assert (status, "not known, since it was never built here" in text) == (0, True)
    remember_speed(catalogue.load_model("embedded", ROOTS), method, {"seconds": 12.0}, store)
    status, text = run(capsys, *arguments, "--json")
    plan = json.loads(text)
    assert (plan["seconds"], plan["kind"], plan["parameters"]) == (12.0, "normal", 1_541_760)
    needs = {need["purpose"]: need for need in plan["needs"]}
    assert all(need["fits"] for need in needs.values())
    assert needs["memory to run in float32"]["bytes"] == 4 * plan["parameters"]
    # as built: 1,202,264 bytes on disk, of which 15 kB are the header of the file
    assert needs["memory to serve in 4 bits"]["bytes"] == pytest.approx(1_190_000, rel=0.02)
    assert needs["disk"]["parts"] == {"checkpoint": needs["memory to serve in 4 bits"]["bytes"]}


def test_the_time_of_a_build_is_scaled_from_one_by_the_same_algorithm(store, capsys):
    other = catalogue.load_model("smollm2_135m", ROOTS)
    method = catalogue.load_method("w4a16_rtn", ROOTS)
    facts = {"seconds": 10.0, "operations": 1e6, "algorithms": ["rtn"]}
    remember_speed(other, method, facts, store)
    arguments = ("plan", "w4a16_rtn", "--model", "embedded", "--unicomp-home", str(store.home))
    status, text = run(capsys, *arguments)
    assert (status, "scaled from" in text) == (0, True)
    plan = json.loads(run(capsys, *arguments, "--json")[1])
    matrices = 6 * (4 * 128 * 128 + 3 * 128 * 384)
    assert (plan["seconds"], plan["scaled"]) == (pytest.approx(matrices / 1e5), True)


def test_a_build_that_cannot_fit_is_refused_with_the_arithmetic(store, capsys, monkeypatch):
    monkeypatch.setattr("unicomp.methods.footprint.installed", lambda: 10**8)
    arguments = ("plan", "gptq_w4a16", "--model", "embedded", "--unicomp-home", str(store.home))
    assert main(arguments) == 4
    captured = capsys.readouterr()
    assert "does not fit" in captured.out
    assert captured.err.count("\n") == 1
    start = "unicomp: gptq_w4a16 of embedded cannot be built here: memory to build: 5 GB of room"
    assert captured.err.startswith(start)
    assert captured.err.endswith("and there are 100 MB; build it where there is more\n")


def test_a_checkpoint_is_planned_without_a_build(store, capsys):
    folder = str(ROOTS[-1] / "embedded/model")
    arguments = ("plan", folder, "--model", "embedded", "--unicomp-home", str(store.home))
    status, text = run(capsys, *arguments)
    assert status == 0
    assert "memory to run in bfloat16" in text
    assert "to build" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wanda_50", "--devices", "2"), "--devices plans a training, and wanda_50 trains nothing"),
        (("minitron_widht",), "unknown method 'minitron_widht': did you mean 'minitron_width'"),
        (
            ("minitron_width", "--devices", "0"),
            "--devices 0 is not possible: give 1 or more",
        ),
        (
            ("minitron_width_llama_3_1_8b",),
            "cannot compress embedded: hidden: a student of 3072 cannot be cut",
        ),
        (("http://host/v1#m",), "m at http://host/v1 runs already: there is no build to plan"),
    ],
)
def test_what_cannot_be_planned_is_said_in_a_line(store, capsys, arguments, message):
    home = ("--unicomp-home", str(store.home))
    status, text = run(capsys, "plan", *arguments, "--model", "embedded", *home)
    assert status == 4
    assert text.startswith("unicomp: ")
    assert message in text
    assert text.count("\n") == 1


GATE = ("plan", "--model", "embedded", "--floor", "reasoning=99")


def test_a_gate_is_planned_without_a_model(store, capsys):
    status, text = run(capsys, *GATE, "--samples", "100", "--unicomp-home", str(store.home))
    assert status == 0
    assert "gate of embedded" in text
    assert "gsm8k alone cannot" in " ".join(text.replace("│", " ").split())
    assert not list((store.home / "checkpoints").glob("*"))


def test_a_planned_gate_names_items_and_a_floor(store, capsys):
    home = ("--unicomp-home", str(store.home))
    floors = ("--floor", "reasoning=96", "--floor", "arc_easy=90")
    arguments = ("plan", "--model", "embedded", *floors, "--samples", "200", "--json")
    status, text = run(capsys, *arguments, *home)
    metric, benchmark = json.loads(text)
    assert status == 0
    assert (metric["name"], metric["floor"], metric["items"]) == ("reasoning", 96, 200)
    assert 0 < metric["chance"] < 0.8
    assert 100 < metric["remedy"]["items"]["gsm8k"] < 800
    assert 90 < metric["remedy"]["floor"] < 96
    assert (benchmark["name"], benchmark["remedy"]) == ("arc_easy", None)
    assert benchmark["chance"] > 0.8


def test_the_churn_of_a_recorded_run_is_planned_with(store, capsys):
    arguments = ("plan", "gptq_w4a16", *GATE[1:], "--json", "--unicomp-home", str(store.home))
    before = json.loads(run(capsys, *arguments)[1])[0]
    row = Row(
        model="embedded", method="gptq_w4a16", calibration="none", benchmark="gsm8k", n=1000,
        clusters=1000, dense=92.0, lost=1, gained=1, evidence={"kept": {"kind": "paired_shares"}},
    )  # fmt: skip
    remember(store, [row])
    after = json.loads(run(capsys, *arguments)[1])[0]
    assert (before["recorded"], after["recorded"]) == (False, True)
    assert before["chance"] < 0.5 < after["chance"]


def test_rows_that_cannot_be_counted_are_named_with_a_way_to_get_them(store, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(store.home / "nothing"))
    arguments = (*GATE, "--dataset-root", "hub", "--json", "--unicomp-home", str(store.home))
    status, text = run(capsys, *arguments)
    assert status == 0
    assert json.loads(text)[0]["problem"] == (
        "the rows of gsm8k, math_500, gpqa_diamond cannot be counted without the network: fetch "
        "them with `unicomp mirror`"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--floor", "reasnoing=99"), "'reasnoing'; did you mean 'reasoning'?"),
        (("--floor", "reasoning"), "--floor 'reasoning' is not NAME=PERCENT"),
        (("--floor", "reasoning=0.9"), "0.9"),
        (("--floor", "reasoning@gptq_w4a16=99"), "give the method as METHOD instead"),
        (("--floor", "reasoning=99", "--samples", "0"), "--samples 0 is not possible"),
        (("--floor", "reasoning=99", "--devices", "2"), "--devices plans a distillation"),
        (("--floor", "runtime_acceleration=99"), "no benchmark of this run is planned for"),
        ((), "give --floor NAME=PERCENT to plan a gate, or METHOD to plan a build"),
        (("--samples", "5"), "give --floor NAME=PERCENT"),
        (("nothing", "--floor", "reasoning=99"), "unknown method 'nothing'"),
    ],
)
def test_a_gate_that_cannot_be_planned_is_refused_in_a_line(store, capsys, arguments, message):
    home = ("--unicomp-home", str(store.home))
    status, text = run(capsys, "plan", *arguments, "--model", "embedded", *home)
    assert status == 4
    assert text.startswith("unicomp: ")
    assert message in text
    assert text.count("\n") == 1


REFUSED = {
    "no-number": (("cache", "prune", "--older-than", "nan"), "'nan' is not a number of 0 or more"),
    "below-zero": (("floors", "card.json", "--margin=-1"), "'-1' is not a number of 0 or more"),
    "twice": (("plan", "--model", "a", "--model", "b"), "--model is given twice"),
    "empty": (("cache", "--unicomp-home", ""), "the path is empty"),
    "no-store": (("cache", "verify", "--unicomp-home", "no/such"), "there is no store"),
    "unknown": (("cahce",), "invalid choice"),
    "floor-twice": (
        ("plan", "--model=embedded", "--floor=safety=9", "--floor=safety=8"),
        "--floor safety is given twice",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_status_4(capsys, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    arguments, message = REFUSED[case]
    assert main(arguments) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("unicomp: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_long_command_says_now_and_then_where_it_is(capsys):
    tell = Teller(seconds=0)
    tell(lambda: "7 lines read")
    Teller()(lambda: "too early")
    assert capsys.readouterr().err == "unicomp: 7 lines read\n"


def test_a_reader_that_stops_early_sees_no_traceback(tmp_path):
    table = tmp_path / "raw.csv"
    names = (f"model-{number}" for number in range(3000))  # more text than a pipe holds
    rows = "".join(f"{name},dense,gsm8k,50\n{name},awq,gsm8k,40\n" for name in names)
    table.write_text(f"model,method,benchmark,value\n{rows}")
    program = "import sys; from unicomp.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "score", str(table), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"[\n"
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0
