"""The tokenizer of a checkpoint, for prompts and both engines."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from unicomp.errors import EngineError, first_line
from unicomp.prompts.tokenizers import ChatTemplate
from unicomp.spec import Model


@dataclass(frozen=True)
class TokenizerTemplate:
    """The chat template of a tokenizer."""

    tokenizer: Any

    @property
    def identity(self) -> str:
        """The template's text and the special tokens that it can write."""
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


@dataclass(frozen=True)
class CheckpointTokenizer:
    """A loaded tokenizer with its model's context; see `unicomp.prompts.tokenizers.Tokenizer`."""

    tokenizer: Any
    context: int

    @cached_property
    def identity(self) -> str:
        """A digest of what decides how texts are split."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        content = (
            backend.to_str()
            if backend is not None
            else json.dumps(self.tokenizer.get_vocab(), sort_keys=True)
        )
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def template(self) -> ChatTemplate | None:
        """The chat template, if there is one."""
        return TokenizerTemplate(self.tokenizer) if self.tokenizer.chat_template else None

    def encode(self, text: str) -> list[int]:
        """The tokens of a prompt, with BOS exactly once; a template may have written it."""
        bos = self.tokenizer.bos_token
        tokens: list[int] = self.tokenizer.encode(
            text, add_special_tokens=not (bos and text.startswith(bos)), verbose=False
        )
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        text: str = self.tokenizer.decode(tokens)
        return text


def load_tokenizer(folder: Path, model: Model) -> CheckpointTokenizer:
    """The tokenizer in a checkpoint's folder. Raises EngineError."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from lm_eval.models.utils import resolve_max_length
    from transformers import AutoConfig, AutoTokenizer

    try:
        trust = model.trust_remote_code
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"the tokenizer in {folder} cannot be loaded: {first_line(error)}"
        ) from None
    return CheckpointTokenizer(tokenizer, resolve_max_length(config, tokenizer))
