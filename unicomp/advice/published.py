"""What the paper's published tables say of LLaMA-3.1-8B, as point estimates.

`published.csv` beside this module has facts of arXiv 2602.09130, each with its source: retentions
and efficiency metrics as published, and the measured components of efficiency in the units of the
paper (tokens/s, ms, GB, s).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib import resources

from unicomp.advice.candidates import LOWER_IS_BETTER, Candidate, point_estimate
from unicomp.spec import DENSE, Method

MODEL = "LLaMA-3.1-8B"
LABEL = f"published for {MODEL}, not measured here"


def published_candidates(methods: Mapping[str, Method]) -> list[Candidate]:
    """The published methods. They have no intervals, and amounts on the authors' machine only."""
    text = resources.files("unicomp.advice").joinpath("published.csv").read_text(encoding="utf-8")
    scores: dict[str, dict[str, float]] = {}
    for row in csv.DictReader(text.splitlines()):
        scores.setdefault(row["method"], {})[row["score"]] = float(row["value"])
    amounts = {
        method: {name: value for name, value in own.items() if name in LOWER_IS_BETTER}
        for method, own in scores.items()
    }
    return [
        point_estimate(
            MODEL,
            method,
            methods.get(method),
            {name: value for name, value in own.items() if name not in LOWER_IS_BETTER},
            amounts[method],
            amounts[DENSE.name],
        )
        for method, own in scores.items()
    ]
