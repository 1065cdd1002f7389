"""Engines with scripted answers, to prove that a benchmark measures what it claims.

A benchmark is sound if right answers score 100, wrong answers 0, and a collapsed model far below
an honest one. You give a function from a row to its right and wrong answer. The engines here then
answer through the real task, prompt, filter, scorer and aggregate, without a model:

>>> from unicomp import Benchmark, Mean, TaskMetric
>>> from unicomp.testing import COLLAPSED, AntiOracle, Honest, KnownAnswer, Oracle, Trial

>>> arc = Benchmark(
...     name="arc", metric="knowledge", task="arc/arc_easy.yaml",
...     scorer=TaskMetric("acc,none"), aggregate=Mean("correct"), chance=25.0,
... )
>>> def known(row):
...     labels = row["choices"]["label"]
...     right = labels.index(row["answerKey"])
...     return KnownAnswer(right=right, wrong=(right + 1) % len(labels))

>>> trial = Trial(arc, rows="embedded", samples=100)
>>> trial.score(Oracle(known)), trial.score(AntiOracle(known))
(100.0, 0.0)
>>> honest = trial.score(Honest(known, error=0.1))
>>> 80 < honest < 100 and all(trial.score(engine) < honest / 2 for engine in COLLAPSED)
True
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

from unicomp.data.calibration import Recipe
from unicomp.data.sources import EMBEDDED_ROWS, Source
from unicomp.errors import JudgeError, ScoringError
from unicomp.instruments import Instruments, Question
from unicomp.instruments.assembly import default_instruments
from unicomp.prompts.items import WINDOWS, RenderedItem, Renderer
from unicomp.prompts.tokenizers import ChatTemplate, Tokenizer
from unicomp.scores import Records, records_of, score_of
from unicomp.spec import Benchmark, Calibration

__all__ = [
    "COLLAPSED",
    "COMPLIANCE",
    "ENDLESS_THOUGHT",
    "NATS",
    "REFUSAL",
    "WRONG_TOOL",
    "AntiOracle",
    "Characters",
    "Collapsed",
    "Engine",
    "Honest",
    "Known",
    "KnownAnswer",
    "Oracle",
    "Records",
    "RenderedItem",
    "ScriptedJudge",
    "Trial",
    "drawn",
    "score",
]

NATS = 50.0
"""Surprise of an engine that does not know a running text, in nats for each token."""
REFUSAL = "I'm sorry, but I cannot help with that."
_CODE_POINTS = sys.maxunicode + 1
COMPLIANCE = "Sure. First walk to the market, then ask the baker for the key, and open the door."


# -- trials ---------------------------------------------------------------------------------------


class Engine(Protocol):
    """Answers items. Write your own to try one more way to collapse."""

    def answer(self, item: RenderedItem) -> list[Any]:
        """One response for each of `item.requests`, in order; `item.doc` is the row.

        A response is a text if the request's type is `generate_until`, `(log-likelihood,
        is_greedy)` if it is `loglikelihood`, and a log-likelihood for a window of running text.
        Log-likelihoods are in nats.
        """
        ...


class Trial:
    """A benchmark with its items rendered once, for any number of engines to answer.

    `rows` is `embedded`, `hub`, or a folder in the hub's layout (`ORG/NAME` below it). `samples`
    limits the items, as `--samples` does; None takes all. `instruments` read the answers; the
    default ones have no judge. `tokenizer` renders prompts and counts what is generated; the
    default one has no chat template, and tokens of four characters, about as long as a model's.
    Raises SpecError where the task or the rows cannot be read.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        *,
        rows: str | Path = EMBEDDED_ROWS,
        samples: int | None = None,
        instruments: Instruments | None = None,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        self._instruments = instruments or default_instruments()
        self._tokenizer = tokenizer or Characters(per_token=4)
        renderer = Renderer(Source(str(rows)), samples, self._instruments.mode)
        self._definition = renderer.definition(benchmark)
        self.items: Sequence[RenderedItem] = renderer.items(benchmark, self._tokenizer)
        """The items in order, each with its row and its requests."""

    def records(self, engine: Engine) -> Records:
        """The scorer's reading of the engine's answers, one entry for each item.

        Items with equal requests get the answer to the first of them, as from a model. Raises
        ScoringError where the answers cannot be read.
        """
        answers: dict[str, list[Any]] = {}
        for item in self.items:
            if item.key not in answers:
                answers[item.key] = [
                    _until(request, response)
                    for request, response in zip(item.requests, engine.answer(item), strict=True)
                ]
        return records_of(self._definition, self.items, answers, self._instruments, self._tokenizer)

    def score(self, engine: Engine) -> float:
        """The engine's score, in the benchmark's own unit and direction: points for most.

        Raises ScoringError where an item could not be scored, for example without a judge.
        """
        import numpy as np

        benchmark, records = self._definition.benchmark, self.records(engine)
        for gap, count in Counter(filter(None, records.gaps)).most_common(1):
            raise ScoringError(
                f"benchmark {benchmark.name}: {count} of {len(records.items)} items could not be "
                f"scored: {gap}"
            )
        return float(score_of(benchmark, records, np.ones((1, len(records.items))))[0])


def score(
    benchmark: Benchmark,
    engine: Engine,
    *,
    rows: str | Path = EMBEDDED_ROWS,
    samples: int | None = None,
    instruments: Instruments | None = None,
) -> float:
    """The score of one engine; see `Trial`, which renders the items only once for several."""
    return Trial(benchmark, rows=rows, samples=samples, instruments=instruments).score(engine)


def drawn(recipe: Recipe, *, rows: str | Path = EMBEDDED_ROWS) -> Calibration:
    """The text that a calibration's recipe draws from some rows; `rows` as in `Trial`.

    Raises SpecError where the rows are not there or cannot be rendered.
    """
    return recipe.load(Source(str(rows)))


def _until(request: Any, response: Any) -> Any:
    """A generated text up to the first stop word of its request, where a real engine stops."""
    if request.request_type == "generate_until":
        stops = request.arguments[1].get("until") or ()
        for stop in [stops] if isinstance(stops, str) else stops:
            response = response.partition(stop)[0]
    return response


# -- engines that know the answers ----------------------------------------------------------------


@dataclass(frozen=True)
class KnownAnswer:
    """A right and a wrong answer to one row: a generated text, or an option's text or index.

    Indices begin at 0, in the order in which the task lists the options.
    """

    right: int | str
    wrong: int | str


Known = Callable[[Mapping[str, Any]], KnownAnswer | None]
"""From a row's columns to its answer; None: there is no known answer, which counts as wrong."""


@dataclass(frozen=True)
class Honest:
    """Knows the answers, and errs in a share `error` of the rows: the same rows each time.

    `reword(text, random)` returns a generated answer in other words; `random` is seeded by the row.
    Raises ScoringError where a known answer is not an option, or an index where text is generated.
    """

    known: Known
    error: float = 0.1
    reword: Callable[[str, Random], str] = lambda text, random: text

    def answer(self, item: RenderedItem) -> list[Any]:
        """The right answer, or in a share of the rows the wrong one."""
        random = _random(item)
        errs = random.random() < self.error
        kind = item.requests[0].request_type
        if kind == WINDOWS:
            return [_surprised(request) if errs else 0.0 for request in item.requests]
        known = self.known(item.doc)
        answer = None if known is None else known.wrong if errs else known.right
        if kind != "generate_until":
            return _chosen(item, answer)
        if isinstance(answer, int):
            raise ScoringError(f"the known answer {answer} is an index: give the generated text")
        return ["" if answer is None else self.reword(answer, random)] * len(item.requests)


@dataclass(frozen=True)
class Oracle(Honest):
    """Always right: a perfect score, or the benchmark is faulty."""

    error: float = field(default=0.0, init=False)


@dataclass(frozen=True)
class AntiOracle(Honest):
    """Always wrong: the worst score, or the benchmark is faulty."""

    error: float = field(default=1.0, init=False)


def _random(item: RenderedItem) -> Random:
    """A generator seeded by the row."""
    return Random(hashlib.sha256(repr(sorted(item.doc.items())).encode()).hexdigest())


def _surprised(request: Any) -> float:
    return -NATS * (len(request.arguments[0]) - 1)


def _chosen(item: RenderedItem, answer: int | str | None) -> list[tuple[float, bool]]:
    """Responses by which the option `answer` is the likeliest, or a single option is unlikely."""
    options = [request.arguments[1].strip() for request in item.requests]
    wanted = answer.strip() if isinstance(answer, str) else answer
    chosen = [wanted in (number, option) for number, option in enumerate(options)]
    if answer is not None and len(options) > 1 and not any(chosen):
        raise ScoringError(f"the known answer {answer!r} is not one of the options {options}")
    return [(-0.01, True) if one else (-1000.0, False) for one in chosen]


# -- engines that have collapsed ------------------------------------------------------------------


@dataclass(frozen=True)
class Collapsed:
    """A broken model: generates `say(prompt, random)`, and guesses among options.

    `random` is seeded by the row.
    """

    name: str
    say: Callable[[str, Random], str]

    def __str__(self) -> str:
        return self.name

    def answer(self, item: RenderedItem) -> list[Any]:
        """Texts by `say`, or random likelihoods."""
        random = _random(item)
        return [self._response(request, random) for request in item.requests]

    def _response(self, request: Any, random: Random) -> Any:
        if request.request_type == WINDOWS:
            return _surprised(request)
        if request.request_type == "generate_until":
            return self.say(str(request.arguments[0]), random)
        return -10.0 * random.random(), False


def _gibberish(prompt: str, random: Random) -> str:
    letters = "bcdfghjklmnpqrstvwxz#%;"
    return " ".join(
        "".join(random.choices(letters, k=random.randint(2, 9)))
        for _ in range(random.randint(9, 25))
    )


COLLAPSED: tuple[Collapsed, ...] = (
    Collapsed("empty", lambda prompt, random: ""),
    Collapsed("constant letter", lambda prompt, random: "A"),
    Collapsed("constant word", lambda prompt, random: "table"),
    Collapsed("gibberish", _gibberish),
    Collapsed("echo of the prompt", lambda prompt, random: prompt),
    Collapsed("endless repetition", lambda prompt, random: "the cat and " * 20),
    Collapsed("always refusing", lambda prompt, random: REFUSAL),
    Collapsed("always agreeing", lambda prompt, random: "Yes."),
    Collapsed("always not sure", lambda prompt, random: "I'm not sure."),
)
"""Nine ways in which a compressed model breaks. Each must score far below an honest engine."""


def _wrong_tool(prompt: str, random: Random) -> str:
    return f"[tool_{random.randint(0, 999)}.run(value={random.randint(0, 99)})]"


WRONG_TOOL = Collapsed("a tool call with the wrong name", _wrong_tool)
"""One more way, for benchmarks of tool calls: well-formed calls of functions that are not there."""


def _endless_thought(prompt: str, random: Random) -> str:
    number = random.randint(2, 99)
    return f"<think>\nSo the answer is {number}. " + f"Wait, is it really {number}? " * 400


ENDLESS_THOUGHT = Collapsed("loops inside its thoughts", _endless_thought)
"""One more way, of models that think: a thought that repeats itself up to the limit of tokens. It
has no answer, whatever is said in it."""


# -- doubles --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Characters:
    """A tokenizer whose tokens are characters, or so many of them `per_token`.

    `context` is the longest prompt, in tokens.
    """

    template: ChatTemplate | None = None
    identity: str = "characters"
    context: int = 4096
    per_token: int = 1

    def encode(self, text: str) -> list[int]:
        """The code point of each character; several are the digits of one number after a 1."""
        starts = range(0, len(text), self.per_token)
        return [self._number(text[start : start + self.per_token]) for start in starts]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens."""
        return "".join(map(self._text, tokens))

    def _number(self, text: str) -> int:
        if self.per_token == 1:
            return ord(text)
        number = 1
        for character in reversed(text):
            number = number * _CODE_POINTS + ord(character)
        return number

    def _text(self, token: int) -> str:
        if self.per_token == 1:
            return chr(token)
        text = ""
        while token > 1:
            token, character = divmod(token, _CODE_POINTS)
            text += chr(character)
        return text


@dataclass
class ScriptedJudge:
    """A judge that decides by a function, and keeps the questions in `asked`.

    `decide` gets the named texts of a question, such as `{"answer": ...}`. It returns the verdict,
    or its index among the question's choices. Use it in `Instruments`:

    >>> from dataclasses import replace
    >>> instruments = replace(default_instruments(), judge=ScriptedJudge(lambda texts: "correct"))
    """

    decide: Callable[[Mapping[str, str]], str | int]
    asked: list[Question] = field(default_factory=list)
    identity: dict[str, Any] = field(default_factory=lambda: {"judge": "scripted"})

    def ask(self, questions: Sequence[Question]) -> list[str]:
        """The verdict on each question. Raises JudgeError for a verdict that is not a choice."""
        self.asked += questions
        return [self._verdict(question) for question in questions]

    def _verdict(self, question: Question) -> str:
        verdict = self.decide(dict(question.data))
        if isinstance(verdict, int):
            return question.choices[verdict]
        if verdict not in question.choices:
            raise JudgeError(f"the verdict {verdict!r} is not one of {', '.join(question.choices)}")
        return verdict
