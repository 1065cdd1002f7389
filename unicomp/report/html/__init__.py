"""The report as one HTML file, which needs nothing else and asks for nothing.

`sections` has what is shown, `charts` draws, `answers` chooses the samples that fit, `templates`
has the page, its style sheet and its script. A strict Content-Security-Policy lets this style sheet
and this script work, by their hashes, and nothing else. Texts of models and users are escaped by
the template engine, and `texts` makes their hidden characters visible.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any

from unicomp.findings import Findings
from unicomp.report import divergence, early
from unicomp.report import json as json_report
from unicomp.report.html.answers import KINDS, Answers, answers
from unicomp.report.html.charts import costs, effects, forest, pairs, tradeoffs
from unicomp.report.html.numbers import NOTHING, Places, number
from unicomp.report.html.sections import (
    MARKS,
    STATUSES,
    choices,
    decided,
    full_name,
    item_keys,
    maps,
    obstacles,
    words,
)
from unicomp.report.html.texts import marked, visible
from unicomp.scorecard import STOPPED_EARLY, Scorecard

if TYPE_CHECKING:
    from jinja2 import Environment

LARGEST = 3_000_000
"""Bytes of a report at most. Samples of answers are left out to keep to it."""


def render(card: Scorecard, findings: Findings, *, largest: int = LARGEST) -> str:
    """The report as HTML of at most `largest` bytes, if all but the answers fits them."""
    environment = _environment()
    place = Places(json_report.tables(card, findings))
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    context: dict[str, Any] = {
        "card": card,
        "findings": findings,
        "at": place,
        "name_of": lambda checkpoint: full_name(card, checkpoint),
        "obstacles": obstacles(card, findings),
        "decided": decided(card),
        "maps": [*maps(card, findings)],
        "choices": choices(card),
        "distances": {(one.checkpoint, one.benchmark): one for one in findings.distances},
        "item_keys": item_keys(card),
        "forests": forest.forests(card, place),
        "bias_charts": pairs.knowledge_and_reasoning(card.in_full),
        "decoupling_charts": pairs.performance_and_reliability(card, findings),
        "effect_charts": effects.calibration_effects(findings),
        "front_charts": tradeoffs.trade_offs(card, findings),
        "cost_charts": [*costs.build_times(card, findings)],
        "style": style,
        "script": script,
        "style_hash": _hash(style),
        "script_hash": _hash(script),
    }
    page = environment.get_template("page.html.jinja")
    nothing = Answers({}, 0, 0, 0)
    bare = len(page.render(context, answers=nothing).encode())
    return page.render(context, answers=answers(card, largest - bare - _SLACK))


_SLACK = 50_000
"""Bytes that are kept free: those of the samples' markup are an estimate."""


def _environment() -> Environment:
    """The template engine: what is undefined is an error, and every text is escaped and shown."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("unicomp.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        num=number, nothing=NOTHING, marks=MARKS, statuses=STATUSES, kinds=KINDS
    )
    environment.globals.update(hides=divergence.HIDES, apart_legend=divergence.LEGEND)
    environment.globals.update(
        verb=early.verb,
        outlook=early.outlook,
        is_settled=early.is_settled,
        about_sign=early.ABOUT,
        legend=early.LEGEND,
        sequence=early.SEQUENCE,
        stopped_early=STOPPED_EARLY,
    )
    environment.filters.update(
        words=words,
        marked=lambda text: Markup(marked(text)),  # noqa: S704 (escapes it)
    )
    return environment


def _asset(name: str) -> str:
    """The style sheet or the script, as text."""
    return resources.files("unicomp.report.html").joinpath("templates", name).read_text("utf-8")


def _hash(text: str) -> str:
    """The source of an inline element for a Content-Security-Policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
