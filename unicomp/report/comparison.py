"""What changed since the last release, in lines: what is worse first, then what may explain it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from unicomp.changes import Comparison, Move, OtherChange, VerdictChange
from unicomp.scorecard import STOPPED_EARLY
from unicomp.spec import LEVEL, OfCheckpoint

_WAYS = {
    "paired": "paired by item",
    "intervals": "from the two intervals",
}
MOST = 20
"""The lines of a kind that are shown; the JSON scorecard has all."""
_MOST_IN_RUN = 5
"""The same at the end of a run, which has more to say."""


def lines_of_run(found: Comparison) -> Iterator[str]:
    """The lines at the end of a run."""
    return lines(found, most=_MOST_IN_RUN)


def lines(found: Comparison, most: int = MOST) -> Iterator[str]:
    """All lines, at most so many of a kind; a single one if nothing changed."""
    yield f"Compared with the last release, {found.baseline or 'a scorecard'}:"
    if found.nothing:
        yield "nothing changed."
        return
    if found.old != found.new:
        yield f"the gate was {found.old}, and is {found.new} without this comparison."
    yield from _capped(_parts(found), most)
    yield from _error(found)


def headline(found: Comparison) -> str:
    """The comparison in one line, for a page that has no room for more."""
    counts = (
        (len(found.moved), "moved beyond chance"),
        (len(found.unclear), "fell by more than allowed, which chance may explain"),
    )
    worse = f"worse: {_failing(found)}" if found.failures else "nothing is worse than allowed"
    known = [worse, *(f"{number} {what}" for number, what in counts if number)]
    if found.stopped_early:
        known.append(f"{len(found.stopped_early)} not compared, since {STOPPED_EARLY}")
    if found.conditions:
        known.append(f"changed as well: {', '.join(found.conditions)}")
    what = "nothing changed" if found.nothing else "; ".join(known)
    return f"Compared with the last release, {found.baseline}: {what}."


def _parts(found: Comparison) -> Iterator[tuple[str, Sequence[str]]]:
    """What there is to say, the worst first: a title and its lines."""

    def shown(moves: Iterable[Move]) -> list[str]:
        return [f"{_move(one)}{_cause(found, one)}" for one in moves]

    yield "Worse than allowed", shown(one for one in found.moves if one.fails)
    worse = [_verdict(one) for one in found.verdicts if one.worse]
    yield "Worse, so that it shuts the gate", worse
    yield "Fell by more than allowed, which chance may explain", shown(found.unclear)
    yield "Moved beyond chance", shown(one for one in found.moved if not one.fails)
    yield "Ends otherwise", [_verdict(one) for one in found.verdicts if not one.worse]
    yield "Not compared", [_move(one) for one in found.moves if one.way is None]
    yield f"Not compared, since {STOPPED_EARLY}", found.stopped_early
    yield "Measured for the first time", found.new_metrics
    yield "In the last release only", ["/".join(one) for one in found.gone]
    yield "In this release only", ["/".join(one) for one in found.added]
    yield "Changed as well", [_other(one) for one in found.others]


def verdict(found: Comparison) -> str:
    """The result in one line."""
    if found.failures:
        return f"worse than the last release: {_failing(found)}"
    return "nothing is worse than the last release by more than allowed"


def _failing(found: Comparison) -> str:
    return ", ".join(dict.fromkeys(_name(one) for one in found.failures))


def _capped(parts: Iterable[tuple[str, Sequence[str]]], most: int) -> Iterator[str]:
    """Each title and its lines; of very many the first ones. What has no line has no title."""
    for title, found in parts:
        if found:
            yield f"{title}:"
            yield from (f"  {line}" for line in found[:most])
        if len(found) > most:
            yield f"  … and {len(found) - most} more"


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
            f"Chance that any metric fails by this comparison though none became worse: at most "
            f"{100 * LEVEL:g} % (metrics compared: {len(tested)})."
        )
