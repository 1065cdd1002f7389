"""Scorecards of which some rows and metrics stopped early, without any arithmetic."""

from dataclasses import replace

PARTIAL = {"kind": "partial_shares", "tables": [[900, 419, 50, 10, 34, 2]], "absolute": False}
ASKED, FULL, CHANCE = 84, 1319, 0.0003


def stopped(card, *metrics, method="wanda_50", calibration="generic", verdict=None):
    """The card after asking stopped early for all benchmarks of some metrics of one checkpoint.

    With a verdict, all of these have it; else each keeps its own.
    """

    def early(row):
        about = {"p_pass": None, "p_fail": None, "early_error": CHANCE}
        return replace(row, **about, verdict=verdict or row.verdict)

    def is_meant(row):
        whose = (row.method, row.calibration) == (method, calibration)
        return whose and row.metric in metrics and getattr(row, "unit", None) is None

    counts = {"n": ASKED, "full_n": FULL, "evidence": {"kept": PARTIAL}}
    return replace(
        card,
        rows=tuple(replace(early(r), **counts) if is_meant(r) else r for r in card.rows),
        metrics=tuple(early(row) if is_meant(row) else row for row in card.metrics),
    )
