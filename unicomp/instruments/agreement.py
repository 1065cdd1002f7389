"""How far a judge can be trusted: its agreement with known labels, beyond chance."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from unicomp.errors import ScoringError
from unicomp.instruments import Judge, Question


@dataclass(frozen=True, kw_only=True)
class LabelledQuestion:
    """A question whose answer is known."""

    kind: str
    question: Question
    label: str


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How often verdicts and labels agreed, and how often they would by chance."""

    n: int
    agreed: int
    chance: float
    """The share that would agree if the verdicts were shuffled."""

    @property
    def kappa(self) -> float:
        """Cohen's kappa."""
        return _kappa(self.agreed / self.n, self.chance)


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The agreement of a judge with labels, for each kind of question."""

    kinds: Mapping[str, Counts]

    @property
    def n(self) -> int:
        """The number of questions."""
        return sum(counts.n for counts in self.kinds.values())

    @property
    def agreed(self) -> int:
        """The number of verdicts that equal the label."""
        return sum(counts.agreed for counts in self.kinds.values())

    @property
    def kappa(self) -> float:
        """Cohen's kappa over all questions, with chance computed within each kind.

        Kinds have different verdicts; chance over pooled labels would be too small.
        """
        chance = sum(counts.n * counts.chance for counts in self.kinds.values())
        return _kappa(self.agreed / self.n, chance / self.n)

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {counts.kappa:.2f}" for kind, counts in self.kinds.items())
        return f"kappa {self.kappa:.2f} ({self.agreed} of {self.n} labels; {kinds})"


def measure_judge(judge: Judge, labelled: Sequence[LabelledQuestion]) -> Agreement:
    """Ask a judge questions whose answers are known. Raises JudgeError."""
    verdicts = judge.ask([known.question for known in labelled])
    pairs: dict[str, list[tuple[str, str]]] = {}
    for known, verdict in zip(labelled, verdicts, strict=True):
        pairs.setdefault(known.kind, []).append((verdict, known.label))
    return Agreement(kinds={kind: _counts(found) for kind, found in pairs.items()})


def cohens_kappa(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """The agreement of two raters: 1 if they always agree, 0 if as often as by chance.

    Also 1 if both give one and the same rating throughout. Raises ScoringError if they rated
    different numbers of items, or none.
    """
    if len(a) != len(b) or not a:
        raise ScoringError(f"kappa needs two ratings of each item, not {len(a)} and {len(b)}")
    return _counts(list(zip(a, b, strict=True))).kappa


def labelled_questions() -> tuple[LabelledQuestion, ...]:
    """The questions with known answers that ship with UniComp, of the kinds that scorers ask."""
    text = files("unicomp.instruments").joinpath("labelled.json").read_text(encoding="utf-8")
    content = json.loads(text)
    return tuple(
        LabelledQuestion(
            kind=kind,
            question=Question(
                task=entry["task"],
                choices=tuple(entry["choices"]),
                data=tuple(zip(entry["data"], row[:-1], strict=True)),
            ),
            label=row[-1],
        )
        for kind, entry in content.items()
        for row in entry["rows"]
    )


def _counts(pairs: Sequence[tuple[Hashable, Hashable]]) -> Counts:
    n = len(pairs)
    one, other = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    return Counts(
        n=n,
        agreed=sum(a == b for a, b in pairs),
        chance=sum(count * other[value] for value, count in one.items()) / n**2,
    )


def _kappa(observed: float, chance: float) -> float:
    return (observed - chance) / (1.0 - chance) if chance < 1.0 else 1.0
