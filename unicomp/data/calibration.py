"""Calibrations: the text that methods see, as a declaration of data sets.

A declaration (`fixtures/calibration/NAME.py`) names the data sets from which samples are drawn, in
equal shares or by weights, and how a row becomes text. Rows and seed alone decide which rows are
drawn. A method that trains reads the same declaration as an endless stream. A checkpoint is
identified by the text of its calibration, not by where the text came from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count as counting
from itertools import islice
from pathlib import Path
from typing import Any

from unicomp.data.rows import DatasetRow, Part, draw_rows, endless_rows
from unicomp.data.sources import Source
from unicomp.errors import SpecError, described
from unicomp.spec import Calibration, Message, Sample, check_name, nearest
from unicomp.store import Store

SAMPLES = 512
EMBEDDED_SAMPLES = 256
"""Fewer on the embedded rows, short texts for a small model, to keep the default run short. AWQ,
the slowest method, takes 16 s of one core for 128 of them, 28 s for 256 and 50 s for 512."""
TOKENS = 1024
CALIBRATION_SEED = 42
GENERIC = "generic"
"""The default calibration."""
UNSEEN = "none"
"""The calibration name for methods that see no text."""
STREAM_PROBE = 1000
"""Samples that identify a generated stream."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A calibration as declared: `samples` rows in equal shares of its parts. Raises SpecError.

    If parts have a kind, the kinds get equal shares, or shares by weight, divided among their
    parts. A part with fewer rows than its share gives all of them.
    """

    name: str
    parts: tuple[Part, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    """Kind → its weight among the kinds; 1 for each that is not named."""
    embedded: tuple[Part, ...] | None = None
    """The parts on the embedded rows, which lack some data sets; None: `parts`."""
    samples: int = SAMPLES
    embedded_samples: int = EMBEDDED_SAMPLES
    """Samples on the embedded rows."""
    tokens: int = TOKENS
    """Tokens kept of each sample."""
    seed: int = CALIBRATION_SEED
    embedded_stream: Callable[[int], Iterator[Sample]] | None = None
    """Endless samples by seed, for a training on the embedded rows, which are too few to train on;
    None: the rows, again and again."""

    def __post_init__(self) -> None:
        check_name("calibration", self.name)
        if not self.parts or self.embedded == ():
            raise SpecError(f"calibration {self.name}: it needs at least one part")
        _check_weights(self.name, self.weights)
        kinds = {part.kind for part in (*self.parts, *(self.embedded or ())) if part.kind}
        for kind in self.weights:
            if kind not in kinds:
                raise SpecError(
                    f"calibration {self.name}: no part is of the kind {kind!r} that has a weight; "
                    f"{nearest(kind, kinds)}"
                )
        wholes = ((self.parts, self.samples), (self.embedded or self.parts, self.embedded_samples))
        if any(share < 1 for parts, whole in wholes for share in self.shares(parts, whole)):
            raise SpecError(f"calibration {self.name}: each part needs at least one sample")

    def parts_of(self, source: Source) -> tuple[Part, ...]:
        """The parts that are read from `source`."""
        return self.embedded if source.is_embedded and self.embedded is not None else self.parts

    def shares(self, parts: Sequence[Part], wanted: int) -> list[int]:
        """How many of `wanted` samples each part gives; see `apportioned`."""
        kinds: dict[str | int, list[int]] = {}
        for number, part in enumerate(parts):
            kinds.setdefault(part.kind or number, []).append(number)
        wholes = apportioned(wanted, [self._weight(kind) for kind in kinds])
        shares = [0] * len(parts)
        for numbers, whole in zip(kinds.values(), wholes, strict=True):
            for number, share in zip(
                numbers, apportioned(whole, [1.0] * len(numbers)), strict=True
            ):
                shares[number] = share
        return shares

    def _weight(self, kind: str | int) -> float:
        return self.weights.get(kind, 1.0) if isinstance(kind, str) else 1.0

    def check(self, source: Source) -> None:
        """Raise SpecError if a local root lacks one of the sets; reads no rows."""
        for part in self.parts_of(source):
            source.path(part.dataset)

    def load(self, source: Source, store: Store | None = None) -> Calibration:
        """Draw the samples; the store keeps the rows.

        Rows of the hub are kept for good, so that a calibration does not change under a gate.
        Raises SpecError if the source lacks a set, the hub cannot be reached, or a row gives no
        sample.
        """
        parts = self.parts_of(source)
        shares = self.shares(parts, self._wanted(source))
        samples = tuple(
            self._rendered(part, row)
            for part, share in zip(parts, shares, strict=True)
            for row in draw_rows(part, share, self.seed, source, store)
        )
        return Calibration(name=self.name, samples=samples, tokens=self.tokens)

    def stream(self, source: Source, seed: int, start: int = 0) -> Iterator[Sample]:
        """Endless samples from number `start` on, the parts in turn, shuffled by `seed`.

        With weights, a part has more or fewer turns, as many as its share of `samples`.
        An exhausted set starts again in another order. Samples before `start` are read and dropped,
        which takes time on the hub. Raises SpecError if the source lacks a set, or the hub cannot
        be reached.
        """
        if source.is_embedded and self.embedded_stream is not None:
            yield from islice(self.embedded_stream(seed), start, None)
            return
        parts = self.parts_of(source)
        turns = self._turns(source)
        rounds, begun = divmod(start, len(turns))
        rows = [
            endless_rows(
                part, seed, source, rounds * turns.count(number) + turns[:begun].count(number)
            )
            for number, part in enumerate(parts)
        ]
        for number in counting(start):
            turn = turns[number % len(turns)]
            yield self._rendered(parts[turn], next(rows[turn]))

    def _turns(self, source: Source) -> list[int]:
        """The numbers of the parts in the order of their turns, which is repeated."""
        parts = self.parts_of(source)
        if not self.weights:
            return list(range(len(parts)))
        shares = self.shares(parts, self._wanted(source))
        evenly = [
            (Fraction(2 * turn + 1, 2 * share), number)
            for number, share in enumerate(shares)
            for turn in range(share)
        ]
        return [number for _, number in sorted(evenly)]

    def _wanted(self, source: Source) -> int:
        return self.embedded_samples if source.is_embedded else self.samples

    def _rendered(self, part: Part, row: DatasetRow) -> Sample:
        """The sample that a row becomes. Raises SpecError if the part's function gives none."""
        try:
            sample = part.render(row)
        except Exception as error:
            raise SpecError(
                f"calibration {self.name}: a row of {part.dataset} cannot be rendered "
                f"({described(error)})"
            ) from error
        if not isinstance(sample, str) and not _is_conversation(sample):
            raise SpecError(
                f"calibration {self.name}: a row of {part.dataset} becomes {sample!r}: return a "
                "text, or a conversation"
            )
        return sample

    def stream_identity(self, source: Source, digest: Callable[[Path], str]) -> dict[str, Any]:
        """What determines `stream` for any seed, apart from the recipe's file, as JSON values.

        `digest` gives the SHA-256 of a file. A generated stream is identified by its first samples,
        an unpinned set of the hub only by its name.
        """
        if source.is_embedded and self.embedded_stream is not None:
            first = tuple(islice(self.embedded_stream(self.seed), STREAM_PROBE))
            return {"samples": Calibration(name=self.name, samples=first).digest}
        return {
            part.dataset: source.identity(part.dataset, digest) for part in self.parts_of(source)
        }


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A calibration that mixes declared ones, in equal shares or by weights. Raises SpecError.

    >>> Mixture(name="half_sums", of={"sums": 2, "web": 1, "talk": 1}, samples=128).names
    ('sums', 'web', 'talk')
    """

    name: str
    of: tuple[str, ...] | Mapping[str, float]
    """Their names, or name → weight: `{"reasoning": 3, "generic": 1}` are three quarters and one.
    Shares are rounded to whole samples by their largest remainders."""
    samples: int = SAMPLES
    embedded_samples: int = EMBEDDED_SAMPLES
    """Samples on the embedded rows."""
    tokens: int = TOKENS
    """Tokens kept of each sample."""

    def __post_init__(self) -> None:
        check_name("calibration", self.name)
        if not self.of or isinstance(self.of, str):
            raise SpecError(f"calibration {self.name}: `of` needs at least one name in a tuple")
        if len(set(self.names)) < len(self.names):
            raise SpecError(f"calibration {self.name}: it mixes a calibration twice: weigh it")
        _check_weights(self.name, self._weights)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the calibrations that it mixes."""
        return tuple(self.of)

    @property
    def _weights(self) -> Mapping[str, float]:
        return self.of if isinstance(self.of, Mapping) else {}

    def recipe(self, mixed: Sequence[Recipe]) -> Recipe:
        """The mixture as one recipe, from the recipes called `names`. Raises SpecError."""

        def pooled(parts_of: Callable[[Recipe], tuple[Part, ...]]) -> tuple[Part, ...]:
            return tuple(replace(part, kind=one.name) for one in mixed for part in parts_of(one))

        return Recipe(
            name=self.name,
            parts=pooled(lambda one: one.parts),
            embedded=pooled(lambda one: one.parts if one.embedded is None else one.embedded),
            weights=self._weights,
            samples=self.samples,
            embedded_samples=self.embedded_samples,
            tokens=self.tokens,
        )


@dataclass(frozen=True, kw_only=True)
class SeededCalibration:
    """A calibration of a session, with the seed that draws its samples."""

    name: str
    given: str
    """The user's argument: a name, or the path of a file."""
    seed: int = CALIBRATION_SEED
    default: bool = True
    """Whether the seed is the calibration's own."""

    def __str__(self) -> str:
        return self.name if self.default else f"{self.name}@{self.seed}"


def base_name(label: str) -> str:
    """The calibration's name without a seed: `reasoning` of `reasoning@43`."""
    return label.partition("@")[0]


def messages_of(row: DatasetRow) -> tuple[Message, ...]:
    """The conversation in the column `messages` of a row: only role and content of its turns."""
    return tuple(
        {name: str(turn[name]) for name in ("role", "content")} for turn in row["messages"]
    )


def conversation(*turns: str) -> tuple[Message, ...]:
    """A conversation whose turns alternate between user and assistant; the user begins."""
    return tuple(
        {"role": "assistant" if number % 2 else "user", "content": turn}
        for number, turn in enumerate(turns)
    )


def _is_conversation(value: object) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(turn, Mapping) and {"role", "content"} <= turn.keys() for turn in value
    )


def apportioned(whole: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to weights that add up to `whole`, by largest remainders.

    Each is its exact quota rounded down or up. Those with the largest fractions are rounded up; of
    equal fractions, the first ones. So equal weights give the remainder to the first. Weights
    count as they are written: 0.1 is a tenth.

    >>> apportioned(10, [3, 1, 1])
    [6, 2, 2]
    """
    written = [Fraction(str(weight)) for weight in weights]
    quotas = [whole * weight / sum(written) for weight in written]
    shares = [int(quota) for quota in quotas]
    fractions = sorted(range(len(quotas)), key=lambda one: shares[one] - quotas[one])
    for number in fractions[: whole - sum(shares)]:
        shares[number] += 1
    return shares


def _check_weights(calibration: str, weights: Mapping[str, float]) -> None:
    """Raise SpecError for a weight that is not a positive finite number."""
    for name, weight in weights.items():
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not is_number or not 0 < weight < math.inf:
            raise SpecError(
                f"calibration {calibration}: the weight of {name} is {weight!r}: give a number "
                "above 0"
            )
