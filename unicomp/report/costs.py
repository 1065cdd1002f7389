"""The cost of compression at the terminal: measured, estimated, and published, never mixed.

Measured costs are those of the build, on the machine that ran it, also if the checkpoint is found
in the store again. An estimate and a published figure come with their basis in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from unicomp.findings.costs import CompressionCost
from unicomp.report.efficiency import DISTURBED, beside_other_work
from unicomp.report.tables import full_name, plain
from unicomp.units import amount

TITLE = "Cost of compression (measured, estimated, published)"


def table(costs: Sequence[CompressionCost]) -> Table:
    """A line for each figure of each checkpoint; empty columns are left out."""
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
    """Lines on disturbed builds, on other base models, and with the basis of the figures."""
    bases: dict[str, list[str]] = {}
    for cost in costs:
        label = _label(cost, costs)
        if (found := _disturbed(cost)) is not None:
            alone = amount(found["cpu_seconds"], "s")
            yield escape(
                f"{DISTURBED} {label} was {beside_other_work(found['other_load'])}; its own work "
                f"took {alone} of processor time"
            )
        if cost.judged_against:
            yield escape(
                f"{label} was made from {cost.base}, and is judged against {cost.judged_against}"
            )
        for kind, figures in (("estimated", cost.estimated), ("published", cost.published)):
            if figures and figures.get("basis"):
                bases.setdefault(f"{kind}: {figures['basis']}", []).append(label)
    for basis, labels in bases.items():
        whose = ", ".join(labels)
        yield f"[dim]{escape(plain(f'{whose}, {basis}'))}[/]"


def _disturbed(cost: CompressionCost) -> Mapping[str, Any] | None:
    """What was measured of a build, if other work may have made it longer."""
    return cost.measured if cost.measured and cost.measured.get("shared_machine") else None


def _label(cost: CompressionCost, costs: Sequence[CompressionCost]) -> str:
    """The name of the checkpoint, without the model if all are of one model."""
    name = full_name(cost.checkpoint)
    several = len({other.model for other in costs}) > 1
    return name if several else name.removeprefix(f"{cost.model}/")


def _lines(label: str, cost: CompressionCost) -> Iterator[tuple[str, ...]]:
    if (found := cost.measured) is not None:
        threads = found.get("threads")
        count = f", {threads} thread{'s' if threads != 1 else ''}" if threads else ""
        yield (
            label,
            "measured",
            _written(found["seconds"], "s") + (f" {DISTURBED}" if _disturbed(cost) else ""),
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
