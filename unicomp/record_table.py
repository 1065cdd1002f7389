"""Records as a table with a row for each item, and back without loss.

Every table has the same columns, so that those of several benchmarks can be put together. Only the
fields of the scorer differ: each is a column `reading_NAME`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unicomp.divergence import right_or_wrong
from unicomp.item_texts import ItemTexts
from unicomp.scores import Records

if TYPE_CHECKING:
    import pyarrow

READING = "reading_"
"""The start of the name of a column that holds a field of the scorer."""

_ANSWERS = {
    "text": "answer",
    "digest": "answer_digest",
    "options": "log_likelihoods",
    "right": "right_options",
    "picked": "picked",
    "tokens": "answer_tokens",
    "cut": "answer_cut",
    "loop": "answer_loop",
}
"""Name in `Records.answers` → its column."""

_WHOLE = ("benchmark", "overlong", "judged", "faults", "degenerate", "constant", "generated", "bad",
          "same")  # fmt: skip
"""What records say of all items together; metadata of the table, as JSON."""
_METADATA = b"unicomp"


def as_table(
    records: Records, texts: ItemTexts | None, about: Mapping[str, str | None]
) -> pyarrow.Table:
    """The table of records; `about` gives further columns, each with one value for all rows.

    - `item`: SHA-256 of the row of the data set; `sample`, which one of its samples, from 0;
      `cluster`
    - `right`: whether the answer is right; null if the scorer does not say, or does not count it
    - `parsed`, `gap`, and `reading_NAME` for each field: what the scorer made of the answer
    - `answer`, `answer_digest`, `answer_tokens`, `answer_cut`, `answer_loop`: of generated text,
      see `Records.answers`
    - `options`, `log_likelihoods` (nats), `picked`, `right_options` (from 0): of multiple choice
    - `right_answer`, `prompt`, `prompt_characters`: see `ItemTexts`; null without texts
    - `prompt_digest`: see `unicomp.prompts.comparison`
    """
    import pyarrow as pa

    n = len(records.items)
    text, number = pa.string(), pa.int32()
    kinds = {
        **{"answer": text, "answer_digest": text, "picked": number},
        **{"answer_tokens": number, "answer_cut": pa.bool_(), "answer_loop": pa.bool_()},
        **{"log_likelihoods": pa.list_(pa.float64()), "right_options": pa.list_(number)},
    }
    columns = {name: pa.array([value] * n, text) for name, value in about.items()}
    columns |= {
        "item": pa.array(records.items, text),
        "sample": pa.array(records.sample or [0] * n, number),
        "cluster": pa.array(records.clusters, text),
        "right": pa.array(right_or_wrong(records) or [None] * n, pa.bool_()),
        "parsed": pa.array(records.parsed, pa.bool_()),
        "gap": pa.array(records.gaps, text),
    }
    for name, values in records.fields.items():
        kind = text if any(isinstance(one, str) for one in values) else pa.float64()
        columns[f"{READING}{name}"] = pa.array(values, kind)
    for name, column in _ANSWERS.items():
        values = records.answers.get(name, [None] * n)
        columns[column] = pa.array(values, kinds[column])
    columns |= _columns_of_texts(records.items, texts)
    prompts: list[Any] = records.prompts or [None] * n
    columns["prompt_digest"] = pa.array(prompts, text)
    whole = {name: getattr(records, name) for name in _WHOLE}
    metadata = {_METADATA: json.dumps({**whole, "answers": sorted(records.answers)})}
    return pa.table(columns).replace_schema_metadata(metadata)


def _columns_of_texts(items: Sequence[str], texts: ItemTexts | None) -> dict[str, Any]:
    """The columns of the items' texts, which are matched by item; null where there are none."""
    import pyarrow as pa

    place = {item: n for n, item in enumerate(texts.items)} if texts else {}
    places = [place.get(item) for item in items]

    def column(values: Sequence[Any], kind: Any) -> Any:
        return pa.array([None if n is None else values[n] for n in places], kind)

    options = [one or None for one in texts.options] if texts else []
    return {
        "options": column(options, pa.list_(pa.string())),
        "right_answer": column(texts.right if texts else (), pa.string()),
        "prompt": column(texts.prompts if texts else (), pa.string()),
        "prompt_characters": column(texts.characters if texts else (), pa.int32()),
    }


def from_table(table: pyarrow.Table) -> Records:
    """The records of a table. Raises KeyError, TypeError or ValueError if it is no such table."""
    whole = json.loads((table.schema.metadata or {})[_METADATA])
    answers = whole.pop("answers")

    def column(name: str) -> list[Any]:
        return list(table.column(name).to_pylist())

    prompts = column("prompt_digest")
    sample = column("sample") if "sample" in table.column_names else []  # files of version 0.4
    return Records(
        **whole,
        items=column("item"),
        clusters=column("cluster"),
        fields={
            name.removeprefix(READING): column(name)
            for name in table.column_names
            if name.startswith(READING)
        },
        parsed=column("parsed"),
        gaps=column("gap"),
        prompts=[] if None in prompts else prompts,
        answers={name: column(_ANSWERS[name]) for name in answers},
        sample=sample if any(sample) else [],
    )
