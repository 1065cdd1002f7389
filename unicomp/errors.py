"""The exceptions of UniComp: what, which, and how to mend it, in one line.

    UnicompError
    ├── SpecError       the input is wrong: a name, an option, a folder, a file
    │   └── AbsentError     rows that are named are not there
    ├── BuildError      a method failed, or its checkpoint is not what the method claims
    │   └── UnsupportedError    a method cannot take such a model; nothing was tried
    ├── EngineError     a checkpoint could not be loaded or did not answer
    ├── ScoringError    responses could not be turned into a score
    │   └── UnmeasuredError     what is needed to read them is not there, such as a judge
    ├── StoreError      the store could not be read or written
    └── JudgeError      a judge was not reachable or not usable

Every message is a single sentence or two for the person at the terminal; none of them needs a
traceback to be understood. `SpecError` is raised before expensive work begins.
"""


class UnicompError(Exception):
    """Base of everything that UniComp raises on purpose."""


class SpecError(UnicompError):
    """The input is wrong; the message names it and says how to mend it."""


class AbsentError(SpecError):
    """A local root lacks rows that are asked for; others may be there."""


class BuildError(UnicompError):
    """A compression failed, or produced something else than its method claims."""


class UnsupportedError(BuildError):
    """A method cannot take such a model, and says why; nothing was tried."""


class EngineError(UnicompError):
    """A checkpoint could not be loaded, or did not answer."""


class ScoringError(UnicompError):
    """The responses of a benchmark could not be turned into a score."""


class UnmeasuredError(ScoringError):
    """None of a benchmark's responses could be read, for want of a judge or of data."""


class StoreError(UnicompError):
    """The store could not be read or written."""


class JudgeError(UnicompError):
    """A judge was not reachable, or its answers were not usable."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its class where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
