"""The report in a format of choice, as text or in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unicomp.errors import SpecError, StoreError
from unicomp.findings import Findings
from unicomp.report import card as model_card
from unicomp.report import html, markdown
from unicomp.scorecard import Scorecard
from unicomp.store import write_atomically

FORMATS = ("html", "markdown", "card")
SUFFIXES: Mapping[str, str] = {".html": "html", ".md": "markdown"}
"""Suffix of a file → the format of a report that goes there. A card has to be asked for."""


def format_of(path: Path) -> str:
    """The format that a file's name asks for. Raises SpecError."""
    if (found := SUFFIXES.get(path.suffix.lower())) is None:
        raise SpecError(f"{path} names no format: end it in {' or '.join(SUFFIXES)}")
    return found


def text_of(
    card: Scorecard, findings: Findings, chosen: str, *, checkpoint: str | None = None
) -> str:
    """The report in a format. Raises SpecError.

    `checkpoint` names the one that a model card is of; see `unicomp report --help`.
    """
    if chosen == "card":
        return model_card.render(card, findings, checkpoint)
    if checkpoint is not None:
        raise SpecError("--checkpoint is for --format card: leave it out")
    render = html.render if chosen == "html" else markdown.render
    return render(card, findings)


def write(text: str, path: Path) -> None:
    """Write a report to a file. Raises StoreError."""
    try:
        write_atomically(path, text)
    except OSError as error:
        raise StoreError(f"the report {path} cannot be written: {error.strerror}") from None
