"""Read a scorecard's file back: the inverse of `unicomp.report.json`.

Rows and metrics are as they were judged; findings follow from them again. The schema is
`report/scorecard.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from unicomp.changes import Comparison, Move, OtherChange, VerdictChange
from unicomp.errors import SpecError
from unicomp.framework import Profile, SubScore
from unicomp.looks import PolicyChange
from unicomp.scorecard import SCHEMA, Scorecard, Work
from unicomp.spec import CheckpointId
from unicomp.verdict import MetricRow, Row

R = TypeVar("R", Row, MetricRow, Work, PolicyChange, Move, VerdictChange, OtherChange)

_ROWS = ("scores", "probes", "missing")
"""The tables of a scorecard that hold rows."""


def read(path: Path) -> Scorecard:
    """The scorecard of a file that `--scorecard` wrote.

    Raises SpecError if it cannot be read, is of another version, is damaged, or states a decision
    that its rows and metrics contradict.
    """
    card, stated = read_unverified(path)
    if card.decision != stated:
        raise SpecError(
            f"{path} was changed: it says that the gate is {stated}, but its rows and metrics make "
            f"it {card.decision}; give the file as --scorecard wrote it"
        )
    return card


def read_unverified(path: Path) -> tuple[Scorecard, str]:
    """The scorecard of a file, and the decision that the file states. Raises SpecError."""
    content = read_json(path, SCHEMA, "a scorecard")
    if error := next(iter(_validator().iter_errors(content)), None):
        _refuse(path, f"{error.json_path}: {error.message}")
    try:
        return _card(content), content["decision"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        _refuse(path, f"{type(error).__name__} {error}")


def read_json(path: Path, schema: str, what: str) -> dict[str, Any]:
    """A JSON file that names its schema. Raises SpecError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise SpecError(f"{path} is not JSON, or not all of it: give {what}") from None
    found = content.get("schema") if isinstance(content, dict) else None
    if found != schema:
        known = f"its schema is {found!r}, not {schema!r}" if found else "it names no schema"
        raise SpecError(f"{path} is not {what} of this version: {known}")
    return dict(content)


def _refuse(path: Path, why: str) -> NoReturn:
    line = " ".join(why.split())
    shown = line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]} …"
    raise SpecError(f"{path} is damaged: {shown}; give a file that --scorecard has written")


_MOST_SHOWN = 200
"""Characters of a fault that are shown: it may quote a whole table."""


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    file = resources.files("unicomp.report").joinpath("scorecard.schema.json")
    return Draft202012Validator(json.loads(file.read_text(encoding="utf-8")))


def _card(content: Mapping[str, Any]) -> Scorecard:
    names = [_name(one) for one in content["looks"]]
    return Scorecard(
        rows=tuple(_made(Row, row) for kind in _ROWS for row in content[kind]),
        metrics=tuple(_made(MetricRow, row) for row in content["metrics"]),
        environment=content["environment"],
        beside=tuple(content["beside"]),
        work=tuple(_made(Work, piece) for piece in content["work"]),
        profiles={model: _profile(one) for model, one in content["profiles"].items()},
        levels=dict(zip(names, (one["level"] for one in content["looks"]), strict=True)),
        looks=dict(zip(names, (one["look"] for one in content["looks"]), strict=True)),
        policy=content["policy"],
        comparison=_comparison(content["comparison"]),
        policy_changes=tuple(_made(PolicyChange, one) for one in content["policy_changes"]),
    )


def _made(kind: Callable[..., R], table: Mapping[str, Any]) -> R:
    """A value from its table; what the class does not know is derived."""
    names = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in table.items() if name in names})


def _comparison(table: Mapping[str, Any] | None) -> Comparison | None:
    if table is None:
        return None
    return Comparison(
        **{name: table[name] for name in ("baseline", "digest", "old", "new")},
        gone=tuple(map(_name, table["gone"])),
        added=tuple(map(_name, table["added"])),
        moves=tuple(_made(Move, one) for one in table["moves"]),
        verdicts=tuple(_made(VerdictChange, one) for one in table["verdicts"]),
        others=tuple(_made(OtherChange, one) for one in table["others"]),
        new_metrics=tuple(table["new_metrics"]),
        stopped_early=tuple(table["stopped_early"]),
    )


def _profile(table: Mapping[str, Any]) -> Profile:
    parts = {metric: tuple(map(_part, parts)) for metric, parts in table["parts"].items()}
    return Profile(table["name"], parts)


def _part(part: str | Mapping[str, Any]) -> str | SubScore:
    if isinstance(part, str):
        return part
    return SubScore(part["name"], tuple(map(_part, part["of"])))


def _name(table: Mapping[str, Any]) -> CheckpointId:
    return CheckpointId(table["model"], table["method"], table["calibration"])
