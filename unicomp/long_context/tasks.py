"""The thirteen tasks of RULER as texts: eight kinds of needles, tracing, aggregation, questions.

Source: Hsieh et al. 2024, arXiv:2404.06654, and NVIDIA/RULER, `scripts/data/synthetic` and
`scripts/synthetic.yaml` (Apache 2.0): the tasks, their numbers of needles, hops and repeated words,
the form of their answers and the most tokens of these. The wording and all that the texts are made
of is our own. So the questions are about invented people, not from SQuAD and HotpotQA, and scores
cannot be compared with published ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from random import Random
from typing import Literal

from unicomp.long_context.words import (
    NOISE,
    coded,
    invented,
    keys,
    listed,
    number,
    sentence,
    uuid,
    variables,
)


@dataclass(frozen=True)
class Text:
    """One text with its question, and what is right."""

    prompt: str
    prefix: str
    """How the answer begins."""
    outputs: Sequence[str]
    """What the answer must name."""
    wrong: Sequence[str]
    """What else of the same kind is in the text, so that naming it is wrong."""


Make = Callable[[Random, int], Text]
"""A text of some size, in units such as sentences or words. Equal generators make texts that
differ in nothing but the number of units."""


@dataclass(frozen=True)
class Task:
    """One task of RULER."""

    name: str
    forms: tuple[Make, ...]
    """The text as it is meant to be, and a smaller one for less than 4,096 tokens."""
    least: int
    """The fewest units of a text."""
    new_tokens: int
    """The most tokens of an answer."""


# -- needles ------------------------------------------------------------------------------------

Haystack = Literal["noise", "prose", "needles"]
_KINDS = {"number": number, "uuid": uuid}


def _needles(
    random: Random,
    units: int,
    *,
    haystack: Haystack,
    of: Literal["number", "uuid"] = "number",
    key_of: Literal["words", "uuid"] = "words",
    others: int = 0,
    values: int = 1,
    asked: int = 1,
) -> Text:
    """Values that belong to keys, hidden in a text; `asked` keys, and `others` that are not.

    A text of needles has as many more as it has units.
    """
    count = asked + others + (units if haystack == "needles" else 0)
    made = _KINDS[of]
    names = keys(random, count) if key_of == "words" else [uuid(random) for _ in range(count)]
    hidden = {name: [made(random) for _ in range(values)] for name in names}
    wanted = names[:asked]
    lines = [
        f"The secret {of} of {name} is {value}." for name, own in hidden.items() for value in own
    ]
    random.shuffle(lines)
    depths = sorted(random.random() for _ in lines)
    if haystack != "needles":
        filler = (
            [NOISE] * units if haystack == "noise" else [sentence(random) for _ in range(units)]
        )
        lines = _hidden(lines, filler, depths)
    between = " " if haystack == "prose" else "\n"
    outputs = [value for name in wanted for value in hidden[name]]
    many = len(outputs) > 1
    names_of = _listed(wanted)
    what, verb = (f"{of}s", "are") if many else (of, "is")
    return Text(
        prompt=(
            f"Secret {of}s are hidden in the text below. Keep them in mind: you will be asked for "
            f"some of them.\n\n{between.join(lines)}\n\n"
            f"Question: What {verb} the secret {what} of {names_of} in the text above?"
        ),
        prefix=f"The secret {what} of {names_of} in the text above {verb}",
        outputs=outputs,
        wrong=[value for name in names[asked:] for value in hidden[name]],
    )


def _hidden(lines: Sequence[str], filler: Sequence[str], depths: Sequence[float]) -> list[str]:
    """The filler with lines between, at shares of its length in ascending order."""
    found: list[str] = []
    done = 0
    for line, depth in zip(lines, depths, strict=True):
        place = round(depth * len(filler))
        found += [*filler[done:place], line]
        done = place
    return [*found, *filler[done:]]


def _listed(names: Sequence[str]) -> str:
    """Names as an enumeration: `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


# -- tracing ------------------------------------------------------------------------------------

HOPS = 4


@dataclass(frozen=True)
class _Chain:
    """Variables that hold one value, each set from the one before, hidden in noise."""

    names: Sequence[str]
    asked: str
    begin: str
    """How an answer begins."""


def _tracing(random: Random, units: int) -> Text:
    """A variable gets a value, and four others get its value; a small answered chain is before."""
    shown, chain = _chain(random, noise=5, letters=3), _chain(random, noise=units, letters=5)
    return Text(
        prompt=f"{shown.asked}\nAnswer: {shown.begin} {' '.join(shown.names)}\n\n{chain.asked}",
        prefix=chain.begin,
        outputs=chain.names,
        wrong=shown.names,
    )


def _chain(random: Random, *, noise: int, letters: int) -> _Chain:
    names = list(islice(variables(random, letters), HOPS + 1))
    value = str(random.randint(10000, 99999))
    lines = [f"VAR {names[0]} = {value}"]
    lines += [f"VAR {now} = VAR {before}" for before, now in pairwise(names)]
    depths = sorted(random.random() for _ in lines)
    text = "\n".join(_hidden(lines, [NOISE] * noise, depths))
    return _Chain(
        names=names,
        asked=(
            "Follow the variables that are set in the text below.\n\n"
            f"{text}\n\nQuestion: Which variables hold the value {value} in the text above?"
        ),
        begin=f"The value {value} is held by {HOPS + 1} variables:",
    )


# -- aggregation --------------------------------------------------------------------------------

COMMON = 10


def _common(
    random: Random, units: int, *, often: int, seldom: int, example: tuple[int, int, int]
) -> Text:
    """A list of words of which ten are there `often`, and `units` others `seldom`.

    `example` has the words of a list before, and how often its common and other words are there.
    """
    words = invented(random)
    total, common, others = example
    shown, known, _ = _word_list(random, islice(words, total), common, others)
    asked, wanted, rest = _word_list(random, islice(words, COMMON + units), often, seldom)
    begin = f"The {COMMON} most common words in the list above are:"
    return Text(
        prompt=f"{shown}\nAnswer: {begin} {_numbered(known)}\n\n{asked}",
        prefix=begin,
        outputs=wanted,
        wrong=[*rest, *known],
    )


def _word_list(
    random: Random, words: Iterable[str], often: int, seldom: int
) -> tuple[str, list[str], list[str]]:
    """A question about a list, its common words, and the others."""
    known = list(words)
    common, others = known[:COMMON], known[COMMON:]
    listed = common * often + others * seldom
    random.shuffle(listed)
    asked = (
        "The numbered list below has some words more often than others. Keep in mind which are the "
        f"most common.\n\n{_numbered(listed)}\n\n"
        f"Question: What are the {COMMON} most common words in the list above?"
    )
    return asked, common, others


def _numbered(words: Sequence[str]) -> str:
    return " ".join(f"{place}. {word}" for place, word in enumerate(words, start=1))


ZIPF = 2.0
"""The k-th of the coded words is there in a share of k^-2 / ζ(2)."""
_ZETA = math.pi**2 / 6
MOST_FREQUENT = 3


def _frequent(random: Random, units: int) -> Text:
    """A coded text whose words are there as often as a power law says; dots are the first."""
    counts = [int(units * k**-ZIPF / _ZETA) for k in range(1, math.isqrt(units) + 1)]
    counts = [count for count in counts if count]
    words = ["...", *islice(coded(random), len(counts) - 1)]
    text = [word for word, count in zip(words, counts, strict=True) for _ in range(count)]
    random.shuffle(text)
    return Text(
        prompt=(
            "Read the coded text below and keep in mind how often each coded word is in it.\n\n"
            f"{' '.join(text)}\n\nQuestion: Which {MOST_FREQUENT} coded words are most often in "
            "the text above? The dots '...' are no word. Answer without an explanation."
        ),
        prefix=f"The {MOST_FREQUENT} words that are most often in the coded text above are:",
        outputs=words[1 : 1 + MOST_FREQUENT],
        wrong=words[1 + MOST_FREQUENT :],
    )


# -- questions ----------------------------------------------------------------------------------

_TRADES = listed("baker carpenter doctor fisher glazier mason miller painter sailor smith tanner")
_LIKES = listed("bees birds chess clocks goats gliders maps roses snow songs stars tea")


def _question(random: Random, units: int, *, hops: Literal[1, 2]) -> Text:
    """Documents about invented people, and a question about one of them.

    With two hops half of the documents are about villages, and the answer is where the village of
    the person lies.
    """
    names = invented(random)
    count = units if hops == 1 else units // 2
    people, villages, valleys = [], [], []
    for _ in range(count):
        people.append(f"{next(names).title()} {next(names).title()}")
        villages.append(next(names).title())
        valleys.append(next(names).title())
    documents = [_person(random, *one) for one in zip(people, villages, strict=True)]
    if hops == 2:
        documents += [_village(random, *one) for one in zip(villages, valleys, strict=True)]
    random.shuffle(documents)
    asked = (
        f"In which village was {people[0]} born?"
        if hops == 1
        else f"In which valley lies the village where {people[0]} was born?"
    )
    answers = villages if hops == 1 else valleys
    told = "Answer the question from the documents. Give the answer alone, without other words."
    text = "\n\n".join(f"Document {n}:\n{one}" for n, one in enumerate(documents, start=1))
    return Text(
        prompt=f"{told}\n\n{text}\n\n{told}\n\nQuestion: {asked}",
        prefix="Answer:",
        outputs=answers[:1],
        wrong=answers[1:],
    )


def _person(random: Random, name: str, village: str) -> str:
    likes = random.choice(_LIKES)
    return (
        f"{name} is a {random.choice(_TRADES)}. Born in {village}, {name.split()[0]} left as a "
        f"child and never came back. {sentence(random)} Of all things, {name.split()[0]} likes "
        f"{likes} most."
    )


def _village(random: Random, village: str, valley: str) -> str:
    return (
        f"{village} is a village in the valley of {valley}. {sentence(random)} On feast days the "
        f"people of {village} sell {random.choice(_LIKES)} and bread."
    )


# -- all thirteen -------------------------------------------------------------------------------


def _needle(name: str, least: int = 8, **how: object) -> Task:
    return Task(name, (partial(_needles, **how),), least, new_tokens=128)  # type: ignore[arg-type]


TASKS = {
    task.name: task
    for task in (
        _needle("single_1", haystack="noise"),
        _needle("single_2", haystack="prose"),
        _needle("single_3", haystack="prose", of="uuid"),
        _needle("multikey_1", haystack="prose", others=3),
        _needle("multikey_2", haystack="needles"),
        _needle("multikey_3", haystack="needles", of="uuid", key_of="uuid", least=2),
        _needle("multivalue", haystack="prose", values=4),
        _needle("multiquery", haystack="prose", asked=4),
        Task("tracing", (_tracing,), 8, new_tokens=30),
        Task(
            "common_words",
            (
                partial(_common, often=30, seldom=3, example=(40, 10, 3)),
                partial(_common, often=6, seldom=1, example=(20, 3, 1)),
            ),
            10,
            new_tokens=120,
        ),
        Task("frequent_words", (_frequent,), 60, new_tokens=50),
        Task("question_1", (partial(_question, hops=1),), 2, new_tokens=32),
        Task("question_2", (partial(_question, hops=2),), 4, new_tokens=32),
    )
}
"""By name, in RULER's order."""
