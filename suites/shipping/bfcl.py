"""BFCL's rows as items: the request of a single turn as the column `prompt`."""

import json
from typing import Any


def with_prompt(dataset: Any) -> Any:
    """The rows with their request as `prompt`; a row with more turns than one raises ValueError."""
    return dataset.map(_with_prompt)


def _with_prompt(row: dict[str, Any]) -> dict[str, str]:
    turns = json.loads(row["question"])
    if len(turns) != 1 or [message["role"] for message in turns[0]] != ["user"]:
        raise ValueError(f"the row {row['id']} is not one message of a user")
    return {"prompt": turns[0][0]["content"]}
