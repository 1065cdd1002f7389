"""What the compressions cost: measured in their builds, estimated, or as published.

The three are never mixed. What was measured is of the build that was run, on the machine that ran
it, also where the checkpoint is found in the store again; an estimate and a published figure come
with their basis in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from unicomp.data.calibration import GENERIC, UNSEEN
from unicomp.findings.costs import CompressionCost
from unicomp.report.tables import plain
from unicomp.units import amount

TITLE = "Cost of compression (measured, estimated, published)"


def table(costs: Sequence[CompressionCost]) -> Table:
    """A line for each figure of each checkpoint; columns that have nothing are left out."""
    lines = [line for cost in costs for line in _lines(_label(cost, costs), cost)]
    headings = ("checkpoint", "", "time", "memory", "GPU\nmemory", "tokens", "on")
    columns = [
        (heading, [line[number] for line in lines])
        for number, heading in enumerate(headings)
        if any(line[number] for line in lines)
    ]
    grid = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for heading, _ in columns:
        aligned = "left" if heading in ("checkpoint", "", "on") else "right"
        grid.add_column(heading, justify=aligned, overflow="fold")  # type: ignore[arg-type]
    for cells in zip(*(cells for _, cells in columns), strict=True):
        grid.add_row(*map(escape, cells))
    return grid


def notes(costs: Sequence[CompressionCost]) -> Iterator[str]:
    """What the figures stand on, and which checkpoint is judged against another base, in lines."""
    for cost in costs:
        label = _label(cost, costs)
        if cost.judged_against:
            yield escape(
                f"{label} was made from {cost.base}, and is judged against {cost.judged_against}"
            )
    said: dict[str, list[str]] = {}
    for cost in costs:
        for kind, figures in (("estimated", cost.estimated), ("published", cost.published)):
            if figures and figures.get("basis"):
                said.setdefault(f"{kind}: {figures['basis']}", []).append(_label(cost, costs))
    for basis, labels in said.items():
        whose = ", ".join(labels)
        yield f"[dim]{escape(plain(f'{whose}, {basis}'))}[/]"


def _label(cost: CompressionCost, costs: Sequence[CompressionCost]) -> str:
    """MODEL/METHOD, or the method where all are of one model, and a calibration of note."""
    models = {other.subject.partition("/")[0] for other in costs}
    name = cost.subject if len(models) > 1 else cost.subject.partition("/")[2]
    return name if cost.calibration in (UNSEEN, GENERIC) else f"{name} {cost.calibration}"


def _lines(label: str, cost: CompressionCost) -> Iterator[tuple[str, ...]]:
    if (found := cost.measured) is not None:
        threads = found.get("threads")
        count = f", {threads} thread{'s' if threads != 1 else ''}" if threads else ""
        yield (
            label,
            "measured",
            _written(found["seconds"], "s"),
            _written(found.get("peak_rss_bytes"), "bytes"),
            _written(found.get("peak_accelerator_bytes"), "bytes"),
            "",
            plain(f"{found.get('device') or ''}{count}"),
        )
        label = ""
    for kind, figures in (("estimated", cost.estimated), ("published", cost.published)):
        if figures:
            gpus = figures.get("gpus")
            yield (
                label,
                kind,
                _written(figures.get("hours"), "s", 3600),
                "",
                _written(figures.get("gpu_memory_gb"), "bytes", 1e9),
                _written(figures.get("tokens")),
                f"{gpus:,} GPUs" if gpus else "",
            )
            label = ""


def _written(value: float | None, unit: str = "", size: float = 1) -> str:
    """`value` times `size` in a unit; nothing where it is not known."""
    return amount(size * value, unit) if value else ""
