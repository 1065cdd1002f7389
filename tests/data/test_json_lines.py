"""Rows of JSON whose nested values stay text, and rows of two files that are joined."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.data.json_lines import joined, text_rows

ROWS = [
    {"id": "a", "n": 1, "of": {"x": 1, "y": [1]}, "all": [1]},
    {"id": "b", "n": None, "of": {"x": "one"}, "all": ["ä"]},
]
READ = [
    {"id": "a", "n": 1, "of": '{"x": 1, "y": [1]}', "all": "[1]"},
    {"id": "b", "n": None, "of": '{"x": "one"}', "all": '["ä"]'},
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.json"


def test_nested_values_stay_text(path):
    path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n", encoding="utf-8")
    assert text_rows(path) == READ


def test_a_list_is_read_as_lines_are(path):
    path.write_text(json.dumps(ROWS, indent=1), encoding="utf-8")
    assert text_rows(path) == READ


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "a"}\n{"id": ', "rows.json, line 2: "),
        ('{"id": "a"}\n5\n', "rows.json, line 2: it is no table"),
        ('[{"id": "a"}, "b"]', "rows.json, row 2: it is no table"),
        ('[{"id": "a"}', "rows.json: "),
    ],
)
def test_a_damaged_file_is_named_with_its_line(path, text, message):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        text_rows(path)


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.randoms())
def test_rows_are_joined_whatever_their_order(names, random):
    others = [{"id": name, "answer": name.upper()} for name in "abcdef"]
    random.shuffle(others)
    found = joined([{"id": name} for name in names], others, "id")
    assert found == [{"id": name, "answer": name.upper()} for name in names]


@pytest.mark.parametrize("row", [{"id": "z"}, {"other": "a"}, {"id": None}])
def test_a_row_without_a_counterpart_is_refused(row):
    with pytest.raises(ValueError, match="has no counterpart"):
        joined([row], [{"id": "a"}, {"answer": 5}], "id")
