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
from unicomp.scoring.aggregate import Mean, RobustnessScore
from unicomp.scoring.answer import LabelWord, TaskMetric
from unicomp.scoring.instructions import InstructionsFollowed
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
    "Reading",
    "Responded",
    "RobustnessScore",
    "Scorer",
    "ScoringError",
    "SpecError",
    "StoreError",
    "TaskMetric",
    "UnicompError",
    "UnsupportedError",
]
