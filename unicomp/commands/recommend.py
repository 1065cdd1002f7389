"""`unicomp recommend`: which measured checkpoint meets given needs, and what to try next."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from rich.console import Console

from unicomp import catalogue
from unicomp.advice.advice import Advice, Weigh, advise
from unicomp.advice.candidates import Candidate, candidates_of, candidates_of_raw
from unicomp.advice.needs import LIMITS, Need, parse_needs, resolved
from unicomp.advice.weights import weights_bytes
from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.errors import SpecError, UnicompError
from unicomp.findings import findings_of
from unicomp.formats.intake import config_of
from unicomp.framework import READINGS
from unicomp.joint import read_merged
from unicomp.rawscores import read_raw_scores
from unicomp.report.advice import as_json, print_advice
from unicomp.settings import project_root
from unicomp.spec import FAMILIES, Method, Model


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("recommend", help="which checkpoint to take, what to try next")
    given = "files that --scorecard wrote, or one table of raw scores as for `unicomp score`"
    parser.add_argument("files", metavar="SCORECARD", type=arguments.path, nargs="+", help=given)
    least = "least retention or gain of a metric, dimension, benchmark or probe; repeatable"
    parser.add_argument("--need", metavar="NAME=PERCENT", action="append", default=[], help=least)
    amounts = {
        "--memory": ("AMOUNT", 'most memory at inference, such as "6 GB"'),
        "--size": ("AMOUNT", "most bytes of the weights"),
        "--latency": ("TIME", 'longest latency of the probe, such as "200 ms"'),
        "--throughput": ("RATE", 'least throughput of the probe, such as "900 tok/s"'),
    }
    for option, (metavar, words) in amounts.items():
        parser.add_argument(option, metavar=metavar, help=words)
    untrained = "leave out what was trained: distillation"
    parser.add_argument("--no-training", action="store_true", help=untrained)
    only = f"only methods of this family: {', '.join(FAMILIES)}; pruning where zeros are required"
    parser.add_argument("--family", metavar="FAMILY", help=only)
    readings = "of raw scores: as published, or every component oriented (default: paper)"
    parser.add_argument("--reading", metavar="|".join(READINGS), help=readings)
    parser.add_argument("--json", action="store_true", help="full precision, for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    limits = {option: getattr(options, option.removeprefix("--")) for option in LIMITS}
    needs = parse_needs(options.need, [(o, text) for o, text in limits.items() if text is not None])
    if options.family is not None and options.family not in FAMILIES:
        raise SpecError(
            f"--family {options.family} is not one of {', '.join(FAMILIES)}: give one of them"
        )
    found = _advice(options, options.files, needs)
    if options.json:
        print(json.dumps(as_json(found), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print_advice(Console(highlight=False, emoji=False, markup=False), found)
    return 0


def _advice(options: argparse.Namespace, files: Sequence[Path], needs: Sequence[Need]) -> Advice:
    roots = catalogue.roots(project_root(Path.cwd()))
    methods = {name: catalogue.load_method(name, roots) for name in catalogue.method_names(roots)}
    chosen = {"family": options.family, "training": not options.no_training}
    if any(path.suffix == ".csv" for path in files):
        if len(files) > 1:
            raise SpecError("a table of raw scores is read alone: give one RAW.csv, or scorecards")
        raw = read_raw_scores(files[0])
        point = candidates_of_raw(raw, options.reading or "paper", methods)
        return advise(point, resolved(needs, point), methods, **chosen)
    if options.reading is not None:
        raise SpecError("--reading is for a table of raw scores: a scorecard has its reading")
    card = read_merged(files).in_full  # no choice follows from what stopped early
    findings = findings_of(card)
    elsewhere = {one.method for one in card.checkpoints} & {*catalogue.checkpoint_names(roots)}
    methods |= {name: catalogue.load_checkpoint(name, roots) for name in elsewhere - {*methods}}
    candidates = candidates_of(card, findings, methods)
    return advise(
        candidates,
        resolved(needs, candidates),
        methods,
        **chosen,
        card=card,
        findings=findings,
        weigh=_weigh(candidates, methods, roots),
    )


def _weigh(
    candidates: Sequence[Candidate], methods: Mapping[str, Method], roots: catalogue.Roots
) -> Weigh:
    """The arithmetic of `unicomp plan`; None for a model or a method that is not known here."""
    given = {one.model: one.given for one in candidates}

    @cache
    def model_of(name: str) -> Model | None:
        try:
            model = catalogue.load_model(given[name], roots)
            config_of(model)
        except UnicompError:  # a folder that is elsewhere, or a hub that cannot be reached
            return None
        return model

    def weigh(name: str, method: str) -> int | None:
        model = model_of(name)
        if model is None or method not in methods:
            return None
        try:
            return weights_bytes(model, methods[method])
        except UnicompError:  # the method makes no checkpoint of this model
            return None

    return weigh
