"""BFCL's rows: questions joined with answers, and refused in one line where a file is amiss."""

import json
import shutil

import pytest

from suites.shipping.test_tool_use import BENCHMARKS, bfcl_irrelevance, bfcl_simple
from tests.suites.golden import ROWS
from unicomp.data.sources import Source, visible_names
from unicomp.errors import AbsentError, EngineError, SpecError
from unicomp.mirror.needs import benchmark_needs
from unicomp.mirror.survey import survey_need
from unicomp.prompts.items import Renderer
from unicomp.prompts.sizes import size_of
from unicomp.prompts.tasks import Definition
from unicomp.testing import Characters

FOLDER = "gorilla-llm/Berkeley-Function-Calling-Leaderboard"
QUESTIONS = "BFCL_v4_simple_python.json"


@pytest.fixture
def folder(tmp_path):
    """A copy of the invented rows."""
    return shutil.copytree(ROWS.folder / FOLDER, tmp_path / FOLDER)


def rendered(folder, bench=bfcl_simple):
    return Renderer(Source(str(folder.parents[1]))).items(bench, Characters())


def change(path, edit):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    edit(rows)
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


@pytest.mark.parametrize("bench", BENCHMARKS, ids=str)
def test_items_are_counted_as_they_are_rendered(bench):
    items = Renderer(ROWS).items(bench, Characters())
    assert size_of(Definition(bench, ROWS)).items == len(items)


def test_a_question_is_joined_with_its_answer_whatever_the_order(folder):
    before = {one.doc["id"]: one.doc["ground_truth"] for one in rendered(folder)}
    change(folder / "possible_answer" / QUESTIONS, list.reverse)
    assert {one.doc["id"]: one.doc["ground_truth"] for one in rendered(folder)} == before


def test_a_missing_file_of_answers_is_refused_before_anything_is_built(folder):
    (folder / "possible_answer" / QUESTIONS).unlink()
    definition = Definition(bfcl_simple, Source(str(folder.parents[1])))
    with pytest.raises(AbsentError, match=r"there is no .*possible_answer/BFCL_v"):
        definition.check()
    Definition(bfcl_irrelevance, Source(str(folder.parents[1]))).check()


@pytest.mark.parametrize(
    ("file", "edit", "message"),
    [
        (f"possible_answer/{QUESTIONS}", list.pop, "'simple_python_2' has no counterpart"),
        (QUESTIONS, lambda rows: rows[0].pop("id"), "the row with id None has no counterpart"),
        (QUESTIONS, lambda rows: rows[0].pop("function"), "no column .function. of functions"),
        (
            QUESTIONS,
            lambda rows: rows[1]["question"].append([{"role": "user", "content": "And?"}]),
            "simple_python_1 is not one message of a user",
        ),
    ],
    ids=["no answer", "no id", "no function", "two turns"],
)
def test_rows_that_are_amiss_are_refused_in_one_line(folder, file, edit, message):
    change(folder / file, edit)
    with pytest.raises(SpecError, match=message) as error:
        rendered(folder)
    assert "bfcl_simple" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_damaged_line_is_named(folder):
    (folder / QUESTIONS).write_text('{"id": "simple_python_0", "question": [[', encoding="utf-8")
    with pytest.raises(SpecError, match=f"{QUESTIONS}, line 1"):
        rendered(folder)


def test_a_mirror_has_the_files_of_both_and_counts_their_rows(folder):
    (need,) = benchmark_needs(Definition(bfcl_simple, ROWS))
    found = survey_need(folder, need)
    assert found.complete
    assert {*found.files} == {QUESTIONS, f"possible_answer/{QUESTIONS}"}
    assert found.rows == {"test": 3, "answers": 3}
    (folder / QUESTIONS).write_text("{", encoding="utf-8")
    assert "line 1" in survey_need(folder, need).problems[0]


@pytest.mark.parametrize(
    ("version", "simple"), [("v3", "BFCL_v3_simple.json"), ("v4", "BFCL_v4_simple_python.json")]
)
def test_each_version_names_its_files_in_its_own_way(folder, version, simple):
    before = [one.key for one in rendered(folder)]
    for path in [*folder.rglob("*.json")]:
        name = simple if path.name == QUESTIONS else path.name.replace("v4", version)
        path.rename(path.with_name(name))
    for other in ("live_simple", "simple_java", "simple_javascript", "java"):
        (folder / f"BFCL_{version}_{other}.json").write_text("no rows", encoding="utf-8")
    assert [one.key for one in rendered(folder)] == before
    assert all(rendered(folder, bench) for bench in BENCHMARKS)


def test_two_versions_in_one_folder_are_refused(folder):
    shutil.copyfile(folder / QUESTIONS, folder / "BFCL_v3_simple.json")
    with pytest.raises(SpecError, match=f"BFCL_v3_simple.json and {QUESTIONS}: keep one of them"):
        rendered(folder)
    (need,) = benchmark_needs(Definition(bfcl_simple, ROWS))
    assert "keep one of them" in survey_need(folder, need).problems[0]


def test_rows_of_the_hub_are_fetched_file_by_file(monkeypatch):
    asked, folder = [], ROWS.folder / FOLDER

    def fetched(dataset, name, **options):
        asked.append((dataset, name, options["repo_type"]))
        return str(folder / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetched)
    monkeypatch.setattr(
        "huggingface_hub.list_repo_files", lambda *_, **__: sorted(visible_names(folder))
    )
    items = Renderer(Source("hub")).items(bfcl_simple, Characters())
    assert [one.key for one in items] == [one.key for one in rendered(folder)]
    assert asked == [
        (FOLDER, QUESTIONS, "dataset"),
        (FOLDER, f"possible_answer/{QUESTIONS}", "dataset"),
    ]


def test_a_hub_that_cannot_be_reached_is_named(monkeypatch):
    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.list_repo_files", offline)
    with pytest.raises(EngineError, match=r"from the hub \(no network\): go online"):
        Renderer(Source("hub")).items(bfcl_simple, Characters())
