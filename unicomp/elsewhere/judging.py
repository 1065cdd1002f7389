"""The scorecard of evidence from elsewhere: the same statistics and verdicts as a run."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from unicomp.data.calibration import UNSEEN
from unicomp.desk import Desk
from unicomp.elsewhere.evidence import Evidence
from unicomp.elsewhere.measured import Side
from unicomp.elsewhere.pairing import Pair
from unicomp.errors import SpecError, UnicompError
from unicomp.framework import DIMENSIONS, METRICS, Profile
from unicomp.methods.identity import installed_version
from unicomp.policy import Policy, check_name_given
from unicomp.retention import Retention, correlations, paired, retention
from unicomp.samples import samples_of
from unicomp.scorecard import Scorecard, scorecard
from unicomp.scores import Records, guarded
from unicomp.spec import DENSE, CheckpointId, ModelKind
from unicomp.store import content_key
from unicomp.verdict import Row


def judge(
    evidence: Evidence,
    *,
    model: str,
    method: str,
    profile: Profile,
    policy: Policy,
    kind: ModelKind = "normal",
    command: str = "",
) -> Scorecard:
    """Judge a candidate by its evidence; `model` names the baseline, `method` the candidate.

    `command` repeats it.
    A metric is judged if all of its benchmarks were given. The others of a metric are judged each
    for itself, and a note says so. Raises SpecError for a floor of what was not given.
    """
    whole, notes = _complete(profile, evidence.pairs)
    _check_floors(policy, evidence.pairs, method)
    dense = CheckpointId(model, DENSE.name, UNSEEN)
    candidate = CheckpointId(model, method, UNSEEN)
    rows = [
        *_rows(dense, evidence, policy, whole),
        *_rows(candidate, evidence, policy, whole),
    ]
    environment = {
        "command": [command] if command else [],
        "packages": {name: installed_version(name) for name in ("unicomp", "numpy", "scipy")},
        "python": platform.python_version(),
        "machine": {},
        "models": {model: {"source": evidence.baseline.name, "revision": None, "kind": kind}},
        "samples": None,
        "there": {},
        "reading": evidence.reading,
        "unpinned": [],
        "notes": [*notes, *evidence.notes],
        "instruments": dict(evidence.instruments),
        "measuring": {},
        "evidence": {
            "baseline": _described(evidence.baseline),
            "candidate": _described(evidence.candidate),
        },
    }
    return scorecard(rows, {model: whole}, policy, environment)


def _described(side: Side) -> dict[str, Any]:
    return {"key": side.key, **side.facts}


def _complete(profile: Profile, pairs: Mapping[str, Pair]) -> tuple[Profile, list[str]]:
    """The profile with the metrics that have all their benchmarks, and a note for each other."""
    parts, notes = {}, []
    for metric in profile:
        names = profile.benchmarks(metric)
        lacking = [name for name in names if name not in pairs]
        if not lacking:
            parts[metric] = profile.parts[metric]
        elif given := [name for name in names if name in pairs]:
            verb, each = ("were", "are") if len(lacking) > 1 else ("was", "are")
            notes.append(
                f"{metric} has no verdict, since {', '.join(lacking)} {verb} not given: "
                f"{', '.join(given)} {'is' if len(given) == 1 else each} judged alone"
            )
    return replace(profile, parts=parts), notes


def _check_floors(policy: Policy, pairs: Mapping[str, Pair], method: str) -> None:
    """Raise SpecError for a floor of the command line that nothing here is held to."""
    metrics = {pair.benchmark.metric for pair in pairs.values()}
    given = {
        *pairs,
        *(metric for metric in metrics if metric),
        *(name for name, own in DIMENSIONS.items() if metrics & {*own}),
    }
    for full in policy.command_line:
        check_name_given("--floor", full, list(pairs), (DENSE.name, method))
        name = full.partition("@")[0]
        if name in {*METRICS, *DIMENSIONS} - given:
            raise SpecError(f"--floor {full}: no benchmark of {name} was given")


def _rows(
    checkpoint: CheckpointId, evidence: Evidence, policy: Policy, profile: Profile
) -> list[Row]:
    """The rows of the candidate, or of the baseline itself."""
    desk = Desk(checkpoint, policy, profile)
    both = {
        name: (pair.benchmark, _own(checkpoint, pair), pair.baseline)
        for name, pair in evidence.pairs.items()
    }
    for name, (bench, now, before) in both.items():

        def measure(
            own: tuple[Any, Records, Records] = (bench, now, before),
        ) -> Retention:
            return _retention(checkpoint, own, both, evidence)

        with suppress(UnicompError):  # the row has the reason
            desk.retention(bench, measure)
        assert name in desk.rows
    return list(desk.rows.values())


def _own(checkpoint: CheckpointId, pair: Pair) -> Records:
    return pair.baseline if checkpoint.method == DENSE.name else pair.candidate


def _retention(
    checkpoint: CheckpointId,
    own: tuple[Any, Records, Records],
    both: Mapping[str, tuple[Any, Records, Records]],
    evidence: Evidence,
) -> Retention:
    """The retention of one benchmark, with the keys of what was compared."""
    bench, now, before = own
    same = now is before
    benign = both.get(bench.benign or "")
    before = guarded(bench, before, benign[2] if benign else None)
    now = before if same else guarded(bench, now, benign[1] if benign else None)
    side = evidence.baseline if same else evidence.candidate
    found = replace(
        retention(bench, now, before),
        candidate=side.key,
        baseline=evidence.baseline.key,
        items=content_key({"items": sorted(now.items)}),
    )
    if same:
        return found
    return replace(
        found,
        shared=correlations(own, both.values()) if found.evidence else {},
        samples=samples_of(*paired(bench, now, before), lambda: evidence.pairs[bench.name].texts),
    )
