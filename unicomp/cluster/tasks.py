"""What travels to a worker with a unit, and what comes back: plain values, and no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from unicomp import catalogue
from unicomp.catalogue import Roots
from unicomp.data.sources import Source
from unicomp.efficiency.gain import Gain
from unicomp.efficiency.rounds import Effort
from unicomp.engines import EngineSettings
from unicomp.errors import UnicompError
from unicomp.spec import Calibration, CheckpointId, Method, Model, Probe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Request = tuple[str, tuple[Any, ...]]
"""The type and the arguments of a request, as lm-eval has them."""
Files = Mapping[str, str]
"""Path in a fixtures folder → the text of the file."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A checkpoint as a node finds or builds it."""

    name: CheckpointId
    key: str
    """The key of its content, which the node has to find, too."""
    model: Model
    method: Method
    """Without its functions, which cannot travel: a node reads them in `files`."""
    files: Files
    """The files that declare a method which compresses, and the corpus that it trains on."""
    calibration: Calibration | None
    source: Source
    """Where the text is read that a method trains on."""
    engine: EngineSettings
    """How it is run; see `needs.travelling`."""

    @classmethod
    def of(
        cls,
        name: CheckpointId,
        key: str,
        model: Model,
        method: Method,
        calibration: Calibration | None,
        roots: Roots,
        source: Source,
        engine: EngineSettings,
    ) -> Recipe:
        """The recipe of a checkpoint whose method is declared in `roots`."""
        files: dict[str, str] = {}
        if method.compress is not None:
            paths = [catalogue.method_file(method.name, roots)]
            if method.corpus is not None:
                paths += catalogue.recipe_files(method.corpus, roots)
            for path in paths:
                files[f"{path.parent.name}/{path.name}"] = path.read_text(encoding="utf-8")
        method = replace(method, compress=None, why_unsupported=_never)
        return cls(
            name=name,
            key=key,
            model=model,
            method=method,
            files=files,
            calibration=calibration,
            source=source,
            engine=engine,
        )


def _never(config: Mapping[str, Any]) -> None:
    """Stands for the check of a method that stayed where the run was started."""


@dataclass(frozen=True, kw_only=True)
class CheckTask:
    """Look whether a node has what the run needs."""

    models: tuple[Model, ...]
    """The models, and the checkpoints that were compressed elsewhere."""
    engine: EngineSettings


@dataclass(frozen=True, kw_only=True)
class BuildTask:
    """Find or build a checkpoint."""

    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Built:
    """A checkpoint that lies on a node."""

    calibration: str | None
    facts: Mapping[str, Any]
    fresh: bool
    companions: Mapping[str, bytes]
    """Name → content of the small files of its folder: configuration and tokenizer."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """The fingerprint of the node."""


@dataclass(frozen=True, kw_only=True)
class AnswerTask:
    """Answer a block of a benchmark's items."""

    recipe: Recipe
    tokens: int
    """The tokens of the longest request of the session, generated ones included."""
    batches: Sequence[Sequence[Request]] = ()
    """The requests that are asked together."""
    chunks: Sequence[Sequence[int]] = ()
    """The chunks of a running text whose next-token distributions are wanted, too."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The responses to the first batches of a block, or to all."""

    batches: Sequence[Sequence[Any]]
    """The responses of each batch, in the order of its requests."""
    seconds: float = 0.0
    """The time of asking, without loading."""
    error: UnicompError | None = None
    """Why the next batch has none."""
    distributions: NDArray[np.float16] | None = None
    """The log-probabilities of `Engine.log_probabilities`; None if the engine gives none."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """The fingerprint of the node."""


@dataclass(frozen=True, kw_only=True)
class TimeTask:
    """Measure the probes of a checkpoint against the dense one, on a node alone."""

    recipe: Recipe
    dense: Recipe
    probes: tuple[Probe, ...]
    effort: Effort
    fresh: bool
    """Whether timings in the store are taken again."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Key → figures that earlier runs brought; those of another machine have other keys."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What was measured."""

    gains: Mapping[Probe, Gain | UnicompError]
    machine: Mapping[str, Any]
    """The fingerprint of the node."""
    figures: Mapping[str, Any]
    """Key in the store's measurements → value."""
    taken: int
    """Figures that were not in the store of the node."""
    seconds: float
    """The time of measuring alone."""
