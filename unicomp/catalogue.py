"""Find models, methods, calibrations, checkpoints and benchmarks by name.

Each of the first four is one file: `fixtures/{models,methods,calibration,checkpoints}/NAME.py`
defines `model`, `method`, `calibration` or `checkpoint`. A file is found by its name, first below
the user's root directory, then among the shipped files. Nothing else has to be registered. A model
or a checkpoint can also be a folder or a hub id, a calibration a text file. Methods are also asked
for in groups, `fixtures/method_groups/NAME.py`. Benchmarks are declared in suite files.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain
from itertools import count as counting
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

from unicomp.data.ancestry import base_among
from unicomp.data.calibration import (
    CALIBRATION_SEED,
    SAMPLES,
    UNSEEN,
    Mixture,
    Recipe,
    SeededCalibration,
)
from unicomp.data.calibration_file import (
    SUFFIXES,
    calibration_file_name,
    read_calibration_file,
    read_samples,
)
from unicomp.data.model_folder import check_folder, folder_name, kind_of, read_config, slug
from unicomp.data.sources import Source, run_module, shipped_fixtures, shipped_folder
from unicomp.errors import SpecError
from unicomp.formats.intake import recognise
from unicomp.spec import (
    Benchmark,
    Calibration,
    Method,
    MethodGroup,
    Model,
    Probe,
    Published,
    Served,
    measures_in,
    nearest,
)
from unicomp.store import Store

Named = TypeVar("Named", Model, Method, MethodGroup, Recipe | Mixture, Published)
Roots = Sequence[Path]
"""Folders that hold `models/`, `methods/` and so on; the first one that has a name wins."""

ALL = "all"
"""The group of all methods, shipped and the user's."""

CHECKPOINT = "checkpoint"
"""The parameter of a method that stands for a checkpoint compressed elsewhere."""

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_HUB_ID = re.compile(r"(?P<id>[\w.\-]+/[\w.\-]+)(@(?P<revision>[\w.\-/]+))?")


def roots(rootdir: Path) -> tuple[Path, ...]:
    """The folders to look in: `rootdir/fixtures`, then the shipped fixtures."""
    return tuple(dict.fromkeys((rootdir.resolve() / "fixtures", shipped_fixtures().resolve())))


# -- fixture files ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Files(Generic[Named]):
    """The fixture files of one kind."""

    folder: str
    attribute: str
    """The name that each file defines."""
    types: tuple[type[Named], ...]
    also: str = ""
    """Advice in the message about an unknown name: what can be given instead."""

    def names(self, roots: Roots) -> list[str]:
        """The names of the files, in alphabetical order."""
        paths = (path for root in roots for path in (root / self.folder).glob("*.py"))
        return sorted({path.stem for path in paths if not path.name.startswith("_")})

    def find(self, name: str, roots: Roots) -> Path | None:
        """The file called `name`, if there is one."""
        for root in roots:
            if name in self.names([root]):  # rather than a path that leads to such a file
                return root / self.folder / f"{name}.py"
        return None

    def path(self, name: str, roots: Roots) -> Path:
        """The file called `name`. Raises SpecError if there is none."""
        path = self.find(name, roots)
        if path is None:
            raise self.unknown(name, self.names(roots))
        return path

    def unknown(self, name: str, known: Sequence[str]) -> SpecError:
        """The error for an unknown name, with the nearest known one."""
        return SpecError(f"unknown {self.attribute} {name!r}: {nearest(name, known)}{self.also}")

    def read(self, path: Path) -> Named:
        """The value that a file defines. Raises SpecError for an unusable file."""
        value = self._value(path)
        if value.name != path.stem:
            raise SpecError(f"{path} defines {value.name!r}: its name must be that of its file")
        return value

    def with_source(self, source: str, roots: Roots) -> Named | None:
        """The first value whose `source`, a hub id, is this one."""
        values = (self._value(self.path(name, roots)) for name in self.names(roots))
        return next((value for value in values if getattr(value, "source", None) == source), None)

    def _value(self, path: Path) -> Named:
        value = getattr(_run_file(path), self.attribute, None)
        if not isinstance(value, self.types):
            raise SpecError(
                f"{path} must define `{self.attribute} = {self.types[0].__name__}(...)`"
            )
        return value


_MODELS = _Files("models", "model", (Model,), " A model can also be a folder or a hub id, ORG/NAME")
_METHODS = _Files("methods", "method", (Method,))
_GROUPS = _Files("method_groups", "group", (MethodGroup,))
_CALIBRATIONS: _Files[Recipe | Mixture] = _Files(
    "calibration",
    "calibration",
    (Recipe, Mixture),
    " A file of your own is given by its path, FILE.txt or FILE.jsonl",
)
_CHECKPOINTS = _Files(
    "checkpoints",
    "checkpoint",
    (Published,),
    " A checkpoint can also be a folder or a hub id, ORG/NAME",
)


model_names = _MODELS.names
calibration_names = _CALIBRATIONS.names
checkpoint_names = _CHECKPOINTS.names
method_file = _METHODS.path
read_method = _METHODS.read


def method_names(roots: Roots) -> list[str]:
    """The names of the methods: `dense`, then the others in alphabetical order."""
    return sorted(_METHODS.names(roots), key=lambda name: (name != "dense", name))


def _run_file(path: Path) -> ModuleType:
    """A Python file, run as a module of its own. Raises SpecError if it fails."""
    try:
        return run_module(f"unicomp_{path.parent.name}_{path.stem}", path)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # pytest's Skipped is not an Exception
        line = next(iter(str(error).splitlines()), "")
        raise SpecError(f"{path} cannot be read: {type(error).__name__}: {line}") from error


# -- methods ------------------------------------------------------------------------------------


def load_method(name: str, roots: Roots) -> Method:
    """The method called `name`. Raises SpecError for an unknown name or an unusable file."""
    return read_method(method_file(name, roots))


def methods_named(given: Iterable[str], roots: Roots) -> list[str]:
    """The names of the methods that are given by name or in groups, each once, in order.

    Raises SpecError for a name that is neither, with the nearest one, or both.
    """
    methods, groups = method_names(roots), [*_GROUPS.names(roots), ALL]
    found: list[str] = []
    for name in given:
        if name in methods and name in groups:
            raise SpecError(f"{name!r} is both a method and a group of methods: rename one file")
        if name == ALL:
            found += methods
        elif name in groups:
            found += _members(name, roots)
        elif name in methods:
            found.append(name)
        else:
            raise _METHODS.unknown(name, [*methods, *groups])
    return list(dict.fromkeys(found))


def _members(group: str, roots: Roots) -> Sequence[str]:
    path = _GROUPS.path(group, roots)
    methods = _GROUPS.read(path).methods
    known = method_names(roots)
    for name in methods:
        if name not in known:
            raise SpecError(f"{path} names an unknown method {name!r}: {nearest(name, known)}")
    return methods


def method_source(name: str, roots: Roots) -> str:
    """The text of the file that defines a method, which is part of a checkpoint's identity."""
    return method_file(name, roots).read_text(encoding="utf-8")


# -- calibrations -------------------------------------------------------------------------------


def load_calibration(
    given: str,
    roots: Roots,
    source: Source,
    store: Store | None = None,
    seed: int | None = None,
) -> Calibration:
    """A calibration by name, with its rows from `source`, or from a user's file.

    Without `seed` its own seed is used. Raises SpecError.
    """
    if path := _own_file(given):
        return read_calibration_file(path, seed=CALIBRATION_SEED if seed is None else seed)
    recipe = load_recipe(given, roots)
    return (recipe if seed is None else replace(recipe, seed=seed)).load(source, store)


def seeded_calibrations(
    given: Sequence[str], seeds: int, roots: Roots
) -> tuple[tuple[SeededCalibration, ...], tuple[str, ...]]:
    """Each calibration of a session with each of its `seeds` seeds, and notes for the user.

    The seeds of a calibration are its own and the numbers after it. A file that every seed would
    take whole gets one seed. Raises SpecError for an unknown or unusable calibration, and for two
    that share a name.
    """
    found: dict[str, list[SeededCalibration]] = {}
    notes = []
    for one in given:
        name, count, first = calibration_name(one), seeds, CALIBRATION_SEED
        if name in found:
            other = found[name][0].given
            raise SpecError(
                f"--calibration {one} is given twice"
                if other == one
                else f"--calibration {other} and {one} have the same name, {name}: rename a file"
            )
        if path := _own_file(one):
            _check_file_name(path, roots)
            if seeds > 1 and (samples := len(read_samples(path))) <= SAMPLES:
                count = 1
                notes.append(
                    f"{one} has {samples} samples, and every seed takes all of them: it is "
                    "measured once, and no spread over seeds is known"
                )
        else:
            first = load_recipe(one, roots).seed
        found[name] = [
            SeededCalibration(name=name, given=one, seed=first + number, default=number == 0)
            for number in range(count)
        ]
    return tuple(seeded for group in found.values() for seeded in group), tuple(notes)


def _check_file_name(path: Path, roots: Roots) -> None:
    """Raise SpecError for a calibration file whose name means something else."""
    name = calibration_file_name(path)
    if name == UNSEEN or name in calibration_names(roots):
        what = "the setting without calibration" if name == UNSEEN else f"the calibration {name}"
        raise SpecError(f"the calibration file {path} is named like {what}: rename it")


def check_calibration(given: str, roots: Roots, sources: Iterable[Source]) -> None:
    """Raise SpecError unless the calibration exists and all `sources` have its data sets."""
    if path := _own_file(given):
        read_calibration_file(path)
        return
    recipe = load_recipe(given, roots)
    for source in sources:
        recipe.check(source)


def recipe_of(given: str, roots: Roots) -> Recipe | None:
    """The recipe of a calibration given by name; None for a user's file."""
    return None if _own_file(given) else load_recipe(given, roots)


def calibration_name(given: str) -> str:
    """The name of a calibration that is given by name or as a file."""
    return calibration_file_name(path) if (path := _own_file(given)) else given


def _own_file(given: str) -> Path | None:
    path = Path(os.path.expanduser(given))
    return path if path.suffix in SUFFIXES or os.path.isfile(path) else None


def load_recipe(name: str, roots: Roots) -> Recipe:
    """The declaration of the calibration called `name`; `Recipe.load` reads its rows.

    Raises SpecError.
    """
    declared = _declaration(name, roots)
    if isinstance(declared, Recipe):
        return declared
    mixed = [_declaration(one, roots) for one in declared.names]
    recipes = [one for one in mixed if isinstance(one, Recipe)]
    if len(recipes) < len(mixed):
        raise SpecError(f"calibration {name}: a mixture cannot contain a mixture")
    return declared.recipe(recipes)


def recipe_source(name: str, roots: Roots) -> str:
    """The text of the file that declares a calibration, and of the files that it mixes.

    Raises SpecError.
    """
    return "".join(path.read_text(encoding="utf-8") for path in recipe_files(name, roots))


def recipe_files(name: str, roots: Roots) -> list[Path]:
    """The file that declares a calibration, and those of the calibrations that it mixes.

    Raises SpecError.
    """
    declared = _declaration(name, roots)
    names = [name, *(declared.names if isinstance(declared, Mixture) else ())]
    return [_CALIBRATIONS.path(one, roots) for one in names]


def _declaration(name: str, roots: Roots) -> Recipe | Mixture:
    return _CALIBRATIONS.read(_CALIBRATIONS.path(name, roots))


# -- models -------------------------------------------------------------------------------------


def load_models(names: Sequence[str], roots: Roots) -> list[Model]:
    """The models called `names`, renamed where two share a name; see `load_model`."""
    models: list[Model] = []
    filed = model_names(roots)
    named: set[str] = set()
    for given in names:
        model = load_model(given, roots)
        # a folder that is called like a model with a file is another model
        taken = named if given in filed else named | set(filed)
        name = free_name(model.name, Path(model.source), taken)
        named.add(name)
        models.append(replace(model, name=name))
    return models


def free_name(name: str, place: Path, taken: Collection[str], *others: str) -> str:
    """The first that is not taken: `name`, `others`, with the folder above `place`, numbered."""
    parent = slug(place.parent.name)
    numbered = (f"{name}-{number}" for number in counting(2))
    choices = chain([name, *others], [f"{parent}-{name}"] if parent else [], numbered)
    return next(choice for choice in choices if choice not in taken)


def load_model(given: str, roots: Roots) -> Model:
    """A model by the name of its file, by a folder, a file, or a hub id `ORG/NAME[@REVISION]`.

    A folder or file must hold a complete model, see `recognise`. The hub is not asked here, so the
    kind of a model on the hub is known only if a file has its hub id. Raises SpecError.
    """
    if path := _MODELS.find(given, roots):
        model = _MODELS.read(path)
        if model.folder is not None:
            recognise(model.folder)
        return model
    folder = Path(os.path.expanduser(given))
    if os.path.exists(folder):  # unlike Path.exists, it raises nothing for an impossible path
        folder = folder.resolve()
        found = recognise(folder)
        return Model(name=found.name, source=str(folder), kind=kind_of(found.config))
    if (hub := _HUB_ID.fullmatch(given)) and not given.startswith("."):
        filed = _MODELS.with_source(hub["id"], roots)
        return Model(
            name=slug(hub["id"].partition("/")[2]),
            source=hub["id"],
            revision=hub["revision"],
            kind=filed.kind if filed else "normal",
        )
    if "/" in given or given.startswith(("~", ".")):
        raise SpecError(f"there is no model folder {given}, and it is not a hub id ORG/NAME")
    raise _MODELS.unknown(given, model_names(roots))


def with_endpoint(given: str, endpoint: str, roots: Roots) -> Model:
    """A model that a running server answers for, at `URL` or `URL#MODEL`; see `load_model`.

    Its files give configuration, tokenizer and chat template: a folder needs no weights. Raises
    SpecError.
    """
    folder = Path(os.path.expanduser(given))
    if _MODELS.find(given, roots) or not folder.is_dir():
        model = load_model(given, roots)
    else:
        folder = folder.resolve()
        check_folder(folder, weights=False)
        kind = kind_of(read_config(folder))
        model = Model(name=folder_name(folder), source=str(folder), kind=kind)
    return replace(model, endpoint=Served.parse(endpoint))


def load_checkpoint(given: str, roots: Roots) -> Method:
    """A checkpoint compressed elsewhere, as a method: by name, folder, hub id or `URL#MODEL`.

    A checkpoint that has a file, also by its hub id, has the family, the base model and the cost
    that the file declares. The family of any other is read from its configuration, if that has it.
    Raises SpecError.
    """
    if _ADDRESS.match(given):
        return _at_endpoint(Served.parse(given))
    if path := _CHECKPOINTS.find(given, roots):
        filed = _CHECKPOINTS.read(path)
        if (folder := Path(filed.source)).is_absolute():
            recognise(folder)
        return _as_method(filed, filed)
    if re.fullmatch(r"[\w.\-]+", given) and not os.path.exists(given):
        known = [*checkpoint_names(roots), *model_names(roots)]
        if given not in known:
            raise _CHECKPOINTS.unknown(given, known)
    model = load_model(given, roots)
    return _as_method(model, _CHECKPOINTS.with_source(model.source, roots))


def _at_endpoint(endpoint: Served) -> Method:
    """A checkpoint at a running server, as a method named like the model there."""
    if not endpoint.model:
        raise SpecError(
            f"{endpoint.url} is a server, which may have several models: give URL#MODEL, such as "
            f"{endpoint.url}#NAME"
        )
    name = slug(endpoint.model.rstrip("/").rpartition("/")[2]) or "endpoint"
    return Method(name=name, family=None, calibrated=False, endpoint=endpoint)


def load_method_or_checkpoint(given: str, roots: Roots) -> Method:
    """A method by its name, or a checkpoint by name, folder or hub id. Raises SpecError."""
    is_path = "/" in given or os.path.exists(given)
    if given in method_names(roots) or not (is_path or given in checkpoint_names(roots)):
        return load_method(given, roots)
    return load_checkpoint(given, roots)


def base_of(checkpoint: Method, models: Sequence[Model]) -> Model | None:
    """The model among `models` that a checkpoint compressed elsewhere belongs to, if it is known.

    A single model is always the one. See `unicomp/data/ancestry.py` for several.
    """
    if len(models) == 1:
        return models[0]
    if checkpoint.endpoint is not None:
        return None  # a server does not say
    folder = Path(checkpoint.parameters[CHECKPOINT])
    here = folder if folder.is_absolute() else None
    return base_among(models, here, checkpoint.parameters.get("base"))


def _as_method(found: Model | Published, filed: Published | None) -> Method:
    parameters: dict[str, Any] = {CHECKPOINT: found.source, "revision": found.revision}
    family, folder = None, Path(found.source)
    if filed is not None:
        family = filed.family
        parameters |= {
            "revision": found.revision or filed.revision,
            "base": filed.base,
            "published": {name: value for name, value in asdict(filed.cost).items() if value},
        }
    if family is None and folder.is_absolute() and recognise(folder).quantization:
        family = "quantization"
    return Method(name=found.name, family=family, parameters=parameters, calibrated=False)


# -- benchmarks ---------------------------------------------------------------------------------


def suite_folders(rootdir: Path) -> tuple[Path, ...]:
    """The folders of suites: the shipped one, and `rootdir/suites` if it exists."""
    folders = (shipped_folder("suites"), rootdir / "suites")
    return tuple(dict.fromkeys(folder.resolve() for folder in folders if folder.is_dir()))


def load_benchmarks(
    folders: Iterable[Path], on_skip: Callable[[SpecError], None] | None = None
) -> list[Benchmark]:
    """The benchmarks that the suite files (`test_*.py`) below some folders declare.

    Each file is run by itself. Raises SpecError for one that fails. One that pytest could still
    run, since it only lacks an import or skips itself, goes to `on_skip` instead.
    """
    return [one for one in _measures(folders, on_skip) if isinstance(one, Benchmark)]


def load_probes(folders: Iterable[Path]) -> list[Probe]:
    """The probes that the suite files below some folders declare; see `load_benchmarks`."""
    found = _measures(folders, on_skip=lambda error: None)
    return [one for one in found if isinstance(one, Probe)]


def _measures(
    folders: Iterable[Path], on_skip: Callable[[SpecError], None] | None
) -> list[Benchmark | Probe]:
    """The benchmarks and probes that suite files declare, each once. Raises SpecError."""
    paths = [path for folder in folders for path in sorted(folder.rglob("test_*.py"))]
    found: list[Benchmark | Probe] = []
    for path in paths:
        try:
            measures = _declared_in(path)
        except SpecError as error:
            if on_skip is None or not _may_run_in_pytest(error.__cause__):
                raise
            on_skip(error)
            continue
        found += [one for one in measures if one not in found]
    return found


def benchmarks_by_name(rootdir: Path, mode: Literal["strict", "compat"]) -> dict[str, Benchmark]:
    """Name → benchmark, as a mode scores it, of the shipped suites and `rootdir/suites`.

    Files that pytest alone can run are left out. Raises SpecError for another that fails.
    """
    declared = load_benchmarks(suite_folders(rootdir), on_skip=lambda error: None)
    return {bench.name: bench.scored_in(mode) for bench in declared}


def _declared_in(path: Path) -> list[Benchmark | Probe]:
    """The benchmarks and probes that a file of tests declares. Raises SpecError."""
    found: list[object] = []
    for name, value in vars(_run_file(path)).items():
        marks = [] if name.startswith("__") else getattr(value, "pytestmark", [])
        marks = marks if isinstance(marks, list) else [marks]  # of an imported module: one, or many
        found += [value, *(getattr(mark, "args", ()) for mark in marks)]
    return measures_in(found)


def names_declared(names: Collection[str], folders: Iterable[Path]) -> set[str]:
    """Those of `names` that the files of tests below some folders give to a benchmark or a probe.

    A name counts if it stands in a file as a text, or if the file makes it when it is run.
    """
    found: set[str] = set()
    for path in _python_files(folders):
        text = path.read_text(encoding="utf-8", errors="replace")
        with suppress(SyntaxError, ValueError, RecursionError):
            nodes = ast.walk(ast.parse(text))
            found.update(
                node.value
                for node in nodes
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            )
        if not found.issuperset(names) and path.name.startswith("test_") and "unicomp" in text:
            with suppress(SpecError):
                found.update(measure.name for measure in _declared_in(path))
    return found.intersection(names)


def _python_files(folders: Iterable[Path]) -> Iterator[Path]:
    """The Python files below some folders, without environments and hidden folders."""
    for top in folders:
        for folder, inner, files in os.walk(top):
            inner[:] = sorted(
                name
                for name in inner
                if name[0] not in "._" and not (Path(folder, name) / "pyvenv.cfg").exists()
            )
            yield from (Path(folder, name) for name in sorted(files) if name.endswith(".py"))


def _may_run_in_pytest(cause: BaseException | None) -> bool:
    """Whether pytest may run a file that raised this: it handles packages, and skipped files."""
    skips = cause is not None and not isinstance(cause, Exception)
    return skips or isinstance(cause, ImportError)
