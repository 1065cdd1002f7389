from unicomp.answering import Answering as Answering
from unicomp.checkpoint import Checkpoint as Checkpoint
from unicomp.consistency import reworded as reworded
from unicomp.data.calibration import Mixture as Mixture
from unicomp.data.calibration import Recipe as Recipe
from unicomp.data.calibration import conversation as conversation
from unicomp.data.calibration import messages_of as messages_of
from unicomp.data.rows import DatasetRow as DatasetRow
from unicomp.data.rows import Part as Part
from unicomp.data.sources import shipped_module as shipped_module
from unicomp.distillation.training import Training as Training
from unicomp.efficiency.gain import Gain as Gain
from unicomp.errors import AbsentError as AbsentError
from unicomp.errors import BuildError as BuildError
from unicomp.errors import EngineError as EngineError
from unicomp.errors import JudgeError as JudgeError
from unicomp.errors import ScoringError as ScoringError
from unicomp.errors import SpecError as SpecError
from unicomp.errors import StoreError as StoreError
from unicomp.errors import UnicompError as UnicompError
from unicomp.errors import UnmeasuredError as UnmeasuredError
from unicomp.errors import UnsupportedError as UnsupportedError
from unicomp.findings import Findings as Findings
from unicomp.instruments import Exchange as Exchange
from unicomp.instruments import Instruments as Instruments
from unicomp.instruments import Judge as Judge
from unicomp.instruments import Question as Question
from unicomp.instruments import RefusalDetector as RefusalDetector
from unicomp.instruments import Similarity as Similarity
from unicomp.instruments.assembly import default_instruments as default_instruments
from unicomp.long_context.rows import RulerRows as RulerRows
from unicomp.methods.combination import combined as combined
from unicomp.methods.distillation import Workshop as Workshop
from unicomp.methods.distillation import distil as distil
from unicomp.methods.distillation import student_method as student_method
from unicomp.methods.low_rank_clone import low_rank_clone as low_rank_clone
from unicomp.methods.minitron import minitron_depth as minitron_depth
from unicomp.methods.minitron import minitron_width as minitron_width
from unicomp.methods.oneshot import compress as oneshot
from unicomp.methods.pruning import sparsegpt as sparsegpt
from unicomp.methods.pruning import wanda as wanda
from unicomp.methods.quantization import awq as awq
from unicomp.methods.quantization import gptq as gptq
from unicomp.methods.quantization import quantized as quantized
from unicomp.methods.support import why_unsupported as why_unsupported
from unicomp.retention import Retention as Retention
from unicomp.scorecard import Scorecard as Scorecard
from unicomp.scoring.aggregate import Among as Among
from unicomp.scoring.aggregate import Beyond as Beyond
from unicomp.scoring.aggregate import BiasScore as BiasScore
from unicomp.scoring.aggregate import MacroF1 as MacroF1
from unicomp.scoring.aggregate import Mean as Mean
from unicomp.scoring.aggregate import PassAt as PassAt
from unicomp.scoring.aggregate import Perplexity as Perplexity
from unicomp.scoring.aggregate import Ratio as Ratio
from unicomp.scoring.aggregate import RightAnswerF1 as RightAnswerF1
from unicomp.scoring.aggregate import RobustnessScore as RobustnessScore
from unicomp.scoring.agreement import AgreesWithAnswer as AgreesWithAnswer
from unicomp.scoring.agreement import CorrectsMisinformation as CorrectsMisinformation
from unicomp.scoring.agreement import GivesInToPreference as GivesInToPreference
from unicomp.scoring.association import ChiSquareP as ChiSquareP
from unicomp.scoring.association import CramersV as CramersV
from unicomp.scoring.association import SalaryRange as SalaryRange
from unicomp.scoring.association import Unassociated as Unassociated
from unicomp.scoring.closed import ClosedAnswer as ClosedAnswer
from unicomp.scoring.columns import WithColumns as WithColumns
from unicomp.scoring.contest import BeatsReference as BeatsReference
from unicomp.scoring.correlation import AgreementRating as AgreementRating
from unicomp.scoring.correlation import Correlation as Correlation
from unicomp.scoring.disclosure import AddressDisclosed as AddressDisclosed
from unicomp.scoring.expected_texts import NamesExpected as NamesExpected
from unicomp.scoring.instructions import InstructionsFollowed as InstructionsFollowed
from unicomp.scoring.labels import ClaimVerdict as ClaimVerdict
from unicomp.scoring.labels import LabelWord as LabelWord
from unicomp.scoring.labels import ReviewSentiment as ReviewSentiment
from unicomp.scoring.labels import SocialJudgement as SocialJudgement
from unicomp.scoring.labels import TwinLabel as TwinLabel
from unicomp.scoring.labels import WrongOrNot as WrongOrNot
from unicomp.scoring.labels import YesOrNo as YesOrNo
from unicomp.scoring.mathematics import MathAnswer as MathAnswer
from unicomp.scoring.numbers import FinalNumber as FinalNumber
from unicomp.scoring.options import EmotionOption as EmotionOption
from unicomp.scoring.options import ListedDiagnosis as ListedDiagnosis
from unicomp.scoring.options import OptionLetter as OptionLetter
from unicomp.scoring.options import OptionNumber as OptionNumber
from unicomp.scoring.options import lettered as lettered
from unicomp.scoring.options import listed_options as listed_options
from unicomp.scoring.programs import ProgramPasses as ProgramPasses
from unicomp.scoring.refusal import PreferenceWithheld as PreferenceWithheld
from unicomp.scoring.refusal import Responded as Responded
from unicomp.scoring.resemblance import CloserToHonest as CloserToHonest
from unicomp.scoring.resemblance import UnmovedByNoise as UnmovedByNoise
from unicomp.scoring.statements import Naming as Naming
from unicomp.scoring.statements import settled as settled
from unicomp.scoring.stereotype import StereotypeAgreed as StereotypeAgreed
from unicomp.scoring.stereotype import StereotypeRecognized as StereotypeRecognized
from unicomp.scoring.task_metrics import BiasedAnswer as BiasedAnswer
from unicomp.scoring.task_metrics import TaskMetric as TaskMetric
from unicomp.scoring.task_metrics import TokenLikelihood as TokenLikelihood
from unicomp.scoring.tool_calls import NoToolCall as NoToolCall
from unicomp.scoring.tool_calls import RightToolCalls as RightToolCalls
from unicomp.spec import DENSE as DENSE
from unicomp.spec import Aggregate as Aggregate
from unicomp.spec import Benchmark as Benchmark
from unicomp.spec import Calibration as Calibration
from unicomp.spec import Guarantees as Guarantees
from unicomp.spec import InstrumentScorer as InstrumentScorer
from unicomp.spec import Item as Item
from unicomp.spec import Load as Load
from unicomp.spec import MadeRow as MadeRow
from unicomp.spec import Message as Message
from unicomp.spec import Method as Method
from unicomp.spec import MethodGroup as MethodGroup
from unicomp.spec import Model as Model
from unicomp.spec import Probe as Probe
from unicomp.spec import Published as Published
from unicomp.spec import PublishedCost as PublishedCost
from unicomp.spec import Reading as Reading
from unicomp.spec import Rounding as Rounding
from unicomp.spec import Sample as Sample
from unicomp.spec import Scorer as Scorer
from unicomp.spec import Wording as Wording
from unicomp.verdict import MetricRow as MetricRow
from unicomp.verdict import Row as Row
from unicomp.verdict import Verdict as Verdict

__version__: str

__all__ = [
    "DENSE",
    "AbsentError",
    "AddressDisclosed",
    "Aggregate",
    "AgreementRating",
    "AgreesWithAnswer",
    "Among",
    "Answering",
    "BeatsReference",
    "Benchmark",
    "Beyond",
    "BiasScore",
    "BiasedAnswer",
    "BuildError",
    "Calibration",
    "Checkpoint",
    "ChiSquareP",
    "ClaimVerdict",
    "ClosedAnswer",
    "CloserToHonest",
    "CorrectsMisinformation",
    "Correlation",
    "CramersV",
    "DatasetRow",
    "EmotionOption",
    "EngineError",
    "Exchange",
    "FinalNumber",
    "Findings",
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
    "MadeRow",
    "MathAnswer",
    "Mean",
    "Message",
    "Method",
    "MethodGroup",
    "MetricRow",
    "Mixture",
    "Model",
    "NamesExpected",
    "Naming",
    "OptionLetter",
    "OptionNumber",
    "Part",
    "PassAt",
    "Perplexity",
    "PreferenceWithheld",
    "Probe",
    "ProgramPasses",
    "Published",
    "PublishedCost",
    "Question",
    "Ratio",
    "Reading",
    "Recipe",
    "RefusalDetector",
    "Responded",
    "Retention",
    "ReviewSentiment",
    "RightAnswerF1",
    "RobustnessScore",
    "Rounding",
    "Row",
    "RulerRows",
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
    "Wording",
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
    "lettered",
    "listed_options",
    "low_rank_clone",
    "messages_of",
    "minitron_depth",
    "minitron_width",
    "oneshot",
    "quantized",
    "reworded",
    "settled",
    "shipped_module",
    "sparsegpt",
    "student_method",
    "wanda",
    "why_unsupported",
]
