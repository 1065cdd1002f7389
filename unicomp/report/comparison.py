"""What changed since the last release, in lines: what is worse first, then what may explain it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicomp.changes import Comparison, Move, OtherChange, VerdictChange
from unicomp.spec import LEVEL, OfCheckpoint

_WAYS = {
    "paired": "paired by item",
    "intervals": "from the two intervals",
}
_MOST = 20
"""The lines of a kind that are shown; the JSON scorecard has all."""


def lines(found: Comparison) -> Iterator[str]:
    """All lines; a single one if nothing changed."""
    yield f"Compared with the last release, {found.baseline or 'a scorecard'}:"
    if found.nothing:
        yield "nothing changed."
        return
    if found.old != found.new:
        yield f"the gate was {found.old}, and is {found.new} without this comparison."
    fails = [f"{_move(one)}{_cause(found, one)}" for one in found.moves if one.fails]
    yield from _capped("Worse than allowed", fails)
    worse = [_verdict(one) for one in found.verdicts if one.worse]
    yield from _capped("Worse, so that it shuts the gate", worse)
    unclear = [f"{_move(one)}; chance may explain it" for one in found.unclear]
    yield from _capped("Fell by more than allowed, but not beyond chance", unclear)
    others = [one for one in found.moved if not one.fails]
    yield from _capped("Moved beyond chance", [f"{_move(o)}{_cause(found, o)}" for o in others])
    yield from _capped("Ends otherwise", [_verdict(o) for o in found.verdicts if not o.worse])
    yield from _capped("Not compared", [_move(one) for one in found.moves if one.way is None])
    yield from _capped("Measured for the first time", found.new_metrics)
    yield from _capped("In the last release only", ["/".join(one) for one in found.gone])
    yield from _capped("In this release only", ["/".join(one) for one in found.added])
    yield from _capped("Changed as well", [_other(one) for one in found.others])
    yield from _error(found)


def verdict(found: Comparison) -> str:
    """The result in one line."""
    if found.failures:
        names = ", ".join(dict.fromkeys(_name(one) for one in found.failures))
        return f"worse than the last release: {names}"
    return "nothing is worse than the last release by more than allowed"


def _capped(title: str, found: Sequence[str]) -> Iterator[str]:
    """A title and its lines; of very many the first ones."""
    if found:
        yield f"{title}:"
        yield from (f"  {line}" for line in found[:_MOST])
        if len(found) > _MOST:
            yield f"  … and {len(found) - _MOST} more; the JSON scorecard has them all"


def _name(one: Move | VerdictChange) -> str:
    return f"{one.name} of {_whose(one)}"


def _whose(one: OfCheckpoint) -> str:
    return "/".join(one.checkpoint)


def _move(one: Move) -> str:
    """What moved how far, how that is compared with chance, and what may have moved it."""
    line = f"{_name(one)}: {one.old:.1f} → {one.new:.1f} % of dense ({one.points:+.1f} points"
    if one.way in _WAYS:
        ends = (one.low, one.high)
        low, high = ("unbounded" if end is None else f"{end:+.1f}" for end in ends)
        line += f" [{low}, {high}], {_WAYS[one.way]}"
    if one.way == "exact":
        line += ", same weights and items: not chance"
    line += f"; may fall {one.most_fall:g})" if one.most_fall is not None else ")"
    return f"{line}; {one.note}" if one.note else line


def _cause(found: Comparison, one: Move) -> str:
    """What may have moved it: the weights, or what answers and scores were made with."""
    if one.unit == "probe":
        return ""
    names = ", ".join(found.conditions)
    if one.same_weights is None:
        return f"; {names} changed" if names else ""
    if one.same_weights:
        if names:
            return f"; the weights are the same, so look at {names}"
        return "; neither the weights nor the software changed"
    return f"; the weights changed, and so did {names}" if names else "; the weights changed"


def _verdict(one: VerdictChange) -> str:
    now = one.new.replace("_", " ") if one.new else "not there"
    reason = f" ({one.reason})" if one.reason else ""
    return f"{_name(one)}: {one.old.replace('_', ' ')} → {now}{reason}"


def _other(one: OtherChange) -> str:
    return f"{one.aspect}: {one.name}: {one.old} → {one.new}"


def _error(found: Comparison) -> Iterator[str]:
    """The stated chance of a false failure."""
    tested = [move for move in found.moves if move.unit == "metric" and move.p_worse is not None]
    if tested:
        yield (
            f"Chance that a metric fails here though none became worse: at most "
            f"{100 * LEVEL:g} %, over {len(tested)} metrics."
        )
