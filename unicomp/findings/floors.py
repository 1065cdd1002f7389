"""The floors that a scorecard supports."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from unicomp.scorecard import STOPPED_EARLY
from unicomp.spec import DENSE
from unicomp.verdict import MetricRow, Row


def supported_floors(rows: Iterable[Row | MetricRow], margin: float) -> list[str]:
    """A floor for each metric of each compressed checkpoint, as lines of `unicomp.toml`.

    The floor is the lowest of the lower limits of the metric and of whatever else is critical, and
    of the upper limits of its guards, less `margin` points, rounded down. So the measured
    checkpoint passes, and one that falls by more than the margin does not. Timings get no floor.
    A metric gets a comment in place of a floor if asking stopped early: see `Scorecard.in_full`.
    """
    least: dict[tuple[str, str, str], float] = {}
    early: dict[tuple[str, str, str], None] = {}
    for row in rows:
        if row.method == DENSE.name or (isinstance(row, Row) and row.is_timing):
            continue
        if isinstance(row, MetricRow) and row.ceiling is not None:  # it has no floor
            continue
        key = (row.model, row.metric or row.name, row.method)
        if row.early:
            early[key] = None
        limit = row.high if row.tier == "guard" else row.low
        if limit is not None:
            least[key] = min(limit, least.get(key, limit))
    lines: list[str] = []
    for model in dict.fromkeys(key[0] for key in (*least, *early)):
        lines.append(f"[models.{json.dumps(model)}.floors]")
        for (name, metric, method), low in least.items():
            if name == model and (name, metric, method) not in early:
                floor = math.floor(low - margin)
                lines.append(f'"{metric}@{method}" = {floor if floor > 1 else 0}')
        lines += [
            f"# no floor for {metric}@{method}: {STOPPED_EARLY}"
            for name, metric, method in early
            if name == model
        ]
    return lines
