"""AIME's rows as items, whatever the case of their columns."""

from typing import Any

COLUMNS = ("problem", "answer")


def with_problem(dataset: Any) -> Any:
    """The rows with the columns `problem` and `answer` alone; ValueError without one of them."""
    named = {name.lower(): name for name in dataset.column_names}
    if absent := [name for name in COLUMNS if name not in named]:
        raise ValueError(f"no column {' and none '.join(map(repr, absent))}")
    return dataset.map(
        lambda row: {name: str(row[named[name]]).strip() for name in COLUMNS},
        remove_columns=dataset.column_names,
    )
