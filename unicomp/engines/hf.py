"""The Hugging Face engine: a checkpoint in this process, behind lm-eval's model API."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from unicomp.engines import Device, EngineSettings
from unicomp.errors import EngineError
from unicomp.spec import Model
from unicomp.tasks import ChatTemplate

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance


ATTENTION: dict[Device, str] = {"cpu": "eager", "cuda": "sdpa", "mps": "sdpa"}
"""Implementations of attention. On CPU the eager one generates a quarter faster, measured with
torch 2.13 on small models in batches of 64."""


@dataclass(frozen=True)
class TokenizerTemplate:
    """The chat template of a tokenizer."""

    tokenizer: Any

    @property
    def identity(self) -> str:
        """The template's text and the special tokens that it may write."""
        return f"{self.tokenizer.chat_template}{self.tokenizer.special_tokens_map}"

    def __call__(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The conversation as one prompt."""
        text: str = self.tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )
        return text


def chat_template_of(folder: Path, model: Model) -> ChatTemplate | None:
    """The chat template of a checkpoint's tokenizer, or None if it has none."""
    tokenizer = _load_tokenizer(folder, model)
    return TokenizerTemplate(tokenizer) if tokenizer.chat_template else None


def _load_tokenizer(folder: Path, model: Model) -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=model.trust_remote_code)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"the tokenizer in {folder} cannot be loaded: {_first_line(error)}"
        ) from None


class HuggingFaceEngine:
    """A context manager that holds one checkpoint in memory and answers requests."""

    def __init__(self, folder: Path, model: Model, settings: EngineSettings) -> None:
        self._folder = folder
        self._model = model
        self._settings = settings
        self._lm: Any = None

    def __enter__(self) -> Self:
        import torch
        from lm_eval.models.huggingface import HFLM
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        torch.set_num_threads(self._settings.threads)
        device = self._settings.resolved_device()
        if device == "cuda" and not torch.cuda.is_available():
            raise EngineError(
                "there is a GPU, but this torch cannot use it: install a CUDA build, or set "
                'device = "cpu" under [engine] in unicomp.toml'
            )
        tokenizer = _load_tokenizer(self._folder, self._model)
        try:
            network = AutoModelForCausalLM.from_pretrained(
                self._folder,
                dtype=self._settings.dtype(self._model),
                trust_remote_code=self._model.trust_remote_code,
                use_safetensors=True,
                attn_implementation=ATTENTION[device],
            ).to(device)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise EngineError(
                f"the checkpoint {self._folder} cannot be loaded: {_first_line(error)}"
            ) from None
        self._lm = HFLM(
            pretrained=network,
            tokenizer=tokenizer,
            batch_size=self._settings.batch_size,
            device=device,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        import torch

        self._lm = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def answer(self, requests: Sequence[Instance]) -> list[Any]:
        """One response for each request, in order."""
        responses: list[Any] = [None] * len(requests)
        by_type: dict[str, list[int]] = {}
        for position, request in enumerate(requests):
            by_type.setdefault(request.request_type, []).append(position)
        for kind, positions in by_type.items():
            chosen = [requests[position] for position in positions]
            try:
                answers = getattr(self._lm, kind)(chosen, disable_tqdm=True)
            except (RuntimeError, AssertionError, IndexError, ValueError) as error:
                raise EngineError(
                    f"{self._model.name} in {self._folder} did not answer: {_first_line(error)}"
                ) from None
            for position, answer in zip(positions, answers, strict=True):
                responses[position] = answer
        return responses


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
