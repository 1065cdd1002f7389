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
from unicomp.scoring.aggregate import (
    Among,
    Beyond,
    BiasScore,
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
from unicomp.scoring.association import ChiSquareP, CramersV, SalaryRange, Unassociated
from unicomp.scoring.columns import WithColumns
from unicomp.scoring.correlation import AgreementRating, Correlation
from unicomp.scoring.disclosure import AddressDisclosed
from unicomp.scoring.instructions import InstructionsFollowed
from unicomp.scoring.labels import (
    ClaimVerdict,
    LabelWord,
    ReviewSentiment,
    SocialJudgement,
    TwinLabel,
    WrongOrNot,
    YesOrNo,
)
from unicomp.scoring.options import EmotionOption, ListedDiagnosis, OptionLetter, OptionNumber
from unicomp.scoring.refusal import PreferenceWithheld, Responded
from unicomp.scoring.resemblance import CloserToHonest, UnmovedByNoise
from unicomp.scoring.stereotype import StereotypeAgreed, StereotypeRecognized
from unicomp.scoring.task_metrics import BiasedAnswer, TaskMetric, TokenLikelihood
from unicomp.spec import (
    Aggregate,
    Benchmark,
    Calibration,
    Guarantees,
    Item,
    Load,
    Method,
    Model,
    Probe,
    Reading,
    Scorer,
)

__all__ = [
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
    "Calibration",
    "ChiSquareP",
    "ClaimVerdict",
    "CloserToHonest",
    "CorrectsMisinformation",
    "Correlation",
    "CramersV",
    "EmotionOption",
    "EngineError",
    "GivesInToPreference",
    "Guarantees",
    "InstructionsFollowed",
    "Item",
    "JudgeError",
    "LabelWord",
    "ListedDiagnosis",
    "Load",
    "MacroF1",
    "Mean",
    "Method",
    "Model",
    "OptionLetter",
    "OptionNumber",
    "Perplexity",
    "PreferenceWithheld",
    "Probe",
    "Ratio",
    "Reading",
    "Responded",
    "ReviewSentiment",
    "RightAnswerF1",
    "RobustnessScore",
    "SalaryRange",
    "Scorer",
    "ScoringError",
    "SocialJudgement",
    "SpecError",
    "StereotypeAgreed",
    "StereotypeRecognized",
    "StoreError",
    "TaskMetric",
    "TokenLikelihood",
    "TwinLabel",
    "Unassociated",
    "UnicompError",
    "UnmovedByNoise",
    "UnsupportedError",
    "WithColumns",
    "WrongOrNot",
    "YesOrNo",
]
