"""Calibrations: the text that methods see, as a declaration of data sets.

A declaration (`fixtures/calibration/NAME.py`) names the data sets from which samples are drawn in
equal shares, and how a row becomes text. Rows and seed alone decide which rows are drawn. A method
that trains reads the same declaration as an endless stream. A checkpoint is identified by the text
of its calibration, not by where the text came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count as counting
from itertools import islice
from pathlib import Path
from typing import Any

from unicomp.data.rows import DatasetRow, Part, draw_rows, endless_rows
from unicomp.data.sources import Source
from unicomp.errors import SpecError, described
from unicomp.spec import Calibration, Message, Sample, check_name
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
    """A calibration as declared: `samples` rows in equal shares of its parts.

    If parts have a kind, the kinds get equal shares, divided among their parts. A part with fewer
    rows than its share gives all of them.
    """

    name: str
    parts: tuple[Part, ...]
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
        wholes = ((self.parts, self.samples), (self.embedded or self.parts, self.embedded_samples))
        if any(share < 1 for parts, whole in wholes for share in self.shares(parts, whole)):
            raise SpecError(f"calibration {self.name}: each part needs at least one sample")

    def parts_of(self, source: Source) -> tuple[Part, ...]:
        """The parts that are read from `source`."""
        return self.embedded if source.is_embedded and self.embedded is not None else self.parts

    def shares(self, parts: Sequence[Part], wanted: int) -> list[int]:
        """How many of `wanted` samples each part gives; the first parts give the remainder."""
        kinds: dict[object, list[int]] = {}
        for number, part in enumerate(parts):
            kinds.setdefault(part.kind or number, []).append(number)
        shares = [0] * len(parts)
        for numbers, whole in zip(kinds.values(), _equal_shares(wanted, len(kinds)), strict=True):
            for number, share in zip(numbers, _equal_shares(whole, len(numbers)), strict=True):
                shares[number] = share
        return shares

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
        wanted = self.embedded_samples if source.is_embedded else self.samples
        samples = tuple(
            self._rendered(part, row)
            for part, share in zip(parts, self.shares(parts, wanted), strict=True)
            for row in draw_rows(part, share, self.seed, source, store)
        )
        return Calibration(name=self.name, samples=samples, tokens=self.tokens)

    def stream(self, source: Source, seed: int, start: int = 0) -> Iterator[Sample]:
        """Endless samples from number `start` on, the parts in turn, shuffled by `seed`.

        An exhausted set starts again in another order. Samples before `start` are read and dropped,
        which takes time on the hub. Raises SpecError if the source lacks a set, or the hub cannot
        be reached.
        """
        if source.is_embedded and self.embedded_stream is not None:
            yield from islice(self.embedded_stream(seed), start, None)
            return
        parts = self.parts_of(source)
        turns = [
            (
                part,
                endless_rows(part, seed, source, (start - number + len(parts) - 1) // len(parts)),
            )
            for number, part in enumerate(parts)
        ]
        for number in counting(start):
            part, rows = turns[number % len(parts)]
            yield self._rendered(part, next(rows))

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
    """A calibration that mixes declared ones in equal shares."""

    name: str
    of: tuple[str, ...]
    """Their names."""

    def recipe(self, mixed: Sequence[Recipe]) -> Recipe:
        """The mixture as one recipe, from the recipes called `of`."""

        def pooled(parts_of: Callable[[Recipe], tuple[Part, ...]]) -> tuple[Part, ...]:
            return tuple(replace(part, kind=one.name) for one in mixed for part in parts_of(one))

        return Recipe(
            name=self.name,
            parts=pooled(lambda one: one.parts),
            embedded=pooled(lambda one: one.parts if one.embedded is None else one.embedded),
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


def _equal_shares(wanted: int, count: int) -> list[int]:
    return [wanted // count + (number < wanted % count) for number in range(count)]
