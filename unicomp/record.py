"""The decision record: what the gate decided, by what, about which files; and its verification.

The record of `card.json` is `card.decision.json` beside it. It follows from the scorecard's file
alone, so verifying it means making it again. Its schema is `report/decision.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unicomp import scorecard_file
from unicomp.changes import Comparison
from unicomp.errors import SpecError, StoreError
from unicomp.scorecard import Scorecard
from unicomp.spec import CheckpointId
from unicomp.store import file_digest, write_atomically
from unicomp.verdict import MetricRow, Row

SCHEMA = "unicomp/decision/1"

ASKED = (
    *("tier", "floor", "max_drop", "ceiling", "budget", "limit", "machine", "most_fall"),
    "allowed",
)
"""What the record keeps of a row: what the policy asked of it, and the gap that it allowed."""


def place_of(scorecard: Path) -> Path:
    """Where the record of a scorecard lies: `card.decision.json` for `card.json`."""
    stem = scorecard.name.removesuffix(".json")
    return scorecard.with_name(f"{stem}.decision.json")


def write(card: Scorecard, scorecard: Path) -> None:
    """Write the record of a scorecard beside the file that was just written of it.

    Raises StoreError.
    """
    path = place_of(scorecard)
    try:
        content = _content(card, card.decision, scorecard)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(path, text + "\n")
    except OSError as error:
        raise StoreError(
            f"the decision record {path} cannot be written: {error.strerror}"
        ) from None


def record_of(scorecard: Path) -> dict[str, Any]:
    """The record of a scorecard's file, with the present date.

    The decision and the bound are made again from the rows and metrics. Raises SpecError if the
    file is no scorecard of this version.
    """
    return _content(*scorecard_file.read_unverified(scorecard), scorecard)


def _content(card: Scorecard, stated: str, scorecard: Path) -> dict[str, Any]:
    """The record of a scorecard, whose file states a decision."""
    ends: list[Row | MetricRow] = [*card.metrics, *card.rows]
    return {
        "schema": SCHEMA,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "decision": card.decision,
        "bound": asdict(card.bound),
        "policy": {
            "digest": card.policy,
            "asked": [_asked(row) for row in ends],
            "changes": [asdict(one) for one in card.policy_changes],
        },
        "checkpoints": [
            {
                **one._asdict(),
                "look": card.looks[one],
                "level": level,
                **_keys([row for row in card.rows if row.checkpoint == one]),
                "early": _early([row for row in card.rows if row.checkpoint == one]),
            }
            for one, level in card.levels.items()
        ],
        "scorecard": {
            "file": scorecard.name,
            "sha256": file_digest(scorecard),
            "decision": stated,
        },
        **({} if card.comparison is None else {"last_release": _last_release(card.comparison)}),
    }


def _last_release(found: Comparison) -> dict[str, Any]:
    """The file of the last release, and what is worse than it by more than is allowed."""
    worse = [f"{one.name} of {'/'.join(one.checkpoint)}" for one in found.failures]
    return {"file": found.baseline, "sha256": found.digest, "worse": worse}


def _asked(row: Row | MetricRow) -> dict[str, Any]:
    """What was asked of a row or metric."""
    name = {"metric": row.metric} if isinstance(row, MetricRow) else {"benchmark": row.benchmark}
    asked = {key: getattr(row, key, None) for key in ASKED}
    return {
        **row.checkpoint._asdict(),
        **name,
        **{key: one for key, one in asked.items() if one is not None},
    }


def _keys(rows: list[Row]) -> dict[str, Any]:
    """The keys of a checkpoint, of its baseline, and of the items of each benchmark."""
    answered = [row for row in rows if row.items is not None]
    return {
        "candidate": next((row.candidate for row in answered), None),
        "baseline": next((row.baseline for row in answered), None),
        "items": {row.benchmark: row.items for row in answered},
    }


def _early(rows: list[Row]) -> dict[str, Any]:
    """What was asked of each benchmark that stopped early, and the chance of another verdict."""
    return {
        row.benchmark: {"asked": row.n, "full": row.full_n, "error": row.early_error}
        for row in rows
        if row.early
    }


def _name(table: Mapping[str, Any]) -> CheckpointId:
    return CheckpointId(table["model"], table["method"], table["calibration"])


# -- verification ---------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Any]:
    """A decision record. Raises SpecError."""
    return scorecard_file.read_json(path, SCHEMA, "a decision record")


def differences(record: Mapping[str, Any], scorecard: Path) -> list[str]:
    """Where a record and a scorecard do not belong together, a line each; empty if they do.

    Raises SpecError if one of them is damaged or of another version.
    """
    made = record_of(scorecard)
    try:
        old = dict(_facts(record))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SpecError(
            f"the decision record is damaged: {type(error).__name__} {error}; give a file that was "
            "written beside a scorecard"
        ) from None
    new = dict(_facts(made))
    lines = [
        f"{what}: {_text(old.get(what))} in the record, {_text(new.get(what))} in the scorecard"
        for what in dict.fromkeys((*old, *new))
        if old.get(what) != new.get(what)
    ]
    stated, follows = made["scorecard"]["decision"], made["decision"]
    if stated != follows:
        lines.append(
            f"decision: the scorecard says {_text(stated)}, but its rows and metrics make it "
            f"{follows}"
        )
    return lines


def changes(record: Mapping[str, Any]) -> list[str]:
    """What was changed in the policy after answers were seen, a line each."""
    return [
        f"{one['key']} of {one['name']} of {'/'.join(_name(one))}: {_text(one['old'])} -> "
        f"{_text(one['new'])}, after {one['seen']} items were seen on {one['date']}"
        for one in record["policy"]["changes"]
    ]


def _facts(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a record says, by what it is about."""
    yield "decision", record["decision"]
    yield "SHA-256 of the scorecard", record["scorecard"]["sha256"]
    yield from ((f"bound: {key}", value) for key, value in record["bound"].items())
    release = record.get("last_release", {})
    yield "SHA-256 of the last release", release.get("sha256")
    yield "worse than the last release", release.get("worse", [])
    yield "policy digest", record["policy"]["digest"]
    for row in record["policy"]["asked"]:
        whose = f"{row.get('metric') or row.get('benchmark')} of {'/'.join(_name(row))}"
        yield from ((f"{key} of {whose}", row.get(key)) for key in ASKED)
    yield "policy changes", changes(record)
    for one in record["checkpoints"]:
        whose = "/".join(_name(one))
        for key in ("candidate", "baseline", "look", "level"):
            yield f"{key} of {whose}", one[key]
        yield from ((f"items of {bench} of {whose}", key) for bench, key in one["items"].items())
        for bench, stop in one.get("early", {}).items():
            yield from ((f"{key} of {bench} of {whose}", stop[key]) for key in _EARLY)


_EARLY = ("asked", "full", "error")
"""What the record keeps of a benchmark that stopped early."""


def _text(value: Any) -> str:
    """A value in a message."""
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)
