"""The texts of a benchmark's items: prompts, options and right answers, kept for reports.

Records hold what was answered, not what was asked. The texts are written when items are rendered to
be measured, once for all checkpoints with the same prompts. A later run finds them by the records
alone, so it renders nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unicomp.prompts.items import WINDOWS, RenderedItem
from unicomp.scores import Records
from unicomp.store import ITEMS, Store, content_key

KEPT_PROMPT = 8000
"""Characters of a prompt that are kept: its end, where the question stands."""


@dataclass(frozen=True, kw_only=True)
class ItemTexts:
    """What the items of one benchmark ask, one entry for each item."""

    benchmark: str
    items: list[str]
    """SHA-256 of the rows, as in `Records.items`."""
    prompts: list[str]
    """The last `KEPT_PROMPT` characters of each prompt, with its chat template."""
    characters: list[int]
    """The length of the whole prompt."""
    options: list[list[str]]
    """Of multiple choice: the options; else empty lists."""
    right: list[str | None]
    """The right answer, several joined by ` / `; None if the task gives none."""


def texts_of(benchmark: str, rendered: Sequence[RenderedItem]) -> ItemTexts:
    """The texts of a benchmark's rendered items, each once."""
    asked = [one for one in rendered if one.sample == 0]
    return ItemTexts(
        benchmark=benchmark,
        items=[one.item for one in asked],
        prompts=[one.prompt[-KEPT_PROMPT:] for one in asked],
        characters=[len(one.prompt) for one in asked],
        options=[one.options for one in asked],
        right=[one.right_answer for one in asked],
    )


def texts_key(records: Records) -> str:
    """The key of the texts of records' items: the same for equal rows and prompts."""
    first = records.first
    prompts = [digests.partition("-")[0] for digests in first.prompts]
    return content_key({"benchmark": first.benchmark, "items": first.items, "prompts": prompts})


def keep_texts(
    store: Store, records: Records, rendered: Sequence[RenderedItem], written: set[str]
) -> None:
    """Store the texts of records' items; windows of running text have none.

    `written` holds the keys that this process has stored. Those are not stored again, but those of
    an earlier run are: the right answers may have been corrected since.
    """
    key = texts_key(records)
    if key in written or rendered[0].requests[0].request_type == WINDOWS:
        return
    store.remember(ITEMS, key, asdict(texts_of(records.benchmark, rendered)))
    written.add(key)


def read_texts(store: Store, *records: Records) -> ItemTexts | None:
    """The stored texts of the items of the first records that have any; None without."""
    for one in records:
        value: Any = store.recall(ITEMS, texts_key(one))
        try:
            texts = ItemTexts(**value) if value is not None else None
        except TypeError:  # damaged, or of another version
            continue
        if texts is not None and texts.items == one.first.items:
            return texts
    return None
