"""The scorecard as JSON: flat tables that load into anything.

`scores` has a row for each benchmark of each checkpoint that was measured and compared, `probes`
one for each efficiency measurement, `metrics` one for each metric that is retained, `efficiency`
one for each that is compared, `missing` one for whatever ended otherwise, with the reason;
`beside` names the benchmarks that are part of no metric; `calibration_effects` compares several
calibrations with the first, `seed_spreads` several seeds of one; `work` has what was built and
asked, and what was found in the store; `crosschecks` the scores of a server beside those of the
engine in process, where both are known; `costs` has what each compression cost, as measured in its
build, as estimated, and as published.
`scorecard.schema.json` beside this file is the schema; its version changes with its meaning.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unicomp.errors import StoreError
from unicomp.findings.calibrations import calibration_effects, seed_spreads
from unicomp.findings.costs import costs_of
from unicomp.findings.decoupling import decoupling, knowledge_bias
from unicomp.findings.efficiency import efficiency
from unicomp.findings.engines import crosschecks_of
from unicomp.findings.perplexity import retained_perplexity
from unicomp.scorecard import MetricRow, Scorecard, Work
from unicomp.store import write_atomically
from unicomp.verdict import Row

SCHEMA = "unicomp/scorecard/1"


def tables(card: Scorecard, work: Sequence[Work] = ()) -> dict[str, Any]:
    """The scorecard as JSON values, with the work that it took."""
    return {
        "schema": SCHEMA,
        "passed": card.passed,
        "scores": [_plain(row) for row in card.rows if row.decided and row.unit is None],
        "probes": [_plain(row) for row in card.rows if row.decided and row.unit is not None],
        "metrics": [_plain(row) for row in card.metrics],
        "efficiency": [asdict(row) for row in efficiency(card)],
        "missing": [_plain(row) for row in card.rows if not row.decided],
        "beside": list(card.beside),
        "knowledge_bias": [asdict(row) for row in knowledge_bias(card)],
        "calibration_effects": [asdict(row) for row in calibration_effects(card)],
        "seed_spreads": [asdict(row) for row in seed_spreads(card)],
        "retained_perplexity": [asdict(row) for row in retained_perplexity(card)],
        "decoupling": [asdict(one) for one in decoupling(card)],
        "work": [_without_facts(piece) for piece in work],
        "crosschecks": crosschecks_of(work),
        "costs": [asdict(cost) for cost in costs_of(work)],
        "environment": dict(card.environment),
    }


def write(card: Scorecard, work: Sequence[Work], path: Path) -> None:
    """Write the scorecard to a file. Raises StoreError."""
    try:
        text = json.dumps(tables(card, work), indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(path, text + "\n")
    except OSError as error:
        raise StoreError(f"the scorecard {path} cannot be written: {error.strerror}") from None


def _without_facts(piece: Work) -> dict[str, Any]:
    return {name: value for name, value in asdict(piece).items() if name != "facts"}


def _plain(row: Row | MetricRow) -> dict[str, Any]:
    """A row as JSON values; what is no finite number is null, as JSON has no other."""
    plain = {name: _finite(value) for name, value in asdict(row).items()}
    if isinstance(row, Row):
        plain["details"] = {name: _finite(value) for name, value in row.details.items()}
    return plain


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
