"""Checkpoints: a model after a method, on disk, held to what the method guarantees.

A `Builder` finds a checkpoint by its content or makes it, in a process of its own, once however
many processes ask for it. Finding one imports neither torch nor transformers. The baseline, and a
checkpoint compressed elsewhere, are used where they are.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unicomp import catalogue, methods
from unicomp.catalogue import CHECKPOINT, Roots
from unicomp.data import libraries
from unicomp.data.model_folder import read_config
from unicomp.data.model_source import locate, weights_identity
from unicomp.data.sources import HUB, Source
from unicomp.distillation.corpus import Corpus
from unicomp.distillation.speed import remember_speed
from unicomp.errors import BuildError, SpecError, UnsupportedError
from unicomp.formats.description import describe_endpoint
from unicomp.formats.intake import config_of, describe_folder, origin_of
from unicomp.machine import child_process, turns
from unicomp.machine.child_process import ChildFailureError
from unicomp.machine.child_process import Narrate as Narrate  # for those who call `build`
from unicomp.machine.waiting import Say, silent, waiting
from unicomp.methods.identity import method_identity
from unicomp.methods.precision import declared_precision
from unicomp.methods.stored_weights import parameters, size
from unicomp.spec import DENSE, Calibration, Method, Model, Served
from unicomp.store import CHECKPOINTS, TRAINING, Artifact, Store, content_key

_PUBLISHED = ("published", "base")
"""The parameters of a method that describe a published checkpoint."""
_OF_THE_MACHINE = frozenset(
    (
        *("seconds", "cpu_seconds", "peak_rss_bytes", "peak_accelerator_bytes", "device"),
        *("threads", "other_load", "shared_machine", "train_seconds", "correction_seconds"),
        *("tokens_per_second", "estimate"),
    )
)
"""Facts that hold only for the machine of the build."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model compressed by a method on a calibration, as a folder on disk.

    >>> def test_it_is_small(checkpoint: Checkpoint):
    ...     assert checkpoint.facts["bytes"] < 2e9
    """

    model: Model
    method: Method
    calibration: str | None
    """The name of the calibration; None if the method reads none."""
    path: Path
    """A Hugging Face folder; for a checkpoint at an endpoint, that of its base model, whose
    tokenizer and chat template make the prompts."""
    key: str
    """The hash of everything that determines its content."""
    facts: Mapping[str, Any]
    """Measured facts, as JSON values. Always `format`, and except at an endpoint `parameters`,
    `bytes` and `ideal_bytes`.

    After a build also `seconds`, `cpu_seconds`, `peak_rss_bytes`, `device`, `threads` and
    `peak_accelerator_bytes` of the compression alone, and what the inspection found. Memory is that
    of all processes and devices; `peak_rss_bytes` is what the compression added to the process that
    ran it. `other_load` is the share of the processors that other work took meanwhile, and
    `shared_machine` is True if that may have made it longer (None for a resumed training).
    After a training also `tokens`, `steps`, `train_seconds`, `correction_seconds`,
    `tokens_per_second`, `loss_first`, `loss_last` and `estimate`; the loss curve lies next to the
    folder as `loss.jsonl`. Times and memory are left out if another machine built it.
    A published checkpoint has its cost as `published`, and as `base` the hub id of the model that
    it was made from."""
    fresh: bool
    """Whether this call built it."""

    @property
    def is_dense(self) -> bool:
        """Whether it is the baseline itself; False for a copy of it."""
        return self.method.name == DENSE.name

    @property
    def endpoint(self) -> Served | None:
        """The running server that answers for it; None if an engine loads its folder."""
        return endpoint_of(self.model, self.method)

    @property
    def asked(self) -> Model:
        """The model as an engine opens it: with the checkpoint's own endpoint."""
        return replace(self.model, endpoint=self.endpoint)

    def __str__(self) -> str:
        return f"{self.model}-{self.method}"


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Finds checkpoints in a store, and builds what is missing.

    `calibration` may be None if the method reads none and nothing has to be built.
    """

    store: Store
    roots: Roots
    """Where the files of methods and calibrations are looked up."""
    source: Source = Source(HUB)  # noqa: RUF009 (frozen)
    """Where the text is read that a method trains on."""
    threads: int = 1
    """CPU threads of a build."""

    def build(
        self,
        model: Model,
        method: Method,
        calibration: Calibration | None,
        narrate: Narrate = lambda text: None,
        on_wait: Say = silent,
    ) -> Checkpoint:
        """Find the checkpoint, or make it and check what the method guarantees.

        A training that was killed goes on from what it left in the store. Raises UnsupportedError
        before anything is tried if the method does not support the model, BuildError if the
        compression fails or breaks a guarantee, StoreError if the disk is full.
        """
        if reason := why_unsupported(model, method):
            raise UnsupportedError(f"{method} cannot compress {model}: {reason}")
        if model.folder is None:
            narrate(f"{model}: looking up {model.source} on the hub")
        if (found := self.find(model, method, calibration)) is not None:
            return found
        if calibration is None:
            raise _lacks_calibration(method)
        identity = self._identity(model, method, calibration)
        workshop = self.store.home / TRAINING / content_key(identity)
        label = f"{method} of {model}"

        def tell(text: str) -> None:
            narrate(f"{label}: {text}")

        if self.store.is_damaged(CHECKPOINTS, content_key(identity)):
            tell("the stored checkpoint was changed on disk, so it is built again")

        def make(folder: Path) -> Mapping[str, Any]:
            with turns.shared(waiting(on_wait, "end its timings", label)):
                facts = self._compress(model, method, calibration, folder, workshop, tell)
            remember_speed(model, method, facts, self.store)
            return {**facts, "threads": self.threads, "label": f"{model}/{method}"}

        artifact = self.store.build(
            CHECKPOINTS,
            identity,
            make,
            on_wait=waiting(on_wait, "build it", label),
        )
        shutil.rmtree(workshop, ignore_errors=True)
        return _stored(model, method, calibration, artifact)

    def find(
        self, model: Model, method: Method, calibration: Calibration | None
    ) -> Checkpoint | None:
        """The checkpoint if it needs no building, or None. Imports no torch."""
        if method.compress is None:
            return _found(model, method, self.store)
        if method.calibrated and calibration is None:
            raise _lacks_calibration(method)
        key = content_key(self._identity(model, method, calibration))
        artifact = self.store.find(CHECKPOINTS, key)
        return None if artifact is None else _stored(model, method, calibration, artifact)

    def key(self, model: Model, method: Method, calibration: Calibration | None) -> str:
        """The key of the checkpoint's content, built or not: 32 hex digits."""
        if method.compress is None:
            return _found(model, method, self.store).key
        return content_key(self._identity(model, method, calibration))

    def _identity(
        self, model: Model, method: Method, calibration: Calibration | None
    ) -> dict[str, Any]:
        identity: dict[str, Any] = {
            "model": weights_identity(model, self.store),
            "method": method_identity(method, catalogue.method_source(method.name, self.roots)),
            "calibration": calibration.digest if calibration and method.calibrated else None,
        }
        if method.corpus is not None:
            recipe = catalogue.recipe_source(method.corpus, self.roots)
            identity_of_rows = catalogue.load_recipe(method.corpus, self.roots).stream_identity
            identity["corpus"] = {
                "recipe": hashlib.sha256(recipe.encode()).hexdigest(),
                "rows": identity_of_rows(self.source, self.store.digest_of),
            }
        return identity

    def _compress(
        self,
        model: Model,
        method: Method,
        calibration: Calibration,
        folder: Path,
        workshop: Path,
        narrate: Narrate,
    ) -> dict[str, Any]:
        """Write `model/` to `folder`, in a process of its own; a failed one leaves its log."""
        log = folder / "build.log"
        kept = self.store.home / "logs" / f"{model}-{method}-{workshop.name[:8]}.log"
        request = {
            "method": str(catalogue.method_file(method.name, self.roots)),
            "source": str(locate(model)),
            "target": str(folder / "model"),
            "calibration": vars(calibration),
            "trust_remote_code": model.trust_remote_code,
        }
        if method.corpus is not None:
            corpus = Corpus(name=method.corpus, roots=tuple(self.roots), source=self.source)
            workshop.mkdir(parents=True, exist_ok=True)
            request |= {"corpus": corpus.as_json(), "workshop": str(workshop)}
        try:
            facts: dict[str, Any] = child_process.run(
                "unicomp.methods.worker",
                request,
                log=log,
                threads=self.threads,
                environment={},
                preload=_preload(method),
                narrate=narrate,
            )
        except ChildFailureError as failure:
            if failure.disk_is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, kept)
            raise BuildError(f"{method} of {model} {failure} (log: {kept})") from None
        kept.unlink(missing_ok=True)
        return facts


def _preload(method: Method) -> tuple[str, ...]:
    """The modules that import what a build needs; none for a training, which has time to import.

    A training also starts processes, whose memory is measured exactly only beside a new process.
    """
    if method.corpus is not None:
        return ()
    module = getattr(method.compress, "func", method.compress).__module__
    ours = module.startswith(f"{methods.__name__}.")  # others are not imported by their names
    return (libraries.__name__, module) if ours else (libraries.__name__,)


def why_unsupported(model: Model, method: Method) -> str | None:
    """Why the method does not support the model, read from its `config.json`; None if it does."""
    if method.compress is None:
        return None
    return method.why_unsupported(config_of(model))


def compressed_elsewhere(model: Model, method: Method) -> Model | None:
    """The checkpoint that a method stands for, as a model to load; None if it stands for none."""
    if CHECKPOINT not in method.parameters:
        return None
    return replace(
        model,
        name=method.name,
        source=method.parameters[CHECKPOINT],
        revision=method.parameters.get("revision"),
    )


def endpoint_of(model: Model, method: Method) -> Served | None:
    """The running server that answers for a checkpoint; None if there is none."""
    return model.endpoint if method.name == DENSE.name else method.endpoint


def as_it_is(model: Model, method: Method) -> Model:
    """The checkpoint that a method stands for, as a model; otherwise the model itself."""
    return compressed_elsewhere(model, method) or model


def _found(model: Model, method: Method, store: Store) -> Checkpoint:
    """The baseline, or a checkpoint that was compressed elsewhere."""
    if (endpoint := endpoint_of(model, method)) is not None:
        return _served(model, method, endpoint, store)
    used = as_it_is(model, method)
    folder = locate(used)
    bits, group_size = declared_precision(read_config(folder))
    shipped = origin_of(folder).get("bytes") if used is not model else None
    facts = {
        "parameters": parameters(locate(model)),
        "bytes": shipped or size(folder),
        "ideal_bytes": shipped or size(folder),
        "bits": bits,
        "group_size": group_size,
        "format": describe_folder(folder),
    }
    facts |= {name: method.parameters[name] for name in _PUBLISHED if name in method.parameters}
    return Checkpoint(
        model=model,
        method=method,
        calibration=None,
        path=folder,
        key=content_key({"model": weights_identity(used, store)}),
        facts=facts,
        fresh=False,
    )


def _served(model: Model, method: Method, endpoint: Served, store: Store) -> Checkpoint:
    """A checkpoint at an endpoint, identified by what the probe found and its base's tokenizer."""
    base = replace(model, endpoint=endpoint)
    identity = {"endpoint": endpoint.identity, "model": weights_identity(base, store)}
    return Checkpoint(
        model=model,
        method=method,
        calibration=None,
        path=locate(base),
        key=content_key(identity),
        facts={"format": describe_endpoint(endpoint)},
        fresh=False,
    )


def _stored(
    model: Model, method: Method, calibration: Calibration | None, artifact: Artifact
) -> Checkpoint:
    left_out = _OF_THE_MACHINE if artifact.taken else frozenset()
    facts = {name: value for name, value in artifact.facts.items() if name not in left_out}
    return Checkpoint(
        model=model,
        method=method,
        calibration=calibration.name if calibration and method.calibrated else None,
        path=artifact.path / "model",
        key=artifact.key,
        facts={**facts, "format": describe_folder(artifact.path / "model")},
        fresh=artifact.fresh,
    )


def _lacks_calibration(method: Method) -> SpecError:
    return SpecError(f"method {method} needs a calibration")
