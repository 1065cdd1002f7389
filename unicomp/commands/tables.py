"""`unicomp tables`: the tables and figures of the paper, from anyone's measurements."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.errors import SpecError
from unicomp.findings.study import Study, joined, study_of_card, study_of_scores
from unicomp.framework import READINGS
from unicomp.joint import read_merged
from unicomp.rawscores import read_raw_scores
from unicomp.report.paper import files
from unicomp.report.tables import plain
from unicomp.scorecard import STOPPED_EARLY

_MOST_SHOWN = 3
"""The number of columns without a value that are named at the terminal."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("tables", help="the paper's tables and figures")
    parser.add_argument(
        "measured",
        metavar="SCORECARD",
        type=arguments.path,
        nargs="+",
        help=f"{arguments.WRITTEN}, or raw scores as for `unicomp score`",
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=arguments.path, required=True, help="where to write"
    )
    readings = "of raw scores: as published, or every component oriented (default: paper)"
    parser.add_argument("--reading", metavar="|".join(READINGS), help=readings)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    study = read(options.measured, options.reading)
    missing = files.write(study, options.output)
    for line in (*summary(missing, options.output), *stopped_early(study)):
        print(line)
    return 0


def read(paths: Sequence[Path], reading: str | None = None) -> Study:
    """The study of scorecards and files of raw scores. Raises SpecError."""
    cards = [path for path in paths if path.suffix != ".csv"]
    raw = [path for path in paths if path.suffix == ".csv"]
    if reading is not None and not raw:
        raise SpecError("--reading is for raw scores: a scorecard has the reading of its run")
    studies = [study_of_scores(read_raw_scores(path), reading or "paper") for path in raw]
    return joined([*([study_of_card(read_merged(cards))] if cards else []), *studies])


def stopped_early(study: Study) -> Iterator[str]:
    """A line on the metrics that are missing since asking stopped early."""
    names = [
        f"{metric} of {model}/{name}"
        for (model, name, metric), reason in study.reasons.items()
        if reason == STOPPED_EARLY
    ]
    if names:
        more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
        shown = ", ".join(names[:_MOST_SHOWN])
        yield f"not in them: {plain(shown)}{more}, since {STOPPED_EARLY}"


def summary(missing: Mapping[str, Sequence[str]], folder: Path) -> Iterator[str]:
    """What was written, and what is missing, in a few lines."""
    yield f"wrote {len(missing)} tables and figures to {folder}; {files.INDEX} lists them"
    for name, lines in missing.items():
        if lines:
            more = len(lines) - _MOST_SHOWN
            rest = f"; and {more} more" if more > 0 else ""
            yield f"{name}: not measured: {'; '.join(lines[:_MOST_SHOWN])}{rest}"
