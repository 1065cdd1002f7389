"""The text that methods see: declared by data sets, or read from a user's file.

A declaration (`fixtures/calibration/NAME.py`) names the data sets it is made of, in equal shares,
and how a row becomes text. Which rows are taken depends on the rows and the seed alone. What
identifies a checkpoint is the text, wherever it came from. A method that trains reads the same
declaration as a stream without end.
"""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count as counting
from itertools import islice
from pathlib import Path
from typing import Any

from unicomp.data.sources import Source, local_splits
from unicomp.errors import SpecError
from unicomp.spec import Calibration, Message, Sample, check_name
from unicomp.store import CALIBRATIONS, Store, content_key

RawRow = Mapping[str, Any]

SAMPLES = 512
EMBEDDED_SAMPLES = 256
"""On the embedded rows: short texts for a small model, so that the default run stays short. AWQ,
the slowest method, takes 16 s of one core for 128 of them, 28 s for 256 and 50 s for 512."""
TOKENS = 1024
SEED = 42
GENERIC = "generic"
"""The calibration that is meant where none is named."""
UNSEEN = "none"
"""Stands in the place of a calibration for methods that see no text."""
STREAM_PROBE = 1000
"""Samples of a generated stream by which it is known."""
ROLES = ("system", "user", "assistant")
FILES = (".txt", ".jsonl")
"""The suffixes of a user's own calibration file."""

_BUFFER = 10_000
"""Rows among which a set too large to be read whole is shuffled."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One data set that a calibration draws from."""

    dataset: str
    """Its id on the hub, `ORG/NAME`."""
    configs: tuple[str, ...]
    """Its configurations, pooled."""
    render: Callable[[RawRow], Sample]
    """Turns a row into text, or into a conversation that gets the model's chat template."""
    split: str = "train"
    large: bool = False
    """Whether to stream it and draw from its first rows, rather than to read it whole."""
    kind: str | None = None
    """Parts of one kind have one share together; None: a kind of its own."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A calibration as declared: `samples` rows in equal shares of its parts.

    Where parts have a kind, the kinds have equal shares, and within each its parts. A part that
    has fewer rows than its share gives all of them.
    """

    name: str
    parts: tuple[Part, ...]
    embedded: tuple[Part, ...] | None = None
    """What is drawn from on the embedded rows, which do not have every set; None: the parts."""
    samples: int = SAMPLES
    embedded_samples: int = EMBEDDED_SAMPLES
    """Samples on the embedded rows."""
    tokens: int = TOKENS
    """Tokens kept of each sample."""
    seed: int = SEED
    embedded_stream: Callable[[int], Iterator[Sample]] | None = None
    """Samples without end, by seed: what a training reads on the embedded rows, which are too few
    to train on; None: the rows, again and again."""

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
        """How many of `wanted` samples each part gives; what is left over goes to the first."""
        kinds: dict[object, list[int]] = {}
        for number, part in enumerate(parts):
            kinds.setdefault(part.kind or number, []).append(number)
        shares = [0] * len(parts)
        for numbers, whole in zip(kinds.values(), _equal(wanted, len(kinds)), strict=True):
            for number, share in zip(numbers, _equal(whole, len(numbers)), strict=True):
                shares[number] = share
        return shares

    def check(self, source: Source) -> None:
        """Raise SpecError if a local root lacks one of the sets; reads no rows."""
        for part in self.parts_of(source):
            source.path(part.dataset)

    def load(self, source: Source, store: Store | None = None) -> Calibration:
        """Draw the samples. Rows drawn before are remembered in the store.

        Rows of the hub are remembered for good, so a calibration does not change under a gate.
        Raises SpecError where the source lacks a set, or the hub cannot be reached.
        """
        samples: list[Sample] = []
        parts = self.parts_of(source)
        wanted = self.embedded_samples if source.is_embedded else self.samples
        for part, share in zip(parts, self.shares(parts, wanted), strict=True):
            samples.extend(part.render(row) for row in self._rows(part, share, source, store))
        return Calibration(name=self.name, samples=tuple(samples), tokens=self.tokens)

    def stream(self, source: Source, seed: int, start: int = 0) -> Iterator[Sample]:
        """Samples without end from number `start` on, the parts taking turns, shuffled by `seed`.

        A set that is exhausted begins again in another order. What comes before `start` is read
        and dropped, which takes some time in a stream from the hub. Raises SpecError where the
        source lacks a set, or the hub cannot be reached.
        """
        if source.is_embedded and self.embedded_stream is not None:
            yield from islice(self.embedded_stream(seed), start, None)
            return
        parts = self.parts_of(source)
        turns = [
            (part, _endless(part, seed, source, (start - number + len(parts) - 1) // len(parts)))
            for number, part in enumerate(parts)
        ]
        for number in counting(start):
            part, rows = turns[number % len(parts)]
            yield part.render(next(rows))

    def stream_identity(self, source: Source, digest: Callable[[Path], str]) -> dict[str, Any]:
        """What decides `stream` for any seed, as JSON values, the text of the recipe's file aside.

        `digest` gives the SHA-256 of a file. Text that is generated is known by its first samples;
        an unpinned set of the hub by its name alone.
        """
        if source.is_embedded and self.embedded_stream is not None:
            drawn = tuple(islice(self.embedded_stream(self.seed), STREAM_PROBE))
            return {"samples": Calibration(name=self.name, samples=drawn).digest}
        return {
            part.dataset: source.identity(part.dataset, digest) for part in self.parts_of(source)
        }

    def _rows(self, part: Part, count: int, source: Source, store: Store | None) -> list[RawRow]:
        if store is None:
            return _draw(part, count, self.seed, source)
        files = source.files(part.dataset)
        key = content_key(
            {
                "part": [part.dataset, part.configs, part.split, part.large, count, self.seed],
                "files": files
                and [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files],
                "root": source.name,
                "revision": source.revision(part.dataset),
            }
        )
        rows = store.recall(CALIBRATIONS, key)
        if rows is None:
            rows = _draw(part, count, self.seed, source)
            store.remember(CALIBRATIONS, key, rows)
        return list(rows)


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A calibration that mixes declared ones, in equal shares."""

    name: str
    of: tuple[str, ...]
    """Their names."""

    def recipe(self, mixed: Sequence[Recipe]) -> Recipe:
        """What it comes down to, given the recipes of those names."""

        def pooled(parts_of: Callable[[Recipe], tuple[Part, ...]]) -> tuple[Part, ...]:
            return tuple(replace(part, kind=one.name) for one in mixed for part in parts_of(one))

        return Recipe(
            name=self.name,
            parts=pooled(lambda one: one.parts),
            embedded=pooled(lambda one: one.parts if one.embedded is None else one.embedded),
        )


@dataclass(frozen=True, kw_only=True)
class SeededCalibration:
    """A calibration as a session uses it: which one, and the seed that draws its samples."""

    name: str
    given: str
    """By what it was asked for: its name, or a user's file."""
    seed: int = SEED
    default: bool = True
    """Whether the seed is the one that is meant where none is named."""

    def __str__(self) -> str:
        return self.name if self.default else f"{self.name}@{self.seed}"


def base_name(label: str) -> str:
    """The calibration of a draw: `reasoning` of `reasoning@43`."""
    return label.partition("@")[0]


def _equal(wanted: int, count: int) -> list[int]:
    return [wanted // count + (number < wanted % count) for number in range(count)]


def _draw(part: Part, count: int, seed: int, source: Source) -> list[RawRow]:
    """At most `count` rows of a part, as JSON values; the same ones for the same seed."""
    rows: list[Any] = []
    try:
        for config in part.configs:
            rows.extend(_read(source, config, part, seed, count))
    except SpecError:
        raise
    except Exception as error:
        raise _unread(part, source, error) from error
    if len(rows) > count:
        rows = random.Random(f"{seed}/{part.dataset}").sample(rows, count)
    if not rows:
        raise SpecError(f"the dataset root {source.name} has no rows of {part.dataset}")
    return list(json.loads(json.dumps(rows, default=str)))


def _unread(part: Part, source: Source, error: Exception) -> SpecError:
    """What it is called when the rows of a part cannot be read."""
    what = f"{part.dataset} ({', '.join(part.configs)}; {part.split})"
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return SpecError(
        f"the dataset root {source.name} does not give {what}: {line}"
        if source.folder is not None
        else f"{what} cannot be fetched from the hub: {line.rstrip('.')}. "
        "Give a local copy with --dataset-root DIR"
    )


def _endless(part: Part, seed: int, source: Source, start: int) -> Iterator[RawRow]:
    """The rows of a part from number `start` on, epoch after epoch, each in another order."""
    try:
        with _streams(part, source) as streams:
            for epoch in counting():
                rows = 0
                order = random.Random(f"{seed}/{part.dataset}/{epoch}").getrandbits(32)
                for row in _shuffled(streams, order):
                    rows += 1
                    if start > 0:
                        start -= 1
                    else:
                        yield row
                if not rows:
                    raise ValueError("there are no rows")
    except SpecError:
        raise
    except Exception as error:
        raise _unread(part, source, error) from error


def _shuffled(streams: list[Any], seed: int) -> Iterator[RawRow]:
    import datasets

    yield from datasets.concatenate_datasets(streams).shuffle(seed=seed, buffer_size=_BUFFER)


@contextmanager
def _streams(part: Part, source: Source) -> Iterator[list[Any]]:
    """Each configuration of a part as rows that are read anew for every epoch."""
    import datasets

    with ExitStack() as stack:
        if source.folder is None:
            _quiet()
            yield [
                datasets.load_dataset(
                    part.dataset,
                    config,
                    split=part.split,
                    streaming=True,
                    revision=source.revision(part.dataset),
                )
                for config in part.configs
            ]
        else:
            path = source.path(part.dataset)
            opened = [stack.enter_context(local_splits(path, config)) for config in part.configs]
            yield [splits[part.split] for splits in opened]


def _quiet() -> None:
    """Keep what `datasets` and the hub have to say off the terminal."""
    import datasets
    from huggingface_hub.utils import logging as hub_logging

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    hub_logging.set_verbosity(logging.ERROR)


def _read(source: Source, config: str, part: Part, seed: int, count: int) -> list[Any]:
    if source.folder is not None:
        with local_splits(source.path(part.dataset), config) as splits:
            if part.split not in splits:
                raise ValueError(f"no split {part.split}, only {', '.join(map(str, splits))}")
            return _first(splits[part.split], part, seed, count)
    import datasets

    _quiet()
    rows = datasets.load_dataset(
        part.dataset,
        config,
        split=part.split,
        streaming=part.large,
        revision=source.revision(part.dataset),
    )
    return _first(rows, part, seed, count)


def _first(rows: Any, part: Part, seed: int, count: int) -> list[Any]:
    """All rows of a split; of a large one, as many as are asked for, shuffled."""
    if part.large:
        rows = islice(rows.shuffle(seed=seed, buffer_size=_BUFFER), count)
    return list(rows)


# -- a user's own file --------------------------------------------------------------------------


def read_file(
    path: Path, *, samples: int = SAMPLES, tokens: int = TOKENS, seed: int = SEED
) -> Calibration:
    """The calibration in a user's file: at most `samples` of its samples, drawn by seed.

    A `.txt` file holds samples separated by blank lines. A `.jsonl` file holds one JSON object a
    line: `{"text": ...}`, or `{"messages": [{"role": ..., "content": ...}, ...]}`, which gets the
    chat template of the model. Raises SpecError.
    """
    found = read_samples(path)
    if len(found) > samples:
        found = random.Random(seed).sample(found, samples)
    return Calibration(name=file_name(path), samples=tuple(found), tokens=tokens)


def read_samples(path: Path) -> list[Sample]:
    """All samples in a user's file, of which there is at least one. Raises SpecError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError(f"the calibration file {path} is not UTF-8 text") from None
    except OSError as error:
        raise SpecError(f"the calibration file {path} cannot be read: {error.strerror}") from None
    if "\0" in text:
        raise SpecError(f"the calibration file {path} is not text")
    if path.suffix == ".jsonl":
        found = parse_json_lines(text, str(path))
    elif path.suffix == ".txt":
        found = parse_paragraphs(text)
    else:
        raise SpecError(f"the calibration file {path} must end in {' or '.join(FILES)}")
    if not found:
        raise SpecError(f"the calibration file {path} is empty: it needs at least one sample")
    return found


def file_name(path: Path) -> str:
    """The name of the calibration in a user's file: that of the file, as far as it is usable."""
    return re.sub(r"[^A-Za-z0-9_.\-]+", "-", path.stem).lstrip("_.-") or "calibration"


def parse_paragraphs(text: str) -> list[Sample]:
    """The paragraphs of a text: separated by blank lines, none of them empty."""
    paragraphs = re.split(r"\n[^\S\n]*(?:\n[^\S\n]*)+", text.replace("\r\n", "\n"))
    return [paragraph.strip() for paragraph in paragraphs if paragraph.strip()]


def parse_json_lines(text: str, where: str) -> list[Sample]:
    """The samples in JSON lines; blank lines count for nothing. Raises SpecError."""
    samples: list[Sample] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            samples.append(_sample(json.loads(line)))
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise SpecError(f"{where}, line {number}: {reason}") from None
    return samples


def _sample(entry: Any) -> Sample:
    """A sample from a JSON value. Raises ValueError that says what is wrong."""
    if not isinstance(entry, dict) or ("text" in entry) == ("messages" in entry):
        raise ValueError('each line must be {"text": ...} or {"messages": [...]}')
    if "text" in entry:
        if not isinstance(entry["text"], str) or not entry["text"].strip():
            raise ValueError("its text is empty, or is no text")
        return str(entry["text"])
    messages = entry["messages"]
    if not isinstance(messages, list) or not messages:
        raise ValueError("its messages are no list, or an empty one")
    return tuple(_message(message) for message in messages)


def _message(message: Any) -> Message:
    if not isinstance(message, dict) or not isinstance(message.get("content"), str):
        raise ValueError('each message must be {"role": ..., "content": TEXT}')
    if message.get("role") not in ROLES:
        raise ValueError(f"the role {message.get('role')!r} is none of {', '.join(ROLES)}")
    return {"role": message["role"], "content": message["content"]}


def messages(row: RawRow) -> tuple[Message, ...]:
    """The conversation in the column `messages` of a row, without what else its turns hold."""
    return tuple(
        {name: str(turn[name]) for name in ("role", "content")} for turn in row["messages"]
    )


def conversation(*turns: str) -> tuple[Message, ...]:
    """A conversation in which the user begins and the assistant answers, in turns."""
    return tuple(
        {"role": "assistant" if number % 2 else "user", "content": turn}
        for number, turn in enumerate(turns)
    )
