"""What is known of a scorer's code: whether it is UniComp's, compares items, or what it needs."""

from __future__ import annotations

from itertools import chain

from unicomp.sandbox.checking import Sandbox
from unicomp.scoring.closed import NO_JUDGE


def scorers_in(scorer: object) -> list[object]:
    """A scorer, and those that it extends."""
    settings = vars(scorer).values() if hasattr(scorer, "__dict__") else ()
    inner = [one for one in settings if callable(one) or hasattr(one, "read_all")]
    return [scorer, *chain.from_iterable(map(scorers_in, inner))]


def is_shipped(scorer: object) -> bool:
    """Whether its code, and that of all scorers in it, is UniComp's."""
    return all(type(one).__module__.startswith("unicomp.scoring.") for one in scorers_in(scorer))


def compares_items(scorer: object) -> bool:
    """Whether the reading of an item may depend on other items.

    A scorer of all items says so by its attribute `compares_items`. Without one it is assumed of a
    user's scorer, and not of UniComp's. A scorer that is called with one item cannot compare.
    """
    return any(
        not callable(one) and getattr(one, "compares_items", not is_shipped(one))
        for one in scorers_in(scorer)
    )


def runs_programs(scorer: object) -> bool:
    """Whether a scorer runs generated programs, so that it needs the sandbox."""
    return any(getattr(one, "runs_programs", False) for one in scorers_in(scorer))


def why_unmeasurable(scorer: object, sandbox: Sandbox, *, judged: bool) -> str | None:
    """Why a scorer can read nothing here, and how to mend it; None if it can.

    `judged`: there is a judge.
    """
    if runs_programs(scorer) and (reason := sandbox.why_unusable()):
        return reason
    if not judged and any(getattr(one, "needs_judge", False) for one in scorers_in(scorer)):
        return NO_JUDGE
    return None
