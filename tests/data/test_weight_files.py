"""Headers of safetensors files: whole ones are read as they are, all others are refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.data.weight_files import SINGLE, headers, read_header, size
from unicomp.errors import SpecError

TYPES = {"F32": 4, "BF16": 2, "I8": 1}


def stored(shapes: dict[str, tuple[str, list[int]]]) -> bytes:
    """A safetensors file of zeros."""
    header, end = {}, 0
    for name, (dtype, shape) in shapes.items():
        begin, count = end, TYPES[dtype]
        for length in shape:
            count *= length
        end += count
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


SHAPES = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
    st.tuples(st.sampled_from(sorted(TYPES)), st.lists(st.integers(0, 5), max_size=3)),
    min_size=1,
    max_size=5,
)


@given(SHAPES)
def test_a_whole_file_is_read_as_it_was_written(tmp_path_factory, shapes):
    folder = tmp_path_factory.mktemp("whole")
    content = stored(shapes)
    (folder / SINGLE).write_bytes(content)
    found = {name: (entry["dtype"], entry["shape"]) for name, entry in headers(folder).items()}
    assert found == shapes
    assert size(folder) == len(content)


@given(SHAPES, st.data())
def test_a_file_of_another_length_is_refused(tmp_path_factory, shapes, data):
    path = tmp_path_factory.mktemp("cut") / SINGLE
    content = stored(shapes)
    cut = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(data.draw(st.sampled_from([content[:cut], content + b"\0"])))
    with pytest.raises(SpecError) as caught:
        read_header(path)
    assert str(caught.value).isprintable()


def outcome(path: Path) -> str:
    """What is said of a file: nothing, or why it is refused."""
    try:
        read_header(path)
    except SpecError as error:
        return str(error)
    return "accepted"


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_refused_in_one_line(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / SINGLE
    path.write_bytes(len(content).to_bytes(8, "little") + content)
    assert outcome(path).isprintable()


ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ('{"a": 1}', "a has no dtype, shape and data_offsets"),
        (json.dumps({"a": ENTRY | {"dtype": "F31"}}), "a has the unknown type F31"),
        (json.dumps({"a": ENTRY | {"dtype": ["F32"]}}), "a has the unknown type"),
        (json.dumps({"a": ENTRY | {"shape": [True]}}), "a has the shape [True]"),
        (json.dumps({"a": ENTRY | {"shape": [-1]}}), "a has the shape [-1]"),
        (json.dumps({"a": ENTRY | {"shape": [2]}}), "a has 4 bytes for its shape [2]"),
        (json.dumps({"a": ENTRY | {"data_offsets": [4, 8]}}), "a begins at 4, not at 0"),
        (json.dumps({"a": ENTRY, "b": ENTRY}), "b begins at 0, not at 4"),
        (f'{{"a": {json.dumps(ENTRY)}, "a": {json.dumps(ENTRY)}}}', "a name stands there twice"),
        ("[" * 100_000, "has a damaged header"),
        ('{"a": "\xff"', "not JSON"),
    ],
)
def test_a_damaged_header_is_named(tmp_path: Path, header: str, reason: str) -> None:
    path = tmp_path / SINGLE
    text = header.encode("latin-1")
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(SpecError) as caught:
        read_header(path)
    assert reason in str(caught.value)
