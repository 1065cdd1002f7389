"""`unicomp.toml`: the settings of a gate that are not given on the command line.

    [floors]                    # percent, for any model
    performance = 95
    gsm8k = 90                  # a benchmark outranks its metric, a metric its dimension
    "reasoning@wanda_2_4" = 40  # and NAME@METHOD outranks NAME

    [models.embedded.floors]    # percent, for a model of this run or one in fixtures/models
    safety = 99

    [policy]                    # what else is asked of a name; also [models.NAME.policy]
    gsm8k = { tier = "critical", max_drop = 1.0, relative_below = 20 }
    xstest = { tier = "advisory" }
    over_refusal = { ceiling = 110 }

    [allow]                     # gaps that do not shut the gate, with the reason
    "performance@gptq_w4a16" = "this model's widths have no groups of 128"

    [models.embedded.allow]     # the same for one model
    "ethics@wanda_2_4" = "it collapses"

    [budgets]                   # limits on the cost of compressing; also [models.NAME.budgets]
    compression_time = "10 min" # s, min, h
    "compression_memory@awq_w4a16" = "48 GB"    # MB, GB, MiB, GiB

    [limits]                    # on the checkpoint itself; also [models.NAME.limits]
    machine = "NVIDIA L4"       # holds for this machine; a run prints the name of its own
    latency = "250 ms"          # at most; ms, s, min, h; MB, GB, MiB, GiB; GFLOP, TFLOP
    throughput = "1000 tokens/s"            # at least; the dense model has none
    "model_size@awq_w4a16" = "5 GB"

    [last_release]              # points that a metric may fall below --baseline; default 1
    reliability = 0.5           # also [models.NAME.last_release]
    "reasoning@wanda_2_4" = 3

    [gate]                      # stop asking a benchmark whose verdict is known; see --early
    early = true                # or "shut"; default: false
    profile = "shipping"        # what the metrics consist of; default: "paper", see --profile

    [engine]                    # name (hf or vllm), device, threads, batch_size, sampling, logs
    threads = 1
    vllm = ".venv-vllm/bin/vllm"    # vLLM's executable; default: the one on PATH
    memory = "auto"             # share of a GPU's memory that one checkpoint may take
    tensor_parallel = "auto"    # GPUs that a checkpoint is split over; default: the fewest
    replicas = 1                # copies that vLLM serves side by side; or "auto"

    [answering]                 # how models answer; also [models.NAME.answering]
    template = { enable_thinking = true }   # arguments of the chat template
    thinking_budget = 8192      # tokens for thoughts, on top of each benchmark's limit
    temperature = 0.6           # the declared sampling; also top_p, top_k, min_p

    [endpoint]                  # how the servers of --checkpoint URL#MODEL and --endpoint are asked
    key_env = "SERVER_KEY"      # the NAME of the variable that holds the key; optional
    concurrency = 8             # also timeout, retries, patience (seconds)

    [efficiency]                # how long to time; longer timings have narrower intervals
    least_seconds = 10          # also warmup_rounds, least_rounds, most_rounds

    [judge]                     # decides where rules cannot; any OpenAI-compatible server
    url = "https://host/v1"
    model = "gpt-4o-mini"
    key_env = "JUDGE_KEY"       # the NAME of the variable that holds the key; optional
    concurrency = 8             # also timeout, retries, patience (seconds)

    [similarity]                # lexical (default), sentence-transformers, or endpoint
    kind = "endpoint"           # with url, model and key_env; sentence-transformers has a model
    url = "https://host/v1"
    model = "text-embedding-3-small"
    key_env = "JUDGE_KEY"

    [refusals]                  # rules (default), judge, or classifier: by default the published
    kind = "classifier"         # one, else your own: model, revision, labels that mean a refusal
    model = "org/name"
    labels = ["refusal"]

    [scoring]                   # strict (default), or compat: the published rules bit for bit
    mode = "strict"
    reading = "oriented"        # or paper: two disclosure rates count as published, more is better

    [store]                     # where results are taken from that are not in the store
    upstream = "s3://bucket/unicomp"    # any URL of fsspec; UNICOMP_UPSTREAM outranks it

    [hardware.H100]             # a GPU of `unicomp plan --cluster`: its price for an hour
    price = 2.50                # one of your own needs memory, tflops and bandwidth (GB/s), too

    [cluster]                   # who builds, answers and measures
    address = "auto"            # or "ray://HOST:PORT"; --cluster outranks it

    [paths]
    home = "~/.cache/unicomp"   # --unicomp-home and UNICOMP_HOME outrank it
    dataset_root = "hub"        # --dataset-root outranks it

The file may be empty. An unknown key is refused. Relative paths start at the folder of this file,
those on the command line at the current folder.

The keys of `[policy]`:

- `tier`: `critical` must pass for the gate to open, `guard` shuts it only if it is significantly
  below its floor, `advisory` never blocks. Metrics are critical by default, their benchmarks
  guards, benchmarks of no metric critical. The tier of a metric does not hold for its benchmarks.
- `floor`: percent of the baseline's score, as in `[floors]`; no name has one in both tables.
- `max_drop`: points that a score may fall below the baseline's; also for each benchmark of a
  metric. The metric itself has 100 for the baseline, so `max_drop = 1` is its floor of 99.
- `relative_below`: where the baseline has fewer points than this, the floor applies instead of the
  drop: one point of five is a fifth. Everywhere else only the drop applies. Without this key both
  must be met.
- `ceiling`: for a benchmark, the highest raw score in percent of the baseline's.

A drop or a ceiling replaces the default floor of 90, but not a floor that is set. An efficiency
measurement has no default floor; it decides only with a floor, a limit or a budget.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import platformdirs

from unicomp.answering import Answering
from unicomp.efficiency.fingerprint import fingerprint_of, machine_name
from unicomp.efficiency.rounds import Effort
from unicomp.engines import EngineSettings
from unicomp.errors import SpecError
from unicomp.hardware import GpuKind, parse_gpu
from unicomp.instruments.assembly import (
    InstrumentSettings,
    JudgeSettings,
    RefusalSettings,
    SimilaritySettings,
)
from unicomp.instruments.endpoint import ClientSettings
from unicomp.policy import Limit, Policy, parse_budget, parse_drop, parse_floor, parse_limit
from unicomp.policy_entry import Entry, parse_entry
from unicomp.preset import available
from unicomp.spec import Model, nearest

FILE = "unicomp.toml"
OF_NAMES: Mapping[str, str] = {
    "floors": "The least retention of a benchmark, metric, dimension or `NAME@METHOD`, in percent.",
    "policy": "What else is asked of a benchmark or metric: a table with the keys below.",
    "allow": "Gaps that do not shut the gate: name, or `NAME@METHOD`, and the reason.",
    "budgets": "Limits on `compression_time` (s, min, h) and `compression_memory` (MB, GB, ...), "
    "also `NAME@METHOD`.",
    "limits": "The most that an efficiency measurement may take, of `throughput` the least, for "
    "the checkpoint itself: probe, or `NAME@METHOD`, and an amount with its unit; `machine` names "
    "the machine that timings and memory are held to them on.",
    "last_release": "The points of retention that a metric may fall below the last release "
    "(`--baseline`): metric, dimension or `NAME@METHOD`. The default is 1.",
}
"""Table whose keys are names → what it sets; `[models.NAME.TABLE]` sets it for one model."""
ANSWERING = "answering"
"""The table of `Answering`, also `[models.NAME.answering]`."""
Early = Literal["off", "on", "shut"]
"""Whether asking stops early, and whether a checkpoint that cannot be released any more is given
up (`shut`)."""
_EARLY: Mapping[object, Early] = {
    False: "off",
    True: "on",
    **{word: word for word in get_args(Early)},
}
"""Value of `gate.early` → its meaning."""
_TYPES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "Early": ('true, false or "shut"', (bool, str)),
    "int": ("a whole number", (int,)),
    "Number": ('a whole number or "auto"', (int, str)),
    "Share": ('a number or "auto"', (float, int, str)),
    "float": ("a number", (float, int)),
    "tuple[str, ...]": ("a list", (list,)),
    "float | None": ("a number", (float, int)),
    "int | None": ("a whole number", (int,)),
    "Mapping[str, Any]": ("a table", (dict,)),
}
"""A field's annotation → the TOML values it takes, in words and as types."""
_TEXT = ("a text", (str,))
CHOSEN_PROFILES = ("paper", "shipping")
"""The profiles that can be chosen; that of the embedded rows comes with them."""
_OFF = "off"
"""The upstream, or the cluster, that is none."""
_ADDRESS = re.compile(r"auto|off|(ray://)?[^\s/:]+:[0-9]+")
"""How a cluster is named."""
_T = TypeVar("_T")


def _names(kind: Any) -> tuple[str, ...]:
    return tuple(option.name for option in fields(kind))


def _of_engine() -> tuple[str, ...]:
    """The keys of [engine]; the other fields have a table of their own, or are found out."""
    return tuple(name for name in _names(EngineSettings) if name not in ("endpoint", "placement"))


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """Where the work of a session is done. Raises SpecError."""

    address: str | None = None
    """The Ray cluster whose workers build, answer and measure: `auto` for the one of this machine,
    `HOST:PORT` from a machine of the cluster, or `ray://HOST:PORT` from any; `off`, the default,
    for this process. `--cluster` outranks it."""

    def __post_init__(self) -> None:
        if self.address is not None and not _ADDRESS.fullmatch(self.address):
            raise SpecError(f"cluster address {self.address!r}: give auto, ray://HOST:PORT, or off")
        if self.address == _OFF:
            object.__setattr__(self, "address", None)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The content of `unicomp.toml`, checked."""

    policy: Policy = field(default_factory=Policy)
    engine: EngineSettings = field(default_factory=EngineSettings)
    effort: Effort = field(default_factory=Effort)
    instruments: InstrumentSettings = field(default_factory=InstrumentSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    """The table [cluster]."""
    early: Early = "off"
    """Whether asking stops as soon as a verdict is known: `true`, or `"shut"`, which also skips the
    rest of a checkpoint that cannot be released any more. `--early` outranks it."""
    profile: str = "paper"
    """What the metrics consist of: `paper`, or `shipping`, which has the metrics of practice, too.
    The embedded model has a profile of its own. `--profile` outranks it."""
    hardware: Mapping[str, GpuKind] = field(default_factory=dict)
    """GPUs of `unicomp plan --cluster` by name: prices, and kinds that are not published."""
    home: Path | None = None
    """The folder of the store; None for `UNICOMP_HOME`, or the platform's cache folder."""
    upstream: str | None = None
    """The URL, for fsspec, of the place from which results are taken that are not in the store, and
    to which `unicomp cache push` writes; None for none. `UNICOMP_UPSTREAM` outranks it: a URL, or
    `off`."""
    dataset_root: str | None = None
    """Where rows are read from: `embedded`, `hub` or a folder; None for `embedded` for the embedded
    model, else `hub`."""
    answering: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Model, or "" for any → the keys of its table [answering]."""
    file: Path | None = field(default=None, compare=False)
    """Where they were read; None if there is no file."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What a preset set, what of it is not available, and what outranks it, a line each."""

    def answering_of(self, model: Model) -> Answering:
        """How a model answers: each key by its own table, the general one, or its file.

        Raises SpecError if they contradict each other.
        """
        given = {**self.answering.get("", {}), **self.answering.get(model.name, {})}
        try:
            return replace(model.answering, **given)
        except SpecError as error:
            raise SpecError(f"{self.file}: how {model} answers: {error}") from None


OPTIONS: Mapping[str, tuple[type, tuple[str, ...]]] = {
    "gate": (Settings, ("early", "profile")),
    "engine": (EngineSettings, _of_engine()),
    "endpoint": (ClientSettings, _names(ClientSettings)),
    ANSWERING: (Answering, _names(Answering)),
    "efficiency": (Effort, _names(Effort)),
    "judge": (JudgeSettings, _names(JudgeSettings)),
    "similarity": (SimilaritySettings, _names(SimilaritySettings)),
    "refusals": (RefusalSettings, _names(RefusalSettings)),
    "scoring": (InstrumentSettings, ("mode", "reading")),
    "cluster": (ClusterSettings, _names(ClusterSettings)),
    "store": (Settings, ("upstream",)),
    "paths": (Settings, ("home", "dataset_root")),
}
"""Table whose keys are fixed → the dataclass that describes them, and the keys."""


def project_root(here: Path) -> Path:
    """The folder that counts for a user in the folder `here`: its settings, fixtures, suites, lock.

    It is `here`, or the nearest folder above with a `unicomp.toml`. If there is none, `here` again.
    """
    here = Path(os.path.abspath(here))
    return next((folder for folder in (here, *here.parents) if has_settings(folder)), here)


def has_settings(folder: Path) -> bool:
    """Whether a folder has a `unicomp.toml`, even one that cannot be read."""
    return os.path.lexists(folder / FILE)


def load_settings(root: Path, preset: str | None = None) -> Settings:
    """Read `unicomp.toml` in the folder `root`; no file gives the defaults. Raises SpecError.

    `preset` names the settings that apply where the file has none; see `unicomp.preset`.
    """
    path = root / FILE
    table = _tables(path) if has_settings(root) else {}
    chosen = None
    if preset is not None:
        named = _table(table, "engine").get("vllm")
        vllm = str(_path(root, "engine.vllm", str(named))) if named else ""
        chosen = available(preset, table, vllm)
    try:
        found = _parse(chosen.beneath(table) if chosen else table, root)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
    notes: tuple[str, ...] = ()
    if chosen is not None:
        outranked = [f"{one} in {FILE} outranks it" for one in chosen.outranked(table)]
        notes = (*chosen.lines(), *(f"UniComp preset {preset}: {line}" for line in outranked))
    return replace(found, file=path if has_settings(root) else None, notes=notes)


def _tables(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises SpecError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} is not valid TOML: {error}") from None


def store_home(option: str | Path | None, settings: Settings) -> Path:
    """The store's folder: the option, UNICOMP_HOME, `unicomp.toml`, or the platform's cache."""
    if named := option or os.environ.get("UNICOMP_HOME"):
        return _path(Path.cwd(), "the store", str(named))
    return settings.home or platformdirs.user_cache_path("unicomp")


def store_upstream(settings: Settings) -> str | None:
    """The URL of the store's upstream: UNICOMP_UPSTREAM, or `unicomp.toml`; None for none."""
    named = os.environ.get("UNICOMP_UPSTREAM") or settings.upstream
    return None if named == _OFF else named


def _parse(table: Mapping[str, Any], root: Path) -> Settings:
    _refuse_unknown(table, "", (*OF_NAMES, "models", "hardware", *OPTIONS))
    engine = _engine(table, root)
    paths = _texts(table, "paths")
    _refuse_unknown(paths, "paths.", OPTIONS["paths"][1])
    dataset_root = paths.get("dataset_root")
    if dataset_root not in (None, "hub", "embedded"):
        dataset_root = str(_path(root, "dataset_root", dataset_root))
    return Settings(
        policy=_policy(table, engine),
        cluster=ClusterSettings(**_options(table, "cluster")),
        early=_early(_options(table, "gate").get("early", False)),
        profile=check_profile("gate.profile", _options(table, "gate").get("profile", "paper")),
        engine=engine,
        effort=Effort(**_options(table, "efficiency")),
        instruments=_instruments(table),
        home=_path(root, "paths.home", paths["home"]) if "home" in paths else None,
        upstream=_upstream(table),
        hardware=_hardware(table),
        answering=_answering(table),
        dataset_root=dataset_root,
    )


def _policy(table: Mapping[str, Any], engine: EngineSettings) -> Policy:
    """The policy of the file, which does not contradict itself; timings are taken by `engine`."""
    models = _table(table, "models")
    for name in models:
        known = (*OF_NAMES, ANSWERING)
        _refuse_unknown(_table(models, name, "models."), f"models.{name}.", known)
    policy = Policy(
        general=_floors(table),
        models={name: _floors(own) for name, own in models.items()},
        entries=_entries(table),
        model_entries={name: _entries(own, f"models.{name}.") for name, own in models.items()},
        allow=_texts(table, "allow"),
        model_allow={name: _texts(own, "allow") for name, own in models.items()},
        budgets=_budgets(table),
        model_budgets={name: _budgets(own) for name, own in models.items()},
        last_release=_drops(table),
        model_last_release={name: _drops(own) for name, own in models.items()},
        limits=_limits(table),
        model_limits={name: _limits(own) for name, own in models.items()},
        machines=dict(_machines({"": table, **models})),
    )
    policy.check()
    policy.check_machines(lambda: machine_name(fingerprint_of(engine)))
    return policy


def _answering(table: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The tables [answering] that are not empty. Each value is usable, whatever the others are."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, own in {"": table, **_table(table, "models")}.items():
        prefix = f"models.{name}." if name else ""
        options = _options(own, ANSWERING, prefix)
        try:
            replace(Answering(temperature=1.0), **options)
        except SpecError as error:
            raise SpecError(f"[{prefix}{ANSWERING}] {error}") from None
        if options:
            found[name] = options
    return found


def _early(value: object) -> Early:
    if value not in _EARLY:
        raise SpecError(f"gate.early must be {_TYPES['Early'][0]}, not {value!r}")
    return _EARLY[value]


def check_profile(where: str, name: str) -> str:
    """The name, if it is that of a profile that can be chosen. Raises SpecError."""
    if name not in CHOSEN_PROFILES:
        raise SpecError(f"{where}: there is no profile {name!r}; {nearest(name, CHOSEN_PROFILES)}")
    return name


def _upstream(table: Mapping[str, Any]) -> str | None:
    stores = _texts(table, "store")
    _refuse_unknown(stores, "store.", OPTIONS["store"][1])
    return stores.get("upstream")


def _hardware(table: Mapping[str, Any]) -> dict[str, GpuKind]:
    kinds = _table(table, "hardware")
    return {name: parse_gpu(name, _table(kinds, name, "hardware.")) for name in kinds}


def _engine(table: Mapping[str, Any], root: Path) -> EngineSettings:
    options = dict(_options(table, "engine"))
    for key in ("vllm", "logs"):
        if options.get(key):
            options[key] = str(_path(root, f"engine.{key}", options[key]))
    return EngineSettings(**options, endpoint=_parsed(table, "endpoint", ClientSettings))


def _instruments(table: Mapping[str, Any]) -> InstrumentSettings:
    return InstrumentSettings(
        judge=_parsed(table, "judge", JudgeSettings) if "judge" in table else None,
        similarity=_parsed(table, "similarity", SimilaritySettings),
        refusals=_parsed(table, "refusals", RefusalSettings),
        **_options(table, "scoring"),
    )


def _parsed(table: Mapping[str, Any], name: str, kind: Callable[..., _T]) -> _T:
    """The table `name` as an instance of the dataclass `kind`. Raises SpecError with its name."""
    options = _options(table, name)
    for option in fields(kind):  # type: ignore[arg-type]
        if option.name not in options and option.default is option.default_factory is MISSING:
            raise SpecError(f"the table [{name}] needs {option.name}")
    try:
        return kind(**options)
    except SpecError as error:
        raise SpecError(f"[{name}] {error}") from None


def _options(table: Mapping[str, Any], name: str, prefix: str = "") -> Mapping[str, Any]:
    """The table `name`, after a check of its keys and of their types."""
    found = _table(table, name, prefix)
    kind, known = OPTIONS[name]
    types = {option.name: _TYPES.get(str(option.type), _TEXT) for option in fields(kind)}
    _refuse_unknown(found, f"{prefix}{name}.", known)
    for key, value in found.items():
        words, allowed = types[key]
        if type(value) not in allowed:
            raise SpecError(f"{prefix}{name}.{key} must be {words}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}


def _path(root: Path, key: str, text: str) -> Path:
    try:
        return root / Path(text).expanduser()
    except RuntimeError:
        raise SpecError(f"{key}: there is no home folder for {text}") from None


def _floors(table: Mapping[str, Any]) -> dict[str, float]:
    return {name: parse_floor(name, value) for name, value in _table(table, "floors").items()}


def _entries(table: Mapping[str, Any], prefix: str = "") -> dict[str, Entry]:
    entries = {
        name: parse_entry(f"{prefix}policy", name, value)
        for name, value in _table(table, "policy").items()
    }
    for name in _table(table, "floors"):
        if name in entries and entries[name].floor is not None:
            raise SpecError(
                f"{name} has a floor in [{prefix}floors] and in [{prefix}policy]: give one of them"
            )
    return entries


def _budgets(table: Mapping[str, Any]) -> dict[str, float]:
    return {name: parse_budget(name, value) for name, value in _table(table, "budgets").items()}


_MACHINE = "machine"
"""The key of [limits] that is no probe."""


def _limits(table: Mapping[str, Any]) -> dict[str, Limit]:
    limits = _table(table, "limits").items()
    return {name: parse_limit(name, value) for name, value in limits if name != _MACHINE}


def _machines(tables: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Model, or "" for any, and the machine of its limits, where it is named."""
    for model, table in tables.items():
        name = _table(table, "limits").get(_MACHINE)
        if name is None:
            continue
        if not isinstance(name, str) or not name.strip():
            raise SpecError(f"{_MACHINE} of [limits] needs a text, not {name!r}")
        yield model, name


def _drops(table: Mapping[str, Any]) -> dict[str, float]:
    return {name: parse_drop(name, value) for name, value in _table(table, "last_release").items()}


def _table(table: Mapping[str, Any], key: str, prefix: str = "") -> Mapping[str, Any]:
    """The table `key` of a table, empty if it is not there. Raises SpecError."""
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise SpecError(f"{prefix}{key} must be a table, [{prefix}{key}]")
    return value


def _texts(table: Mapping[str, Any], key: str) -> Mapping[str, str]:
    """The table `key`, whose values are texts. Raises SpecError."""
    found = _table(table, key)
    for name, value in found.items():
        if not isinstance(value, str) or not value.strip():
            raise SpecError(f"{name} needs a text, not {value!r}")
    return found


def _refuse_unknown(table: Mapping[str, Any], prefix: str, known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            raise SpecError(f"there is no setting {prefix}{key}; {nearest(key, known)}")
