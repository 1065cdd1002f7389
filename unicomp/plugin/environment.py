"""Describe machine, software and settings, to compare two scorecards or to repeat one."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.model_source import known_kind
from unicomp.data.sources import Source
from unicomp.engines import EngineSettings
from unicomp.errors import UnicompError
from unicomp.formats.intake import origin_of
from unicomp.instruments import Instruments, RefusalDetector
from unicomp.methods.identity import installed_version
from unicomp.settings import Early
from unicomp.spec import Model
from unicomp.store import FIGURES, Store, content_key

if TYPE_CHECKING:
    from unicomp.instruments.refusal_quality import LabelledResponse

_PACKAGES = (
    "unicomp",
    "torch",
    "transformers",
    "llmcompressor",
    "compressed-tensors",
    "lm-eval",
    "datasets",
    "pytest",
)


def describe(
    models: Sequence[Model],
    sources: Mapping[str, Source],
    engine: Callable[[Model], EngineSettings],
    samples: int | None,
    *,
    unpinned: Sequence[str] = (),
    notes: Sequence[str] = (),
    instruments: Mapping[str, Any] | None = None,
    measuring: Mapping[str, Any] | None = None,
    there: Mapping[str, Mapping[str, int]] | None = None,
    arguments: Sequence[str] | None = None,
    reading: str = "oriented",
    early: Early = "off",
    repeats: int = 1,
    families: Mapping[str, str | None] | None = None,
    datasets: Mapping[str, Mapping[str, Mapping[str, str | None]]] | None = None,
    cluster: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Versions, machine, models, rows and each model's engine as JSON values.

    There are no paths of this machine but those in the `arguments` of the command line.
    """
    return {
        "command": [] if arguments is None else [command_line(arguments)],
        "packages": {name: installed_version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "machine": {
            "system": platform.platform(),
            "processors": os.cpu_count(),
        },
        "models": {
            model.name: {
                "source": source_of(model),
                "revision": model.revision,
                "kind": known_kind(model),
                "rows": _rows(sources[model.name]),
                **engine(model).identity(model),
                **({"answering": declared} if (declared := model.answering.declared) else {}),
            }
            for model in models
        },
        **({"cluster": list(cluster)} if cluster else {}),  # the nodes that did the work
        "samples": samples,
        **({"repeats": repeats} if repeats > 1 else {}),  # samples of an item
        "there": dict(there or {}),  # model -> benchmark -> the rows of its source
        "reading": reading,  # how the components of reliability enter their metrics
        "early": early,  # whether asking stopped as soon as a verdict was known
        "families": dict(families or {}),  # method -> its family
        "datasets": dict(datasets or {}),  # model -> benchmark -> id and pinned revision
        "unpinned": list(unpinned),  # data sets whose revision is not known
        "notes": list(notes),  # limits of the session
        "instruments": dict(instruments or {}),  # that read the generated answers
        "measuring": dict(measuring or {}),  # machine and effort of the timings
    }


def command_line(arguments: Sequence[str]) -> str:
    """The command that repeats a run, for a shell; options of the environment stand before it."""
    options = os.environ.get("PYTEST_ADDOPTS")
    before = f"PYTEST_ADDOPTS={shlex.quote(options)} " if options else ""
    return before + shlex.join(["pytest", *arguments])


def describe_instruments(
    instruments: Instruments, store: Store, mirrors: Collection[Path] = ()
) -> dict[str, Any]:
    """Describe the instruments and how well they do on labelled examples.

    These are the shipped ones, and what the `mirrors` hold with human labels. A detector is
    measured once and then cached, since a classifier would have to be loaded.
    """
    from unicomp.instruments import agreement

    described = dict(instruments.identity)
    try:
        described["refusal_figures"] = _refusal_figures(instruments.refusals, store, mirrors)
        if instruments.judge is not None:
            found = agreement.measure_judge(instruments.judge, agreement.labelled_questions())
            described["judge_agreement"] = {"n": found.n, "kappa": found.kappa}
    except UnicompError as error:
        described["unknown_quality"] = str(error)
    return described


def _refusal_figures(
    detector: RefusalDetector, store: Store, mirrors: Collection[Path]
) -> dict[str, Any]:
    """The figures on the shipped rows, on those held out, and on each model with human labels."""
    from unicomp.instruments.refusal_quality import human_labelled, labelled_responses

    rows = labelled_responses()
    figures: dict[str, Any] = _figures(detector, rows, store)
    figures["held_out"] = _figures(detector, [row for row in rows if row.held_out], store)
    human = {
        model: completions
        for mirror in mirrors
        for model, completions in human_labelled(mirror).items()
    }
    if human:
        figures["human"] = {
            model: _figures(detector, completions, store) for model, completions in human.items()
        }
    return figures


def _figures(
    detector: RefusalDetector, rows: Sequence[LabelledResponse], store: Store
) -> dict[str, float]:
    from unicomp.instruments.refusal_quality import measure_detector

    key = content_key({"detector": detector.identity, "labelled": [astuple(row) for row in rows]})
    kept: dict[str, float] | None = store.recall(FIGURES, key)
    if kept is None:
        kept = asdict(measure_detector(detector, rows))
        kept.pop("confusion")
        store.remember(FIGURES, key, kept)
    return kept


def source_of(model: Model) -> str:
    """The hub id of a model, or the name of the folder or file that was given."""
    if model.folder is None:
        return model.source
    return str(origin_of(model.folder).get("file", model.folder.name))


def _rows(source: Source) -> str:
    return source.name if source.folder is None or source.is_embedded else "mirror"
