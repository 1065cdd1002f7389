"""The tokenizer as prompts depend on it; `unicomp.engines.tokenizer` implements it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class ChatTemplate(Protocol):
    """Renders a conversation to a prompt."""

    @property
    def identity(self) -> str:
        """Equal for templates that render alike."""
        ...

    def __call__(
        self,
        messages: list[dict[str, str]],
        add_generation_prompt: bool = True,
        tools: list[dict[str, Any]] | None = None,
    ) -> str:
        """The prompt; `tools` are functions in the form of `unicomp.prompts.tools`."""
        ...


class Tokenizer(Protocol):
    """Splits texts into tokens for one model."""

    @property
    def identity(self) -> str:
        """Equal for tokenizers that split texts alike."""
        ...

    @property
    def template(self) -> ChatTemplate | None:
        """The chat template, if the tokenizer has one."""
        ...

    @property
    def context(self) -> int:
        """The model's context, in tokens."""
        ...

    def encode(self, text: str) -> list[int]:
        """The tokens of a prompt, as the engine sees them."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens."""
        ...
