"""What is needed of a checkpoint: a share of the dense model, or an amount that it may take."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from unicomp.advice.candidates import Candidate, Figure, names_of
from unicomp.errors import SpecError
from unicomp.framework import DIMENSIONS, EFFICIENCY, METRICS
from unicomp.policy_entry import parse_number
from unicomp.spec import UNITS, Quantity, nearest
from unicomp.units import amount, parse_amount

LIMITS: dict[str, Quantity] = {
    "--memory": "inference_memory",
    "--size": "model_size",
    "--latency": "latency",
    "--throughput": "throughput",
}
"""Option → the probe whose amount it limits."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """One need of a metric, benchmark or probe."""

    name: str
    percent: float | None = None
    """The least retention or gain, in percent of the dense model."""
    limit: float | None = None
    """Or the largest amount, in `unit`; the least throughput."""
    unit: str | None = None

    @property
    def words(self) -> str:
        """Such as `reasoning of at least 95 %`."""
        if self.limit is None:
            return f"{self.name} of at least {self.percent:g} %"
        most = "least" if self.name == "throughput" else "most"
        return f"{self.name} of at {most} {amount(self.limit, self.unit or '')}"

    def bound(self, figure: Figure) -> float:
        """The least figure, in percent of the dense model, that meets the need."""
        if self.limit is None:
            assert self.percent is not None
            return self.percent
        assert figure.dense is not None
        if figure.lower_is_better:
            return 100.0 * figure.dense / self.limit
        return 100.0 * self.limit / figure.dense


def parse_need(text: str) -> Need:
    """`NAME=PERCENT` as a need. Raises SpecError."""
    name, equals, percent = (part.strip() for part in text.partition("="))
    if not equals or not name or not name.isprintable():
        raise SpecError(f"--need {text!r} is not NAME=PERCENT, such as reasoning=95")
    number = percent.removesuffix("%").strip()
    return Need(name=name, percent=parse_number("floor", name, number, called="need"))


def parse_limit(option: str, text: str) -> Need:
    """An amount such as `--memory "6 GB"` as a need. Raises SpecError."""
    quantity = LIMITS[option]
    try:
        limit = parse_amount(text, UNITS[quantity])
    except ValueError as error:
        raise SpecError(f"{option} is {text!r}: {error}") from None
    if limit <= 0:
        raise SpecError(f"{option} is {text!r}: give an amount above 0")
    return Need(name=quantity, limit=limit, unit=UNITS[quantity])


def parse_needs(texts: Iterable[str], limits: Iterable[tuple[str, str]]) -> list[Need]:
    """The needs of the command line, each name once. Raises SpecError."""
    needs = [*map(parse_need, texts), *(parse_limit(option, text) for option, text in limits)]
    seen: dict[str, Need] = {}
    for need in needs:
        if (other := seen.setdefault(need.name, need)) != need:
            raise SpecError(f"{other.words} and {need.words}: give one need of {need.name}")
    return list(seen.values())


def resolved(needs: Sequence[Need], candidates: Sequence[Candidate]) -> list[Need]:
    """The needs of what was measured: a dimension stands for its metrics, each of which must do.

    So does an efficiency metric for its probes. The most specific need of a name holds. Raises
    SpecError for a name that no candidate has, and for an amount where the unit is not known.
    """
    measured = names_of(candidates)
    given = {need.name for need in needs}
    found: dict[str, Need] = {}
    for need in needs:
        known = {*measured, *METRICS, *DIMENSIONS}
        if need.limit is None and need.name not in known:
            raise SpecError(
                f"--need {need.name}: there is no benchmark, metric or dimension of this name; "
                f"{nearest(need.name, known)}"
            )
        names = [
            one for one in _members(need.name, measured) if one == need.name or one not in given
        ]
        if not names and need.limit is None:
            raise SpecError(f"--need {need.name}: no result of it is in these files; measure it")
        if need.limit is not None and _lacks_unit(need.name, candidates):
            raise SpecError(
                f"{need.words}: a table of raw scores has no units; give --need "
                f"{need.name}=PERCENT, in percent of dense"
            )
        for name in names or [need.name]:
            found.setdefault(name, replace(need, name=name))
    return list(found.values())


def _members(name: str, measured: Collection[str]) -> Iterator[str]:
    """What a name stands for: itself, or the measured members of a dimension or metric."""
    if name in measured and name not in EFFICIENCY:
        yield name
    elif name in DIMENSIONS:
        for metric in DIMENSIONS[name]:
            yield from _members(metric, measured)
    elif name in EFFICIENCY:
        yield from (probe for probe in EFFICIENCY[name] if probe in measured)


def _lacks_unit(name: str, candidates: Sequence[Candidate]) -> bool:
    """Whether the amount is known, but not its unit."""
    own = [one.figures[name] for one in candidates if name in one.figures]
    return any(figure.unit is None for figure in own)
