"""The formats of the candidates at the terminal, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unicomp.findings.formats import CheckpointFormat
from unicomp.report.tables import full_name
from unicomp.spec import DENSE


def lines(formats: Sequence[CheckpointFormat]) -> Iterator[str]:
    """A line for each candidate, and for each model that was read from another format."""
    for one in formats:
        origin = one.origin or {}
        if one.method == DENSE.name and not origin:
            continue
        yield f"{full_name(one.checkpoint)}: {one.line}{_read_from(origin)}"
        if origin.get("changed_matrices") == 0:
            yield f"{full_name(one.checkpoint)}: merging {origin['file']} changed no weight"


def _read_from(origin: Mapping[str, Any]) -> str:
    if "file" not in origin:
        return ""
    if base := origin.get("base"):
        return f" (adapter {origin['file']} merged into {base})"
    return f" (read from {origin['file']})"
