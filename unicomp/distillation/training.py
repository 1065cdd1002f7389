"""What decides a training: settings that are JSON values, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from unicomp.errors import SpecError

Schedule = Literal["linear", "cosine", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training. Equal values give equal weights on the same machine."""

    tokens: int
    """The budget: whole steps are done until it is reached. Padding counts in it."""
    sequence: int
    """Tokens of a row."""
    batch: int
    """Rows of one step, over all devices."""
    learning_rate: float
    corpus: str = "generic"
    """The calibration recipe whose data sets are streamed."""
    final_rate: float = 0.0
    """The learning rate at the end."""
    warm_up: float = 0.0
    """Steps of linear increase; below 1, a share of all steps."""
    schedule: Schedule = "linear"
    """How the rate gets from `learning_rate` to `final_rate` after the warm-up."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of AdamW."""
    weight_decay: float = 0.0
    clip: float = 1.0
    """The largest norm of the gradient."""
    prompt_weight: float = 1.0
    """How much a token counts that is in no answer, beside one of an answer or of plain text."""
    answer_weight: float = 0.0
    """What an answer counts at least, however few its tokens."""
    at_once: int | None = None
    """Rows that a device takes at a time; None: all of its rows of a step."""
    checkpointing: bool = False
    """Whether activations are computed again in the backward pass, rather than kept."""
    precision: Precision = "auto"
    """Of the products; `auto` is bfloat16 on an accelerator. Trained weights stay in float32."""
    seed: int = 42

    def __post_init__(self) -> None:
        for name in ("tokens", "sequence", "batch", "learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise SpecError(f"a training needs {name} above 0, not {getattr(self, name)}")
        if self.schedule not in ("linear", "cosine", "constant"):
            raise SpecError(f"the schedule {self.schedule!r} is none of linear, cosine, constant")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise SpecError(f"precision {self.precision!r} is none of auto, float32, bfloat16")
        if self.sequence < 2:
            raise SpecError("a training needs rows of at least 2 tokens: one predicts the next")
        if self.at_once is not None and self.at_once < 1:
            raise SpecError("a training takes at least one row at a time")

    @property
    def steps(self) -> int:
        """How many steps the budget makes."""
        return math.ceil(self.tokens / (self.batch * self.sequence))

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm_up = self.warm_up * self.steps if self.warm_up < 1 else self.warm_up
        if step < warm_up:
            return self.learning_rate * (step + 1) / math.ceil(warm_up)
        done = (step - warm_up) / max(1.0, self.steps - warm_up)
        left = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
        return self.final_rate + (self.learning_rate - self.final_rate) * left[self.schedule]

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self) | {"betas": list(self.betas)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Training:
        """The training that `as_json` wrote."""
        return cls(**(values | {"betas": tuple(values["betas"])}))
