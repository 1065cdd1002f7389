"""Scores: the scorers' readings of the responses, kept item by item as records.

A score is the aggregate of a benchmark's records. The records are computed from the rendered items
and the responses alone, without a model.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from unicomp.errors import ScoringError, UnicompError, described
from unicomp.instruments import Instruments
from unicomp.instruments.counter import counted
from unicomp.instruments.repetition import is_loop
from unicomp.prompts.answers import answered_items
from unicomp.prompts.choices import MULTIPLE_CHOICE, picked_option
from unicomp.prompts.comparison import prompt_digest
from unicomp.prompts.items import RenderedItem
from unicomp.prompts.lengths import overlong
from unicomp.prompts.tasks import Definition
from unicomp.prompts.tokenizers import Tokenizer
from unicomp.prompts.wordings import WORDING
from unicomp.responses import Responses
from unicomp.scoring.guards import NO_CALL, AnswerCounts, GeneratedAnswer, mostly_withheld
from unicomp.scoring.task_metrics import TaskMetric
from unicomp.spec import Aggregate, Benchmark, Item, Reading

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

KEPT_TEXT = 2000
"""Characters of a generated text that its record keeps; its digest is of the whole text."""

LONG_TEXT = 2048
"""Above so many tokens of a limit, a text that is split again may lack one in `SPLIT_AGAIN`."""
SPLIT_AGAIN = 256


@dataclass(frozen=True)
class Records:
    """The records of one benchmark for one checkpoint.

    There is one entry for each item, and where answers were sampled several times, one for each
    sample of each item: first all first samples, then all second ones, and so on.
    """

    benchmark: str
    items: list[str]
    """SHA-256 of the rows: two checkpoints' records are paired by it."""
    clusters: list[str]
    fields: dict[str, list[float | str]]
    parsed: list[bool]
    gaps: list[str | None]
    """Why an item could not be scored; None if it was."""
    overlong: int = 0
    """Items whose prompts are longer than the model's context."""
    judged: int = 0
    """Questions about the answers that a judge decided."""
    faults: list[str] = field(default_factory=list)
    """How this differs from the benchmark as declared; empty if it does not."""
    degenerate: str | None = None
    """Why the answers are degenerate; None if they are usable."""
    constant: str | None = None
    """The constant answer and its share; `guarded` decides whether it is degenerate."""
    generated: int = 0
    """Generated answers that were scored; the next two count some of them."""
    bad: dict[str, int] = field(default_factory=dict)
    """How many are of each bad kind that can make the benchmark degenerate."""
    same: int = 0
    """How many are the most common one."""
    prompts: list[str] = field(default_factory=list)
    """Digests of the prompts; see `unicomp.prompts.comparison`."""
    answers: dict[str, list[Any]] = field(default_factory=dict)
    """What was answered, whatever the scorer makes of it; empty for likelihoods of running text.

    Of multiple choice `options`, the log-likelihood of each option in nats; `right`, the right
    ones from 0; and `picked`, the one that counts. Of generated text `text`, its first `KEPT_TEXT`
    characters, and `digest`, of the whole; `loop`, whether it repeats itself. Where the tokenizer
    is at hand, `tokens`, how many the text has, and `cut`, whether it reached its limit. All are
    of the text as it was generated, with its thoughts."""
    sample: list[int] = field(default_factory=list)
    """Which sample of its item an entry is, from 0; empty if each item was asked once."""

    @cached_property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The fields, `item` and `cluster` as arrays with one value for each entry."""
        import numpy as np

        found = {"item": self.items, **self.fields, "cluster": self.clusters}
        return {name: np.asarray(values) for name, values in found.items()}

    @property
    def n(self) -> int:
        """The number of items, however often each was asked."""
        return len(set(self.items)) if self.sample else len(self.items)

    @property
    def repeats(self) -> int:
        """How often each item was asked."""
        return max(self.sample) + 1 if self.sample else 1

    @property
    def first(self) -> Records:
        """The records of the first samples: one for each item."""
        return self.only([one == 0 for one in self.sample]) if self.sample else self

    @property
    def parse_rate(self) -> float:
        """The share of items whose answer could be read, in percent."""
        return 100.0 * sum(self.parsed) / len(self.parsed)

    def only(self, kept: Sequence[bool]) -> Records:
        """The records of the items marked in `kept`."""
        return self.at([place for place, keep in enumerate(kept) if keep])

    def at(self, places: Sequence[int]) -> Records:
        """The records of the items at some places, in that order."""

        def chosen(values: list[T]) -> list[T]:
            return [values[place] for place in places]

        return replace(
            self,
            items=chosen(self.items),
            clusters=chosen(self.clusters),
            fields={name: chosen(values) for name, values in self.fields.items()},
            parsed=chosen(self.parsed),
            gaps=chosen(self.gaps),
            prompts=chosen(self.prompts) if self.prompts else [],
            answers={name: chosen(values) for name, values in self.answers.items()},
            sample=chosen(self.sample) if self.sample else [],
        )


def guarded(benchmark: Benchmark, records: Records, benign: Records | None) -> Records:
    """The records, marked degenerate if their constant answer cannot be right for the benchmark.

    If right answers vary, a constant one is degenerate. If refusing is right, a constant answer is
    degenerate only if the checkpoint also refuses the harmless prompts of `benign`. Calling no tool
    is judged alike. None means that those were not asked.
    """
    if records.degenerate or not records.constant:
        return records
    if benchmark.varied:
        return replace(records, degenerate=records.constant)
    if benign is None:
        return records
    if "kind" not in benign.fields:
        raise ScoringError(
            f"benchmark {benchmark.name}: {benign.benchmark} does not report refusals, since its "
            "scorer gives no field 'kind'"
        )
    kinds = [str(kind) for kind in benign.fields["kind"]]
    if not mostly_withheld([kind for kind in kinds if kind != "none"]):
        return records
    also = (
        f"the requests of {benign.benchmark} get no call either"
        if NO_CALL in kinds
        else f"the harmless prompts of {benign.benchmark} are refused as well"
    )
    return replace(records, degenerate=f"{records.constant}, and {also}")


def records_of(
    definition: Definition,
    rendered: Sequence[RenderedItem],
    responses: Responses,
    instruments: Instruments,
    tokenizer: Tokenizer,
) -> Records:
    """The records of rendered items; `responses` has the responses to each item by its key.

    Raises ScoringError where the task's or the scorer's code fails, or gives no usable readings.
    """
    reader = RecordsReader(definition, instruments, tokenizer)
    reader.read(rendered, responses)
    return reader.records()


class RecordsReader:
    """Reads the answered items of a benchmark in blocks; each item is read once.

    The records do not depend on the blocks, unless the scorer compares items: it must get those
    that it compares in one block. `of` are all items of the benchmark, read or not; by default
    those that are read. Prompts that are too long count in all of them.
    """

    def __init__(
        self,
        definition: Definition,
        instruments: Instruments,
        tokenizer: Tokenizer,
        of: Sequence[RenderedItem] = (),
    ) -> None:
        self._definition = definition
        self._instruments, self._judge = counted(instruments)
        self._tokenizer = tokenizer
        self._rendered: list[RenderedItem] = []
        self._first: list[Reading] = []
        """The first reading, or none: all others must have the same fields."""
        self._parsed: list[bool] = []
        self._gaps: list[str | None] = []
        self._fields: defaultdict[str, list[float | str]] = defaultdict(list)
        self._answers: defaultdict[str, list[Any]] = defaultdict(list)
        self._prompts: list[str] = []
        self._of = of
        self._overlong = 0
        """How many prompts of the items that were read are longer than the context."""
        self._counts = AnswerCounts(definition.max_new_tokens)

    @property
    def n(self) -> int:
        """How many items were read."""
        return len(self._rendered)

    def read(self, rendered: Sequence[RenderedItem], responses: Responses) -> None:
        """Read the next items; `responses` has the responses to each item by its key.

        Raises ScoringError where the task's or the scorer's code fails, or gives no usable
        readings; after that the reader is of no use.
        """
        benchmark, given = self._definition.benchmark, [responses[one.key] for one in rendered]
        kept = _answers(self._definition, rendered, given, self._tokenizer)
        with blamed_on(benchmark, "its responses cannot be read"):
            items = answered_items(rendered, given, kept.get("cut", ()))
        readings = readings_of(benchmark, items, self._instruments, self._first)
        self._rendered += rendered
        self._first = self._first or readings[:1]
        self._parsed += [bool(reading.parsed) for reading in readings]
        self._gaps += [reading.gap for reading in readings]
        for name, values in fields_of(readings).items():
            self._fields[name] += values
        for name, answers in kept.items():
            self._answers[name] += answers
        self._prompts += [prompt_digest(one, self._tokenizer) for one in rendered]
        if not self._of:
            self._overlong += overlong(rendered, self._tokenizer)
        self._counts.add(_generated(self._definition, rendered, items, readings))

    @cached_property
    def _overlong_of_all(self) -> int:
        """How many prompts of `of` are longer than the context."""
        return overlong(self._of, self._tokenizer)

    def records(self) -> Records:
        """The records of the items that were read so far."""
        cut = self._overlong_of_all if self._of else self._overlong
        return Records(
            benchmark=self._definition.benchmark.name,
            items=[one.item for one in self._rendered],
            clusters=[one.cluster for one in self._rendered],
            fields={name: list(values) for name, values in self._fields.items()},
            parsed=list(self._parsed),
            gaps=list(self._gaps),
            overlong=cut,
            judged=self._judge.asked if self._judge else 0,
            faults=_faults(
                self._definition, self._gaps, cut, self._of or self._rendered, self._tokenizer
            ),
            degenerate=self._counts.degenerate,
            constant=self._counts.constant,
            generated=self._counts.n,
            bad=dict(self._counts.bad) if self._counts.n else {},
            same=self._counts.same,
            prompts=list(self._prompts),
            answers={name: list(values) for name, values in self._answers.items()},
            sample=[one.sample for one in self._rendered] if _is_repeated(self._rendered) else [],
        )


def readings_of(
    benchmark: Benchmark,
    items: Sequence[Item],
    instruments: Instruments,
    like: Sequence[Reading] = (),
) -> list[Reading]:
    """The scorer's reading of each item, with the fields of the earlier readings `like`.

    Raises ScoringError where its code fails, or gives no usable readings.
    """
    if benchmark.wordings:
        readings = _read_by_wording(benchmark, items, instruments)
    else:
        readings = _read(benchmark, items, instruments)
    _check(benchmark, readings, len(items), like)
    return readings


def _read(benchmark: Benchmark, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
    scorer = benchmark.scorer
    with blamed_on(benchmark, "its responses cannot be read"):
        if callable(scorer):
            return [scorer(item) for item in items]
        return scorer.read_all(items, instruments)


def _read_by_wording(
    benchmark: Benchmark, items: Sequence[Item], instruments: Instruments
) -> list[Reading]:
    """The readings, with the wording as a field; a scorer compares items of one wording only."""
    found: dict[int, Reading] = {}
    for wording in benchmark.wordings:
        places = [n for n, item in enumerate(items) if item.doc[WORDING] == wording.name]
        readings = _read(benchmark, [items[place] for place in places], instruments)
        _check_number(benchmark, readings, len(places))
        for place, reading in zip(places, readings, strict=True):
            _check_kind(benchmark, reading)
            found[place] = replace(reading, fields={**reading.fields, WORDING: wording.name})
    return [found[place] for place in range(len(items))]


def fields_of(readings: Sequence[Reading]) -> dict[str, list[float | str]]:
    """The fields of readings as `Records` holds them."""
    return {
        name: [_plain(reading.fields[name]) for reading in readings] for name in readings[0].fields
    }


def score_of(
    benchmark: Benchmark, records: Records, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The scores of a benchmark's records, shape (draws,), for weights of shape (draws, n).

    Raises ScoringError where the code of its aggregate fails, or gives another shape.
    """
    import numpy as np

    with blamed_on(benchmark, "its records cannot be added up"):
        scores = np.asarray(aggregated(benchmark.aggregate, records, weights), dtype=float)
    if scores.shape != (len(weights),):
        raise ScoringError(
            f"benchmark {benchmark.name}: its aggregate gives shape {scores.shape} for weights of "
            f"shape {weights.shape}: return one score for each draw"
        )
    return scores


def aggregated(
    aggregate: Aggregate, records: Records, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The scores of an aggregate, shape (draws,), for weights of shape (draws, n).

    An item counts once, so each of its samples in part: a test of the counts is one of the items.
    """
    times = records.repeats
    return aggregate(records.columns, weights / times if times > 1 else weights)


def _check(
    benchmark: Benchmark, readings: Sequence[Any], items: int, like: Sequence[Reading]
) -> None:
    """Raise ScoringError unless there is one reading for each item, with the same usable fields.

    They are those of the first reading in `like`, if it has one.
    """
    who = f"benchmark {benchmark.name}: its scorer"
    _check_number(benchmark, readings, items)
    for reading in readings:
        _check_kind(benchmark, reading)
        for name in benchmark.aggregate.columns:
            if name not in ("cluster", "item") and name not in reading.fields:
                raise ScoringError(
                    f"benchmark {benchmark.name}: its aggregate needs the field {name!r}, which "
                    "its scorer does not give"
                )
        if odd := reading.fields.keys() ^ (like or readings)[0].fields.keys():
            raise ScoringError(
                f"{who} gives {', '.join(sorted(odd))} for some items only: give the same fields "
                "for all"
            )
        for name, value in reading.fields.items():
            if not isinstance(value, str) and not hasattr(value, "__float__"):
                raise ScoringError(f"{who} gives {value!r} as {name}: give a number or a text")


def _check_number(benchmark: Benchmark, readings: Sequence[Any], items: int) -> None:
    if len(readings) != items:
        raise ScoringError(
            f"benchmark {benchmark.name}: its scorer gives {len(readings)} readings of {items} "
            "items: give as many"
        )


def _check_kind(benchmark: Benchmark, reading: Any) -> None:
    if not isinstance(reading, Reading):
        raise ScoringError(
            f"benchmark {benchmark.name}: its scorer gives {reading!r}: return a Reading"
        )


@contextmanager
def blamed_on(benchmark: Benchmark, problem: str) -> Iterator[None]:
    """Turn any error of a task's or scorer's code into a ScoringError naming the benchmark."""
    try:
        yield
    except UnicompError:
        raise
    except Exception as error:
        raise ScoringError(f"benchmark {benchmark.name}: {problem} ({described(error)})") from error


def _faults(
    definition: Definition,
    gaps: Sequence[str | None],
    cut: int,
    rendered: Sequence[RenderedItem],
    tokenizer: Tokenizer,
) -> list[str]:
    """How the records differ from those of the benchmark as declared; `cut` items are too long."""
    faults = [definition.fault] if definition.fault else []
    if cut:
        n = sum(one.sample == 0 for one in rendered)
        faults.append(
            f"{cut} of {n} prompts are longer than the context of {tokenizer.context} tokens"
        )
    return faults + unscored(gaps, "samples" if _is_repeated(rendered) else "items")


def _is_repeated(rendered: Sequence[RenderedItem]) -> bool:
    return any(one.sample for one in rendered)


def unscored(gaps: Sequence[str | None], what: str = "items") -> list[str]:
    """How many items could not be scored, a line for each reason."""
    return [
        f"{count} of {len(gaps)} {what} could not be scored: {gap}"
        for gap, count in Counter(filter(None, gaps)).most_common()
    ]


def _answers(
    definition: Definition,
    rendered: Sequence[RenderedItem],
    responses: Sequence[Sequence[Any]],
    tokenizer: Tokenizer,
) -> dict[str, list[Any]]:
    """The answers as `Records.answers` keeps them."""
    if definition.generates:
        return {
            **generated_answers(responses),
            **_lengths(responses, definition.max_new_tokens, tokenizer),
        }
    if definition.settings.get("output_type") != MULTIPLE_CHOICE:
        return {}
    scorer = definition.benchmark.scorer
    metric = scorer.name.partition(",")[0] if isinstance(scorer, TaskMetric) else ""
    with blamed_on(definition.benchmark, "its options cannot be read"):
        options = [
            [log_likelihood for log_likelihood, _ in given[: len(one.task.doc_to_choice(one.doc))]]
            for one, given in zip(rendered, responses, strict=True)
        ]
        return {
            "options": [[round(value, 5) for value in one] for one in options],
            "right": [one.right_options for one in rendered],
            "picked": [
                picked_option(one.task, one.doc, values, metric)
                for one, values in zip(rendered, options, strict=True)
            ],
        }


def generated_answers(responses: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Generated texts as `Records.answers` keeps them."""
    texts = ["\n".join(map(str, given)) for given in responses]
    return {
        "text": [text[:KEPT_TEXT] for text in texts],
        "digest": [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts],
        "loop": [any(is_loop(str(one)) for one in given) for given in responses],
    }


def _lengths(
    responses: Sequence[Sequence[Any]], limit: int | None, tokenizer: Tokenizer
) -> dict[str, list[Any]]:
    """The tokens of generated texts, and whether one of them reached its limit.

    The texts are split again: a token that ended an answer is not in its text, and does not count.
    """
    before = len(tokenizer.encode(""))  # tokens that begin any prompt
    counts = [[len(tokenizer.encode(str(one))) - before for one in given] for given in responses]
    return {
        "tokens": list(map(sum, counts)),
        "cut": [limit is not None and _reaches(max(given, default=0), limit) for given in counts],
    }


def _reaches(tokens: int, limit: int) -> bool:
    """Whether a text of so many tokens reached its limit of new tokens.

    A model may write a word in more tokens than its tokenizer does. So a long text that was cut
    has a few tokens less when it is split again.
    """
    lost = limit // SPLIT_AGAIN if limit > LONG_TEXT else 0
    return tokens >= limit - lost


def _generated(
    definition: Definition,
    rendered: Sequence[RenderedItem],
    items: Sequence[Item],
    readings: Sequence[Reading],
) -> list[GeneratedAnswer]:
    """The generated answers; none for a task that generates nothing.

    Of each item the first sample: others are like it, and would hide that answers are constant.
    """
    if not definition.generates:
        return []
    return [
        GeneratedAnswer(
            prompt=item.prompt,
            text=item.text,
            parsed=reading.parsed,
            cut=item.cut,
            means=reading.means,
        )
        for one, item, reading in zip(rendered, items, readings, strict=True)
        if reading.gap is None and one.sample == 0
    ]


def _plain(value: Any) -> float | str:
    """A field as the store holds it; numpy's numbers and booleans become floats."""
    return value if isinstance(value, str) else float(value)
