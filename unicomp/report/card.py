"""The Hugging Face model card of one compressed checkpoint.

The metadata has a `model-index` with two results for each benchmark: the score, and the recovery,
in percent of the model that was compressed. Both are results of this scorecard's items only. A
benchmark for which asking stopped early has no result there: the text names it.
https://huggingface.co/docs/hub/model-cards
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from unicomp.errors import SpecError
from unicomp.findings import Findings
from unicomp.framework import expected_metrics
from unicomp.report import early, efficiency, reasons
from unicomp.report.markup import code, table, text
from unicomp.report.repeating import command, hub_id
from unicomp.report.tables import full_name
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE, CheckpointId, OfCheckpoint
from unicomp.units import amount, interval
from unicomp.verdict import MetricRow, Row

_TASK = "text-generation"
_METRICS = {"score": "score", "recovery": "recovery, % of the base model"}


def render(card: Scorecard, findings: Findings, checkpoint: str | None = None) -> str:
    """The card as Markdown below its metadata. Raises SpecError for an unknown checkpoint."""
    from huggingface_hub import ModelCardData

    chosen = _chosen(card, checkpoint)
    own = _only(card, chosen)
    made = _made(card, chosen)
    name = f"{chosen.model}-{chosen.method}".replace("/", "-")
    data = ModelCardData(
        base_model=_base(card, chosen, findings),
        library_name="transformers",
        pipeline_tag=_TASK,
        tags=["unicomp", "compressed", *filter(None, (made.get("family"), made.get("also")))],
        model_name=name,
        eval_results=_results(own) or None,
    )
    if data.eval_results is None:
        data.model_name = None  # it only names the results
    if data.base_model is not None and made.get("family") == "quantization":
        data["base_model_relation"] = "quantized"
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(_body(card, findings, own, chosen)) + "\n"


# -- which checkpoint -----------------------------------------------------------------------------


def _chosen(card: Scorecard, given: str | None) -> CheckpointId:
    """The checkpoint that was named, or the only one that was compressed. Raises SpecError."""
    known = [one for one in card.checkpoints if one.method != DENSE.name]
    found = [one for one in known if given is None or given in _spellings(one)]
    if len(found) == 1:
        return found[0]
    names = ", ".join("/".join(one) for one in known)
    if not known:
        raise SpecError("the scorecard has no compressed checkpoint, and a model card is of one")
    if given is None:
        raise SpecError(f"a model card is of one checkpoint: give --checkpoint, one of {names}")
    what = "names several checkpoints" if found else "is not in the scorecard"
    raise SpecError(f"--checkpoint {given} {what}: give one of {names}")


def _spellings(one: CheckpointId) -> set[str]:
    return {one.method, f"{one.model}/{one.method}", "/".join(one)}


def _only(card: Scorecard, checkpoint: CheckpointId) -> Scorecard:
    """The scorecard of one checkpoint, whose decision is about it alone."""
    return replace(
        card,
        rows=tuple(row for row in card.rows if row.checkpoint == checkpoint),
        metrics=tuple(row for row in card.metrics if row.checkpoint == checkpoint),
        levels={name: one for name, one in card.levels.items() if name == checkpoint},
        looks={name: one for name, one in card.looks.items() if name == checkpoint},
    )


def _made(card: Scorecard, checkpoint: CheckpointId) -> Mapping[str, Any]:
    """How it was made; empty if the scorecard does not say."""
    builds = [one for one in card.work if one.stage == "build" and one.checkpoint == checkpoint]
    return next((one.facts["made"] for one in builds if "made" in one.facts), {})


def _base(card: Scorecard, checkpoint: CheckpointId, findings: Findings) -> str | None:
    """The hub id of the model that was compressed; None for a folder, which has none."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    stated = [one.base for one in findings.costs if one.checkpoint == checkpoint]
    source = next(filter(None, stated), None) or hub_id(card, checkpoint.model)
    try:
        validate_repo_id(source or "")
    except HFValidationError:
        return None
    return source


# -- metadata -------------------------------------------------------------------------------------


def _results(own: Scorecard) -> list[Any]:
    """The results for the `model-index`: score and recovery of each benchmark, of full runs."""
    from huggingface_hub import EvalResult

    def asked(row: Row) -> Mapping[str, Any]:
        datasets: Mapping[str, Any] = own.environment.get("datasets", {}).get(row.model, {})
        return datasets.get(row.benchmark) or {"id": row.benchmark}

    return [
        EvalResult(
            task_type=_TASK,
            dataset_type=asked(row)["id"],
            dataset_name=row.benchmark,
            dataset_revision=asked(row).get("revision"),
            metric_type=kind,
            metric_name=_METRICS[kind],
            metric_value=value,
        )
        for row in own.in_full.rows
        if row.unit is None
        for kind, value in (("score", row.score), ("recovery", row.retention))
        if value is not None and math.isfinite(value)
    ]


# -- text -----------------------------------------------------------------------------------------


def _body(
    card: Scorecard, findings: Findings, own: Scorecard, chosen: CheckpointId
) -> Iterator[str]:
    source = hub_id(card, chosen.model)
    base = text(chosen.model if source is None else f"{chosen.model} ({source})")
    yield f"# {text(chosen.model)}, compressed by {text(chosen.method)}"
    yield ""
    yield f"Measured against {base}, on the same items, by UniComp."
    yield f"{text(_capital(reasons.verdict(own)), 900)}. {reasons.stated_errors(own)}"
    yield from _section("Recovery", _recovery(own))
    yield from _section("Stopped early", _early(own, _about(findings, chosen)))
    yield from _section("Size, memory and speed", _efficiency(own))
    yield from _section("How it was made", _making(card, findings, chosen))
    yield from _section("Limits", _limits(own, _about(findings, chosen)))
    yield from _section("How to repeat it", _repeat(card, chosen))


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    if found := list(lines):
        yield from ("", f"## {title}", "", *found)


def _capital(line: str) -> str:
    return line[:1].upper() + line[1:]


def _recovery(own: Scorecard) -> Iterator[str]:
    """Benchmark by benchmark, then the metrics, of full runs."""
    known = [row for row in own.rows if row.unit is None and row.score is not None]
    rows = [row for row in known if not row.early]
    metrics = [row for row in own.metrics if not row.early]
    if rows:
        heads = ("benchmark", "baseline", "this checkpoint", "recovery, %", "95 % interval")
        yield from table(heads, map(_benchmark, rows))
    if metrics:
        yield from (
            "",
            *table(
                ("metric", "recovery, %", "95 % interval", "floor", "verdict"),
                map(_metric, metrics),
            ),
        )


def _early(own: Scorecard, findings: Findings) -> Iterator[str]:
    """What was asked, and the verdicts that were known before all items were."""
    for line in early.lines(own, findings.early, short=False):
        yield f"- {text(line, 900)}"
    for row in own.ends:
        if row.early:
            name = text(row.name.replace("_", " "))
            yield f"- {name}: {text(f'{early.ends(own, row)}: {reasons.describe(row)}', 900)}"


def _benchmark(row: Row) -> list[str]:
    return [text(row.name), _number(row.dense), _number(row.score), *_kept(row, row.retention)]


def _metric(row: MetricRow) -> list[str]:
    verdict = row.verdict.replace("_", " ") + (" (allowed)" if row.allowed else "")
    asked = f"at most {row.ceiling:g}" if row.floor is None else f"{row.floor:g}"
    return [text(row.name.replace("_", " ")), *_kept(row, row.value), asked, verdict]


def _kept(row: Row | MetricRow, value: float | None) -> list[str]:
    if value is None or row.low is None or row.high is None:
        return [_number(value), ""]
    return [_number(value), interval(row.low, row.high)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _efficiency(own: Scorecard) -> Iterator[str]:
    rows = [row for row in own.rows if row.unit is not None and row.score is not None]
    heads = ("measured", "baseline", "this checkpoint", "% of baseline", "95 % interval")
    limited = any(row.limit is not None for row in rows)
    cells = (
        [
            text(row.name.replace("_", " ")),
            "" if row.dense is None else amount(row.dense, row.unit or ""),
            amount(row.score or 0.0, row.unit or ""),
            *_kept(row, row.retention),
            *([efficiency.limit_of(row)] if limited else []),
        ]
        for row in rows
    )
    if rows:
        yield from table((*heads, "limit") if limited else heads, cells)
        yield ""
        yield "More is better in the last two columns: a ratio of times is inverted."
        yield from (text(line) for line in efficiency.machine(own))


def _making(card: Scorecard, findings: Findings, chosen: CheckpointId) -> Iterator[str]:
    made = _made(card, chosen)
    yield f"- method: {code(chosen.method)}{_family(made)}"
    if made.get("elsewhere"):
        yield "- compressed elsewhere: its settings are not known here"
    if settings := made.get("settings"):
        yield f"- settings: {code(json.dumps(settings, ensure_ascii=False, sort_keys=True))}"
    elif not made:
        yield "- settings: not in the scorecard"
    if calibration := made.get("calibration"):
        yield (
            f"- calibration: {code(chosen.calibration)}, {calibration['samples']:,} samples of at "
            f"most {calibration['tokens']:,} tokens, digest {code(calibration['digest'])}"
        )
    elif not made or not made.get("elsewhere"):
        yield f"- calibration: {code(chosen.calibration)}"
    yield from (
        f"- format: {text(one.line)}" for one in findings.formats if one.checkpoint == chosen
    )
    for cost in (one for one in findings.costs if one.checkpoint == chosen):
        if (found := cost.measured) is not None:
            where = f" on {text(found['device'])}" if found.get("device") else ""
            yield f"- measured cost: {amount(found['seconds'], 's')}{where}"
        for kind, figures in (("estimated", cost.estimated), ("published", cost.published)):
            if figures:
                yield f"- {kind} cost: {text(json.dumps(dict(figures), ensure_ascii=False))}"


def _family(made: Mapping[str, Any]) -> str:
    families = [one for one in (made.get("family"), made.get("also")) if one]
    return f" ({', '.join(families)})" if families else ""


def _about(findings: Findings, chosen: CheckpointId) -> Findings:
    """The findings of one checkpoint that a warning may be made of."""

    def of(found: Sequence[OfCheckpoint]) -> list[Any]:
        return [one for one in found if one.checkpoint == chosen]

    return replace(
        findings,
        early=of(findings.early),
        outlook=of(findings.outlook),
        costs=of(findings.costs),
        silent_changes=of(findings.silent_changes),
        context_reach=of(findings.context_reach),
        truncations=of(findings.truncations),
        prompt_differences=of(findings.prompt_differences),
        seed_spreads=[],
    )


def _limits(own: Scorecard, findings: Findings) -> Iterator[str]:
    measured = {row.metric for row in own.rows if row.decided}
    asked = expected_metrics(own.profiles.values())
    if others := [metric.replace("_", " ") for metric in asked if metric not in measured]:
        yield f"- Not measured: {', '.join(others)}."
    if samples := own.environment.get("samples"):
        yield f"- At most {samples:,} items of each benchmark were asked."
    if (repeats := own.environment.get("repeats", 1)) > 1:
        yield f"- Items with sampled answers were asked {repeats} times; intervals count items."
    yield "- An interval covers the choice of items, and nothing else: not prompts, not sampling."
    for line in (*reasons.obstacles(own, findings), *reasons.allowed(own)):
        yield f"- {text(line, 900)}"
    yield from (f"- {text(line, 900)}" for line in reasons.warnings(own, findings))


def _repeat(card: Scorecard, chosen: CheckpointId) -> Iterator[str]:
    yield from ("```sh", command(card, chosen).replace("`", ""), "```", "")
    packages = card.environment.get("packages", {})
    if packages:
        yield f"With {text(', '.join(f'{name} {one}' for name, one in packages.items()))}."
    facts = card.environment.get("models", {}).get(chosen.model, {})
    known = [f"{key} {facts[key]}" for key in _FACTS if facts.get(key) is not None]
    if known:
        yield f"{text(full_name(chosen))}: {text(', '.join(known))}."
    if card.policy:
        yield f"Digest of the policy: {code(card.policy)}."


_FACTS = ("revision", "rows", "engine", "device", "dtype", "batch_size", "sampling")
