"""The command that measures a scorecard, or one of its checkpoints, again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from unicomp.data.calibration import GENERIC, UNSEEN
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, CheckpointId


def command(card: Scorecard, only: CheckpointId | None = None) -> str:
    """A call of pytest with the models, methods and calibrations of a scorecard.

    Floors and other settings are those of `unicomp.toml`. A checkpoint that was compressed
    elsewhere has the name that it was given.
    """
    found = [only] if only is not None else list(card.checkpoints)
    given = [hub_id(card, name) or name for name in dict.fromkeys(one.model for one in found)]
    compressed = dict.fromkeys(one.method for one in found if one.method != DENSE.name)
    seen = dict.fromkeys(one.calibration for one in found if one.calibration != UNSEEN)
    parts = ["pytest", "--pyargs", "unicomp.suites"]
    parts += _options("--model", given)
    parts += _options("--method", [DENSE.name, *compressed])
    if list(seen) != [GENERIC]:
        parts += _options("--calibration", list(seen))
    if samples := card.environment.get("samples"):
        parts += ["--samples", str(samples)]
    if (repeats := card.environment.get("repeats", 1)) > 1:
        parts += ["--repeats", str(repeats)]
    return shlex.join(parts)


def commands(card: Scorecard) -> list[str]:
    """The commands of the runs as they were recorded, or one that follows from the scorecard."""
    return list(card.environment.get("command") or [command(card)])


def hub_id(card: Scorecard, model: str) -> str | None:
    """The hub id of a model; None for a folder or a file."""
    source: str = card.environment.get("models", {}).get(model, {}).get("source") or ""
    return source if "/" in source else None


def _options(name: str, values: Sequence[str]) -> list[str]:
    return [part for value in values for part in (name, value)]
