"""The tokenizer of a checkpoint, for prompts and both engines."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from unicomp.data.decoding import read_decoding
from unicomp.data.tokenizer import fixed_date, load_tokenizer_files
from unicomp.errors import EngineError, SpecError, first_line
from unicomp.prompts.thoughts import is_tag
from unicomp.spec import Model


@dataclass(frozen=True)
class TokenizerTemplate:
    """The chat template of a tokenizer."""

    tokenizer: Any
    for_tools: str | None = None
    """The template for conversations with tools, where the tokenizer has one of its own."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the model declares that its template gets; see `unicomp.Answering`."""

    @property
    def identity(self) -> str:
        """The templates' texts, their arguments and the special tokens that they can write."""
        tokens = self.tokenizer.special_tokens_map
        given = json.dumps(self.arguments, sort_keys=True) if self.arguments else ""
        return f"{self.tokenizer.chat_template}{self.for_tools or ''}{tokens}{given}"

    @property
    def texts(self) -> list[str]:
        """The templates as they are written."""
        return [self.tokenizer.chat_template, *([self.for_tools] if self.for_tools else [])]

    def __call__(
        self,
        messages: list[dict[str, str]],
        add_generation_prompt: bool = True,
        tools: list[dict[str, Any]] | None = None,
    ) -> str:
        """The conversation as one prompt; the date in it is always the same."""
        text: str = self.tokenizer.apply_chat_template(
            messages,
            tools=tools,
            chat_template=self.for_tools if tools else None,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
            **fixed_date(self.tokenizer),
            **self.arguments,
        )
        return text


@dataclass(frozen=True)
class CheckpointTokenizer:
    """A loaded tokenizer with its model's context; see `unicomp.prompts.tokenizers.Tokenizer`."""

    tokenizer: Any
    context: int
    stops: tuple[int, ...] = ()
    """The ids that end an answer."""
    replaced: str | None = None
    """See `unicomp.data.tokenizer.LoadedTokenizer`."""
    tool_template: str | None = None
    """See `unicomp.data.tokenizer.LoadedTokenizer`."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the model declares that its chat template gets."""

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
    def template(self) -> TokenizerTemplate | None:
        """The chat template, if there is one."""
        if not self.tokenizer.chat_template:
            return None
        return TokenizerTemplate(self.tokenizer, self.tool_template, self.arguments)

    @property
    def start(self) -> int:
        """The id before a text without a prompt: the beginning of a text, or the end of another."""
        known = (self.tokenizer.bos_token_id, *self.stops)
        return next((int(one) for one in known if one is not None), 0)

    def encode(self, text: str) -> list[int]:
        """The tokens of a prompt, with BOS exactly once; a template may have written it.

        An end token that the tokenizer adds is left out: it would end the prompt, not the answer.
        """
        tokens = self.split(text)
        before = self._before
        return tokens if tokens[: len(before)] == before else [*before, *tokens]

    def split(self, text: str) -> list[int]:
        """The tokens of a text alone."""
        return list(self.tokenizer.encode(text, add_special_tokens=False, verbose=False))

    @cached_property
    def _before(self) -> list[int]:
        """The tokens that the tokenizer puts before a text."""
        text = "a"
        alone, whole = self.split(text), list(self.tokenizer.encode(text, verbose=False))
        starts = range(len(whole) - len(alone) + 1)
        return next((whole[:at] for at in starts if whole[at : at + len(alone)] == alone), [])

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        text: str = self.tokenizer.decode(tokens)
        return text

    def answer(self, tokens: Sequence[int]) -> str:
        """The text of generated tokens up to the first stop token.

        Special tokens are left out, except those that mark thoughts.
        """
        end = next((at for at, token in enumerate(tokens) if token in self.stops), len(tokens))
        kept, marks = list(tokens[:end]), self._marks
        if marks.isdisjoint(kept):
            return str(self.tokenizer.decode(kept, skip_special_tokens=True))
        kept = [token for token in kept if token in marks or token not in self._special]
        return str(self.tokenizer.decode(kept, skip_special_tokens=False))

    @cached_property
    def _special(self) -> frozenset[int]:
        added = self.tokenizer.added_tokens_decoder.items()
        return frozenset(number for number, token in added if token.special)

    @cached_property
    def _marks(self) -> frozenset[int]:
        """The special tokens that mark thoughts."""
        added = self.tokenizer.added_tokens_decoder
        return frozenset(number for number in self._special if is_tag(added[number].content))


def load_tokenizer(
    folder: Path, model: Model, arguments: Mapping[str, Any] | None = None
) -> CheckpointTokenizer:
    """The tokenizer in a checkpoint's folder. Its template gets `arguments`. Raises EngineError."""
    from lm_eval.models.utils import resolve_max_length
    from transformers import AutoConfig

    try:
        trust = model.trust_remote_code
        loaded = load_tokenizer_files(folder, trust_remote_code=trust)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust)
        stops = read_decoding(folder).stops
    except SpecError as error:
        raise EngineError(str(error)) from None
    except (OSError, ValueError) as error:
        raise EngineError(
            f"the tokenizer in {folder} cannot be loaded: {first_line(error)}"
        ) from None
    tokenizer = loaded.tokenizer
    if (own := tokenizer.eos_token_id) is not None:
        stops = tuple(dict.fromkeys((*stops, int(own))))
    _pad(tokenizer, stops, config)
    context = resolve_max_length(config, tokenizer)
    return CheckpointTokenizer(
        tokenizer, context, stops, loaded.replaced, loaded.tool_template, arguments or {}
    )


def _pad(tokenizer: Any, stops: Sequence[int], config: Any) -> None:
    """Give a tokenizer a padding token that the model knows; no answer depends on which."""
    known = (tokenizer.pad_token_id, *stops, tokenizer.bos_token_id, 0)
    rows = getattr(config.get_text_config(), "vocab_size", None) or math.inf
    tokenizer.pad_token_id = next(one for one in known if one is not None and one < rows)
