"""UniComp: the release gate for compressed language models.

Models, methods, benchmarks, scorers, calibrations and conftests import their names from here, and
`unicomp.testing` proves a benchmark. A name is loaded when it is first used: pytest imports this
package in every session of the environment. `__init__.pyi` has the same names for type checkers.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "answering": "Answering",
    "checkpoint": "Checkpoint",
    "consistency": "reworded",
    "data.calibration": "conversation messages_of Mixture Recipe",
    "data.rows": "DatasetRow Part",
    "data.sources": "shipped_module",
    "distillation.training": "Training",
    "efficiency.gain": "Gain",
    "errors": (
        "AbsentError BuildError EngineError JudgeError ScoringError SpecError StoreError "
        "UnicompError UnmeasuredError UnsupportedError"
    ),
    "findings": "Findings",
    "instruments": "Exchange Instruments Judge Question RefusalDetector Similarity",
    "instruments.assembly": "default_instruments",
    "long_context.rows": "RulerRows",
    "methods.combination": "combined",
    "methods.distillation": "distil student_method Workshop",
    "methods.low_rank_clone": "low_rank_clone",
    "methods.minitron": "minitron_depth minitron_width",
    "methods.pruning": "sparsegpt wanda",
    "methods.quantization": "awq gptq quantized",
    "methods.support": "why_unsupported",
    "retention": "Retention",
    "scorecard": "Scorecard",
    "scoring.aggregate": (
        "Among Beyond BiasScore MacroF1 Mean PassAt Perplexity Ratio RightAnswerF1 RobustnessScore"
    ),
    "scoring.agreement": "AgreesWithAnswer CorrectsMisinformation GivesInToPreference",
    "scoring.association": "ChiSquareP CramersV SalaryRange Unassociated",
    "scoring.closed": "ClosedAnswer",
    "scoring.columns": "WithColumns",
    "scoring.contest": "BeatsReference",
    "scoring.correlation": "AgreementRating Correlation",
    "scoring.disclosure": "AddressDisclosed",
    "scoring.expected_texts": "NamesExpected",
    "scoring.instructions": "InstructionsFollowed",
    "scoring.labels": (
        "ClaimVerdict LabelWord ReviewSentiment SocialJudgement TwinLabel WrongOrNot YesOrNo"
    ),
    "scoring.mathematics": "MathAnswer",
    "scoring.numbers": "FinalNumber",
    "scoring.options": (
        "EmotionOption lettered listed_options ListedDiagnosis OptionLetter OptionNumber"
    ),
    "scoring.programs": "ProgramPasses",
    "scoring.refusal": "PreferenceWithheld Responded",
    "scoring.resemblance": "CloserToHonest UnmovedByNoise",
    "scoring.statements": "Naming settled",
    "scoring.stereotype": "StereotypeAgreed StereotypeRecognized",
    "scoring.task_metrics": "BiasedAnswer TaskMetric TokenLikelihood",
    "scoring.tool_calls": "NoToolCall RightToolCalls",
    "spec": (
        "Aggregate Benchmark Calibration DENSE Guarantees InstrumentScorer Item Load MadeRow "
        "Message Method MethodGroup Model Probe Published PublishedCost Reading Rounding Sample "
        "Scorer Wording"
    ),
    "verdict": "MetricRow Row Verdict",
}
"""Module → its public names."""
_MODULES = {name: f"unicomp.{module}" for module, names in _NAMES.items() for name in names.split()}

_RENAMED = {
    "Claims": "Guarantees",
    "Cost": "PublishedCost",
    "Keeping": "WithColumns",
}
"""Former public name → its new one."""

__all__ = ["__version__", "oneshot", *_MODULES]


def __getattr__(name: str) -> Any:
    """Load a public name; Python asks for each only once."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("unicomp")
    elif name == "oneshot":
        value = import_module("unicomp.methods.oneshot").compress
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    elif name in _RENAMED:
        raise ImportError(f"unicomp.{name} is now named unicomp.{_RENAMED[name]}")
    else:
        raise AttributeError(f"module 'unicomp' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted({*globals(), *__all__})
