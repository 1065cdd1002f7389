"""`unicomp tables` writes the paper's tables and figures, and names what is missing."""

from __future__ import annotations

import csv
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.embedded.figures import CALIBRATIONS, SCORES, measured_card, metrics_card, stored
from unicomp.cli import main
from unicomp.commands.tables import read
from unicomp.errors import SpecError
from unicomp.findings.study import UNITS, joined, study_of_card, study_of_scores
from unicomp.rawscores import metric_scores, read_raw_scores
from unicomp.report.paper.files import as_csv, as_markdown
from unicomp.report.paper.tables import Table, tables
from unicomp.scorecard import Scorecard
from unicomp.verdict import Row

ROOT = os.environ.get("UNICOMP_DATASET_ROOT")
PUBLISHED = Path(ROOT).parent / "paper" if ROOT else None
RAW = """\
model,method,benchmark,value
mine,dense,gsm8k,60.0
mine,dense,math_500,40.0
mine,dense,gpqa_diamond,30.0
mine,dense,throughput,3000
mine,dense,latency,0.2
mine,gptq_w4a16,gsm8k,57.0
mine,gptq_w4a16,math_500,38.0
mine,gptq_w4a16,gpqa_diamond,30.0
mine,gptq_w4a16,throughput,3300
mine,gptq_w4a16,latency,0.1
mine,gptq_w4a16,compression_time,600
mine,gptq_w4a16,compression_memory,16
"""
FIGURES = ("1b", "2", "3a", "3b", "3c", "4", "5")


def written(folder):
    """Table or figure → (header, rows) of its CSV file."""
    found = {}
    for path in folder.glob("*.csv"):
        header, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
        found[path.stem] = [dict(zip(header, row, strict=True)) for row in rows]
    return found


def test_all_tables_and_figures_are_written_and_what_is_missing_is_named(tmp_path, capsys):
    (tmp_path / "raw.csv").write_text(RAW, encoding="utf-8")
    assert main(["tables", str(tmp_path / "raw.csv"), "-o", str(tmp_path / "out")]) == 0
    out = tmp_path / "out"
    names = [*(f"table_{number}" for number in range(1, 17)), *(f"figure_{one}" for one in FIGURES)]
    for name in names:
        assert (out / f"{name}.csv").is_file()
        assert (out / f"{name}.md").is_file()
    for name in FIGURES:
        root = ElementTree.parse(out / f"figure_{name}.svg").getroot()
        assert f"Figure {name}." in "".join(root.itertext())
    index = (out / "index.md").read_text(encoding="utf-8")
    assert all(f"[{name}](" in index for name in names)
    said = capsys.readouterr().out
    assert "table_9: not measured: everything" in said
    assert "table_8: not measured: global_mmlu_lite of all; bbq of all" in said
    assert "compute_cost of dense" not in said  # it cannot have one
    (row,) = [row for row in written(out)["table_2"] if row["checkpoint"] == "gptq_w4a16"]
    assert float(row["reasoning"]) == pytest.approx((95.0 + 95.0 + 100.0) / 3)
    assert row["knowledge"] == ""


def test_the_same_measurements_give_the_same_files(tmp_path):
    (tmp_path / "raw.csv").write_text(RAW, encoding="utf-8")
    for name in ("first", "second"):
        main(["tables", str(tmp_path / "raw.csv"), "-o", str(tmp_path / name)])
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


@pytest.mark.skipif(
    PUBLISHED is None or not PUBLISHED.is_dir(),
    reason="needs the paper's tables beside the mirror that UNICOMP_DATASET_ROOT names",
)
def test_the_papers_raw_scores_give_its_published_tables(tmp_path):
    path = PUBLISHED / "llama_3_1_8b_raw.csv"
    main(["tables", str(path), "-o", str(tmp_path)])
    cells = {}
    for rows in written(tmp_path).values():
        for row in rows:
            for column, value in row.items():
                name = column.removesuffix(" (score)")
                cells.setdefault((row.get("checkpoint"), name, column != name), value)
    (raw,) = read_raw_scores(path).values()
    for method, scores in raw.items():
        for benchmark, value in scores.items():
            assert float(cells[method, benchmark, False]) == value
    apart = []
    with (PUBLISHED / "llama_3_1_8b_published.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found = float(cells[row["method"], row["score"], True])
            tolerance = 0.6 if row["score"] == "knowledge" else 0.06
            if abs(found - float(row["value"])) > tolerance:
                apart.append(row)
    assert len(apart) <= 23, apart  # these follow from no formula of the paper


def test_a_scorecard_gives_its_metrics_languages_and_units():
    figures = stored(SCORES)
    card = measured_card(figures)
    sized = Row(**next(row for row in figures["probes"] if row["benchmark"] == "model_size"))
    study = study_of_card(Scorecard(rows=(*card.rows, sized), metrics=card.metrics))
    for row in card.metrics:
        if row.value is not None:
            assert study.metrics[row.model, row.method, row.metric] in (row.value, row.published)
    assert study.scores["embedded", sized.method, "model_size"] == sized.score / UNITS["bytes"]
    assert 0 < study.languages["embedded", "wanda_50", "low"] < 100
    assert study.families["wanda_50"] == "pruning"


def test_the_relative_gain_of_a_calibration_stands_beside_its_points():
    study = study_of_card(metrics_card(stored(CALIBRATIONS)))
    (table,) = [one for one in tables(study) if one.number == "5"]
    values = {labels: dict(zip(table.columns, row, strict=True)) for labels, row in table.rows}
    one = values["embedded", "sparsegpt_2_4", "reasoning"]
    assert one["reasoning points"] == pytest.approx(42.0, abs=0.1)
    assert one["reasoning relative %"] == pytest.approx(228, abs=1)


def test_models_of_several_files_stand_in_one_table(tmp_path):
    (tmp_path / "a.csv").write_text(RAW, encoding="utf-8")
    (tmp_path / "b.csv").write_text(RAW.replace("mine", "other"), encoding="utf-8")
    study = read([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert list(study.checkpoints) == ["mine", "other"]
    with pytest.raises(SpecError, match="model 'mine' is in two of the files"):
        read([tmp_path / "a.csv", tmp_path / "a.csv"])


def test_what_is_missing_is_named_by_model_if_there_are_several():
    def missing(*rows):
        return Table(
            number="2", title="", labels=("model", "checkpoint"), columns=("a",), rows=rows
        ).missing

    one, two, none = (("m", "x"), (1.0,)), (("m", "y"), (None,)), (("n", "x"), (None,))
    assert missing(two, none) == ["everything"]
    assert missing(one, two) == ["a of y"]
    assert missing(one, none) == ["a of n"]
    assert missing(one, two, none) == ["a of m/y, n"]
    assert missing(one) == []


def test_readings_are_not_mixed(tmp_path):
    (tmp_path / "a.csv").write_text(RAW, encoding="utf-8")
    raw = study_of_scores(read_raw_scores(tmp_path / "a.csv"))
    card = study_of_card(measured_card(stored(SCORES)))
    with pytest.raises(SpecError, match="the readings oriented and paper"):
        joined([raw, card])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.json", "-o", "out"], "none.json cannot be read"),
        (["none.json", "-o", "out", "--reading", "paper"], "--reading is for raw scores"),
        (["raw.csv", "-o", "raw.csv"], "the tables cannot be written to raw.csv"),
        (["raw.csv", "-o", "out", "--reading", "odd"], "there is no reading 'odd'"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / "raw.csv").write_text(RAW, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["tables", *arguments]) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"unicomp: {message}")
    assert error.count("\n") == 1


@given(
    st.lists(st.tuples(st.text(min_size=1), st.one_of(st.none(), st.floats(-1e6, 1e6))), min_size=1)
)
def test_a_hostile_name_breaks_no_table(rows):
    table = Table(
        number="2",
        title="title",
        labels=("checkpoint",),
        columns=("value",),
        rows=tuple(((name,), (value,)) for name, value in rows),
    )
    read_back = list(csv.reader(as_csv(table).splitlines()))[1:]
    assert [float(cell) if cell else None for _, cell in read_back] == [value for _, value in rows]
    lines = [line for line in as_markdown(table, "Table").split("\n") if line.startswith("| ")]
    assert len(lines) == 2 + len(rows)
    assert "<script" not in as_markdown(table, "Table")


@given(st.floats(1.0, 100.0), st.floats(1.0, 100.0))
def test_the_average_of_a_dimension_needs_all_that_the_model_has(kept, dense):
    raw = {"m": {"dense": {"ifbench": dense}, "a": {"ifbench": kept}, "b": {}}}
    study = study_of_scores(raw)
    (value,) = [one.value for one in metric_scores(raw) if one.method == "a"]
    assert study.average("m", "a", "performance") == pytest.approx(value)
    assert study.average("m", "b", "performance") is None
