"""What there is by name: the files of `fixtures/`, folders, and the hub; and what suites declare.

A model, method, calibration or published checkpoint is one file:
`fixtures/{models,methods,calibration,checkpoints}/NAME.py` that defines `model`, `method`,
`calibration` or `checkpoint`. It is found by its file name, below the user's root
directory first and among the shipped ones then; nothing is registered anywhere.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from unicomp.data.calibration import (
    FILES,
    SAMPLES,
    SEED,
    UNSEEN,
    Mixture,
    Recipe,
    SeededCalibration,
    file_name,
    read_file,
    read_samples,
)
from unicomp.data.model_folder import check_folder, folder_name, kind_of, read_config, slug
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.errors import SpecError
from unicomp.spec import Benchmark, Calibration, Method, Model, ModelKind, Published, nearest
from unicomp.store import Store

FixtureKind = Literal["models", "methods", "calibration", "checkpoints"]
T = TypeVar("T")
Named = TypeVar("Named", Model, Method, Recipe | Mixture, Published)
Roots = Sequence[Path]
"""Folders that hold `models/`, `methods/` and the like; the first that has a name wins."""

CHECKPOINT = "checkpoint"
"""The parameter of a method that stands for a checkpoint compressed elsewhere."""

_DECLARATIONS: tuple[type[Recipe | Mixture], ...] = (Recipe, Mixture)
_HUB_ID = re.compile(r"(?P<id>[\w.\-]+/[\w.\-]+)(@(?P<revision>[\w.\-/]+))?")


def roots(rootdir: Path) -> tuple[Path, ...]:
    """Where files are looked up: `rootdir/fixtures`, then the shipped ones."""
    return tuple(dict.fromkeys((rootdir.resolve() / "fixtures", shipped_fixtures().resolve())))


# -- names --------------------------------------------------------------------------------------


def model_names(roots: Roots) -> list[str]:
    """The models there are files of, in alphabetical order."""
    return _names("models", roots)


def method_names(roots: Roots) -> list[str]:
    """The methods there are files of: `dense`, then the others in alphabetical order."""
    return sorted(_names("methods", roots), key=lambda name: (name != "dense", name))


def calibration_names(roots: Roots) -> list[str]:
    """The calibrations there are files of, in alphabetical order."""
    return _names("calibration", roots)


def checkpoint_names(roots: Roots) -> list[str]:
    """The published checkpoints there are files of, in alphabetical order."""
    return _names("checkpoints", roots)


def _names(kind: FixtureKind, roots: Roots) -> list[str]:
    return sorted(
        {
            path.stem
            for root in roots
            for path in (root / kind).glob("*.py")
            if not path.name.startswith("_")
        }
    )


def _find(kind: FixtureKind, name: str, roots: Roots) -> Path | None:
    for root in roots:
        if name in _names(kind, [root]):  # a name, not a path that leads to such a file
            return root / kind / f"{name}.py"
    return None


# -- methods ------------------------------------------------------------------------------------


def load_method(name: str, roots: Roots) -> Method:
    """The method called `name`. Raises SpecError for an unknown name or an unusable file."""
    return read_method(method_file(name, roots))


def method_file(name: str, roots: Roots) -> Path:
    """The file that defines a method; its text is part of a checkpoint's identity."""
    path = _find("methods", name, roots)
    if path is None:
        raise SpecError(f"unknown method {name!r}: {nearest(name, method_names(roots))}")
    return path


def method_source(name: str, roots: Roots) -> str:
    """The text of the file that defines a method."""
    return method_file(name, roots).read_text(encoding="utf-8")


def read_method(path: Path) -> Method:
    """The method that a file defines as `method`."""
    return _named(path, _attribute(path, "method", Method))


# -- calibrations -------------------------------------------------------------------------------


def load_calibration(
    given: str,
    roots: Roots,
    source: Source,
    store: Store | None = None,
    seed: int | None = None,
) -> Calibration:
    """A calibration by name, with its rows from `source`, or a user's file. Raises SpecError.

    Drawn with its own seed if `seed` is None.
    """
    if path := _own_file(given):
        return read_file(path, seed=SEED if seed is None else seed)
    recipe = load_recipe(given, roots)
    return (recipe if seed is None else replace(recipe, seed=seed)).load(source, store)


def seeded_calibrations(
    given: Sequence[str], seeds: int, roots: Roots
) -> tuple[tuple[SeededCalibration, ...], tuple[str, ...]]:
    """Each calibration of a session with each of its seeds, and what is to be said of them.

    The seeds of a calibration are its own and those that follow. A file of no more samples than
    are taken is one draw: any seed would give the same text. Raises SpecError for what is unknown
    or unusable, and for calibrations that could not be told apart by their names.
    """
    seeded: dict[str, list[SeededCalibration]] = {}
    notes = []
    for one in given:
        name, count, first = calibration_name(one), seeds, SEED
        if name in seeded:
            other = seeded[name][0].given
            raise SpecError(
                f"--calibration {one} is given twice"
                if other == one
                else f"--calibration {other} and {one} have one name, {name}: rename a file"
            )
        if path := _own_file(one):
            _check_file_name(path, roots)
            if seeds > 1 and (found := len(read_samples(path))) <= SAMPLES:
                count = 1
                notes.append(
                    f"{one} has {found} samples, of which every seed takes all: it is measured "
                    "once, and no spread over seeds is known"
                )
        else:
            first = load_recipe(one, roots).seed
        seeded[name] = [
            SeededCalibration(name=name, given=one, seed=first + number, default=number == 0)
            for number in range(count)
        ]
    return tuple(draw for group in seeded.values() for draw in group), tuple(notes)


def _check_file_name(path: Path, roots: Roots) -> None:
    """Raise SpecError for a file whose rows would pass for those of something else."""
    name = file_name(path)
    if name == UNSEEN or name in calibration_names(roots):
        what = "no calibration at all" if name == UNSEEN else f"the calibration {name}"
        raise SpecError(f"the calibration file {path} is named like {what}: rename it")


def check_calibration(given: str, roots: Roots, sources: Iterable[Source]) -> None:
    """Raise SpecError unless there is such a calibration and all `sources` have its data sets."""
    if path := _own_file(given):
        read_file(path)
        return
    recipe = load_recipe(given, roots)
    for source in sources:
        recipe.check(source)


def recipe_of(given: str, roots: Roots) -> Recipe | None:
    """The calibration given by a name, as declared; None for a user's file."""
    return None if _own_file(given) else load_recipe(given, roots)


def calibration_name(given: str) -> str:
    """What the calibration given by a name or a file is called."""
    return file_name(path) if (path := _own_file(given)) else given


def _own_file(given: str) -> Path | None:
    path = Path(os.path.expanduser(given))
    return path if path.suffix in FILES or os.path.isfile(path) else None


def load_recipe(name: str, roots: Roots) -> Recipe:
    """The calibration called `name`, as declared; `Recipe.load` reads its rows."""
    declared = _declaration(name, roots)
    if isinstance(declared, Recipe):
        return declared
    mixed = [_declaration(one, roots) for one in declared.of]
    recipes = [one for one in mixed if isinstance(one, Recipe)]
    if len(recipes) < len(mixed):
        raise SpecError(f"calibration {name}: a mixture cannot be mixed of mixtures")
    return declared.recipe(recipes)


def recipe_source(name: str, roots: Roots) -> str:
    """The text of the file that declares a calibration, and of those that it mixes.

    Raises SpecError.
    """
    declared = _declaration(name, roots)
    names = [name, *(declared.of if isinstance(declared, Mixture) else ())]
    return "".join(_recipe_file(one, roots).read_text(encoding="utf-8") for one in names)


def _declaration(name: str, roots: Roots) -> Recipe | Mixture:
    path = _recipe_file(name, roots)
    return _named(path, _attribute(path, "calibration", *_DECLARATIONS))


def _recipe_file(name: str, roots: Roots) -> Path:
    path = _find("calibration", name, roots)
    if path is None:
        raise SpecError(
            f"unknown calibration {name!r}: {nearest(name, calibration_names(roots))} "
            "A file of your own is given by its path, FILE.txt or FILE.jsonl"
        )
    return path


# -- benchmarks ---------------------------------------------------------------------------------


def suite_folders(rootdir: Path) -> tuple[Path, ...]:
    """Where suites are: the shipped ones, and `rootdir/suites` if there is such a folder."""
    package = Path(__file__).parent
    inside = package / "suites"
    folders = (inside if inside.is_dir() else package.parent / "suites", rootdir / "suites")
    return tuple(dict.fromkeys(folder.resolve() for folder in folders if folder.is_dir()))


def load_benchmarks(
    folders: Iterable[Path], on_skip: Callable[[SpecError], None] | None = None
) -> list[Benchmark]:
    """The benchmarks that the suite files (`test_*.py`) below some folders declare.

    The files are run, each by itself. Raises SpecError for one that cannot be; one that pytest may
    well take, since it only lacks what it imports or skips itself, is told to `on_skip` instead.
    """
    paths = [path for folder in folders for path in sorted(folder.rglob("test_*.py"))]
    found: list[Benchmark] = []
    for path in paths:
        try:
            module = _module(path)
        except SpecError as error:
            if on_skip is None or not _may_pass(error.__cause__):
                raise
            on_skip(error)
            continue
        for name, value in vars(module).items():
            marks = [] if name.startswith("__") else getattr(value, "pytestmark", [])
            parameters = [getattr(mark, "args", ()) for mark in marks]
            for bench in _benchmarks_in([value, parameters]):
                if bench not in found:
                    found.append(bench)
    return found


def _may_pass(cause: BaseException | None) -> bool:
    """Whether pytest may take a file that raised this: it knows packages, and skips files."""
    skips = cause is not None and not isinstance(cause, Exception)
    return skips or isinstance(cause, ImportError)


def _benchmarks_in(value: object) -> Iterator[Benchmark]:
    """The benchmarks in a value, or in the tables and lists that it is made of."""
    if isinstance(value, Benchmark):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _benchmarks_in(part)


# -- models -------------------------------------------------------------------------------------


def load_models(names: Sequence[str], roots: Roots) -> list[Model]:
    """Each of `names` as a model, with names that are all different; see `load_model`."""
    models: list[Model] = []
    filed = model_names(roots)
    named: set[str] = set()
    for given in names:
        model = load_model(given, roots)
        name = model.name
        # a folder may be called like a model that has a file, and is another one
        taken = named if given in filed else named | set(filed)
        if name in taken and (parent := slug(Path(model.source).parent.name)):
            name = f"{parent}-{model.name}"
        number = 2
        while name in taken:
            name, number = f"{model.name}-{number}", number + 1
        named.add(name)
        models.append(replace(model, name=name))
    return models


def load_model(given: str, roots: Roots) -> Model:
    """A model by the name of its file, by a folder, or by a hub id `ORG/NAME[@REVISION]`.

    A folder must hold a `config.json`, weights in safetensors format and a tokenizer; the hub is
    not asked before the model is needed, so that only a folder, or a file, be it of the same hub
    id, says what kind of model it is. Raises SpecError.
    """
    if path := _find("models", given, roots):
        model = _named(path, _attribute(path, "model", Model))
        if model.folder is not None:
            check_folder(model.folder)
        return model
    folder = Path(os.path.expanduser(given))
    if os.path.exists(folder):  # says no to what is no path at all
        folder = folder.resolve()
        check_folder(folder)
        kind = kind_of(read_config(folder))
        return Model(name=folder_name(folder), source=str(folder), kind=kind)
    if (hub := _HUB_ID.fullmatch(given)) and not given.startswith("."):
        return Model(
            name=slug(hub["id"].partition("/")[2]),
            source=hub["id"],
            revision=hub["revision"],
            kind=_filed_kind(hub["id"], roots),
        )
    if "/" in given or given.startswith(("~", ".")):
        raise SpecError(f"there is no model folder {given}, and it is no hub id ORG/NAME")
    raise SpecError(
        f"unknown model {given!r}: {nearest(given, model_names(roots))} "
        "A model can also be a folder or a hub id, ORG/NAME"
    )


def load_checkpoint(given: str, roots: Roots) -> Method:
    """A checkpoint compressed elsewhere, a name, folder or hub id, in the place of a method.

    It is judged as it is. One that has a file, or the hub id of one that has, brings its family,
    the model it was made from and what it cost; else the family is read from its configuration,
    where that says so.
    """
    if path := _find("checkpoints", given, roots):
        filed = _named(path, _attribute(path, "checkpoint", Published))
        if (folder := Path(filed.source)).is_absolute():
            check_folder(folder)
        return _external(filed.name, filed.source, filed.revision, filed)
    if re.fullmatch(r"[\w.\-]+", given) and not os.path.exists(given):
        known = [*checkpoint_names(roots), *model_names(roots)]
        if given not in known:
            raise SpecError(
                f"unknown checkpoint {given!r}: {nearest(given, known)} "
                "A checkpoint can also be a folder or a hub id, ORG/NAME"
            )
    model = load_model(given, roots)
    return _external(model.name, model.source, model.revision, _published(model.source, roots))


def _published(source: str, roots: Roots) -> Published | None:
    """The file of the published checkpoint that has this hub id."""
    paths = (_find("checkpoints", name, roots) for name in checkpoint_names(roots))
    filed = (_attribute(path, "checkpoint", Published) for path in paths if path is not None)
    return next((one for one in filed if one.source == source), None)


def _external(name: str, source: str, revision: str | None, filed: Published | None) -> Method:
    parameters: dict[str, Any] = {CHECKPOINT: source, "revision": revision}
    if filed is not None:
        parameters |= {
            "revision": revision or filed.revision,
            "base": filed.base,
            "published": {name: value for name, value in asdict(filed.cost).items() if value},
        }
    family = filed.family if filed is not None else None
    folder = Path(source)
    if family is None and folder.is_absolute() and "quantization_config" in read_config(folder):
        family = "quantization"
    return Method(name=name, family=family, parameters=parameters, calibrated=False)


def _filed_kind(hub_id: str, roots: Roots) -> ModelKind:
    """The kind of the model that has a file and this id on the hub; `normal` if there is none."""
    paths = (_find("models", name, roots) for name in model_names(roots))
    filed = (_attribute(path, "model", Model) for path in paths if path is not None)
    return next((model.kind for model in filed if model.source == hub_id), "normal")


# -- files --------------------------------------------------------------------------------------


def _attribute(path: Path, name: str, *kinds: type[T]) -> T:
    """What a fixture file defines as `name`."""
    value = getattr(_module(path), name, None)
    if not isinstance(value, kinds):
        raise SpecError(f"{path} must define `{name} = {kinds[0].__name__}(...)`")
    return value


def _module(path: Path) -> ModuleType:
    """A file of Python, run as a module of its own."""
    spec = spec_from_file_location(f"unicomp_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module
    try:
        spec.loader.exec_module(module)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # that by which a file skips itself in pytest is no Exception
        line = next(iter(str(error).splitlines()), "")
        raise SpecError(f"{path} cannot be read: {type(error).__name__}: {line}") from error
    return module


def _named(path: Path, value: Named) -> Named:
    if value.name != path.stem:
        raise SpecError(f"{path} defines {value.name!r}: its name must be that of its file")
    return value
