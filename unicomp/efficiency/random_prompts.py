"""Random prompts: token ids drawn uniformly, since timings and memory depend on lengths only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unicomp.checkpoint import Checkpoint
from unicomp.data.model_folder import read_config
from unicomp.errors import SpecError
from unicomp.spec import Load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TokenPrompts = list[list[int]]
"""The token ids of the prompts of one round."""


def vocabulary_of(*checkpoints: Checkpoint) -> NDArray[np.int64]:
    """The ordinary token ids that all checkpoints know, shape (tokens,). Raises EngineError."""
    from unicomp.engines.tokenizer import load_tokenizer

    sizes: list[int] = []
    special: set[int] = set()
    for checkpoint in checkpoints:
        tokenizer = load_tokenizer(checkpoint.path, checkpoint.model).tokenizer
        sizes += [len(tokenizer), read_config(checkpoint.path).get("vocab_size", len(tokenizer))]
        special.update(tokenizer.all_special_ids)
    size = min(sizes)
    return ordinary_tokens(size, [token for token in special if token < size])


def ordinary_tokens(size: int, special: Sequence[int]) -> NDArray[np.int64]:
    """The ids below `size` that are not special. Raises SpecError if there are none."""
    import numpy as np

    tokens = np.setdiff1d(np.arange(size), np.asarray(special, dtype=np.int64))
    if not len(tokens):
        raise SpecError(f"a vocabulary of {size} tokens has only special tokens")
    return tokens


def fresh_prompts(
    load: Load, vocabulary: NDArray[np.int64], seed: int, number: int
) -> TokenPrompts:
    """The prompts of round `number`; equal arguments give equal prompts.

    Each round has its own, since a server caches the beginnings of prompts.
    """
    import numpy as np

    rng = np.random.default_rng([seed, number])
    drawn = rng.choice(vocabulary, size=(load.concurrency, load.prompt_tokens))
    prompts: TokenPrompts = drawn.tolist()
    return prompts
