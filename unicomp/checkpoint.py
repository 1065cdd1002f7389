"""Checkpoints: a model after a method, on disk, held to what the method claims.

`build` finds a checkpoint by its content or makes it, in a process of its own, at most once however
many ask at a time. Finding one imports neither torch nor transformers. The baseline, and a
checkpoint compressed elsewhere, are used where they are.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from unicomp import catalogue, distillation, methods
from unicomp.catalogue import CHECKPOINT, Roots
from unicomp.data.model_folder import check_folder, read_config
from unicomp.data.sources import HUB, Source
from unicomp.distillation.corpus import Corpus
from unicomp.errors import BuildError, SpecError, UnsupportedError
from unicomp.machine import turns
from unicomp.methods.inspection import declared_precision, parameters, size
from unicomp.methods.oneshot import TRUST_REMOTE_CODE
from unicomp.spec import DENSE, Calibration, Method, Model
from unicomp.store import CHECKPOINTS, FIGURES, TRAINING, Artifact, Store, content_key

Progress = Callable[[str], None]
"""Is told in a few words what a build is doing."""

HUB_SOURCE = Source(HUB)

TRAINERS = ("distillation.py", "low_rank_clone.py", "minitron.py")
"""Those of `unicomp.methods` that only students depend on."""

LIBRARIES = ("torch", "transformers", "llmcompressor", "compressed-tensors")
"""The distributions whose versions decide what a compression results in."""

_TOLD = ("published", "base")
_MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.py")
_NOT_FETCHED = ("*/*", "consolidated*")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model compressed by a method on a calibration, as a folder on disk.

    >>> def test_it_is_small(checkpoint: Checkpoint):
    ...     assert checkpoint.facts["bytes"] < 2e9
    """

    model: Model
    method: Method
    calibration: str | None
    """The name of the calibration; None where the method sees none."""
    path: Path
    """A Hugging Face folder."""
    key: str
    """What identifies its content."""
    facts: Mapping[str, Any]
    """What was measured, as JSON values. Always `parameters`, `bytes` and `ideal_bytes`. After a
    build also `seconds` and `peak_rss_bytes` of the compression, `device`,
    `peak_accelerator_bytes`, `threads` and what the inspection found; memory is that of all
    processes and devices that compressed. Of one that was trained also `tokens`, `steps`,
    `train_seconds`, `correction_seconds`, `tokens_per_second`, `loss_first`, `loss_last` and
    `estimate`; its loss curve lies beside it as `loss.jsonl`. A published checkpoint has what it
    cost as `published`, and `base`, the hub id of the model that it was made from."""
    fresh: bool
    """Whether this call built it."""

    @property
    def is_dense(self) -> bool:
        """Whether it is the model itself, beside which others are measured; a copy of it is not."""
        return self.method.name == DENSE.name

    def __str__(self) -> str:
        return f"{self.model}-{self.method}"


def build(
    model: Model,
    method: Method,
    calibration: Calibration | None,
    *,
    store: Store,
    roots: Roots,
    source: Source = HUB_SOURCE,
    progress: Progress = lambda text: None,
    threads: int = 1,
) -> Checkpoint:
    """Find the checkpoint, or make it with `threads` CPU threads and check what it claims.

    `roots` is where the file of the method is found, `source` where the text is read that a method
    trains on. A training that was killed goes on from what it left in the store. Raises
    UnsupportedError before anything is tried if the method cannot take the model, BuildError if the
    compression fails or yields something else than the method claims, StoreError if the disk is
    full.
    """
    if reason := why_unsupported(model, method):
        raise UnsupportedError(f"{method} cannot compress {model}: {reason}")
    if model.folder is None:
        progress(f"{model}: looking up {model.source} on the hub")
    if (
        found := find(model, method, calibration, store=store, roots=roots, source=source)
    ) is not None:
        return found
    if calibration is None:
        raise SpecError(f"method {method} needs a calibration")
    folder_of_model = locate(model)
    identity = _identity(model, method, calibration, store, roots, source)
    workshop = store.home / TRAINING / content_key(identity)
    label = f"{method} of {model}"

    def make(folder: Path) -> Mapping[str, Any]:
        request = {
            "parent": os.getpid(),
            "path": sys.path,
            "method": str(catalogue.method_file(method.name, roots)),
            "source": str(folder_of_model),
            "target": str(folder / "model"),
            "calibration": {
                "name": calibration.name,
                "samples": [
                    sample if isinstance(sample, str) else [dict(turn) for turn in sample]
                    for sample in calibration.samples
                ],
                "tokens": calibration.tokens,
            },
            "trust_remote_code": model.trust_remote_code,
        }
        if method.corpus is not None:
            corpus = Corpus(name=method.corpus, roots=tuple(roots), source=source)
            workshop.mkdir(parents=True, exist_ok=True)
            request |= {"corpus": corpus.as_json(), "workshop": str(workshop)}
        log = folder / "build.log"
        kept = store.home / "logs" / f"{model}-{method}-{content_key(identity)[:8]}.log"
        try:
            with turns.shared(lambda: progress(f"{label}: waiting for a measurement to end")):
                facts = _run(request, log, threads, lambda stage: progress(f"{label}: {stage}"))
        except _FailedBuildError as failure:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, kept)
            raise BuildError(f"{label} {failure} (log: {kept})") from None
        kept.unlink(missing_ok=True)
        _note_speed(model, method, facts, store)
        return {**facts, "threads": threads, "label": f"{model}/{method}"}

    artifact = store.build(
        CHECKPOINTS,
        identity,
        make,
        on_wait=lambda: progress(f"{label}: waiting for the process that builds it"),
    )
    shutil.rmtree(workshop, ignore_errors=True)
    return _checkpoint(model, method, calibration, artifact)


def find(
    model: Model,
    method: Method,
    calibration: Calibration | None,
    *,
    store: Store,
    roots: Roots,
    source: Source = HUB_SOURCE,
) -> Checkpoint | None:
    """The checkpoint if it needs no building, or None. Imports no torch."""
    if method.compress is None:
        return _as_it_is(model, method, store)
    if method.calibrated and calibration is None:
        raise SpecError(f"method {method} needs a calibration")
    identity = _identity(model, method, calibration, store, roots, source)
    artifact = store.find(CHECKPOINTS, content_key(identity))
    if artifact is None:
        return None
    return _checkpoint(model, method, calibration, artifact)


def key(
    model: Model,
    method: Method,
    calibration: Calibration | None,
    *,
    store: Store,
    roots: Roots,
    source: Source = HUB_SOURCE,
) -> str:
    """What identifies the content of the checkpoint, whether or not it was built: 32 hex digits."""
    if method.compress is None:
        return _as_it_is(model, method, store).key
    return content_key(_identity(model, method, calibration, store, roots, source))


def why_unsupported(model: Model, method: Method) -> str | None:
    """Why the method cannot take the model, read from its `config.json`, or None."""
    if method.compress is None:
        return None
    return method.why_unsupported(read_config(locate(model, config_only=True)))


def locate(model: Model, *, config_only: bool = False) -> Path:
    """The local folder of a model, fetched from the hub if it is not a folder.

    With `config_only` nothing but its `config.json` is sure to be there. Raises SpecError where
    the hub does not give it.
    """
    if model.folder is not None:
        return model.folder
    return _fetch(model.source, model.revision, config_only)


@cache
def _fetch(hub_id: str, revision: str | None, config_only: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    wanted = ["config.json"] if config_only else list(_MODEL_FILES)
    try:
        folder = Path(
            snapshot_download(
                hub_id,
                revision=revision,
                allow_patterns=wanted,
                ignore_patterns=list(_NOT_FETCHED),
            )
        )
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")
        raise SpecError(
            f"the model {hub_id}{f'@{revision}' if revision else ''} cannot be fetched from the "
            f"hub ({type(error).__name__}: {line}): give a local folder instead"
        ) from error
    if not config_only:
        check_folder(folder)
    return folder


def training_speed(model: Model, method: Method, store: Store) -> float | None:
    """Floating-point operations a second of one device when this was last trained here, or None."""
    found = store.recall(FIGURES, _speed_key(model, method))
    return None if found is None else float(found["flops_per_second"])


def _note_speed(model: Model, method: Method, facts: Mapping[str, Any], store: Store) -> None:
    if expected := facts.get("estimate"):
        seconds = facts["train_seconds"] + facts["correction_seconds"]
        speed = expected["flops"] / seconds / expected["devices"]
        store.remember(FIGURES, _speed_key(model, method), {"flops_per_second": speed})


def _speed_key(model: Model, method: Method) -> str:
    return content_key({"training": [model.name, method.name, platform.node()]})


# -- what identifies a checkpoint ---------------------------------------------------------------


def _identity(
    model: Model,
    method: Method,
    calibration: Calibration | None,
    store: Store,
    roots: Roots,
    source: Source,
) -> dict[str, Any]:
    text = catalogue.method_source(method.name, roots)
    seen = calibration if method.calibrated else None
    trains = method.corpus is not None
    identity: dict[str, Any] = {
        "model": weights_identity(model, store),
        "method": {
            "parameters": dict(method.parameters),
            "guarantees": vars(method.guarantees),
            "file": hashlib.sha256(text.encode()).hexdigest(),
            "code": _code_digest(trains),
        },
        "calibration": seen and seen.digest,
        "versions": {name: _version(name) for name in LIBRARIES},
    }
    if method.corpus is not None:
        recipe = catalogue.recipe_source(method.corpus, roots)
        stream = catalogue.load_recipe(method.corpus, roots).stream_identity
        identity["corpus"] = {
            "recipe": hashlib.sha256(recipe.encode()).hexdigest(),
            "rows": stream(source, store.digest_of),
        }
    return identity


def weights_identity(model: Model, store: Store) -> dict[str, str]:
    """What identifies the files of a model: the commit on the hub, or the digest of each file."""
    folder = locate(model)
    if model.folder is None:
        return {"hub": model.source, "commit": folder.name}
    files = {path for pattern in _MODEL_FILES for path in folder.glob(pattern) if path.is_file()}
    return {path.name: store.digest_of(path) for path in sorted(files)}


@cache
def _code_digest(trains: bool) -> str:
    """SHA-256 of the modules that compress and inspect: with those that train, or without."""
    paths = sorted(Path(methods.__path__[0]).glob("*.py"))
    if trains:
        paths += sorted(Path(distillation.__path__[0]).glob("*.py"))
    else:
        paths = [path for path in paths if path.name not in TRAINERS]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _as_it_is(model: Model, method: Method, store: Store) -> Checkpoint:
    """The baseline, or a checkpoint that was compressed elsewhere."""
    subject = model
    if CHECKPOINT in method.parameters:
        subject = Model(
            name=method.name,
            source=method.parameters[CHECKPOINT],
            revision=method.parameters.get("revision"),
            dtype=model.dtype,
            trust_remote_code=model.trust_remote_code,
        )
    folder = locate(subject)
    bits, group_size = declared_precision(read_config(folder))
    told = {name: method.parameters[name] for name in _TOLD if name in method.parameters}
    return Checkpoint(
        model=model,
        method=method,
        calibration=None,
        path=folder,
        key=content_key({"model": weights_identity(subject, store)}),
        facts={
            "parameters": parameters(locate(model)),
            "bytes": size(folder),
            "ideal_bytes": size(folder),
            "bits": bits,
            "group_size": group_size,
            **told,
        },
        fresh=False,
    )


def _checkpoint(
    model: Model, method: Method, calibration: Calibration | None, artifact: Artifact
) -> Checkpoint:
    return Checkpoint(
        model=model,
        method=method,
        calibration=calibration.name if calibration is not None and method.calibrated else None,
        path=artifact.path / "model",
        key=artifact.key,
        facts=artifact.facts,
        fresh=artifact.fresh,
    )


# -- the process that builds --------------------------------------------------------------------


class _FailedBuildError(Exception):
    """A build that did not end well, as the end of a sentence that begins with its name."""


def _run(request: Mapping[str, Any], log: Path, threads: int, progress: Progress) -> dict[str, Any]:
    """Serve one request in a process of its own, which ends when this one does."""
    package = str(Path(__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([package, inherited] if inherited else [package]),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        TRUST_REMOTE_CODE: str(int(request["trust_remote_code"])),
    }
    last: dict[str, Any] = {}
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-P", "-m", "unicomp.methods.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
            encoding="utf-8",
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            try:
                with child.stdin:
                    json.dump(request, child.stdin)
            except BrokenPipeError:
                pass  # it died at once; its status says how
            for line in child.stdout:
                last = json.loads(line)
                if "stage" in last:
                    progress(last["stage"])
            child.wait()
        finally:
            if child.poll() is None:
                child.kill()
    if "facts" in last:
        return dict(last["facts"])
    raise _reason(last.get("error"), child.returncode, log)


def _reason(error: Mapping[str, str] | None, status: int, log: Path) -> Exception:
    """What a failed build is raised as."""
    if error is None:
        if status < 0:
            hint = " (out of memory?)" if status == -signal.SIGKILL else ""
            return _FailedBuildError(f"was killed by signal {-status}{hint}")
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        return _FailedBuildError(f"failed with exit status {status}: {last}")
    kind, message = error["type"], error["message"]
    if "No space left on device" in message or "os error 28" in message:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if kind == "BuildError":
        return _FailedBuildError(f"is not what it claims: {message}")
    return _FailedBuildError(f"failed: {kind}: {message}")
