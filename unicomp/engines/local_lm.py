"""lm-eval's `HFLM` with our tokens, our decoding, and a check that logits are finite.

lm-eval sorts, batches, truncates and stops. Replaced here are how a text becomes tokens, how an
answer becomes text, all settings of decoding that a model brings along, and on CPU the loop that
generates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from transformers import GenerationConfig

from unicomp.engines.greedy import decodes, greedy
from unicomp.engines.lm_requests import seed_of
from unicomp.engines.tokenizer import CheckpointTokenizer
from unicomp.errors import NotFiniteError
from unicomp.prompts.items import SEED


class LocalLM(HFLM):  # type: ignore[misc]
    """An lm-eval model around a loaded network and its tokenizer."""

    def __init__(self, network: Any, tokenizer: CheckpointTokenizer, batch_size: int) -> None:
        super().__init__(
            pretrained=network,
            tokenizer=tokenizer.tokenizer,
            batch_size=batch_size,
            max_length=tokenizer.context,
            device=str(network.device),
            prefix_token_id=tokenizer.start,
        )
        self._checkpoint = tokenizer
        network.generation_config = GenerationConfig(
            eos_token_id=list(tokenizer.stops) or None,
            pad_token_id=tokenizer.tokenizer.pad_token_id,
        )
        vars(network).pop("generate", None)  # remote code may bring its own
        self._decodes = decodes(network)
        self._progress = _Progress(lambda done: None)

    def watch(self, on_progress: Callable[[float], None]) -> None:
        """Call `on_progress` with the requests that were answered from now on, parts included."""
        self._progress = _Progress(on_progress)
        self.set_cache_hook(self._progress)

    def tok_encode(
        self,
        string: str,
        add_special_tokens: bool | None = None,
        left_truncate_len: int | None = None,
        **kwargs: Any,
    ) -> list[int]:
        """The tokens of a prompt; of a text alone if no special tokens are asked for."""
        whole = add_special_tokens is not False
        return self._checkpoint.encode(string) if whole else self._checkpoint.split(string)

    def tok_batch_encode(
        self,
        strings: Sequence[str],
        padding_side: str = "left",
        left_truncate_len: int | None = None,
        truncation: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The tokens of prompts, filled up on the left and cut to the last `left_truncate_len`."""
        rows = [self._checkpoint.encode(text)[-(left_truncate_len or 0) :] for text in strings]
        length = max(map(len, rows))
        pad = self.tokenizer.pad_token_id
        ids = [[pad] * (length - len(row)) + row for row in rows]
        mask = [[0] * (length - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(ids), torch.tensor(mask)

    def tok_decode(self, tokens: Any, skip_special_tokens: bool = True) -> Any:
        """The text of an answer; of all tokens if special ones are kept, and None of none."""
        if tokens is None:  # a tokenizer without an end token
            return None
        if skip_special_tokens:
            return self._checkpoint.answer(tokens)
        return self._checkpoint.decode([tokens] if isinstance(tokens, int) else tokens)

    def _model_generate(
        self, context: torch.Tensor, max_length: int, stop: list[str], **kwargs: Any
    ) -> torch.Tensor:
        """The prompts with their answers; see `greedy`, and `generate` of transformers.

        A seed is that of a further sample of the prompts, which are all of one batch.
        """
        mask = kwargs.pop("attention_mask")
        if (seed := kwargs.pop(SEED, None)) is not None:
            # other draws for other prompts: those of equal rows of two batches would be alike
            torch.manual_seed(seed_of(seed, context.tolist()))
        rows, length = context.shape
        passes = count(1)

        def on_pass() -> None:
            self._progress.note_part(rows * min(next(passes) / (max_length - length), 1.0))

        with _finite(self.model, on_pass):
            if self._decodes and not any(kwargs.values()):
                return greedy(
                    self.model,
                    context,
                    mask,
                    max_length,
                    ends=self._checkpoint.stops,
                    pad=self.tokenizer.pad_token_id,
                    is_stopped=self._finder(stop),
                )
            if kwargs.get("do_sample"):
                # transformers would keep 50 tokens, and a server all of them
                kwargs.setdefault("top_k", 0)
            tokens: torch.Tensor = super()._model_generate(
                context, max_length, stop, attention_mask=mask, **kwargs
            )
        return tokens

    def _finder(self, stop: Sequence[str]) -> Callable[[list[int]], bool] | None:
        """Finds stop sequences in an answer's tokens; None if only the end token ends it."""
        end = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        texts = [text for text in stop if text and text != end]
        if not texts:
            return None

        def is_stopped(tokens: list[int]) -> bool:
            answer = self._checkpoint.answer(tokens)
            return any(text in answer for text in texts)

        return is_stopped


class _Progress:
    """Counts answers: lm-eval tells its cache of each one as soon as it has it."""

    def __init__(self, on_progress: Callable[[float], None]) -> None:
        self._on_progress = on_progress
        self._answered = 0
        self._reported = 0.0

    def add_partial(self, *answer: object) -> None:
        """Count an answered request."""
        self._answered += 1
        self._report(self._answered)

    def note_part(self, requests: float) -> None:
        """Report the part of a batch that is done, in requests."""
        self._report(self._answered + requests)

    def _report(self, requests: float) -> None:
        # the answers of a batch are counted one by one after its parts
        self._reported = max(self._reported, requests)
        self._on_progress(self._reported)


@contextmanager
def _finite(network: Any, on_pass: Callable[[], None]) -> Iterator[None]:
    """Raise NotFiniteError as soon as the network gives logits that are not finite.

    `on_pass` is called after each forward pass.
    """

    def check(module: Any, given: Any, output: Any) -> None:
        logits = output.logits if hasattr(output, "logits") else output[0]
        if not bool(torch.isfinite(logits[:, -1]).all()):
            raise NotFiniteError
        on_pass()

    handle = network.register_forward_hook(check)
    try:
        yield
    finally:
        handle.remove()
