"""UniComp: the release gate for compressed language models.

Models, methods, benchmarks, scorers, calibrations and conftests import their names from here, and
`unicomp.testing` proves a benchmark. A name is loaded when it is first used: pytest imports this
package in every session of the environment.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unicomp.checkpoint import Checkpoint
    from unicomp.data.calibration import Mixture, Part, RawRow, Recipe, conversation, messages
    from unicomp.data.sources import shipped_module
    from unicomp.distillation.training import Training
    from unicomp.efficiency.gain import Gain
    from unicomp.errors import (
        AbsentError,
        BuildError,
        EngineError,
        JudgeError,
        ScoringError,
        SpecError,
        StoreError,
        UnicompError,
        UnmeasuredError,
        UnsupportedError,
    )
    from unicomp.instruments import (
        Exchange,
        Instruments,
        Judge,
        Question,
        RefusalDetector,
        Similarity,
    )
    from unicomp.instruments.defaults import default_instruments
    from unicomp.methods.combination import combined
    from unicomp.methods.distillation import Workshop, distil, student_method
    from unicomp.methods.low_rank_clone import low_rank_clone
    from unicomp.methods.minitron import minitron_depth, minitron_width
    from unicomp.methods.oneshot import compress as oneshot
    from unicomp.methods.pruning import sparsegpt, wanda
    from unicomp.methods.quantization import awq, gptq
    from unicomp.methods.support import MatrixWise
    from unicomp.retention import Retention
    from unicomp.scorecard import MetricRow, Scorecard
    from unicomp.scoring.aggregate import (
        Among,
        Beyond,
        BiasScore,
        ByMode,
        MacroF1,
        Mean,
        Perplexity,
        Ratio,
        RightAnswerF1,
        RobustnessScore,
    )
    from unicomp.scoring.agreement import (
        AgreesWithAnswer,
        CorrectsMisinformation,
        GivesInToPreference,
    )
    from unicomp.scoring.answer import LabelWord, TaskMetric
    from unicomp.scoring.association import ChiSquareP, CramersV, SalaryRange, Unassociated
    from unicomp.scoring.bias import BiasedAnswer
    from unicomp.scoring.closed import ClosedAnswer
    from unicomp.scoring.columns import WithColumns
    from unicomp.scoring.correlation import AgreementRating, Correlation
    from unicomp.scoring.disclosure import AddressDisclosed
    from unicomp.scoring.instructions import InstructionsFollowed
    from unicomp.scoring.labels import (
        ClaimVerdict,
        ReviewSentiment,
        SocialJudgement,
        TwinLabel,
        WrongOrNot,
        YesOrNo,
    )
    from unicomp.scoring.likelihood import TokenLikelihood
    from unicomp.scoring.options import (
        EmotionOption,
        ListedDiagnosis,
        OptionLetter,
        OptionNumber,
        listed_options,
    )
    from unicomp.scoring.preference import PreferenceWithheld
    from unicomp.scoring.refusal import Responded
    from unicomp.scoring.resemblance import CloserToHonest, UnmovedByNoise
    from unicomp.scoring.stereotype import StereotypeAgreed, StereotypeRecognized
    from unicomp.spec import (
        DENSE,
        Aggregate,
        Benchmark,
        Calibration,
        Guarantees,
        InstrumentScorer,
        Item,
        Load,
        Message,
        Method,
        Model,
        Probe,
        Published,
        PublishedCost,
        Reading,
        Sample,
        Scorer,
    )
    from unicomp.verdict import Row, Verdict

    __version__: str

_NAMES = {
    "checkpoint": "Checkpoint",
    "data.calibration": "Mixture Part RawRow Recipe conversation messages",
    "data.sources": "shipped_module",
    "distillation.training": "Training",
    "efficiency.gain": "Gain",
    "errors": (
        "AbsentError BuildError EngineError JudgeError ScoringError SpecError StoreError "
        "UnicompError UnmeasuredError UnsupportedError"
    ),
    "instruments": "Exchange Instruments Judge Question RefusalDetector Similarity",
    "instruments.defaults": "default_instruments",
    "methods.combination": "combined",
    "methods.distillation": "Workshop distil student_method",
    "methods.low_rank_clone": "low_rank_clone",
    "methods.minitron": "minitron_depth minitron_width",
    "methods.pruning": "sparsegpt wanda",
    "methods.quantization": "awq gptq",
    "methods.support": "MatrixWise",
    "retention": "Retention",
    "scorecard": "MetricRow Scorecard",
    "scoring.aggregate": (
        "Among Beyond BiasScore ByMode MacroF1 Mean Perplexity Ratio RightAnswerF1 RobustnessScore"
    ),
    "scoring.agreement": "AgreesWithAnswer CorrectsMisinformation GivesInToPreference",
    "scoring.answer": "LabelWord TaskMetric",
    "scoring.association": "ChiSquareP CramersV SalaryRange Unassociated",
    "scoring.bias": "BiasedAnswer",
    "scoring.closed": "ClosedAnswer",
    "scoring.columns": "WithColumns",
    "scoring.correlation": "AgreementRating Correlation",
    "scoring.disclosure": "AddressDisclosed",
    "scoring.instructions": "InstructionsFollowed",
    "scoring.labels": "ClaimVerdict ReviewSentiment SocialJudgement TwinLabel WrongOrNot YesOrNo",
    "scoring.likelihood": "TokenLikelihood",
    "scoring.options": "EmotionOption ListedDiagnosis OptionLetter OptionNumber listed_options",
    "scoring.preference": "PreferenceWithheld",
    "scoring.refusal": "Responded",
    "scoring.resemblance": "CloserToHonest UnmovedByNoise",
    "scoring.stereotype": "StereotypeAgreed StereotypeRecognized",
    "spec": (
        "DENSE Aggregate Benchmark Calibration Guarantees InstrumentScorer Item Load "
        "Message Method Model Probe Published PublishedCost Reading Sample Scorer"
    ),
    "verdict": "Row Verdict",
}
"""Module → its public names, as the imports above have them."""
_MODULES = {name: f"unicomp.{module}" for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "DENSE",
    "AbsentError",
    "AddressDisclosed",
    "Aggregate",
    "AgreementRating",
    "AgreesWithAnswer",
    "Among",
    "Benchmark",
    "Beyond",
    "BiasScore",
    "BiasedAnswer",
    "BuildError",
    "ByMode",
    "Calibration",
    "Checkpoint",
    "ChiSquareP",
    "ClaimVerdict",
    "ClosedAnswer",
    "CloserToHonest",
    "CorrectsMisinformation",
    "Correlation",
    "CramersV",
    "EmotionOption",
    "EngineError",
    "Exchange",
    "Gain",
    "GivesInToPreference",
    "Guarantees",
    "InstructionsFollowed",
    "InstrumentScorer",
    "Instruments",
    "Item",
    "Judge",
    "JudgeError",
    "LabelWord",
    "ListedDiagnosis",
    "Load",
    "MacroF1",
    "MatrixWise",
    "Mean",
    "Message",
    "Method",
    "MetricRow",
    "Mixture",
    "Model",
    "OptionLetter",
    "OptionNumber",
    "Part",
    "Perplexity",
    "PreferenceWithheld",
    "Probe",
    "Published",
    "PublishedCost",
    "Question",
    "Ratio",
    "RawRow",
    "Reading",
    "Recipe",
    "RefusalDetector",
    "Responded",
    "Retention",
    "ReviewSentiment",
    "RightAnswerF1",
    "RobustnessScore",
    "Row",
    "SalaryRange",
    "Sample",
    "Scorecard",
    "Scorer",
    "ScoringError",
    "Similarity",
    "SocialJudgement",
    "SpecError",
    "StereotypeAgreed",
    "StereotypeRecognized",
    "StoreError",
    "TaskMetric",
    "TokenLikelihood",
    "Training",
    "TwinLabel",
    "Unassociated",
    "UnicompError",
    "UnmeasuredError",
    "UnmovedByNoise",
    "UnsupportedError",
    "Verdict",
    "WithColumns",
    "Workshop",
    "WrongOrNot",
    "YesOrNo",
    "__version__",
    "awq",
    "combined",
    "conversation",
    "default_instruments",
    "distil",
    "gptq",
    "listed_options",
    "low_rank_clone",
    "messages",
    "minitron_depth",
    "minitron_width",
    "oneshot",
    "shipped_module",
    "sparsegpt",
    "student_method",
    "wanda",
]

if not TYPE_CHECKING:  # or no type checker would see that a name does not exist

    def __getattr__(name: str) -> Any:
        """Load a public name; Python asks for each only once."""
        if name == "__version__":
            from importlib.metadata import version

            value: Any = version("unicomp")
        elif name == "oneshot":
            value = import_module("unicomp.methods.oneshot").compress
        elif name in _MODULES:
            value = getattr(import_module(_MODULES[name]), name)
        else:
            raise AttributeError(f"module 'unicomp' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted({*globals(), *__all__})
