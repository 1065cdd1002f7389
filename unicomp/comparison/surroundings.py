"""What else changed between two releases: software, engine, scoring, data, policy, weights.

A score that moved because a library was upgraded is not to be blamed on the weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from unicomp.changes import TOLERANCE, Aspect, OtherChange
from unicomp.record import ASKED
from unicomp.scorecard import Scorecard
from unicomp.verdict import MetricRow, Row

_ASPECTS: Mapping[str, Aspect] = {
    "packages": "library",
    "python": "library",
    "machine": "machine",
    "samples": "items",
    "repeats": "items",
    "there": "data",
    "unpinned": "data",
    "datasets": "data",
    "reading": "scoring",
    "instruments": "scoring",
    "measuring": "machine",
}
"""Table of the environment → what it is about; the others are about the engine."""
_OF_DATA = ("kind", "rows")
"""Facts of a model in the environment that are not about the engine."""
_MEASURED = ("refusal_figures", "judge_agreement", "unknown_quality")
"""How good the instruments are: that follows from what they are."""
_OF_THE_RUN = ("command", "notes", "families", "early")
"""Tables that say how a run was started, and what follows from it: no condition of a score."""
_USED = {"instruments": 1, "measuring": 1, "models": 2, "there": 3, "datasets": 3}
"""Tables that describe what was used in a run → the names that lead to one such thing."""
_WORDS_LEFT_OUT = ("packages", "models", "datasets")
"""Tables whose name says nothing beside the names in them."""


def other_changes(old: Scorecard, new: Scorecard) -> tuple[OtherChange, ...]:
    """All that changed beside the results, each once."""
    found = (
        *_of_environment(old, new),
        *_of_weights(old, new),
        *_of_items(old, new),
        *_of_dense(old, new),
        *_of_policy(old, new),
    )
    return tuple(dict.fromkeys(found))


def _of_environment(old: Scorecard, new: Scorecard) -> Iterator[OtherChange]:
    before, now = (dict(_leaves(card.environment)) for card in (old, new))
    for path in dict.fromkeys((*before, *now)):
        table, *rest = path
        if table in _OF_THE_RUN or any(name in path for name in _MEASURED):
            continue
        if not _are_described(path, old, new):
            continue
        if before.get(path) != now.get(path):
            aspect = _ASPECTS.get(table, "engine")
            words = rest if rest and table in _WORDS_LEFT_OUT else path
            yield OtherChange(
                aspect="data" if table == "models" and rest[-1] in _OF_DATA else aspect,
                name=".".join(words),
                old=_text(before.get(path)),
                new=_text(now.get(path)),
            )


def _are_described(path: tuple[str, ...], old: Scorecard, new: Scorecard) -> bool:
    """Whether both describe what a value belongs to: what was not used is not described."""
    depth = _USED.get(path[0], 0)
    return all(_at(card.environment, path[:depth]) for card in (old, new)) if depth else True


def _at(table: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value that nested names lead to; None if there is none."""
    found: Any = table
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _leaves(
    table: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of nested tables, with the names that lead to each."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _of_weights(old: Scorecard, new: Scorecard) -> Iterator[OtherChange]:
    """Checkpoints of the same name whose content changed, and their dense models."""
    before, now = old.keys, new.keys
    for one in before.keys() & now.keys():
        if before[one][0] != now[one][0]:
            name = f"weights of {'/'.join(one)}"
            yield OtherChange(
                aspect="weights", name=name, old=_key(before[one][0]), new=_key(now[one][0])
            )
        if before[one][1] != now[one][1]:
            name = f"dense weights of {one.model}"
            yield OtherChange(
                aspect="weights", name=name, old=_key(before[one][1]), new=_key(now[one][1])
            )


def _of_items(old: Scorecard, new: Scorecard) -> Iterator[OtherChange]:
    """Benchmarks that were asked other items."""
    before = {(row.model, row.benchmark): row for row in old.rows if row.items is not None}
    for row in new.rows:
        known = before.get((row.model, row.benchmark))
        if known is None or row.items is None or known.items == row.items:
            continue
        old_text, new_text = (f"{one.n} ({_key(one.items)})" for one in (known, row))
        name = f"items of {row.benchmark} of {row.model}"
        yield OtherChange(aspect="items", name=name, old=old_text, new=new_text)


def _of_dense(old: Scorecard, new: Scorecard) -> Iterator[OtherChange]:
    """Scores of the dense model that moved: no retention shows what both sides lost."""
    before = {(row.model, row.benchmark): row for row in old.rows if row.unit is None}
    for row in new.rows:
        known = before.get((row.model, row.benchmark))
        if known is None or None in (row.dense, known.dense):
            continue
        was, now = known.dense or 0.0, row.dense or 0.0
        if abs(now - was) > TOLERANCE:
            name = f"score of {row.benchmark} of {row.model}"
            yield OtherChange(aspect="dense", name=name, old=f"{was:.4g}", new=f"{now:.4g}")


def _of_policy(old: Scorecard, new: Scorecard) -> Iterator[OtherChange]:
    """What is asked otherwise; the digest alone if that explains nothing."""
    before = {_whose(row): row for row in old.ends}
    found = False
    for row in new.ends:
        if (known := before.get(_whose(row))) is None:
            continue
        for key in ASKED:
            was, now = getattr(known, key, None), getattr(row, key, None)
            # only a gap is allowed, and only a compared metric has a most_fall
            if was != now and not (key in ("allowed", "most_fall") and None in (was, now)):
                found = True
                name = f"{key} of {row.name} of {row.model}/{row.method}"
                yield OtherChange(aspect="policy", name=name, old=_text(was), new=_text(now))
    if old.policy != new.policy and not found:
        old_key, new_key = _key(old.policy), _key(new.policy)
        yield OtherChange(aspect="policy", name="digest", old=old_key, new=new_key)


def _whose(row: Row | MetricRow) -> tuple[object, ...]:
    return type(row), row.checkpoint, row.name


def _key(key: str | None) -> str:
    """The begin of a digest, which is enough to tell two apart."""
    return key[:12] if key else "unknown"


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)
