"""From the logged answers of a benchmark to its records, as a run makes them.

The items have the keys, the clusters and the order that a run gives them, so that the statistics
come to the same figures. Without the model's tokenizer two things are not known: whether an answer
was cut off at the limit of new tokens, and whether a prompt was longer than the context.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from unicomp.elsewhere.folders import TaskLog
from unicomp.elsewhere.measured import Measured
from unicomp.elsewhere.recognition import Recognised
from unicomp.elsewhere.samples import LoggedItem
from unicomp.errors import ScoringError, SpecError
from unicomp.instruments import Instruments
from unicomp.instruments.counter import counted
from unicomp.item_texts import KEPT_PROMPT, ItemTexts
from unicomp.prompts.items import cluster_of, item_digest, permutation
from unicomp.prompts.thoughts import opens_thoughts, without_thoughts
from unicomp.scores import Records, fields_of, generated_answers, readings_of, unscored
from unicomp.scoring.guards import AnswerCounts, GeneratedAnswer
from unicomp.scoring.task_metrics import TaskMetric
from unicomp.spec import Benchmark, Item, Reading

Part = tuple[TaskLog, Recognised | None, Sequence[LoggedItem]]
"""The log of one task with its items, and which benchmark of the suites it is, if it is one."""


def measured(
    bench: Benchmark,
    parts: Sequence[Part],
    instruments: Instruments,
) -> Measured:
    """The records of a benchmark from the logs of its tasks, in the order of its configurations.

    Raises SpecError where the scorer cannot read the log.
    """
    rows = list(chain.from_iterable(_rows(bench, *part) for part in parts))
    log = parts[0][0]
    if not rows:
        raise SpecError(f"{log.path} has no items of {bench}: give a log of the whole task")
    rows = [rows[place] for place in permutation([row.cluster for row in rows])]
    instruments, judge = counted(instruments)
    try:
        readings = readings_of(bench, [row.item for row in rows], instruments)
    except ScoringError as error:
        raise SpecError(f"{log.path}: {error}; --metric {bench}=METRIC takes lm-eval's") from None
    items = [row.logged for row in rows]
    limit = parts[0][1].definition.max_new_tokens if parts[0][1] else None
    counts = AnswerCounts(limit, _generated(items, [row.item for row in rows], readings))
    gaps = [reading.gap for reading in readings]
    records = Records(
        benchmark=bench.name,
        items=[row.digest for row in rows],
        clusters=[row.cluster for row in rows],
        fields=fields_of(readings),
        parsed=[bool(reading.parsed) for reading in readings],
        gaps=gaps,
        judged=judge.asked if judge else 0,
        faults=[*_missing_configs(parts), *unscored(gaps)],
        degenerate=counts.degenerate,
        constant=counts.constant,
        answers=_answers(bench, items, log),
    )
    return Measured(
        benchmark=bench,
        records=records,
        files=[row.log.path for row in rows],
        lines=[item.line for item in items],
        names=[str(item.number) for item in items],
        texts=_texts(records, items, log),
        marks={
            "the prompt": [_mark(item.prompts, item.continuations) for item in items],
            "the right answer": [_mark(item.target) for item in items],
            "the decoding": [_mark(item.decoding) for item in items],
        },
    )


def _mark(*values: Any) -> str:
    return str(hash(values))


def is_kept(bench: Benchmark, item: LoggedItem) -> bool:
    """Whether a row of a task is an item of a benchmark, which may take only some."""
    return all(str(item.doc.get(name)) == text for name, text in bench.where.items())


class _Row:
    """One item on its way to a record."""

    def __init__(self, log: TaskLog, logged: LoggedItem, digest: str, cluster: str, item: Item):
        self.log, self.logged, self.digest = log, logged, digest
        self.cluster, self.item = cluster, item


def _rows(
    bench: Benchmark, log: TaskLog, found: Recognised | None, items: Sequence[LoggedItem]
) -> list[_Row]:
    """The items of a benchmark in the log of a task, in lm-eval's order."""
    config = found.config if found else None
    kept = [item for item in items if is_kept(bench, item)]
    rows = []
    for rank, item in enumerate(kept):
        # a run counts the rows that it keeps
        digest = item_digest(config, rank if bench.where else item.number, item.doc)
        try:
            cluster = cluster_of(bench, config, item.doc) or digest
        except ScoringError as error:
            raise SpecError(f"{log.path}:{item.line}: {error}") from None
        doc = dict(item.doc) if config is None else {**item.doc, "config": config}
        rows.append(_Row(log, item, digest, cluster, _as_item(doc, item)))
    return rows


def _as_item(doc: dict[str, Any], item: LoggedItem) -> Item:
    opened = opens_thoughts(item.prompt)
    return Item(
        doc=doc,
        prompt=item.prompt,
        responses=tuple(
            without_thoughts(one, opened=opened) if isinstance(one, str) else one
            for one in item.responses
        ),
        answers=item.answers,
        results=item.results,
    )


def _missing_configs(parts: Sequence[Part]) -> list[str]:
    """The declared configurations that no log has."""
    found = [one for _, one, _ in parts if one is not None]
    if not found or not found[0].benchmark.configs:
        return []
    declared = found[0].definition.declared_configs
    absent = [str(name) for name in declared if name not in {one.config for one in found}]
    if not absent:
        return []
    return [
        f"the logs lack {len(absent)} of the {len(declared)} configurations of "
        f"{found[0].definition.dataset}: {', '.join(absent)}"
    ]


def _generated(
    logged: Sequence[LoggedItem], items: Sequence[Item], readings: Sequence[Reading]
) -> list[GeneratedAnswer]:
    """The generated answers; empty for a task that generates nothing."""
    return [
        GeneratedAnswer(
            prompt=item.prompt,
            text=item.text,
            parsed=reading.parsed,
            cut=False,
            means=reading.means,
        )
        for one, item, reading in zip(logged, items, readings, strict=True)
        if one.decoding and reading.gap is None
    ]


def _answers(bench: Benchmark, items: Sequence[LoggedItem], log: TaskLog) -> dict[str, list[Any]]:
    """The answers as `Records.answers` keeps them; empty if the log does not have them."""
    if all(item.decoding for item in items):
        return generated_answers([[str(one) for one in item.responses] for item in items])
    metric = bench.scorer.name.partition(",")[0] if isinstance(bench.scorer, TaskMetric) else ""
    if not all(map(_says_right_option, items)) or metric == "acc_bytes":
        return {}
    options = [[log_likelihood for log_likelihood, _ in item.responses] for item in items]
    delimiter = _delimiter(log)
    return {
        "options": [[round(value, 5) for value in one] for one in options],
        "right": [[int(item.target)] for item in items],
        "picked": [
            _picked(one, item, metric, delimiter) for one, item in zip(options, items, strict=True)
        ],
    }


def _texts(records: Records, items: Sequence[LoggedItem], log: TaskLog) -> ItemTexts:
    """What the items ask, for reports."""
    delimiter = _delimiter(log)
    options = [[text.removeprefix(delimiter) for text in item.continuations] for item in items]
    right = [
        named[int(item.target)] if named and _says_right_option(item) else item.target.strip()
        for item, named in zip(items, options, strict=True)
    ]
    return ItemTexts(
        benchmark=records.benchmark,
        items=records.items,
        prompts=[item.prompt[-KEPT_PROMPT:] for item in items],
        characters=[len(item.prompt) for item in items],
        options=options,
        right=[text or None for text in right],
    )


def _delimiter(log: TaskLog) -> str:
    """What lm-eval puts between a prompt and an option."""
    return str(log.settings.get("target_delimiter", " "))


def _says_right_option(item: LoggedItem) -> bool:
    """Whether an item has the likelihoods of options and the number of the right one."""
    return (
        all(isinstance(one, tuple) for one in item.responses)
        and item.target.isdecimal()
        and int(item.target) < len(item.responses)
    )


def _picked(values: list[float], item: LoggedItem, metric: str, delimiter: str) -> int:
    """The option that the model picks: the likeliest one, for its length if `metric` is so."""
    if metric == "acc_norm":
        lengths = [len(text.removeprefix(delimiter)) for text in item.continuations]
        values = [value / max(length, 1) for value, length in zip(values, lengths, strict=True)]
    return max(range(len(values)), key=values.__getitem__)
