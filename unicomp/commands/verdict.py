"""`unicomp verdict`: the verdicts on results that another harness measured."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unicomp import catalogue, record
from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.decision import STATUS
from unicomp.elsewhere.evidence import FORMATS, Reader
from unicomp.elsewhere.judging import judge
from unicomp.errors import SpecError
from unicomp.findings import findings_of
from unicomp.framework import PROFILES, Profile, profile_for
from unicomp.instruments import Instruments
from unicomp.instruments.assembly import make_instruments
from unicomp.policy import parse_floor_options
from unicomp.report import json as json_report
from unicomp.report import terminal, writers
from unicomp.settings import load_settings, project_root, store_home
from unicomp.spec import DENSE, check_name
from unicomp.store import Store

_NONE = "none"


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("verdict", help="verdicts on results of another harness")
    parser.add_argument("baseline", metavar="BASELINE", type=arguments.path, help=FORMATS)
    same = "the same of the compressed model, on the same items"
    parser.add_argument("candidate", metavar="CANDIDATE", type=arguments.path, help=same)
    floor = "the least retention of a benchmark, metric or dimension; repeatable"
    parser.add_argument("--floor", metavar="NAME=PERCENT", action="append", default=[], help=floor)
    model = "the name of the baseline (default: from the log, or the file's name)"
    parser.add_argument("--model", metavar="NAME", help=model)
    method = "the name of the candidate (default: from the log, or the file's name)"
    parser.add_argument("--method", metavar="NAME", help=method)
    metric = "the metric of lm-eval that counts, or METRIC,FILTER; repeatable"
    parser.add_argument(
        "--metric", metavar="BENCHMARK=METRIC", action="append", default=[], help=metric
    )
    lower = "in a table, less of this benchmark is better; repeatable"
    parser.add_argument(
        "--lower-is-better", metavar="BENCHMARK", action="append", default=[], help=lower
    )
    parts = (
        "which benchmarks make up a metric (default: embedded for rows of the embedded model, else "
        f"paper; {_NONE}: no metrics)"
    )
    parser.add_argument("--profile", choices=(*PROFILES, _NONE), help=parts)
    card = "write the scorecard there, as JSON, and the decision record beside it"
    parser.add_argument("--scorecard", metavar="FILE.json", type=arguments.path, help=card)
    report = "write a report for people there; its name ends in " + " or ".join(writers.SUFFIXES)
    parser.add_argument("--report", metavar="FILE", type=arguments.path, help=report)
    more = "print everything, not a short page"
    parser.add_argument("-v", "--verbose", action="store_true", help=more)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit status is that of a test run with this decision."""
    root = project_root(Path.cwd())
    settings, roots = load_settings(root), catalogue.roots(root)
    for name in filter(None, (options.model, options.method)):
        check_name("model", name)
    policy = replace(settings.policy, command_line=parse_floor_options(options.floor))
    _check_writable("--scorecard", options.scorecard)
    _check_writable("--report", options.report)
    if options.report is not None:
        try:
            writers.format_of(options.report)
        except SpecError as error:
            raise SpecError(f"--report {error}") from None

    def instruments() -> Instruments:
        return make_instruments(settings.instruments, Store(store_home(None, settings)))

    reader = Reader(
        benchmarks=lambda: catalogue.load_benchmarks(
            catalogue.suite_folders(root),
            on_skip=lambda error: print(f"unicomp: left out: {error}", file=sys.stderr),
        ),
        instruments=instruments,
        chosen=_chosen(options.metric),
        lower_is_better=options.lower_is_better,
    )
    evidence = reader.read(options.baseline, options.candidate)
    model = options.model or evidence.baseline.name
    method = options.method or _method(evidence.candidate.name, model)
    if method == DENSE.name:
        raise SpecError(f"--method {method} is the name of the baseline: give another one")
    policy.check_models({*catalogue.model_names(roots), model})
    filed = catalogue.load_model(model, roots) if model in catalogue.model_names(roots) else None
    card = judge(
        evidence,
        model=model,
        method=method,
        profile=_profile(options.profile, embedded=evidence.embedded),
        policy=policy,
        kind=filed.kind if filed else "normal",
        command=_command(options),
    )
    findings = findings_of(card)
    if options.scorecard is not None:
        json_report.write(card, findings, options.scorecard)
        record.write(card, options.scorecard)
    if options.report is not None:
        format_ = writers.format_of(options.report)
        writers.write(writers.text_of(card, findings, format_), options.report)
    lines = terminal.render(
        card,
        findings,
        width=shutil.get_terminal_size().columns,
        color=sys.stdout.isatty(),
        everything=options.verbose,
    )
    for line in lines:
        print(line)
    return STATUS[card.decision]


def _command(options: argparse.Namespace) -> str:
    """The command that repeats this one, for a shell."""
    named = {"--floor": options.floor, "--metric": options.metric,
             "--lower-is-better": options.lower_is_better}  # fmt: skip
    single = {"--model": options.model, "--method": options.method, "--profile": options.profile}
    words = ["unicomp", "verdict", str(options.baseline), str(options.candidate)]
    for option, value in single.items():
        words += [option, value] if value is not None else []
    for option, values in named.items():
        words += [word for value in values for word in (option, value)]
    return shlex.join(words)


def _chosen(given: Sequence[str]) -> dict[str, str]:
    """Benchmark → metric, of `--metric`."""
    chosen: dict[str, str] = {}
    for text in given:
        name, equals, metric = (part.strip() for part in text.partition("="))
        if not equals or not name or not metric:
            raise SpecError(f"--metric {text!r} is not BENCHMARK=METRIC, such as arc_easy=acc_norm")
        if chosen.setdefault(name, metric) != metric:
            raise SpecError(f"--metric {name} is given twice: give it once")
    return chosen


def _method(name: str, model: str) -> str:
    """The candidate's own name, unless the baseline has it."""
    return "candidate" if name in (model, DENSE.name) else name


def _profile(name: str | None, *, embedded: bool) -> Profile:
    if name == _NONE:
        return Profile(_NONE, {})
    return PROFILES[name] if name else profile_for("paper", embedded=embedded)


def _check_writable(option: str, path: Path | None) -> None:
    """Raise SpecError unless a file can be written there."""
    if path is None:
        return
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise SpecError(f"{option} {path} cannot be written: give a file in a folder that can")
