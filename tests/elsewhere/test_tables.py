"""Tables of items: both formats, any order of lines, and what is refused."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.elsewhere.logs import BENCHMARKS, reader
from unicomp.cli import main
from unicomp.elsewhere.judging import judge
from unicomp.elsewhere.tables import read_table
from unicomp.errors import SpecError
from unicomp.framework import EMBEDDED_PROFILE, PAPER_PROFILE
from unicomp.policy import Policy
from unicomp.retention import retention
from unicomp.scores import Records
from unicomp.scoring.aggregate import Mean
from unicomp.spec import Benchmark, Reading

HEADER = "item,benchmark,value\n"
KNOWN = {bench.name: bench for bench in BENCHMARKS}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNICOMP_HOME", str(tmp_path / "home"))
    return tmp_path


def table(path, values, benchmark="sums", cluster=None):
    """A CSV file with a value for each item."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "benchmark", "value", *(["cluster"] if cluster else [])])
        for number, value in enumerate(values):
            group = [cluster(number)] if cluster else []
            writer.writerow([f"q{number}", benchmark, value, *group])
    return path


def judged(evidence, profile=PAPER_PROFILE, policy=None):
    return judge(evidence, model="mine", method="small", profile=profile, policy=policy or Policy())


ITEMS = st.lists(
    st.tuples(
        st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1).filter(
            lambda name: name == name.strip()
        ),
        st.floats(0, 1),
        st.floats(0, 1),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda row: row[0],
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows=ITEMS, clustered=st.booleans(), data=st.data())
def test_tables_of_any_items_and_order_give_the_retention_of_their_records(
    rows, clustered, data, here
):
    names, before, now, groups = zip(*rows, strict=True)
    shuffled = data.draw(st.permutations(rows))
    with (here / "base.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["value", "item", "benchmark", *(["cluster"] if clustered else [])])
        for name, value, _, group in rows:
            writer.writerow([repr(value), name, "sums", *([f"g{group}"] if clustered else [])])
    with (here / "small.jsonl").open("w", encoding="utf-8") as file:
        for name, _, value, group in shuffled:
            row = {"item": name, "benchmark": "sums", "value": value}
            file.write(json.dumps(row | ({"cluster": f"g{group}"} if clustered else {})) + "\n")
    pair = reader().read(here / "base.csv", here / "small.jsonl").pairs["sums"]
    bench = Benchmark(
        name="sums",
        metric=None,
        task="none",
        scorer=lambda item: Reading(fields={}),
        aggregate=Mean("correct"),
    )
    both = [
        Records(
            benchmark="sums",
            items=pair.baseline.items,
            clusters=[f"g{group}" for group in groups] if clustered else list(names),
            fields={"correct": list(values)},
            parsed=[True] * len(rows),
            gaps=[None] * len(rows),
        )
        for values in (now, before)
    ]
    found = retention(pair.benchmark, pair.candidate, pair.baseline)
    assert found == retention(bench, *both)


def test_a_benchmark_of_the_suites_counts_in_its_metric(here):
    right = [number % 5 > 0 for number in range(400)]
    evidence = reader().read(
        table(here / "base.csv", map(int, right), "arc_easy"),
        table(here / "small.csv", map(int, right), "arc_easy"),
    )
    card = judged(evidence, EMBEDDED_PROFILE)
    assert [(row.metric, row.verdict) for row in card.metrics if row.method == "small"] == [
        ("knowledge", "pass")
    ]


def test_less_can_be_better(here):
    evidence = reader(lower_is_better=["toxic"]).read(
        table(here / "base.csv", [1, 0, 0, 0] * 50, "toxic"),
        table(here / "small.csv", [1, 1, 0, 0] * 50, "toxic"),
    )
    (row,) = [row for row in judged(evidence).rows if row.method == "small"]
    assert (row.score, row.dense) == (50.0, 25.0)
    assert row.retention == pytest.approx(100 * 50 / 75)


# -- what is refused ------------------------------------------------------------------------------

WRONG = {
    "an unknown column": ("csv", "item,benchmark,value,clusters\n", r":1: unknown column 'clust"),
    "a missing column": ("csv", "item,value\n1,1\n", r":1: there is no column 'benchmark'"),
    "a column twice": ("csv", "item,item,benchmark,value\n", r":1: a column stands there twice"),
    "no number": ("csv", f"{HEADER}1,sums,yes\n", r":2: the value 'yes' is not a number"),
    "NaN": ("csv", f"{HEADER}1,sums,1\n2,sums,nan\n", r":3: the value nan of sums is not from 0"),
    "points": ("csv", f"{HEADER}1,sums,61.2\n", r":2: the value 61.2 of sums .*points / 100"),
    "an item twice": ("csv", f"{HEADER}1,sums,1\n2,sums,1\n1,sums,0\n", r":4: the item '1' of sums"
                      r" stands here again, first in line 2"),
    "too few fields": ("csv", f"{HEADER}1,sums,1\n2,su", r":3: 2 fields instead of 3: the line is"),
    "an open quote": ("csv", f'{HEADER}1,sums,1\n"2,sums,1\n', r":3: not CSV: unexpected end"),
    "an unnamed item": ("csv", f"{HEADER},sums,1\n", r":2: the item is empty"),
    "an unusable name": ("csv", f"{HEADER}1,my sums,1\n", r":2: benchmark name 'my sums' is not"),
    "only a header": ("csv", HEADER, r"has no items: give the columns item, benchmark, value"),
    "an empty file": ("csv", "", r":1: there is no column 'item'"),
    "an empty JSONL": ("jsonl", "\n", r"has no items"),
    "a cluster for some": ("csv", "item,benchmark,value,cluster\n1,sums,1,a\n2,sums,1,\n",
                           r":3: sums has clusters, but not here"),
    "no clusters": ("csv", f"{HEADER}1,bbq,1\n", r"the items of bbq are not independent: .* in the "
                    r"suites category and question_index"),
    "no mean": ("csv", f"{HEADER}1,advglue,1\n", r"the score of advglue in the suites is not the "
                r"mean"),
    "no JSON": ("jsonl", '{"item": 1, "benchmark": "sums", "value": 1}\n{"item": 2, "bench',
                r":2: not JSON, the line is cut off"),
    "no object": ("jsonl", "[1]\n", r":1: not a JSON object with item, benchmark, value"),
    "an unknown name": ("jsonl", '{"item": 1, "benchmark": "s", "value": 1, "score": 2}\n',
                        r":1: unknown column 'score'"),
    "a missing name": ("jsonl", '{"item": 1, "value": 1, "cluster": "a"}\n',
                       r":1: there is no 'benchmark'"),
    "a list as an item": ("jsonl", '{"item": [1], "benchmark": "s", "value": 1}\n',
                          r":1: the item \[1\] is neither a text nor"),
    "null": ("jsonl", '{"item": 1, "benchmark": "s", "value": null}\n',
             r":1: the value None is not a number"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_is_refused_with_its_line(case, here):
    kind, text, message = WRONG[case]
    path = here / f"wrong.{kind}"
    path.write_text(text)
    with pytest.raises(SpecError, match=message) as refused:
        read_table(path, KNOWN)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_another_encoding_is_refused(here):
    path = here / "latin.csv"
    path.write_bytes(f"{HEADER}é,sums,1\n".encode("latin-1"))
    with pytest.raises(SpecError, match="not UTF-8 text"):
        read_table(path, KNOWN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda here: table(here / "small.csv", [1, 0]),
            r"sums: the item q2 of .*base.csv:4 and 1 more are not in .*small.csv",
        ),
        (
            lambda here: table(here / "small.csv", [1] * 4, "others"),
            r"the benchmark sums is in .*base.csv, and not in .*small.csv",
        ),
        (
            lambda here: table(here / "small.csv", [1] * 4, cluster=lambda number: f"g{number}"),
            r"sums: the item q0 is in the cluster q0 in .*base.csv:2, and in g0 in .*small.csv:2",
        ),
    ],
)
def test_tables_that_do_not_pair_are_refused(change, message, here):
    table(here / "base.csv", [1, 1, 0, 1])
    change(here)
    with pytest.raises(SpecError, match=message):
        reader().read(here / "base.csv", here / "small.csv")


@pytest.mark.parametrize("name", ["scores.csv.gz", "scores.parquet", "nothing.csv"])
def test_files_of_other_formats_are_refused(name, here):
    if name != "nothing.csv":
        (here / name).write_bytes(b"PK")
    with pytest.raises(SpecError, match=r"give a folder or a file of lm-eval's"):
        reader().read(here / name, here / name)


# -- the command ----------------------------------------------------------------------------------


def verdict(capsys, *arguments):
    status = main(["verdict", *map(str, arguments)])
    return status, capsys.readouterr()


def test_the_exit_status_is_that_of_a_run(here, capsys):
    right = [number % 5 > 0 for number in range(1000)]
    base = table(here / "base.csv", map(int, right))
    lossless = table(here / "lossless.csv", map(int, right))
    worse = table(here / "worse.csv", [int(one and n % 7 > 0) for n, one in enumerate(right)])
    assert verdict(capsys, base, lossless)[0] == 0
    assert verdict(capsys, base, worse, "--floor", "sums=95")[0] == 1
    status, printed = verdict(capsys, base, worse, "--floor", "sums=85")
    assert status == 10, printed.out


def test_the_scorecard_and_its_record_belong_together(here, capsys):
    base = table(here / "base.csv", [1, 1, 1, 0] * 60)
    small = table(here / "small.csv", [1, 1, 1, 0] * 60)
    card = here / "card.json"
    (here / "unicomp.toml").write_text('[models.ours.floors]\n"sums@w4" = 80\n')
    status, _ = verdict(
        capsys, base, small, "--scorecard", card, "--model", "ours", "--method", "w4"
    )
    content = json.loads(card.read_text())
    (row,) = [row for row in content["scores"] if row["method"] == "w4"]
    assert (status, row["floor"], row["verdict"]) == (0, 80.0, "pass")
    assert content["environment"]["evidence"]["candidate"]["file"] == "small.csv"
    assert main(["verify", str(here / "card.decision.json"), str(card)]) == 0


def test_a_report_is_written_where_it_is_asked_for(here, capsys):
    base = table(here / "base.csv", [1, 1, 1, 0] * 60)
    small = table(here / "small.csv", [1, 1, 1, 0] * 60)
    status, printed = verdict(capsys, base, small, "--report", here / "report.md")
    assert status == 0, printed.err
    assert "sums" in (here / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--report", "report.doc"], "--report report.doc names no format"),
        (["--floor", "safety=90"], "--floor safety: no benchmark of safety was given"),
        (["--floor", "sum=90"], "there is no benchmark, metric or dimension 'sum'"),
        (["--metric", "sums=acc"], "--metric chooses among the metrics of a log"),
        (["--metric", "sums"], "--metric 'sums' is not BENCHMARK=METRIC"),
        (["--lower-is-better", "sun"], "base.csv has no such benchmark"),
        (["--model", "a b"], "model name 'a b' is not usable"),
        (["--method", "dense"], "--method dense is the name of the baseline"),
        (["--scorecard", "no/card.json"], "--scorecard no/card.json cannot be written"),
        (["--profile", "mine"], "invalid choice: 'mine'"),
    ],
)
def test_wrong_options_are_refused_in_one_line(arguments, message, here, capsys):
    base = table(here / "base.csv", [1, 0, 1])
    status, printed = verdict(capsys, base, table(here / "small.csv", [1, 0, 1]), *arguments)
    assert status == 4
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out


@pytest.mark.long
@pytest.mark.parametrize("benchmarks", [1, 20])
def test_a_million_items_take_a_minute_and_two_gigabytes(benchmarks, here):
    for name, wrong in (("base", 3), ("small", 4)):
        with (here / f"{name}.csv").open("w") as file:
            file.write(HEADER)
            for number in range(1_000_000):
                value = int(number * 7919 % 10 >= wrong)
                file.write(f"item-{number},own{number % benchmarks},{value}\n")
    code = (
        "import time\nfrom unicomp.cli import main\nfrom unicomp.machine import memory\n"
        "status = main(['verdict', 'base.csv', 'small.csv', '--scorecard', 'card.json'])\n"
        "print(status, time.process_time(), memory.peak())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    status, seconds, size = done.stdout.splitlines()[-1].split()
    assert int(status) == 1, done.stdout
    assert float(seconds) < 60
    assert int(size) < 2e9
