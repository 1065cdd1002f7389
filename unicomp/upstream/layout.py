"""What is shared, and under which names.

An object's name is its path in the store, with two differences. It ends with its SHA-256. And what
a checkpoint answered lies in a folder of the bytes that answered: two builds of one checkpoint may
differ in a bit, and the answers of one are not those of the other.

    checkpoints/KEY/BYTES/    the files of a checkpoint; the manifest is written last
    converted/KEY/BYTES/      a model given in another format, likewise
    responses/KEY/BYTES/      batches of answers, distributions; the identity is written last
    scores/BYTES/             the records of a checkpoint
    items/  calibrations/  admissions/  judgements/  similarities/
    looks/                    each version of the looks at a candidate

Timings, memory, training speed and flips stay on the machine that measured them.
"""

from __future__ import annotations

import json

from unicomp.instruments.judge import JUDGEMENTS
from unicomp.instruments.similarity import SIMILARITIES
from unicomp.store import (
    ADMISSIONS,
    CALIBRATIONS,
    CHECKPOINTS,
    CONVERTED,
    ITEMS,
    MANIFEST,
    Store,
    content_key,
)

FOLDERS = (CHECKPOINTS, CONVERTED)
"""Artifacts: folders with a manifest."""
VALUES = (ITEMS, CALIBRATIONS, ADMISSIONS, JUDGEMENTS, SIMILARITIES)
"""JSON values that belong to no checkpoint."""
IDENTITY = "identity.json"
"""The file of responses that says whose they are."""


def bytes_of(store: Store, key: str) -> str:
    """The key of a checkpoint's bytes.

    For a checkpoint that was built, it follows from the files of its model. The key of any other
    already does.
    """
    try:
        text = (store.home / CHECKPOINTS / key / MANIFEST).read_text(encoding="utf-8")
        return bytes_in(json.loads(text)) or key
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return key


def bytes_in(manifest: dict[str, dict[str, dict[str, object]]]) -> str:
    """The key of the bytes of an artifact's model, from its manifest."""
    files = manifest["files"]
    return content_key(
        {name: entry["sha256"] for name, entry in files.items() if name.startswith("model/")}
    )
