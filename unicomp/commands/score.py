"""`unicomp score`: the metrics and sub-scores of a table of raw scores."""

from __future__ import annotations

import argparse
import json

from rich.console import Console

from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.commands.progress import Teller
from unicomp.framework import READINGS
from unicomp.rawscores import metric_scores, read_raw_scores
from unicomp.report.metrics import print_metrics


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("score", help="the metrics of a table of raw scores")
    columns = "columns model, method, benchmark, value"
    parser.add_argument("table", metavar="RAW.csv", type=arguments.path, help=columns)
    readings = "as published, or every component oriented (default: %(default)s)"
    parser.add_argument("--reading", metavar="|".join(READINGS), default="paper", help=readings)
    parser.add_argument("--json", action="store_true", help="full precision, for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    tell = Teller()
    raw = read_raw_scores(
        options.table, lambda line: tell(lambda: f"{options.table}: {line:,} lines read")
    )
    scores = metric_scores(raw, options.reading)
    if not options.json:
        print_metrics(
            Console(highlight=False, emoji=False),
            scores,
            options.reading,
            lambda done, total: tell(lambda: f"{done:,} of {total:,} models printed"),
        )
        return 0
    rows = []
    for score in scores:
        row = {name: getattr(score, name) for name in ("model", "method", "metric", "value")}
        reason = {"reason": score.reason} if score.value is None else {}
        rows.append({**row, "reading": options.reading, **reason})
    print(json.dumps(rows, indent=1, allow_nan=False))
    return 0
