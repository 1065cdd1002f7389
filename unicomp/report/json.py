"""The scorecard as JSON: flat tables that load into anything.

- `scores`: a row for each benchmark of each checkpoint that was measured and compared
- `probes`: a row for each efficiency measurement, also one that its limit cannot judge here
- `metrics`: a row for each retained metric; `efficiency`: one for each compared metric
- `pareto`: a row for each checkpoint and axis: its quality against size, memory, speed and cost
- `missing`: a row for each benchmark without a retention, with the reason
- `beside`: the benchmarks that belong to no metric
- `early`: what was asked of each checkpoint for which asking stopped early, of how many items
- the findings, each under its name (`unicomp/findings/`); of these, `divergence` has a row for each
  figure of how far answers differ, and `flips` the items that only one of the two got right
- `looks`: the number of this look at each checkpoint, and the error at which it had to pass
- `policy`: the digest of the policy; `policy_changes`: what was changed after answers were seen
- `comparison`: what changed since the last release; null without `--baseline`
- `profiles`: the profile of each model's metrics
- `work`: what was built and asked, and what was found in the store

The schema is `scorecard.schema.json` in this folder; its version changes with its meaning. The
file is read back by `unicomp.scorecard_file`; from what it reads, all findings follow again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unicomp.changes import Comparison
from unicomp.errors import StoreError
from unicomp.findings import Findings
from unicomp.findings.claims import Claim
from unicomp.findings.early import EarlyStop
from unicomp.findings.languages import LanguageScore
from unicomp.findings.sub_scores import RawScore, SubScoreFigure
from unicomp.scorecard import SCHEMA, Scorecard
from unicomp.store import write_atomically
from unicomp.verdict import MetricRow, Row


def tables(card: Scorecard, findings: Findings) -> dict[str, Any]:
    """The scorecard and its findings as JSON values."""
    return {
        "schema": SCHEMA,
        "decision": card.decision,
        "bound": asdict(card.bound),
        "policy": card.policy,
        "policy_changes": [asdict(one) for one in card.policy_changes],
        "looks": [
            {**checkpoint._asdict(), "look": card.looks[checkpoint], "level": level}
            for checkpoint, level in card.levels.items()
        ],
        "comparison": None if card.comparison is None else _compared(card.comparison),
        "profiles": {model: _finite(asdict(one)) for model, one in card.profiles.items()},
        "scores": [_plain(row) for row in card.rows if row.decided and row.unit is None],
        "probes": [_plain(row) for row in card.rows if row.shown and row.unit is not None],
        "metrics": [_plain(row) for row in card.metrics],
        "efficiency": [asdict(one) for one in findings.efficiency],
        "pareto": [asdict(one) for one in findings.pareto],
        "missing": [_plain(row) for row in card.rows if not row.shown],
        "beside": list(card.beside),
        "undecided": [asdict(one) for one in findings.outlook],
        "early": [_early(one) for one in findings.early],
        "knowledge_bias": [asdict(one) for one in findings.knowledge_bias],
        "calibration_effects": [asdict(one) for one in findings.calibration_effects],
        "seed_spreads": [asdict(one) for one in findings.seed_spreads],
        "raw_scores": [_beside_dense(one) for one in findings.raw_scores],
        "sub_scores": [_beside_dense(one) for one in findings.sub_scores],
        "languages": [_beside_dense(one) for one in findings.languages],
        "context_reach": [asdict(one) for one in findings.context_reach],
        "retained_perplexity": [asdict(one) for one in findings.retained_perplexity],
        "overall_perplexity": [asdict(one) for one in findings.overall_perplexity],
        "decoupling": [asdict(one) for one in findings.decoupling],
        "claims": [_claim(one) for one in findings.claims],
        "work": [asdict(piece) for piece in card.work],
        "crosschecks": [asdict(one) for one in findings.crosschecks],
        "divergence": [asdict(one) for one in findings.divergence],
        "flips": [asdict(one) for one in findings.flips],
        "silent_changes": [asdict(one) for one in findings.silent_changes],
        "truncations": [asdict(one) for one in findings.truncations],
        "prompt_differences": [asdict(one) for one in findings.prompt_differences],
        "costs": [asdict(one) for one in findings.costs],
        "formats": [asdict(one) for one in findings.formats],
        "environment": dict(card.environment),
    }


def write(card: Scorecard, findings: Findings, path: Path) -> None:
    """Write the scorecard to a file. Raises StoreError."""
    try:
        text = json.dumps(tables(card, findings), indent=1, ensure_ascii=False, allow_nan=False)
        # half of a surrogate pair, which an answer may have, is no character: it stays escaped
        write_atomically(path, memoryview(f"{text}\n".encode(errors="backslashreplace")))
    except OSError as error:
        raise StoreError(f"the scorecard {path} cannot be written: {error.strerror}") from None


def _early(one: EarlyStop) -> dict[str, Any]:
    return {**asdict(one), "names": list(one.names), "share": one.share}


def _claim(one: Claim) -> dict[str, Any]:
    return {**asdict(one), "figures": [asdict(figure) for figure in one.figures]}


def _beside_dense(one: RawScore | SubScoreFigure | LanguageScore) -> dict[str, Any]:
    return {**asdict(one), "difference": one.difference}


def _compared(found: Comparison) -> dict[str, Any]:
    moves = [{**_finite(asdict(move)), "points": move.points} for move in found.moves]
    names = {name: [one._asdict() for one in getattr(found, name)] for name in ("gone", "added")}
    return {**asdict(found), "moves": moves, **names}


def _plain(row: Row | MetricRow) -> dict[str, Any]:
    """A row as JSON values; a number that is not finite becomes null, since JSON has none."""
    return {name: _finite(value) for name, value in asdict(row).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
