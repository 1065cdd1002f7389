"""Write the paper's tables and figures as CSV, Markdown and SVG, with an index of what is missing.

Each table is a CSV file in full precision and a Markdown file as it is printed; each figure is an
SVG, and its numbers are a table, too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unicomp.errors import StoreError
from unicomp.findings.study import Study
from unicomp.report.paper.figures import figures, svg
from unicomp.report.paper.tables import Table, Value, tables
from unicomp.report.tables import plain
from unicomp.store import write_atomically

INDEX = "index.md"
"""The file that names all others, and what is missing in each."""


def write(study: Study, folder: Path) -> dict[str, list[str]]:
    """Write all files into a folder, which is made; return name → what is missing in it.

    Raises StoreError if they cannot be written.
    """
    missing: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table in tables(study):
            name = f"table_{table.number}"
            _both(table, folder / name, "Table")
            missing[name], titles[name] = table.missing, table.title
        for figure in figures(study):
            name = f"figure_{figure.table.number}"
            _both(figure.table, folder / name, "Figure")
            write_atomically(folder / f"{name}.svg", svg(figure, study))
            missing[name], titles[name] = figure.table.missing, figure.table.title
        index = "\n".join(_index(study, titles, missing)) + "\n"
        write_atomically(folder / INDEX, index)
    except OSError as error:
        raise StoreError(f"the tables cannot be written to {folder}: {error.strerror}") from None
    return missing


def _both(table: Table, path: Path, kind: str) -> None:
    write_atomically(path.with_suffix(".csv"), as_csv(table))
    write_atomically(path.with_suffix(".md"), as_markdown(table, kind))


def as_csv(table: Table) -> str:
    """The table as CSV, numbers in full precision; a missing value is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*table.labels, *table.columns])
    for labels, values in table.rows:
        writer.writerow([*map(plain, labels), *("" if one is None else one for one in values)])
    return stream.getvalue()


def as_markdown(table: Table, kind: str) -> str:
    """The table as Markdown, numbers to two digits as in the paper; a missing value is a dash."""
    lines = [f"**{kind} {table.number}.** {table.title}", ""]
    lines.append(_line([*table.labels, *(name.replace("_", " ") for name in table.columns)]))
    lines.append(_line([*("---" for _ in table.labels), *("---:" for _ in table.columns)]))
    for labels, values in table.rows:
        lines.append(_line([*map(_escaped, labels), *map(_shown, values)]))
    for note in table.notes:
        lines += ["", _escaped(note)]
    if table.missing:
        lines += ["", f"Not measured: {_escaped('; '.join(table.missing))}."]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return _escaped(value)
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def _escaped(text: str) -> str:
    """A name as text: a file may have put Markdown into it."""
    shown = plain(text)
    for sign in ("\\", "`", "*", "|", "<", "[", "]"):
        shown = shown.replace(sign, f"\\{sign}")
    return shown


def _index(
    study: Study, titles: Mapping[str, str], missing: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    yield "# Tables and figures of the UniComp paper, from these measurements"
    yield ""
    for model, names in study.checkpoints.items():
        yield f"- {_escaped(model)}: {_escaped(', '.join(names))}"
    yield f"- reading: {study.reading}"
    yield ""
    yield "| file | what | not measured |"
    yield "|---|---|---|"
    for name, title in titles.items():
        suffix = "svg" if name.startswith("figure") else "md"
        lacking = _escaped("; ".join(missing[name])) or "–"
        yield f"| [{name}]({name}.{suffix}) | {title} | {lacking} |"
    whose: dict[str, list[str]] = {}
    for (model, name, metric), reason in study.reasons.items():
        whose.setdefault(f"{metric}: {reason}", []).append(f"{model}/{name}")
    if whose:
        yield ""
        yield "Why a metric is missing:"
        yield ""
        for reason, checkpoints in whose.items():
            yield f"- {_escaped(reason)} ({_escaped(', '.join(checkpoints))})"
