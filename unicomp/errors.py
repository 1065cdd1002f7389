"""The exceptions of UniComp. Each message is one line: what is wrong, and how to mend it.

    UnicompError
    ├── SpecError       the input is wrong: a name, an option, a folder, a file
    │   └── AbsentError     a local root lacks rows that are asked for
    ├── BuildError      a method failed, or its checkpoint lacks what the method guarantees
    │   └── UnsupportedError    a method does not support the model; nothing was tried
    ├── EngineError     a checkpoint could not be loaded, or did not answer
    │   └── NotFiniteError      a checkpoint computes NaN or infinity instead of an answer
    ├── ScoringError    responses could not be turned into a score
    │   ├── UnmeasuredError     nothing could be measured: a judge, an engine or data is missing
    │   │   └── ContextError        the prompts are longer than the model's context
    │   └── IncomparableError   the baseline says nothing about the candidate
    ├── StoreError      the store could not be read or written
    │   └── UpstreamError   its upstream could not be read or written
    │       └── CorruptedError  an object's content is not that of its checksum
    └── JudgeError      a judge could not be reached, or gave no usable answer

No message needs a traceback to be understood. `SpecError` is raised before expensive work begins.
"""

from __future__ import annotations


class UnicompError(Exception):
    """Base of everything that UniComp raises on purpose."""


class SpecError(UnicompError):
    """The input is wrong; the message names it and says how to mend it."""


class AbsentError(SpecError):
    """A local root lacks rows that are asked for; others may be there."""


class BuildError(UnicompError):
    """A compression failed, or its checkpoint lacks what its method guarantees."""


class UnsupportedError(BuildError):
    """A method does not support the model, and says why; nothing was tried."""


class EngineError(UnicompError):
    """A checkpoint could not be loaded, or did not answer."""


class NotFiniteError(EngineError):
    """A checkpoint computes NaN or infinity where an answer should be; its row fails."""

    def __init__(self) -> None:
        super().__init__(
            "logits are not finite: the checkpoint computes NaN or infinity instead of an answer; "
            "build it anew, or run it in float32"
        )

    def __reduce__(self) -> tuple[type[NotFiniteError], tuple[()]]:
        """Travel between processes, which would else call it with its message."""
        return type(self), ()


class ScoringError(UnicompError):
    """The responses of a benchmark could not be turned into a score."""


class UnmeasuredError(ScoringError):
    """Nothing could be measured, since a judge, an engine or data is missing."""


class ContextError(UnmeasuredError):
    """The prompts of a benchmark are longer than the model's context."""


class IncomparableError(ScoringError):
    """The baseline cannot be measured, so that it says nothing about the candidate."""


class StoreError(UnicompError):
    """The store could not be read or written."""


class UpstreamError(StoreError):
    """The upstream of the store could not be read or written."""


class CorruptedError(UpstreamError):
    """The content of an object of the upstream is not that of its checksum."""


class JudgeError(UnicompError):
    """A judge could not be reached, or its answers were not usable."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its class if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def described(error: BaseException) -> str:
    """The class of an error, and the first line of its text if it has one."""
    name, line = type(error).__name__, first_line(error)
    return name if line == name else f"{name}: {line}"
