"""Describe machine, software and settings, to compare two scorecards or to repeat one."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from unicomp.data.model_source import known_kind
from unicomp.data.sources import Source
from unicomp.engines import EngineSettings
from unicomp.errors import UnicompError
from unicomp.instruments import Instruments, RefusalDetector
from unicomp.methods.identity import installed_version
from unicomp.spec import Model
from unicomp.store import FIGURES, Store, content_key

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
    engine: EngineSettings,
    samples: int | None,
    *,
    unpinned: Sequence[str] = (),
    notes: Sequence[str] = (),
    instruments: Mapping[str, Any] | None = None,
    measuring: Mapping[str, Any] | None = None,
    there: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """Versions, machine, models, rows and engine as JSON values; no paths of this machine."""
    return {
        "packages": {name: installed_version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "machine": {
            "system": platform.platform(),
            "processors": os.cpu_count(),
        },
        "models": {
            model.name: {
                "source": model.folder.name if model.folder else model.source,
                "revision": model.revision,
                "kind": known_kind(model),
                "rows": _rows(sources[model.name]),
                **engine.identity(model),
            }
            for model in models
        },
        "samples": samples,
        "there": dict(there or {}),  # model -> benchmark -> the rows of its source
        "reading": "oriented",  # every component is oriented; `unicomp score` has the paper's
        "unpinned": list(unpinned),  # data sets whose revision is not known
        "notes": list(notes),  # limits of the session
        "instruments": dict(instruments or {}),  # that read the generated answers
        "measuring": dict(measuring or {}),  # machine and effort of the timings
    }


def describe_instruments(instruments: Instruments, store: Store) -> dict[str, Any]:
    """Describe the instruments and how well they do on the shipped labelled examples.

    A detector is measured once and then cached, since a classifier would have to be loaded.
    """
    from unicomp.instruments import agreement

    described = dict(instruments.identity)
    try:
        described["refusal_figures"] = _refusal_figures(instruments.refusals, store)
        if instruments.judge is not None:
            found = agreement.measure_judge(instruments.judge, agreement.labelled_questions())
            described["judge_agreement"] = {"n": found.n, "kappa": found.kappa}
    except UnicompError as error:
        described["unknown_quality"] = str(error)
    return described


def _refusal_figures(detector: RefusalDetector, store: Store) -> dict[str, float]:
    from unicomp.instruments import refusal_quality

    labelled = [astuple(row) for row in refusal_quality.labelled_responses()]
    key = content_key({"detector": detector.identity, "labelled": labelled})
    kept: dict[str, float] | None = store.recall(FIGURES, key)
    if kept is None:
        figures = refusal_quality.measure_detector(detector)
        names = ("n", "precision", "recall", "f1", "gibberish_refused")
        kept = {name: getattr(figures, name) for name in names}
        store.remember(FIGURES, key, kept)
    return kept


def _rows(source: Source) -> str:
    return source.name if source.folder is None or source.is_embedded else "mirror"
