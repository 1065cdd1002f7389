"""The cost of compression at the terminal: measured, estimated, and published, never mixed.

Measured costs are those of the build, on the machine that ran it, also if the checkpoint is found
in the store again. An estimate and a published figure come with their basis in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from unicomp.findings.costs import CompressionCost
from unicomp.report.tables import full_name, plain
from unicomp.spec import CheckpointId

TITLE = "Cost of compression (measured, estimated, published)"

_GB = 1e9


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
    """Lines with the basis of the figures, and the checkpoints that have another base model."""
    bases: dict[str, list[str]] = {}
    for cost in costs:
        label = _label(cost, costs)
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


def _label(cost: CompressionCost, costs: Sequence[CompressionCost]) -> str:
    """The name of the checkpoint, without the model if all are of one model."""
    name = full_name(CheckpointId(cost.model, cost.method, cost.calibration))
    several = len({other.model for other in costs}) > 1
    return name if several else name.removeprefix(f"{cost.model}/")


def _lines(label: str, cost: CompressionCost) -> Iterator[tuple[str, ...]]:
    if (found := cost.measured) is not None:
        threads = found.get("threads")
        count = f", {threads} thread{'s' if threads != 1 else ''}" if threads else ""
        yield (
            label,
            "measured",
            _time(found["seconds"]),
            _memory(found.get("peak_rss_bytes")),
            _memory(found.get("peak_accelerator_bytes")),
            "",
            plain(f"{found.get('device') or ''}{count}"),
        )
        label = ""
    for kind, figures in (("estimated", cost.estimated), ("published", cost.published)):
        if figures:
            hours, memory = figures.get("hours"), figures.get("gpu_memory_gb")
            tokens, gpus = figures.get("tokens"), figures.get("gpus")
            yield (
                label,
                kind,
                _time(3600 * hours) if hours else "",
                "",
                _memory(_GB * memory) if memory else "",
                _tokens(tokens) if tokens else "",
                f"{gpus:,} GPUs" if gpus else "",
            )
            label = ""


def _time(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.0f} h"


def _memory(amount: float | None) -> str:
    if amount is None:
        return ""
    return f"{amount / _GB:,.1f} GB" if amount < 100 * _GB else f"{amount / _GB:,.0f} GB"


def _tokens(tokens: float) -> str:
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6)):
        if tokens >= size:
            return f"{tokens / size:.3g} {unit}"
    return f"{tokens:,.0f}"
