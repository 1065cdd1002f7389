"""Make the instruments of a session from the tables of `unicomp.toml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from unicomp.errors import SpecError
from unicomp.framework import READINGS
from unicomp.instruments import MODES, Instruments, Judge, Mode, RefusalDetector, Similarity
from unicomp.instruments.endpoint import EndpointSettings
from unicomp.machine.waiting import Say, silent
from unicomp.store import Store

SimilarityKind = Literal["lexical", "sentence-transformers", "endpoint"]
RefusalKind = Literal["rules", "classifier", "judge"]


@dataclass(frozen=True, kw_only=True)
class JudgeSettings(EndpointSettings):
    """The table [judge]."""


@dataclass(frozen=True, kw_only=True)
class SimilaritySettings:
    """The table [similarity]."""

    kind: SimilarityKind = "lexical"
    """How two answers are compared: `lexical`, `sentence-transformers` or `endpoint`."""
    model: str | None = None
    """The embedding model; both other kinds need one."""
    url: str | None = field(default=None, repr=False)
    """The base of the server, like https://host/v1; for `endpoint`."""
    key_env: str | None = None
    """The environment variable that holds the server's key; for `endpoint`."""

    def __post_init__(self) -> None:
        _expect_one_of(get_args(SimilarityKind), "kind", self.kind)
        if (self.kind != "lexical") != bool(self.model):
            raise SpecError(f"{self.kind} {'has no option' if self.model else 'needs a'} model")
        if self.kind != "endpoint" and (self.url or self.key_env):
            raise SpecError(f"{self.kind} has no options url and key_env")
        if self.kind == "endpoint":
            self.endpoint()

    def endpoint(self) -> EndpointSettings:
        """The server. Raises SpecError."""
        if not self.url or not self.model:
            raise SpecError("endpoint needs a url")
        return EndpointSettings(url=self.url, model=self.model, key_env=self.key_env)


@dataclass(frozen=True, kw_only=True)
class RefusalSettings:
    """The table [refusals]; without `model`, a classifier is the published one."""

    kind: RefusalKind = "rules"
    """What decides whether an answer is a refusal: `rules`, `classifier` or `judge`."""
    model: str | None = None
    """The hub id of a classifier of your own."""
    revision: str | None = None
    """The classifier's revision."""
    labels: tuple[str, ...] = ()
    """The classifier's labels that mean a refusal."""

    def __post_init__(self) -> None:
        _expect_one_of(get_args(RefusalKind), "kind", self.kind)
        if self.kind != "classifier":
            for option in ("model", "revision", "labels"):
                if getattr(self, option):
                    raise SpecError(f"{self.kind} has no option {option}")
        if not all(isinstance(label, str) and label for label in self.labels):
            raise SpecError("labels must be texts")
        if bool(self.model) != bool(self.labels):
            raise SpecError("a classifier of your own needs both model and labels")


@dataclass(frozen=True, kw_only=True)
class InstrumentSettings:
    """The instruments that were chosen for a session."""

    judge: JudgeSettings | None = None
    similarity: SimilaritySettings = field(default_factory=SimilaritySettings)
    refusals: RefusalSettings = field(default_factory=RefusalSettings)
    mode: Mode = "strict"
    """How answers are read: `strict`, or `compat` for the published rules bit for bit."""
    reading: str = "oriented"
    """How scores enter their metrics: `oriented`, or `paper` for the published reading."""

    def __post_init__(self) -> None:
        _expect_one_of(MODES, "scoring.mode", self.mode)
        _expect_one_of(tuple(READINGS), "scoring.reading", self.reading)
        if self.refusals.kind == "judge" and self.judge is None:
            raise SpecError('refusals.kind = "judge" needs the table [judge]')


def make_instruments(
    settings: InstrumentSettings, store: Store, on_wait: Say = silent
) -> Instruments:
    """Make the chosen instruments; models are loaded and servers asked when first needed.

    `on_wait` gets a message, from any thread, if a server does not answer for a while.
    """
    from unicomp.instruments.judge import EndpointJudge

    judge = EndpointJudge(settings.judge, store, on_wait) if settings.judge else None
    return Instruments(
        refusals=_detector(settings.refusals, judge),
        similarity=_similarity(settings.similarity, store, on_wait),
        judge=judge,
        mode=settings.mode,
        reading=settings.reading,
    )


def default_instruments() -> Instruments:
    """The instruments that need nothing: rules for refusals, words for similarity, no judge."""
    from unicomp.instruments.refusal_rules import RuleDetector
    from unicomp.instruments.similarity import LexicalSimilarity

    return Instruments(refusals=RuleDetector(), similarity=LexicalSimilarity())


def _detector(settings: RefusalSettings, judge: Judge | None) -> RefusalDetector:
    from unicomp.instruments.refusal_models import ClassifierDetector, JudgeDetector
    from unicomp.instruments.refusal_rules import RuleDetector

    if settings.kind == "classifier":
        if settings.model is None:
            return ClassifierDetector(revision=settings.revision)
        return ClassifierDetector(
            model=settings.model, revision=settings.revision, refusal_labels=settings.labels
        )
    if settings.kind == "judge" and judge is not None:
        return JudgeDetector(judge=judge)
    return RuleDetector()


def _similarity(settings: SimilaritySettings, store: Store, on_wait: Say) -> Similarity:
    from unicomp.instruments import similarity

    if settings.kind == "endpoint":
        return similarity.EndpointSimilarity(settings.endpoint(), store, on_wait)
    if settings.model is not None:
        return similarity.SentenceTransformerSimilarity(settings.model)
    return similarity.LexicalSimilarity()


def _expect_one_of(values: tuple[str, ...], option: str, value: str) -> None:
    if value not in values:
        raise SpecError(f"{option} {value!r} is not one of {', '.join(values)}")
