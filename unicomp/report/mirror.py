"""The data sets of a mirror, for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unicomp.data.lock import Lock, Pin
from unicomp.mirror.survey import FoundRows


def print_mirror(
    console: Console, mirror: str, found: Sequence[FoundRows], lock: Lock, *, quiet: bool = False
) -> None:
    """A line for each data set, what is wrong, and a summary; without the table if `quiet`."""
    datasets: dict[str, list[FoundRows]] = {}
    for one in found:
        datasets.setdefault(one.need.dataset, []).append(one)
    if not quiet:
        console.print(_table(datasets, lock))
    for parts in datasets.values():
        for line in _problems(parts):
            console.print(Text(line), soft_wrap=True)
    complete = sum(all(one.complete for one in parts) for parts in datasets.values())
    summary = f"{complete} of {len(datasets)} data sets are complete in {mirror}"
    console.print(Text(summary), soft_wrap=True)
    if unpinned := [name for name in datasets if name not in lock]:
        names = ", ".join(unpinned)
        console.print(Text(f"Not pinned, see --lock: {names}"), soft_wrap=True)


def _table(datasets: Mapping[str, Sequence[FoundRows]], lock: Lock) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("data set", no_wrap=True)
    table.add_column("configurations", overflow="fold")
    table.add_column("rows", overflow="fold")
    table.add_column("state", no_wrap=True)
    for dataset, parts in datasets.items():
        counts = Counter[str]()
        for one in parts:
            counts.update(one.rows)
        rows = ", ".join(f"{split} {count:,}" for split, count in sorted(counts.items()))
        table.add_row(
            Text(dataset),
            Text(parts[0].need.label if len(parts) == 1 else str(len(parts))),
            Text(rows or "none"),
            _state(parts, lock.get(dataset)),
        )
    return table


def _state(parts: Sequence[FoundRows], pin: Pin | None) -> Text:
    files = [pair for one in parts for pair in one.files.items()]
    if pin is not None and any(pin.files.get(name) != digest for name, digest in files):
        return Text("differs", "red")
    if not all(one.complete for one in parts):
        return Text("incomplete", "red")
    return Text("complete" if pin is None else "as pinned", "green")


def _problems(parts: Sequence[FoundRows]) -> Iterator[str]:
    """The problems of a data set, each once."""
    dataset = parts[0].need.dataset
    absent = [one.need.label for one in parts if one.absent]
    if len(absent) == len(parts):
        yield f"{dataset}: it is not there"
    elif absent:
        few = "configuration" if len(absent) == 1 else "configurations"
        yield f"{dataset}: lacks the {few} {', '.join(absent)}"
    for problem in dict.fromkeys(problem for one in parts for problem in one.problems):
        yield f"{dataset}: {problem}"
