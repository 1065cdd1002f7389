"""The colours and marks of verdicts and decisions at the terminal."""

from __future__ import annotations

from unicomp.decision import Decision
from unicomp.verdict import Verdict

STYLES: dict[Verdict, str] = {
    "pass": "green",
    "fail": "bold red",
    "undecided": "yellow",
    "missing": "red",
    "unsupported": "magenta",
    "not_measured": "magenta",
    "not_comparable": "magenta",
}
DECISIONS: dict[Decision, str] = {"open": "green", "shut": "red", "undecided": "yellow"}
MARKS: dict[Verdict, str] = {"pass": "", "fail": " ✗", "undecided": " ?"}
