"""How much an item of each benchmark asks: what is read, and what is written.

`workloads.csv` beside this module has the means of rendered items: their requests, and the
characters that these read and write together. Its `paper` rows are those of the whole published
data sets; an answer is taken to be as long as its limit, so its time is an upper bound. Its
`embedded` rows are those of the embedded models, with the answers of the dense ones. The rows of
three data sets were not at hand: the prompts of GPQA are assumed to have 5,000 characters, or 1,000
without examples, those of AIME 500, and those of AlpacaEval 200. Rows that are made for a number of
tokens are taken to have `CHARACTERS` for each.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

CHARACTERS = 4
"""The characters of a token of English text, about."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What one item of a benchmark asks, on average."""

    requests: float
    """Requests, such as one for each option."""
    read: float
    """Characters of the prompts of all requests."""
    written: float
    """Characters of the answers."""


@dataclass(frozen=True, kw_only=True)
class Sized:
    """A benchmark with its items."""

    items: int
    each: Workload


@cache
def known_workloads(rows: str) -> dict[str, Sized]:
    """Benchmark → its size and workload, for the rows `paper` or `embedded`."""
    text = resources.files("unicomp.cost").joinpath("workloads.csv").read_text(encoding="utf-8")
    return {
        row["benchmark"]: Sized(
            items=int(row["items"]),
            each=Workload(
                requests=float(row["requests"]),
                read=float(row["read"]),
                written=float(row["written"]),
            ),
        )
        for row in csv.DictReader(text.splitlines())
        if row["rows"] == rows
    }
