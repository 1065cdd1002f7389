"""The settings that decide a training, as JSON values, and its learning rate at each step."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from unicomp.errors import SpecError

ObjectiveName = Literal["next_token", "logits", "low_rank_clone"]
"""The loss of a training: the cross entropy of the teacher itself on the text, the divergence
of the student's logits from the teacher's, or the loss of Low-Rank Clone."""
Schedule = Literal["linear", "cosine", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training. Equal values give equal weights on the same machine."""

    tokens: int
    """The budget, including padding; the last step is completed."""
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
    """The betas of AdamW."""
    weight_decay: float = 0.0
    clip: float = 1.0
    """The largest norm of the gradient."""
    prompt_weight: float = 1.0
    """Weight of a token outside the answers; tokens of answers and of plain text weigh 1."""
    answer_weight: float = 0.0
    """The least total weight of an answer, for short answers."""
    at_once: int | None = None
    """Rows that a device takes at a time; None: all of its rows of a step."""
    checkpointing: bool = False
    """Whether activations are recomputed in the backward pass, rather than kept."""
    precision: Precision = "auto"
    """Of products; `auto` is bfloat16 on an accelerator. Trained weights stay in float32."""
    seed: int = 42

    def __post_init__(self) -> None:
        for name in ("tokens", "sequence", "batch", "learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise SpecError(f"a training needs {name} above 0, not {getattr(self, name)}")
        for name, known in (("schedule", get_args(Schedule)), ("precision", get_args(Precision))):
            if getattr(self, name) not in known:
                raise SpecError(
                    f"the {name} {getattr(self, name)!r} of a training is unknown: "
                    f"give {', '.join(known)}"
                )
        if self.sequence < 2:
            raise SpecError("a training needs rows of at least 2 tokens: one predicts the next")
        if self.at_once is not None and self.at_once < 1:
            raise SpecError("a training takes at least one row at a time: set at_once to 1 or more")

    @property
    def steps(self) -> int:
        """The number of steps that use up the budget."""
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
        """The settings as JSON values."""
        return asdict(self) | {"betas": list(self.betas)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Training:
        """The training that `as_json` wrote."""
        return cls(**(values | {"betas": tuple(values["betas"])}))
