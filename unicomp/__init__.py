"""UniComp: the release gate for compressed language models."""

from unicomp.errors import (
    BuildError,
    EngineError,
    JudgeError,
    ScoringError,
    SpecError,
    StoreError,
    UnicompError,
    UnsupportedError,
)
from unicomp.scoring.aggregate import BiasScore, Mean, Perplexity, RobustnessScore
from unicomp.scoring.answer import LabelWord, TaskMetric
from unicomp.scoring.bias import BiasedAnswer
from unicomp.scoring.instructions import InstructionsFollowed
from unicomp.scoring.likelihood import TokenLikelihood
from unicomp.scoring.refusal import Responded
from unicomp.spec import (
    Aggregate,
    Benchmark,
    Calibration,
    Claims,
    Item,
    Method,
    Model,
    Reading,
    Scorer,
)

__all__ = [
    "Aggregate",
    "Benchmark",
    "BiasScore",
    "BiasedAnswer",
    "BuildError",
    "Calibration",
    "Claims",
    "EngineError",
    "InstructionsFollowed",
    "Item",
    "JudgeError",
    "LabelWord",
    "Mean",
    "Method",
    "Model",
    "Perplexity",
    "Reading",
    "Responded",
    "RobustnessScore",
    "Scorer",
    "ScoringError",
    "SpecError",
    "StoreError",
    "TaskMetric",
    "TokenLikelihood",
    "UnicompError",
    "UnsupportedError",
]
