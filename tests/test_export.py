"""Exported records are those of the store, item by item, and are found by a scorecard alone."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_divergence import choices, records, texts
from tests.test_looks import answered
from tests.test_scorecard_file import card_of
from unicomp.cli import main
from unicomp.errors import SpecError
from unicomp.findings import findings_of
from unicomp.item_records import EXPORT, RecordSource
from unicomp.item_texts import ItemTexts, texts_key
from unicomp.record_table import as_table, from_table
from unicomp.report import json as json_report
from unicomp.store import ITEMS, SCORES, Store, content_key

HOSTILE = "\x1b[2J</script>\u202e\u200b\ud7ff" + "x" * 50


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("UNICOMP_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return Store(tmp_path / "home")


def of(benchmark, *given, **fields):
    found = records(*given, **fields)
    return replace(
        found, benchmark=benchmark, prompts=[f"{n}-b-c" for n in range(len(found.items))]
    )


def asks(found, prompt="What?"):
    n = len(found.items)
    return ItemTexts(
        benchmark=found.benchmark,
        items=found.items,
        prompts=[prompt] * n,
        characters=[len(prompt)] * n,
        options=[["salt", "sugar"]] * n,
        right=["salt"] * n,
    )


def stored(store, found):
    key = content_key(asdict(found))
    store.remember(SCORES, key, asdict(found))
    return key


def row_of(store, candidate, baseline, **about):
    """A row of a benchmark whose records are in the store."""
    keys = {"candidate": stored(store, candidate), "baseline": stored(store, baseline)}
    items = content_key({"items": sorted(candidate.items)})
    return answered(
        candidate.benchmark, "knowledge", len(candidate.items), records=keys, items=items, **about
    )


@pytest.fixture
def pair(store):
    """A benchmark's records of a candidate and of its baseline, in the store with their texts."""
    base = of("arc_easy", [1, 0], choices([[2.0, 0.5], [0.1, 0.2]]), said=["a", "b"])
    mine = of("arc_easy", [0, 0], choices([[0.0, 0.5], [0.1, 0.2]]), said=["b", HOSTILE])
    store.remember(ITEMS, texts_key(base), asdict(asks(base)))
    return mine, base


@pytest.fixture
def write(tmp_path):
    def write(*rows, name="card.json"):
        card = card_of(*rows)
        json_report.write(card, findings_of(card), tmp_path / name)
        return str(tmp_path / name)

    return write


def run(capsys, *arguments):
    status = main(["export", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


# -- tables ---------------------------------------------------------------------------------------

NUMBERS = st.floats(allow_nan=False)
FIELD = st.one_of(NUMBERS, st.text(st.characters(exclude_categories=["Cs"])))


@st.composite
def any_records(draw):
    n = draw(st.integers(1, 5))

    def column(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    numbers, said = column(NUMBERS), column(words)
    answers = draw(
        st.sampled_from(
            [
                {},
                {"text": column(words), "digest": column(words)},
                {
                    "options": column(st.lists(NUMBERS, max_size=3)),
                    "right": column(st.lists(st.integers(0, 9), max_size=2)),
                    "picked": column(st.integers(0, 9)),
                },
            ]
        )
    )
    found = records(column(st.sampled_from([0.0, 1.0, 0.5])), answers, said=said, loss=numbers)
    return replace(
        found,
        parsed=column(st.booleans()),
        gaps=column(st.sampled_from([None, "no judge"])),
        prompts=draw(st.sampled_from([[], column(words)])),
        degenerate=draw(st.sampled_from([None, "60 % of the answers are empty"])),
        faults=draw(st.lists(words, max_size=2)),
        judged=draw(st.integers(0, 5)),
    )


@given(any_records(), st.booleans())
def test_records_come_back_from_a_table_as_they_were(found, with_texts):
    texts_of_items = asks(found) if with_texts else None
    about = {"model": "m", "metric": None}
    assert from_table(as_table(found, texts_of_items, about)) == found


def test_every_table_has_the_same_columns_but_for_the_fields_of_the_scorer():
    tables = [
        as_table(one, None, {"model": "m"})
        for one in (
            records([1], choices([[1.0, 0.0]])),
            records([0.5], texts("word"), said=["x"]),
            records([1], {}),
        )
    ]
    columns = [
        {(field.name, field.type) for field in one.schema if not field.name.startswith("reading_")}
        for one in tables
    ]
    assert columns[0] == columns[1] == columns[2]


def test_an_answer_that_is_not_counted_is_neither_right_nor_wrong():
    found = records([1, 0, 1], counted=[1.0, 1.0, 0.0])
    assert as_table(found, None, {}).column("right").to_pylist() == [True, False, None]
    shares = as_table(records([0.5, 1]), None, {})
    assert shares.column("right").to_pylist() == [None, None]


# -- the command ----------------------------------------------------------------------------------


def test_all_answers_of_a_scorecard_are_in_files_that_others_read(
    store, pair, write, capsys, tmp_path
):
    import pandas

    folder = tmp_path / "out"
    card = write(row_of(store, *pair))
    status, text = run(capsys, card, folder)
    assert (status, text) == (0, f"wrote 4 records in 2 files to {folder}\n")
    frame = pandas.read_parquet(folder / "m" / "wanda_50" / "generic" / "arc_easy.parquet")
    assert list(frame["item"]) == pair[0].items
    assert list(frame["right"]) == [False, False]
    assert list(frame["reading_said"]) == ["b", HOSTILE]
    assert list(frame["picked"]) == pair[0].answers["picked"]
    assert [list(one) for one in frame["options"]] == [["salt", "sugar"]] * 2
    assert set(frame["prompt"]) == {"What?"}
    assert set(frame["right_answer"]) == {"salt"}
    assert set(frame["method"]) == {"wanda_50"}
    assert set(frame["metric"]) == {"knowledge"}


def test_an_export_says_what_it_was_made_of(store, pair, write, capsys, tmp_path):
    from unicomp.store import file_digest

    card = write(row_of(store, *pair))
    run(capsys, card, tmp_path / "out")
    content = json.loads((tmp_path / "out" / EXPORT).read_text())
    assert content["scorecards"] == [{"file": "card.json", "sha256": file_digest(tmp_path / card)}]
    dense, mine = content["files"]
    assert (dense["method"], dense["calibration"]) == ("dense", "none")
    assert dense["checkpoint"] == content_key({"of": "dense"})
    assert mine["checkpoint"] == content_key({"of": "wanda"})
    for one in content["files"]:
        assert file_digest(tmp_path / "out" / one["file"]) == one["sha256"]


def test_what_was_asked_early_is_exported_and_marked(store, pair, capsys, tmp_path):
    mine, base = pair
    judged = card_of(row_of(store, mine.at(range(1)), base))
    all_items = content_key({"items": sorted(base.items)})
    (row,) = (replace(one, items=all_items, full_n=2, early_error=0.01) for one in judged.rows)
    card = replace(judged, rows=(row,))
    json_report.write(card, findings_of(card), tmp_path / "card.json")
    status, said = run(capsys, tmp_path / "card.json", tmp_path / "out")
    assert status == 0
    assert "1 of these files have only what was asked until asking stopped early" in said
    dense, early = json.loads((tmp_path / "out" / EXPORT).read_text())["files"]
    assert (dense["items"], dense["full_items"]) == (2, None)
    assert (early["items"], early["full_items"]) == (1, 2)


def test_both_sides_are_found_in_the_store_and_on_another_machine(
    store, pair, write, capsys, tmp_path
):
    row = row_of(store, *pair)
    run(capsys, write(row), tmp_path / "out")
    for source in (RecordSource(store=store), RecordSource(folder=tmp_path / "out")):
        found = source.behind(row)
        assert (found.candidate, found.baseline) == pair
    empty = Store(tmp_path / "empty")
    assert RecordSource(store=empty).behind(row) is None
    assert RecordSource(store=empty, folder=tmp_path / "out").behind(row) is not None


def test_records_of_other_items_are_not_taken_for_those_of_the_row(store, pair):
    row = row_of(store, *pair)
    other = replace(row, items=content_key({"items": ["0" * 64]}))
    assert RecordSource(store=store).behind(other) is None
    assert RecordSource(store=store).behind(replace(row, benchmark="piqa")) is None


@pytest.mark.parametrize("key", ["../looks/x", "", "f" * 32, "/etc/passwd"])
def test_a_key_that_the_store_never_gave_finds_nothing(store, pair, key):
    row = replace(row_of(store, *pair), records={"candidate": key, "baseline": key})
    assert RecordSource(store=store).behind(row) is None


def test_a_damaged_file_is_as_good_as_none(store, pair, write, capsys, tmp_path):
    row = row_of(store, *pair)
    run(capsys, write(row), tmp_path / "out")
    file = tmp_path / "out" / "m" / "dense" / "none" / "arc_easy.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    (store.home / SCORES / f"{row.records['baseline']}.json").write_text('{"benchmark": 1}')
    assert RecordSource(store=store, folder=tmp_path / "out").behind(row) is None


def test_records_that_the_store_lacks_are_named_and_the_others_written(
    store, pair, write, capsys, tmp_path
):
    lost = answered("piqa", None, records={"candidate": "a" * 32, "baseline": "b" * 32})
    status, text = run(capsys, write(row_of(store, *pair), lost), tmp_path / "out")
    assert status == 1
    assert "has no records of piqa of m/dense, piqa of m/wanda_50 (generic): " in text
    content = json.loads((tmp_path / "out" / EXPORT).read_text())
    assert content["missing"] == ["piqa of m/dense", "piqa of m/wanda_50 (generic)"]


def test_records_that_two_runs_read_differently_are_both_exported(
    store, pair, write, capsys, tmp_path
):
    mine, base = pair
    again = replace(base, judged=1)
    rows = [row_of(store, mine, base), replace(row_of(store, mine, again), method="awq_w4a16")]
    status, _ = run(capsys, write(*rows), tmp_path / "out")
    source = RecordSource(folder=tmp_path / "out")
    assert status == 0
    assert [source.behind(row).baseline for row in rows] == [base, again]


REFUSED = {
    "nothing": ({"records": {}}, "has no records of arc_easy of m/dense, arc_easy of m/wanda_50"),
    "not-measured": (
        {"records": {}, "items": None, "verdict": "not_measured", "retention": None},
        "no benchmark of the scorecard was measured",
    ),
    "path": ({"benchmark": "../arc"}, "is damaged: $.scores[0].benchmark"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_exported_is_refused_in_one_line(case, store, pair, write, capsys, tmp_path):
    changes, message = REFUSED[case]
    row = replace(row_of(store, *pair), **changes)
    status, text = run(capsys, write(row), tmp_path / "out")
    assert status == 4
    assert message in text
    assert text.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_in_it_is_refused(store, pair, write, capsys, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    status, text = run(capsys, write(row_of(store, *pair)), tmp_path / "out")
    assert status == 4
    assert "is not empty: name a new folder" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is no exported folder"),
        ("{", "is damaged"),
        ('{"schema": "unicomp/export/9"}', "is not of this version"),
        ('{"schema": "unicomp/export/1", "files": [{}]}', "is damaged"),
    ],
)
def test_a_folder_that_is_no_export_is_refused(content, message, tmp_path):
    if content is not None:
        (tmp_path / EXPORT).write_text(content)
    with pytest.raises(SpecError, match=message):
        RecordSource(folder=tmp_path)


READ_BACK = """
import time
from pathlib import Path
from unicomp.cli import main
from unicomp.item_records import RecordSource
from unicomp.machine import memory
from unicomp.scorecard_file import read

start = time.monotonic()
assert main(["export", "card.json", "out"]) == 0
source = RecordSource(folder=Path("out"))
for row in read(Path("card.json")).rows:
    assert len(source.behind(row).candidate.items) == 10_000
print(time.monotonic() - start, memory.peak() / 1e9)
"""


@pytest.mark.long
def test_a_million_records_are_exported_and_read_back_in_a_minute_and_2_gb(store, write, tmp_path):
    said = "The trains leave at the same time, so each of them needs half of the way and "
    rows = []
    for number in range(10):
        one = records([1, 0] * 5000, texts(*(f"{said * 5}{n}" for n in range(10_000))))
        base = replace(one, benchmark=f"quiz_{number}", prompts=one.items)
        texts_of_items = asks(base, "Which of these trains is the first to arrive? " * 12)
        store.remember(ITEMS, texts_key(base), asdict(texts_of_items))
        keys = [stored(store, replace(base, judged=method)) for method in range(10)]
        row = answered(
            base.benchmark, "knowledge", 10_000, items=content_key({"items": sorted(base.items)})
        )
        rows += [
            replace(row, method=f"m{n}", records={"candidate": key, "baseline": keys[0]})
            for n, key in enumerate(keys[1:])
        ]
    write(*rows)
    done = subprocess.run(
        [sys.executable, "-c", READ_BACK], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    seconds, gigabytes = map(float, done.stdout.splitlines()[-1].split())
    assert seconds < 60, seconds
    assert gigabytes < 2, gigabytes
