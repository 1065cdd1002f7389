"""The likelihood of running text."""

from __future__ import annotations

from dataclasses import dataclass

from unicomp.spec import Item, Reading


@dataclass(frozen=True)
class TokenLikelihood:
    """The log-likelihood of a window of text, in nats, and its length in tokens and words."""

    def __call__(self, item: Item) -> Reading:
        """What was read, with the fields `log_likelihood`, `tokens` and `words`."""
        return Reading(
            fields={
                "log_likelihood": float(item.responses[0]),
                "tokens": float(item.doc["tokens"]),
                "words": float(item.doc["words"]),
            }
        )
