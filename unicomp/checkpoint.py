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

from unicomp import catalogue, methods
from unicomp.catalogue import CHECKPOINT, Roots, check_folder, read_config
from unicomp.errors import BuildError, SpecError, UnsupportedError
from unicomp.methods.inspection import declared_precision, parameters, size
from unicomp.methods.oneshot import TRUST_REMOTE_CODE
from unicomp.spec import Calibration, Method, Model
from unicomp.store import CHECKPOINTS, Artifact, Store, content_key

Progress = Callable[[str], None]
"""Is told in a few words what a build is doing."""

LIBRARIES = ("torch", "transformers", "llmcompressor", "compressed-tensors")
"""The distributions whose versions decide what a compression results in."""

_MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.py")
_NOT_FETCHED = ("*/*", "consolidated*")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """(model, method, calibration) on disk."""

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
    `peak_accelerator_bytes`, `threads` and what the inspection found."""
    fresh: bool
    """Whether this call built it."""

    def __str__(self) -> str:
        return f"{self.model}-{self.method}"


def build(
    model: Model,
    method: Method,
    calibration: Calibration | None,
    *,
    store: Store,
    roots: Roots,
    progress: Progress = lambda text: None,
    threads: int = 1,
) -> Checkpoint:
    """Find the checkpoint, or make it with `threads` CPU threads and check what it claims.

    `roots` is where the file of the method is found. Raises UnsupportedError before anything is
    tried if the method cannot take the model, BuildError if the compression fails or yields
    something else than the method claims, StoreError if the disk is full.
    """
    if reason := refusal(model, method):
        raise UnsupportedError(f"{method} cannot compress {model}: {reason}")
    if model.folder is None:
        progress(f"{model}: looking up {model.source} on the hub")
    if (found := find(model, method, calibration, store=store, roots=roots)) is not None:
        return found
    if calibration is None:
        raise SpecError(f"method {method} needs a calibration")
    source = locate(model)
    identity = _identity(model, method, calibration, store, roots)
    label = f"{method} of {model}"

    def make(folder: Path) -> Mapping[str, Any]:
        request = {
            "parent": os.getpid(),
            "path": sys.path,
            "method": str(catalogue.method_file(method.name, roots)),
            "source": str(source),
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
        log = folder / "build.log"
        kept = store.home / "logs" / f"{model}-{method}-{content_key(identity)[:8]}.log"
        try:
            facts = _run(request, log, threads, lambda stage: progress(f"{label}: {stage}"))
        except _FailedBuildError as failure:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, kept)
            raise BuildError(f"{label} {failure} (log: {kept})") from None
        kept.unlink(missing_ok=True)
        return {**facts, "threads": threads, "label": f"{model}/{method}"}

    artifact = store.build(
        CHECKPOINTS,
        identity,
        make,
        on_wait=lambda: progress(f"{label}: waiting for the process that builds it"),
    )
    return _checkpoint(model, method, calibration, artifact)


def find(
    model: Model,
    method: Method,
    calibration: Calibration | None,
    *,
    store: Store,
    roots: Roots,
) -> Checkpoint | None:
    """The checkpoint if it needs no building, or None. Imports no torch."""
    if method.compress is None:
        return _as_it_is(model, method, store)
    if method.calibrated and calibration is None:
        raise SpecError(f"method {method} needs a calibration")
    identity = _identity(model, method, calibration, store, roots)
    artifact = store.find(CHECKPOINTS, content_key(identity))
    if artifact is None:
        return None
    return _checkpoint(model, method, calibration, artifact)


def key(
    model: Model, method: Method, calibration: Calibration | None, *, store: Store, roots: Roots
) -> str:
    """What identifies the content of the checkpoint, whether or not it was built: 32 hex digits."""
    if method.compress is None:
        return _as_it_is(model, method, store).key
    return content_key(_identity(model, method, calibration, store, roots))


def refusal(model: Model, method: Method) -> str | None:
    """Why the method cannot take the model, read from its `config.json`, or None."""
    if method.compress is None:
        return None
    return method.refuse(read_config(locate(model, config_only=True)))


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


# -- what identifies a checkpoint ---------------------------------------------------------------


def _identity(
    model: Model, method: Method, calibration: Calibration | None, store: Store, roots: Roots
) -> dict[str, Any]:
    source = catalogue.method_source(method.name, roots)
    seen = calibration if method.calibrated else None
    return {
        "model": weights_identity(model, store),
        "method": {
            "parameters": dict(method.parameters),
            "claims": vars(method.claims),
            "file": hashlib.sha256(source.encode()).hexdigest(),
            "code": _code_digest(),
        },
        "calibration": seen and seen.digest,
        "versions": {name: _version(name) for name in LIBRARIES},
    }


def weights_identity(model: Model, store: Store) -> dict[str, str]:
    """What identifies the files of a model: the commit on the hub, or the digest of each file."""
    folder = locate(model)
    if model.folder is None:
        return {"hub": model.source, "commit": folder.name}
    files = {path for pattern in _MODEL_FILES for path in folder.glob(pattern) if path.is_file()}
    return {path.name: store.digest_of(path) for path in sorted(files)}


@cache
def _code_digest() -> str:
    """SHA-256 of the modules that compress and inspect."""
    digest = hashlib.sha256()
    for path in sorted(Path(methods.__path__[0]).glob("*.py")):
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
