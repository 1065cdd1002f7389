"""What a job of GitHub Actions shows: a summary in Markdown, and annotations.

The runner reads annotations from a job's output, a line each, and the summary of a step from the
file that `GITHUB_STEP_SUMMARY` names. It refuses a summary of more than 1 MiB, and shows ten
annotations of each kind for a step:
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unicomp.decision import decides, shuts
from unicomp.errors import StoreError
from unicomp.report.early import ends
from unicomp.report.reasons import describe
from unicomp.report.tables import full_name, plain
from unicomp.scorecard import Scorecard
from unicomp.verdict import MetricRow, Row

LARGEST = 1024 * 1024
"""Bytes of a step's summary."""
_MOST = 10
"""Annotations of a kind."""
_LONGEST = 500
"""Characters of a message."""


def is_job(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is a step of GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true"


def annotated(card: Scorecard) -> Iterator[str]:
    """A line for each metric that fails, and for each one that is undecided.

    Of the benchmarks, those that no metric has, and those that fail although their metric does not.
    """
    ends: list[Row | MetricRow] = [*card.metrics, *card.rows]
    failed: list[Row | MetricRow] = [*filter(shuts, card.metrics), *_others(card)]
    undecided = [row for row in ends if decides(row) and row.verdict == "undecided"]
    yield from _commands(card, "error", failed)
    yield from _commands(card, "warning", undecided)


def _others(card: Scorecard) -> list[Row]:
    named = {(row.checkpoint, row.metric) for row in card.metrics if shuts(row)}
    return [row for row in card.rows if shuts(row) and (row.checkpoint, row.metric) not in named]


def _commands(card: Scorecard, kind: str, rows: Sequence[Row | MetricRow]) -> Iterator[str]:
    shown = rows if len(rows) <= _MOST else rows[: _MOST - 1]
    for row in shown:
        verdict = ends(card, row)
        title = f"{full_name(row.checkpoint)} {row.name}: {verdict}"
        yield _command(kind, title, describe(row) or verdict)
    if (more := len(rows) - len(shown)) > 0:
        yield _command(kind, f"UniComp: {more} more", "see the summary or the scorecard")


def _command(kind: str, title: str, message: str) -> str:
    """A command of a workflow; what has a meaning in it is escaped."""
    name = _escaped(plain(title)[:_LONGEST]).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={name}::{_escaped(plain(message)[:_LONGEST])}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def append_summary(markdown: str, environment: Mapping[str, str] = os.environ) -> None:
    """Add Markdown to the summary of this step; nothing if the runner names no file.

    Raises StoreError if it cannot be written, or would be larger than the runner accepts.
    """
    name = environment.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    path, content = Path(name), f"{markdown.rstrip()}\n\n".encode()
    try:
        size = path.stat().st_size if path.exists() else 0
        if size + len(content) > LARGEST:
            raise StoreError(
                f"the job summary {path} has {size:,} bytes and takes at most {LARGEST:,}: the "
                "report is not added to it"
            )
        with path.open("ab") as file:
            file.write(content)
    except OSError as error:
        raise StoreError(f"the job summary {path} cannot be written: {error.strerror}") from None
