"""The command line: options, their checks, and the frozen plan that follows from them.

This list of options is closed; all other settings are in `unicomp.toml`.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from typing import get_args

import pytest

from unicomp import catalogue
from unicomp.agenda import Subject
from unicomp.data.calibration import GENERIC, UNSEEN, SeededCalibration
from unicomp.data.lock import load_lock
from unicomp.data.sources import Source, default_rows
from unicomp.engines import ENGINES, EngineSettings
from unicomp.errors import SpecError, UnicompError
from unicomp.framework import (
    DIMENSIONS,
    METRICS,
    Profile,
    dimension_of,
    profile_for,
)
from unicomp.instruments.assembly import make_instruments
from unicomp.machine.waiting import Say, silent
from unicomp.measuring import Conditions
from unicomp.mirror.needs import NeededRows, benchmark_needs, recipe_needs
from unicomp.mirror.survey import check_pinned
from unicomp.plugin.arguments import Given, spelled_out
from unicomp.plugin.last_release import LastRelease
from unicomp.plugin.progress import DISPLAY
from unicomp.policy import Policy, parse_floor_options
from unicomp.preset import PRESETS
from unicomp.prompts.tasks import Definition
from unicomp.report.writers import SUFFIXES, format_of
from unicomp.settings import (
    CHOSEN_PROFILES,
    FILE,
    ClusterSettings,
    Early,
    Settings,
    check_profile,
    has_settings,
    load_settings,
    project_root,
    store_home,
    store_upstream,
)
from unicomp.spec import (
    DENSE,
    FAMILIES,
    Benchmark,
    Calibration,
    CheckpointId,
    Method,
    Model,
    nearest,
)
from unicomp.upstream import open_store

DEFAULT_MODEL = "embedded"
DEFAULT_METHODS = "paper"
"""The group of methods that is measured if none is named."""
STUDENTS = ("minitron_width", "minitron_depth", "low_rank_clone")
"""Methods that are added if `-m` names distillation: they train, which takes minutes."""

ON_REQUEST = ("concurrency", "vllm_bench")
"""Markers of tests that run only if `-m` names them: loads of many concurrent requests, and vLLM's
own benchmark."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a session, made before anything is collected."""

    root: Path
    models: tuple[Model, ...]
    methods: tuple[Method, ...]
    seeded: tuple[SeededCalibration, ...]
    """The calibrations, each with all of its seeds."""
    sources: Mapping[str, Source]
    """By model name."""
    policy: Policy
    settings: Settings
    home: Path
    belongs: Mapping[str, str] = field(default_factory=dict)
    """Checkpoint compressed elsewhere → the one model that it is judged against."""
    samples: int | None = None
    repeats: int = 1
    """How often each item is asked, where answers are sampled."""
    scorecard: Path | None = None
    last_release: LastRelease | None = None
    """What the results are held against besides their floors."""
    reports: tuple[Path, ...] = ()
    """Files for people, each in the format that its name asks for."""
    pick: bool = False
    """Whether one of the compressed checkpoints will be chosen by its results."""
    notes: tuple[str, ...] = ()
    """Notes on the calibrations for the user."""
    on_wait: Say = silent
    """Shows what is waited for."""
    engines: Mapping[str, EngineSettings] = field(default_factory=dict)
    """Model name → the engine with the GPUs of that model, once they are counted."""
    upstream: str | None = None
    """The URL from which is taken what the store lacks."""
    narrate: Say = silent
    """Shows what is being done."""

    @property
    def early(self) -> Early:
        """Whether asking stops early, and whether a hopeless checkpoint is given up."""
        return self.settings.early

    @cached_property
    def conditions(self) -> dict[str, Conditions]:
        """The conditions of measuring, by model name; opens the store."""
        store = open_store(self.home, self.upstream, self.narrate)
        instruments = make_instruments(self.settings.instruments, store, self.on_wait)
        return {
            model.name: Conditions(
                store,
                self.sources[model.name],
                self.engine(model),
                self.samples,
                instruments,
                model.answering,
                repeats=self.repeats,
            )
            for model in self.models
        }

    def engine(self, model: Model) -> EngineSettings:
        """The engine of a model's checkpoints."""
        return self.engines.get(model.name, self.settings.engine)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders in which methods, models and calibrations are looked up."""
        return catalogue.roots(self.root)

    def load_calibration(self, model: Model, name: str) -> Calibration:
        """Load the calibration text of a name for a model.

        A method that sees no text gets the first one, which tests its checkpoint.
        """
        conditions = self.conditions[model.name]
        seeded = {UNSEEN: self.seeded[0], **{str(draw): draw for draw in self.seeded}}
        if (draw := seeded.get(name)) is None:
            raise SpecError(
                f"the calibration {name} is not one of the session: give it with --calibration"
            )
        return catalogue.load_calibration(
            draw.given, self.roots, conditions.source, conditions.store, draw.seed
        )

    @property
    def calibrations(self) -> tuple[str, ...]:
        """The names of the calibrations, with the seed where it is not the default one."""
        return tuple(str(draw) for draw in self.seeded)

    def calibrations_of(self, method: Method) -> tuple[str, ...]:
        """The calibrations that a method is measured with; `none` if it sees no text."""
        return self.calibrations if method.calibrated else (UNSEEN,)

    def subject(self, model: Model, method: Method, calibration: object) -> Subject:
        """A checkpoint of the session; a method that sees no text has the calibration `none`."""
        seen = str(calibration) if method.calibrated else UNSEEN
        return Subject(model=model, method=method, calibration=seen)

    @property
    def checkpoints(self) -> list[CheckpointId]:
        """All checkpoints that may be measured."""
        found = (
            self.subject(model, method, calibration)
            for model in self.models
            for method in self.methods
            for calibration in self.calibrations_of(method)
        )
        return [subject.id for subject in found if self.is_asked(subject)]

    def is_asked(self, subject: Subject) -> bool:
        """Whether a checkpoint belongs to the model; one that is made here belongs to any."""
        return self.belongs.get(subject.method.name, subject.model.name) == subject.model.name

    def profile(self, model: str) -> Profile:
        """The profile of a model's metrics: the embedded rows have their own."""
        return profile_for(self.settings.profile, embedded=self.sources[model].is_embedded)

    def check_lock(self, asked: Mapping[CheckpointId, Sequence[Benchmark]]) -> list[str]:
        """The unpinned data sets that `asked` reads, in alphabetical order.

        `asked` is checkpoint → benchmarks. Raises SpecError if a file of a local root differs
        from the lock.
        """
        unpinned: set[str] = set()
        for model, source in self.sources.items():
            needs = frozenset(self._reads(model, asked))
            check_pinned(source, needs, self.conditions[model].store.digest_of)
            if not source.is_embedded:
                unpinned |= {need.dataset for need in needs if source.pin(need.dataset) is None}
        return sorted(unpinned)

    def _reads(
        self, model: str, asked: Mapping[CheckpointId, Sequence[Benchmark]]
    ) -> Iterable[NeededRows]:
        """The rows needed to measure a model, including calibration and training text."""
        source = self.sources[model]
        own = {name: benchmarks for name, benchmarks in asked.items() if name.model == model}
        for bench in chain.from_iterable(own.values()):
            yield from benchmark_needs(Definition(bench, source))
        seen = {name.calibration for name in own}
        for given in dict.fromkeys(draw.given for draw in self.seeded if str(draw) in seen):
            if (recipe := catalogue.recipe_of(given, self.roots)) is not None:
                yield from recipe_needs(recipe, source)
        methods = {name.method for name in own}
        for method in self.methods:
            if method.corpus is not None and method.name in methods:
                yield from recipe_needs(catalogue.load_recipe(method.corpus, self.roots), source)


PLAN = pytest.StashKey[Plan]()

EARLY: Mapping[Early, str] = {
    "on": "asking stops where the verdict of all items is known",
    "shut": "asking stops where the verdict of all items is known, and for all benchmarks of a "
    "checkpoint that cannot be released any more",
}
"""What is printed at the head of a run that may stop early."""


OPTIONS: dict[str, dict[str, object]] = {
    "--model": {
        "action": "append",
        "metavar": "MODEL",
        "help": "a name in fixtures/models, a Hugging Face folder or a hub id; repeatable "
        f"(default: {DEFAULT_MODEL})",
    },
    "--method": {
        "action": "append",
        "metavar": "NAME",
        "help": "a name in fixtures/methods, or a group: paper, shipping, all, or one in "
        "fixtures/method_groups; repeatable (default: paper; with -m distillation the three that "
        "train, too)",
    },
    "--checkpoint": {
        "action": "append",
        "metavar": "[MODEL=]NAME|DIR|ID|URL#MODEL",
        "help": "a checkpoint compressed elsewhere, judged against --model: a name in "
        "fixtures/checkpoints, a folder, a hub id, or a model at a server that is running; "
        "repeatable; with several models against the one that it was made from, which MODEL= names "
        "where the checkpoint does not",
    },
    "--endpoint": {
        "action": "append",
        "metavar": "URL[#MODEL]",
        "help": "a server that is running and answers for the dense model of --model; no weights "
        "of it are read",
    },
    "--calibration": {
        "action": "append",
        "metavar": "NAME_OR_FILE",
        "help": "a name in fixtures/calibration, or a .txt or .jsonl file; repeatable "
        f"(default: {GENERIC})",
    },
    "--seeds": {
        "action": "append",
        "metavar": "N",
        "help": "draw each calibration with N seeds, and report how far the results differ "
        "(default: 1)",
    },
    "--floor": {
        "action": "append",
        "metavar": "NAME=PERCENT",
        "help": "the least retention of a benchmark, metric or dimension; repeatable",
    },
    "--samples": {
        "action": "append",
        "metavar": "N",
        "help": "items of each benchmark (default: all); more later costs only the difference",
    },
    "--repeats": {
        "action": "append",
        "metavar": "K",
        "help": "samples of each item, where answers are sampled: avg@K and pass@K, with intervals "
        "that count items (default: 1); more later cost only the difference",
    },
    "--engine": {
        "action": "append",
        "metavar": "NAME",
        "help": f"{' or '.join(ENGINES)} (default: hf)",
    },
    "--dataset-root": {
        "action": "append",
        "metavar": "embedded|hub|DIR",
        "help": "where rows are read from (default: embedded for the embedded model, else hub)",
    },
    "--unicomp-home": {
        "action": "append",
        "metavar": "DIR",
        "help": "the store (default: UNICOMP_HOME, or the platform's cache folder)",
    },
    "--scorecard": {
        "action": "append",
        "metavar": "FILE",
        "help": "write the scorecard there, as JSON, and the decision record beside it",
    },
    "--preset": {
        "action": "append",
        "metavar": "NAME",
        "help": f"settings of one name: {' or '.join(PRESETS)}; what unicomp.toml or an option "
        "sets outranks it",
    },
    "--baseline": {
        "action": "append",
        "metavar": "FILE",
        "help": "the last release's scorecard: a metric fails if it is worse beyond chance and by "
        "more than [last_release] of unicomp.toml permits",
    },
    "--report": {
        "action": "append",
        "metavar": "FILE",
        "help": f"write a report there for people; its name ends in {' or '.join(SUFFIXES)}; "
        "repeatable",
    },
    "--early": {
        "action": "append",
        "nargs": "?",
        "const": "on",
        "metavar": "on|shut|off",
        "help": "stop asking a benchmark once its verdict is known, with at most 1 % chance that "
        "all items give another; --early=shut also skips the rest of a checkpoint that cannot be "
        "released any more (default: [gate] early of unicomp.toml, else off)",
    },
    "--profile": {
        "action": "append",
        "metavar": "NAME",
        "help": f"what the metrics consist of: {' or '.join(CHOSEN_PROFILES)} (default: [gate] "
        "profile of unicomp.toml, else paper)",
    },
    "--cluster": {
        "action": "append",
        "metavar": "auto|ray://HOST:PORT|off",
        "help": "let the workers of a Ray cluster build, answer and measure (default: [cluster] "
        "address of unicomp.toml, else this process)",
    },
    "--pick": {
        "action": "store_true",
        "help": "one of the compressed checkpoints will be chosen by its results: each has to pass "
        "with a smaller error",
    },
}
"""All options; each takes one value, but --pick takes none, and --early only one after `=`. Those
that cannot be repeated append, too, so that a second value does not replace the first unnoticed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a session."""
    group = parser.getgroup("unicomp", "UniComp: retention of compressed language models")
    for name, settings in OPTIONS.items():
        group.addoption(name, **settings)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and check the whole command line."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # libraries' bars; read when tqdm is imported
    for dimension, metrics in DIMENSIONS.items():
        config.addinivalue_line("markers", f"{dimension}: benchmarks of this dimension")
        for metric in metrics:
            config.addinivalue_line("markers", f"{metric}: benchmarks of this metric")
    for marker in ON_REQUEST:
        config.addinivalue_line("markers", f"{marker}: run only where -m names it")
    for family in FAMILIES:
        config.addinivalue_line("markers", f"{family}: checkpoints of this family of methods")
    try:
        config.stash[PLAN] = make_plan(config)
    except UnicompError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the settings that count, and print the notes on the calibrations."""
    plan = config.stash[PLAN]
    settings = plan.settings.file or f"none, there is no {FILE} in {plan.root} or above"
    unread = dict.fromkeys(
        folder / FILE
        for folder in map(project_root, _folders(config))
        if has_settings(folder) and folder != plan.root
    )
    early = () if plan.early == "off" else (f"UniComp early decisions: {EARLY[plan.early]}",)
    return [
        f"UniComp settings: {settings}",
        *early,
        *(f"{path} is not read: start pytest in its folder to use it" for path in unread),
        *plan.notes,
    ]


def _folders(config: pytest.Config) -> Iterator[Path]:
    """The folders of the tests that were asked for by path."""
    for argument in config.args:
        path = config.invocation_params.dir / argument.partition("::")[0]
        if path.exists():
            yield path if path.is_dir() else path.parent


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse a -m expression with a misspelt marker of ours, and a store that cannot be used.

    Other plugins have registered their markers by now.
    """
    lines = session.config.getini("markers")
    known = {line.partition(":")[0].partition("(")[0].strip() for line in lines}
    expression = session.config.getoption("markexpr") or ""
    for name in re.findall(r"[A-Za-z_]\w*", re.sub(r"\(.*?=.*?\)", "", expression)):
        if name in known or name in ("and", "or", "not", "True", "False"):
            continue
        ours = (*METRICS, *DIMENSIONS, *FAMILIES, *ON_REQUEST)
        if close := difflib.get_close_matches(name, ours, n=1):
            raise pytest.UsageError(
                f"-m {expression!r}: there is no marker {name!r}; did you mean {close[0]!r}?"
            )
    if not session.config.option.collectonly:
        try:
            _open_store(session.config)
        except UnicompError as error:
            raise pytest.UsageError(str(error)) from None


def _open_store(config: pytest.Config) -> None:
    """Open the store; with an upstream, take the looks that were pushed to it. Raises UnicompError.

    One process takes them: the controller with pytest-xdist.
    """
    plan = config.stash[PLAN]
    store = next(iter(plan.conditions.values())).store
    if plan.upstream is not None and not hasattr(config, "workerinput"):
        from unicomp.upstream.taking import UpstreamStore

        assert isinstance(store, UpstreamStore)
        store.begin(plan.on_wait)


def make_plan(config: pytest.Config) -> Plan:
    """Check all options and settings. Raises SpecError; builds and loads nothing."""
    root = project_root(config.invocation_params.dir)
    values = {
        name: config.getoption(name) or []
        for name, option in OPTIONS.items()
        if option["action"] == "append"
    }
    typed = spelled_out([str(one) for one in config.invocation_params.args], OPTIONS)
    given = Given(values, typed)
    preset = given.one("--preset")
    settings = load_settings(root, preset)
    roots = catalogue.roots(root)
    named = given.all("--model") or [DEFAULT_MODEL]
    models = {
        text: replace(model, answering=settings.answering_of(model))
        for text, model in _models(named, given.one("--endpoint"), roots).items()
    }
    settings.policy.check_models(
        {*catalogue.model_names(roots), *(model.name for model in models.values())}
    )
    elsewhere = _checkpoints(given.all("--checkpoint"), models, roots)
    names = given.all("--method")
    if not names:
        only = elsewhere or given.one("--endpoint")
        names = [DENSE.name] if only else _default_methods(config.getoption("markexpr") or "")
    made = [catalogue.load_method(name, roots) for name in catalogue.methods_named(names, roots)]
    _check_made(made, models)
    methods = (*made, *(method for method, _ in elsewhere))
    if name := given.one("--engine"):
        if preset is not None:
            outranked = f"UniComp preset {preset}: --engine {name} outranks it"
            settings = replace(settings, notes=(*settings.notes, outranked))
        settings = replace(settings, engine=replace(settings.engine, name=name))
    home = store_home(given.one("--unicomp-home"), settings)
    engine = replace(settings.engine, logs=settings.engine.logs or str(home / "logs"))
    settings = replace(settings, engine=engine)
    settings.engine.check()
    settings = replace(settings, early=_early(given.one("--early"), typed) or settings.early)
    if name := given.one("--profile"):
        settings = replace(settings, profile=check_profile("--profile", name))
    if (address := given.one("--cluster")) is not None:
        settings = replace(settings, cluster=ClusterSettings(address=address))
    if settings.cluster.address is not None:
        _check_clustered(config, settings)
    seeded, notes = catalogue.seeded_calibrations(
        values["--calibration"] or [GENERIC],
        _count("--seeds", given.one("--seeds"), "seeds") or 1,
        roots,
    )
    rows = given.one("--dataset-root") or settings.dataset_root
    lock = load_lock(root)
    lower, upper = map(parse_floor_options, given.in_ranks("--floor"))
    card = given.one("--scorecard")
    plan = Plan(
        root=root,
        models=tuple(models.values()),
        methods=methods,
        belongs={method.name: model.name for method, model in elsewhere},
        seeded=seeded,
        sources={
            model.name: Source(rows or default_rows(model.source), lock)
            for model in models.values()
        },
        policy=replace(settings.policy, command_line=lower | upper),
        settings=settings,
        home=home,
        samples=_count("--samples", given.one("--samples"), "items"),
        repeats=_repeats(given.one("--repeats"), settings),
        scorecard=_writable("--scorecard", card) if card else None,
        reports=tuple(map(_report_file, dict.fromkeys(given.all("--report")))),
        pick=config.getoption("--pick"),
        notes=(*settings.notes, *notes),
        on_wait=lambda text: config.stash[DISPLAY].wait(text),
        upstream=(upstream := store_upstream(settings)),
        narrate=lambda text: config.stash[DISPLAY].show(text),
    )
    if upstream is None and settings.upstream is not None:
        unused = "UNICOMP_UPSTREAM=off: the upstream is not read, and looks there are not counted"
        plan = replace(plan, notes=(*plan.notes, unused))
    if (baseline := given.one("--baseline")) is not None:
        release = LastRelease.read(Path(baseline), plan.models, plan.checkpoints)
        plan = replace(plan, last_release=release)
        if plan.early != "off":  # what stopped early cannot be compared
            in_full = "--early: all benchmarks run in full, since --baseline compares all answers"
            plan = replace(
                plan, settings=replace(settings, early="off"), notes=(*plan.notes, in_full)
            )
    seen = any(method.calibrated for method in methods)
    for name in dict.fromkeys(draw.given for draw in seeded):
        catalogue.check_calibration(name, roots, plan.sources.values() if seen else ())
    for corpus in dict.fromkeys(method.corpus for method in methods if method.corpus):
        catalogue.check_calibration(corpus, roots, plan.sources.values())
    return plan


def _default_methods(expression: str) -> list[str]:
    """The methods if none is named; the students are included if `-m` names their family."""
    wanted = "distillation" in re.findall(r"\w+", expression)
    return [DEFAULT_METHODS, *(STUDENTS if wanted else ())]


def _models(named: Sequence[str], endpoint: str | None, roots: catalogue.Roots) -> dict[str, Model]:
    """The models by the text that names them; with an endpoint, the one that it answers for."""
    if endpoint is None:
        return dict(zip(named, catalogue.load_models(named, roots), strict=True))
    if len(named) > 1:
        raise SpecError(
            f"--endpoint answers for one model, and --model names {', '.join(named)}: give one"
        )
    return {named[0]: catalogue.with_endpoint(named[0], endpoint, roots)}


def _check_made(methods: Sequence[Method], models: Mapping[str, Model]) -> None:
    """Raise SpecError for methods that would compress a model of which no weights are read."""
    building = [method.name for method in methods if method.compress is not None]
    if building and any(model.endpoint for model in models.values()):
        raise SpecError(
            f"--method {building[0]} compresses weights, and with --endpoint none are read: leave "
            "out --endpoint, or give the compressed model with --checkpoint"
        )


def _checkpoints(
    given: Sequence[str], models: Mapping[str, Model], roots: catalogue.Roots
) -> list[tuple[Method, Model]]:
    """The checkpoints compressed elsewhere, each with the model that it belongs to.

    `models` are by the text that names them. Raises SpecError for a model that is not known.
    """
    found: list[tuple[Method, Model]] = []
    made = set(catalogue.method_names(roots))  # a folder may be called anything
    taken = set(made)
    for text in given:
        model, name = _model_named(text, models)
        method = catalogue.load_checkpoint(name, roots)
        model = model or catalogue.base_of(method, tuple(models.values()))
        if model is None:
            example = next(iter(models))
            raise SpecError(
                f"--checkpoint {text}: it is not known from which of the models "
                f"{', '.join(models)} it was made: give --checkpoint MODEL={text}, such as "
                f"{example}={text}"
            )
        others = [f"checkpoint-{method.name}"] if method.name in made else []
        place = Path(method.parameters.get(catalogue.CHECKPOINT, name))
        unique = catalogue.free_name(method.name, place, taken, *others)
        taken.add(unique)
        found.append((replace(method, name=unique), model))
    return found


def _model_named(text: str, models: Mapping[str, Model]) -> tuple[Model | None, str]:
    """The model and the checkpoint of `MODEL=CHECKPOINT`; a name may contain the sign, too."""
    by_name = {model.name: model for model in models.values()} | dict(models)
    if os.path.lexists(os.path.expanduser(text)):
        return None, text
    for place in (place for place, sign in enumerate(text) if sign == "="):
        if model := by_name.get(text[:place]):
            return model, text[place + 1 :]
    name, equals, _ = text.partition("=")
    if equals and "/" not in name:
        raise SpecError(
            f"--checkpoint {text}: no model of this run is called {name!r}; {nearest(name, models)}"
        )
    return None, text


def _early(text: str | None, typed: Sequence[str]) -> Early | None:
    """What `--early` asks for; None if it is not given. `typed` is the command line."""
    words: Mapping[str, Early] = {word: word for word in get_args(Early)}
    for option, word in pairwise(typed):
        if option == "--early=on" and word in words and not os.path.lexists(word):
            raise SpecError(f"--early {word}: write --early={word}")
    if text is not None and text not in words:
        raise SpecError(f"--early={text}: {nearest(text, words)}; write --early, or --early=WORD")
    return words[text] if text is not None else None


def _check_clustered(config: pytest.Config, settings: Settings) -> None:
    """Raise SpecError for what a session over a cluster cannot do."""
    if hasattr(config, "workerinput") or getattr(config.option, "dist", "no") != "no":
        raise SpecError(
            "--cluster and -n are two ways to work side by side: leave out one of them, such as by "
            "--cluster=off"
        )
    if settings.early != "off":
        raise SpecError(
            "--cluster asks many items at once, and --early decides after each batch: leave out "
            "one of them, such as by --early=off"
        )


def _count(option: str, text: str | None, what: str) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]+", text) or int(text) < 1:
        raise SpecError(f"{option} {text!r} is not a number of {what}: give 1 or more")
    return int(text)


def _repeats(text: str | None, settings: Settings) -> int:
    repeats = _count("--repeats", text, "samples") or 1
    if repeats > 1 and settings.engine.sampling == "greedy":
        raise SpecError(
            f"--repeats {repeats} is for sampled answers, and decoding is greedy: set "
            f'sampling = "declared" under [engine] in {FILE}, and declare a temperature'
        )
    return repeats


def _report_file(text: str) -> Path:
    try:
        format_of(Path(text))
    except SpecError as error:
        raise SpecError(f"--report {error}") from None
    return _writable("--report", text)


def _writable(option: str, text: str) -> Path:
    path = Path(text).absolute()
    if (
        (path.exists() and not path.is_file())
        or not path.parent.is_dir()
        or not os.access(path.parent, os.W_OK)
    ):
        raise SpecError(f"{option} {text} cannot be written: give a file in a folder that can")
    return path


def marks_of(metric: str | None, method: Method) -> list[str]:
    """The markers of a test: its metric, its dimension, the method's families."""
    marks = [metric, dimension_of(metric)] if metric else []
    return [mark for mark in (*marks, method.family, method.also) if mark]
