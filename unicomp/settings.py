"""`unicomp.toml`: everything about a gate that is not said on the command line.

    [floors]                    # percent, for any model
    performance = 95
    gsm8k = 90                  # a benchmark outranks its metric, a metric its dimension
    "reasoning@wanda_2_4" = 40  # and NAME@METHOD outranks NAME

    [models.embedded.floors]    # percent, for the model of that name
    safety = 99

    [allow]                     # gaps that do not shut the gate, with the reason
    "performance@gptq_w4a16" = "this model's widths have no groups of 128"

    [engine]                    # device, threads, batch_size
    threads = 1

    [paths]
    home = "~/.cache/unicomp"   # --unicomp-home and UNICOMP_HOME outrank it
    dataset_root = "hub"        # --dataset-root outranks it

The file may be empty. What it does not know, it refuses.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import platformdirs

from unicomp.engines import EngineSettings
from unicomp.errors import SpecError
from unicomp.gate import parse_floor
from unicomp.spec import nearest

FILE = "unicomp.toml"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The content of `unicomp.toml`, checked."""

    floors: Mapping[str, float] = field(default_factory=dict)
    model_floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    allow: Mapping[str, str] = field(default_factory=dict)
    engine: EngineSettings = field(default_factory=EngineSettings)
    home: Path | None = None
    dataset_root: str | None = None


def load_settings(root: Path) -> Settings:
    """Read `unicomp.toml` in a folder; the defaults if there is none. Raises SpecError."""
    path = root / FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} is not valid TOML: {error}") from None
    try:
        return _parse(table, root)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None


def store_home(option: str | Path | None, settings: Settings) -> Path:
    """The folder of the store: an option, UNICOMP_HOME, `unicomp.toml`, the platform's cache."""
    if named := option or os.environ.get("UNICOMP_HOME"):
        return _path(Path.cwd(), "the store", str(named))
    return settings.home or platformdirs.user_cache_path("unicomp")


def _parse(table: Mapping[str, Any], root: Path) -> Settings:
    _only(table, "", "floors", "models", "allow", "engine", "paths")
    models = _table(table, "models")
    for name, entry in models.items():
        _only(_mapping(entry, f"models.{name}"), f"models.{name}.", "floors")
    engine = _table(table, "engine")
    _only(engine, "engine.", *(option.name for option in fields(EngineSettings)))
    for option in fields(EngineSettings):
        wanted = str if option.name in ("name", "device") else int
        if option.name in engine and type(engine[option.name]) is not wanted:
            raise SpecError(f"engine.{option.name} must be a {wanted.__name__}")
    paths = _table(table, "paths")
    _only(paths, "paths.", "home", "dataset_root")
    for key, value in (*paths.items(), *_table(table, "allow").items()):
        if not isinstance(value, str) or not value.strip():
            raise SpecError(f"{key} needs a text, not {value!r}")
    root_of_rows = paths.get("dataset_root")
    if root_of_rows is not None and root_of_rows not in ("hub", "embedded"):
        root_of_rows = str(_path(root, "dataset_root", root_of_rows))
    return Settings(
        floors=_floors(_table(table, "floors")),
        model_floors={name: _floors(_table(entry, "floors")) for name, entry in models.items()},
        allow=_table(table, "allow"),
        engine=EngineSettings(**engine),
        home=_path(root, "paths.home", paths["home"]) if "home" in paths else None,
        dataset_root=root_of_rows,
    )


def _path(root: Path, key: str, text: str) -> Path:
    try:
        return root / Path(text).expanduser()
    except RuntimeError:
        raise SpecError(f"{key}: there is no home folder for {text}") from None


def _floors(table: Mapping[str, Any]) -> dict[str, float]:
    return {name: parse_floor(name, value) for name, value in table.items()}


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _mapping(table.get(key, {}), key)


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SpecError(f"{name} must be a table, [{name}]")
    return value


def _only(table: Mapping[str, Any], prefix: str, *known: str) -> None:
    for key in table:
        if key not in known:
            raise SpecError(f"there is no setting {prefix}{key}; {nearest(key, known)}")
