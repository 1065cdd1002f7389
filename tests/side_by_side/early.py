"""Compares a run that stops early with the run in full, once the dense answers are known.

    python -m tests.side_by_side --early [--rounds 1] [--page docs/results/side_by_side.md]

Both are `pytest suites -m "not efficiency"` with the embedded model, in one process. Both start
with the same store: the checkpoints and the dense model's answers are there, and nothing else.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.side_by_side.__main__ import CLONE, Taken, conditions, timed, write_between

METHODS = ("wanda_50", "gptq_w4a16")
SUITE = ("-m", "not efficiency")
FULL, EARLY = "in full", "--early"
BEGIN, END = "<!-- early:begin -->", "<!-- early:end -->"

Verdicts = dict[tuple[str, str], str]
"""(method, benchmark or metric) → its verdict."""


@dataclass
class Gated(Taken):
    """The seconds of one run, its verdicts, and what it asked."""

    verdicts: Verdicts = field(default_factory=dict)
    asked: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Method → its items that were asked, and all of them."""


Round = Mapping[str, Gated]


def main(rounds: int, page: Path | None) -> int:
    """Run both sides; return 1 if more than one in a hundred verdicts differs."""
    found: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="early-") as name:
        folder = Path(name)
        store = prepare(folder)
        for number in range(rounds):
            sides = [FULL, EARLY] if number % 2 == 0 else [EARLY, FULL]
            found.append({side: run(folder, store, side) for side in sides})
    for line in lines(found):
        print(line)
    if page is not None:
        write_between(page, BEGIN, END, lines(found))
    wrong, all_ = differences(found[0])
    return 1 if len(wrong) > 0.01 * all_ else 0


def prepare(folder: Path) -> Path:
    """A store with the checkpoints and the dense model's answers."""
    (folder / "unicomp.toml").write_text((CLONE / "unicomp.toml").read_text())
    store = folder / "dense"
    _run(Taken(), folder, store, "--method=dense", *SUITE)
    built = folder / "built"
    few = ("--samples=32", "-k", "arc_easy")
    _run(Taken(), folder, built, *(f"--method={method}" for method in METHODS), *few)
    shutil.copytree(built / "checkpoints", store / "checkpoints", dirs_exist_ok=True)
    shutil.copytree(built / "admissions", store / "admissions", dirs_exist_ok=True)
    return store


def run(folder: Path, store: Path, side: str) -> Gated:
    """One run on a copy of the store."""
    taken, own = Gated(), folder / "store"
    shutil.copytree(store, own)
    early = ["--early"] if side == EARLY else []
    methods = [f"--method={method}" for method in METHODS]
    card = _run(taken, folder, own, "--method=dense", *methods, *SUITE, *early)
    shutil.rmtree(own)
    rows = [*card["scores"], *card["missing"]]
    for name, ends in (("benchmark", rows), ("metric", card["metrics"])):
        taken.verdicts |= {(row["method"], row[name]): row["verdict"] for row in ends}
    for method in METHODS:
        mine = [row for row in rows if row["method"] == method and row["n"]]
        full = sum(row["full_n"] or row["n"] for row in mine)
        taken.asked[method] = (sum(row["n"] for row in mine), full)
    return taken


def _run(taken: Taken, folder: Path, store: Path, *arguments: str) -> dict[str, Any]:
    card = folder / "card.json"
    plain = ("-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    timed(
        taken,
        folder,
        [
            *(sys.executable, "-m", "pytest", str(CLONE / "suites"), *plain, *arguments),
            *(f"--unicomp-home={store}", f"--scorecard={card}"),
        ],
        statuses=(0, 1, 10),
    )
    found: dict[str, Any] = json.loads(card.read_text())
    return found


def differences(taken: Round) -> tuple[list[str], int]:
    """The verdicts that differ, a line each, and the number of all."""
    whole, early = taken[FULL].verdicts, taken[EARLY].verdicts
    return [
        f"{method} {name}: {verdict} in full, {early.get((method, name))} early"
        for (method, name), verdict in whole.items()
        if early.get((method, name)) != verdict
    ], len(whole)


def lines(rounds: Sequence[Round]) -> Iterator[str]:
    """The results as Markdown."""
    yield (
        f'`pytest suites -m "not efficiency"`: {", ".join(METHODS)}; the embedded model and its '
        f"rows, one core, checkpoints and dense answers known; {len(rounds)} rounds, sides in turn."
    )
    yield ""
    yield f"| | seconds | of CPU | ratio [least, most] | {' | '.join(METHODS)} |"
    yield f"|---|---:|---:|---:|{'---:|' * len(METHODS)}"
    for name in (FULL, EARLY):
        walls, cpus = ([getattr(one[name], kind) for one in rounds] for kind in ("wall", "cpu"))
        ratios = [one[FULL].wall / one[name].wall for one in rounds]
        asked = (rounds[0][name].asked[method] for method in METHODS)
        yield (
            f"| {name} | {statistics.median(walls):.0f} | {statistics.median(cpus):.0f} | "
            f"{statistics.median(ratios):.1f} [{min(ratios):.1f}, {max(ratios):.1f}] | "
            f"{' | '.join(f'{some:,} of {every:,} items' for some, every in asked)} |"
        )
    yield ""
    wrong, every = differences(rounds[0])
    yield f"Verdicts that differ: {len(wrong)} of {every}{''.join(f'; {one}' for one in wrong)}."
    yield ""
    yield conditions()
