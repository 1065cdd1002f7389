"""Turn calibration samples into token ids, and those into batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unicomp.data.tokenizer import fixed_date
from unicomp.spec import Sample

if TYPE_CHECKING:
    from torch import Tensor

TOKENS_AT_ONCE = 1024
"""Tokens that go through a layer together; more would take memory and hardly save time."""


def tokenize(tokenizer: Any, samples: Sequence[Sample], tokens: int) -> list[list[int]]:
    """The first `tokens` token ids of each sample; samples without any are left out.

    A conversation gets the chat template of the tokenizer; without a template its turns are lines
    of text. A second beginning-of-text token at the start is dropped.
    """
    rows = []
    for sample in samples:
        if isinstance(sample, str):
            ids = tokenizer(sample)["input_ids"]
        elif tokenizer.chat_template:
            turns = [dict(turn) for turn in sample]
            ids = tokenizer.apply_chat_template(
                turns, tokenize=True, return_dict=False, **fixed_date(tokenizer)
            )
        else:
            ids = tokenizer("\n".join(turn["content"] for turn in sample))["input_ids"]
        if len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id:
            ids = ids[1:]
        if ids:
            rows.append([int(token) for token in ids[:tokens]])
    return rows


def batches(samples: Sequence[Sequence[int]]) -> list[Tensor]:
    """Token ids as (samples, length), longest first; all samples of a batch have one length."""
    import torch

    by_length: dict[int, list[Sequence[int]]] = {}
    for sample in samples:
        by_length.setdefault(len(sample), []).append(sample)
    found = []
    for length in sorted(by_length, reverse=True):
        alike = by_length[length]
        together = max(1, TOKENS_AT_ONCE // length)
        for start in range(0, len(alike), together):
            found.append(torch.tensor(alike[start : start + together]))
    return found
