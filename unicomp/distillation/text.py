"""The training text: an endless stream of samples, packed into full rows.

Samples are tokenized, cut into pieces of at most one row, and placed into the first row with enough
room. Samples do not attend to their neighbours: positions start again with each, which is how
transformers separates them. A batch depends only on the samples before it. So an interrupted
training goes on from a number of samples and the rows that were not full yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from unicomp.data.tokenizer import fixed_date
from unicomp.distillation.training import Training
from unicomp.spec import Sample

if TYPE_CHECKING:
    from torch import Tensor

Stream = Callable[[int], Iterator[Sample]]
"""Called with a number, gives the samples from that number on, without end."""

TOGETHER = 64
"""Samples that are tokenized together."""
OPEN_ROWS = 16
"""Rows that are filled at a time; more of them mean less padding, and a larger saved state."""


@dataclass(frozen=True)
class Piece:
    """A sample, or a part of one, as tokens."""

    ids: list[int]
    weights: list[float]
    """The loss weight of each token as a target; 0 for the first, which is not predicted."""


@dataclass(frozen=True)
class Batch:
    """Packed rows; each tensor is (rows, sequence)."""

    input_ids: Tensor
    weights: Tensor
    """The loss weight of each token as a target; 0 in padding and at the start of a sample."""
    positions: Tensor
    """The place of each token in its sample."""
    tokens: int
    """The number of tokens without padding."""


class _Row:
    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self.pieces = list(pieces)
        self.length = sum(len(piece.ids) for piece in self.pieces)

    def add(self, piece: Piece) -> None:
        self.pieces.append(piece)
        self.length += len(piece.ids)


class Text:
    """Batches of packed rows: the share of process `rank` of `processes`."""

    def __init__(
        self,
        stream: Stream,
        tokenizer: Any,
        training: Training,
        *,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self._stream = stream
        self._tokenizer = tokenizer
        self._training = training
        self._rank, self._processes = rank, processes
        self._samples = stream(0)
        self._read = 0
        self._pieces: list[Piece] = []
        self._open: list[_Row] = []

    def batch(self, rows: int) -> Batch:
        """The next `rows` rows."""
        return self._pack([self._next_row() for _ in range(rows)])

    def state(self) -> dict[str, Any]:
        """The position in the text, as JSON values."""
        return {
            "read": self._read,
            "pieces": [[piece.ids, piece.weights] for piece in self._pieces],
            "open": [[[p.ids, p.weights] for p in row.pieces] for row in self._open],
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a position that `state` gave."""
        self._read = state["read"]
        self._samples = self._stream(self._read)
        self._pieces = [Piece(*piece) for piece in state["pieces"]]
        self._open = [_Row(Piece(*piece) for piece in pieces) for pieces in state["open"]]

    def _next_row(self) -> _Row:
        """The next full row; if no open row has room for the next piece, the fullest one."""
        length = self._training.sequence
        while True:
            if not self._pieces:
                self._pieces = self._next_pieces()
                continue
            needed = len(self._pieces[0].ids)
            place = next((row for row in self._open if length - row.length >= needed), None)
            if place is None and len(self._open) == OPEN_ROWS:
                fullest = max(self._open, key=lambda row: row.length)
                self._open.remove(fullest)
                return fullest
            if place is None:
                place = _Row()
                self._open.append(place)
            place.add(self._pieces.pop(0))
            if place.length == length:
                self._open.remove(place)
                return place

    def _next_pieces(self) -> list[Piece]:
        """The samples of this process among the next ones, in pieces of at most one row."""
        samples = list(islice(self._samples, TOGETHER * self._processes))
        self._read += len(samples)
        length = self._training.sequence
        encoded = encode(
            self._tokenizer,
            samples[self._rank :: self._processes],
            prompt_weight=self._training.prompt_weight,
            answer_weight=self._training.answer_weight,
        )
        return [
            Piece(ids[start : start + length], [0.0, *weights[start + 1 : start + length]])
            for ids, weights in encoded
            for start in range(0, len(ids) - 1, length)  # a single token predicts nothing
        ]

    def _pack(self, rows: Sequence[_Row]) -> Batch:
        import torch

        length = self._training.sequence
        padding = next(
            token
            for token in (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id, 0)
            if token is not None
        )
        ids, weights, positions = [], [], []
        for row in rows:
            room = length - row.length
            ids.append([token for piece in row.pieces for token in piece.ids] + [padding] * room)
            weights.append([w for piece in row.pieces for w in piece.weights] + [0.0] * room)
            lengths = [*(len(piece.ids) for piece in row.pieces), room]
            positions.append([place for n in lengths for place in range(n)])
        return Batch(
            input_ids=torch.tensor(ids),
            weights=torch.tensor(weights),
            positions=torch.tensor(positions),
            tokens=sum(row.length for row in rows),
        )


def encode(
    tokenizer: Any,
    samples: Sequence[Sample],
    *,
    prompt_weight: float = 1.0,
    answer_weight: float = 0.0,
) -> list[tuple[list[int], list[float]]]:
    """The token ids of each sample, and the loss weight of each token as a target.

    Text ends with the end-of-text token. A conversation gets the chat template of the tokenizer.
    Each token of an answer weighs 1, or `answer_weight` / tokens of the answer if that is more; any
    other token weighs `prompt_weight`. Without a template, turns are lines of text.
    """
    texts: list[str] = []
    answers: list[list[tuple[int, int]]] = []
    for sample in samples:
        text, spans = _written(tokenizer, sample)
        texts.append(text)
        answers.append(spans)
    encoded = tokenizer(
        texts, add_special_tokens=False, return_offsets_mapping=bool(tokenizer.is_fast)
    )
    found = []
    for number, spans in enumerate(answers):
        ids = [int(token) for token in encoded["input_ids"][number]]
        weights = [1.0] * len(ids)
        if spans and tokenizer.is_fast:
            offsets = encoded["offset_mapping"][number]
            weights = _weigh(offsets, spans, prompt_weight, answer_weight)
        found.append((ids, weights))
    return found


def _written(tokenizer: Any, sample: Sample) -> tuple[str, list[tuple[int, int]]]:
    """A sample as text for the model, and the start and end of each answer, in characters."""
    begin, end = tokenizer.bos_token or "", tokenizer.eos_token or ""
    if isinstance(sample, str) or not tokenizer.chat_template:
        text = sample if isinstance(sample, str) else "\n".join(turn["content"] for turn in sample)
        # begin a text as the tokenizer itself does
        begins = _adds_beginning(tokenizer) and not text.startswith(begin)
        return (begin if begins else "") + text + ("" if text.endswith(end) else end), []
    turns = [dict(turn) for turn in sample]

    def written(count: int, asks: bool) -> str:
        return str(
            tokenizer.apply_chat_template(
                turns[:count],
                tokenize=False,
                add_generation_prompt=asks,
                **fixed_date(tokenizer),
            )
        )

    text = written(len(turns), asks=False)
    spans = []
    for number, turn in enumerate(turns):
        if turn["role"] == "assistant":
            before = written(number, asks=True)
            after = text if number + 1 == len(turns) else written(number + 1, asks=False)
            if text.startswith(before) and text.startswith(after):
                spans.append((len(before), len(after)))
    return text, spans


def _adds_beginning(tokenizer: Any) -> bool:
    """Whether the tokenizer puts a beginning-of-text token before a text."""
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id


def _weigh(
    offsets: Sequence[tuple[int, int]],
    spans: Sequence[tuple[int, int]],
    prompt_weight: float,
    answer_weight: float,
) -> list[float]:
    weights = [prompt_weight] * len(offsets)
    for begin, end in spans:
        inside = [n for n, (_, last) in enumerate(offsets) if begin < last <= end]
        for number in inside:
            weights[number] = max(1.0, answer_weight / len(inside))
    return weights
