"""The store: results on disk, found by content, written by one process, never half finished.

    HOME/
      checkpoints/KEY/    manifest.json, model/, build.log; after a training also loss.jsonl
      converted/KEY/      manifest.json, reading.log, model/: a model given in another format
      training/KEY/       an unfinished training; removed when its checkpoint is finished
      companions/KEY/     manifest.json, model/: configuration and tokenizer of a checkpoint that
                          lies on a node of a cluster
      fixtures/KEY/       on a node: methods and calibrations of the process that started a run
      responses/KEY/      identity.json, and one JSON-lines file for each batch of items; next-token
                          distributions on running text as distributions-KEY.npy; in records the
                          keys of the scores that were read in them
      scores/KEY.json     the records of one benchmark, read in responses
      items/KEY.json      prompts, options and right answers of one benchmark's items, for reports
      measurements/KEY.json    timings, memory and operations of checkpoints
      judgements/KEY.json      verdicts of judges
      similarities/KEY.json    values of similarity servers
      figures/KEY.json    accuracy of refusal detectors, and how fast runs on this machine were
      calibrations/KEY.json    the rows drawn for a calibration
      admissions/KEY.json      what the check of a model's folder found
      looks/KEY.json      when a candidate was judged, on which items, by which floors
      churn/KEY.json      items of a benchmark that a method flipped, for the next plan
      digests/KEY.json    SHA-256 of a file, valid for its path, size and mtime
      logs/               logs of vLLM servers, failed builds and memory measurements
      locks/              one lock file for each artifact

An artifact is built in a temporary folder next to its place. Its manifest is written last, then the
folder is renamed into place: if it exists, it is complete. Locks are the operating system's, so
they vanish with the process that holds them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from unicomp.errors import StoreError
from unicomp.machine.waiting import Wait, said, silent

MANIFEST = "manifest.json"
TAKEN = "taken.json"
"""A file in an artifact that another machine has built."""
CHECKPOINTS = "checkpoints"
CONVERTED = "converted"
TRAINING = "training"
COMPANIONS = "companions"
FIXTURES = "fixtures"
RESPONSES = "responses"
SCORES = "scores"
ITEMS = "items"
CALIBRATIONS = "calibrations"
FIGURES = "figures"
MEASUREMENTS = "measurements"
ADMISSIONS = "admissions"
LOOKS = "looks"
CHURN = "churn"

_MOMENT = 0.2
"""Seconds of a wait that is not reported."""


def content_key(identity: Mapping[str, Any]) -> str:
    """The key of `identity` (JSON values): 32 hex digits of its SHA-256."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def code_digest(paths: Iterable[Path]) -> str:
    """SHA-256 of the names and contents of modules, in the order given, in hex."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _stamp(path: Path) -> tuple[str, list[Any]]:
    """The key of a file's digest, and what changes with its content: size and mtime."""
    stat = path.stat()
    stamp = [str(path.resolve()), stat.st_size, stat.st_mtime_ns]
    return content_key({"path": stamp[0]}), stamp


def _unique() -> str:
    """A suffix that no other process uses, also on a disk that several machines share."""
    return f"{os.getpid()}-{secrets.token_hex(4)}"


def write_atomically(path: Path, content: str | memoryview) -> None:
    """Replace a file's content at once: after a power cut it is the old or the new one."""
    temporary = path.with_name(f".{path.name}.{_unique()}")
    with advice_when_full(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def advice_when_full(place: Path) -> Iterator[None]:
    """Turn the system's error for a full disk into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreError(
            f"the disk of {place} is full: free some space, or prune the store with "
            "`unicomp cache prune`; finished work is kept"
        ) from None


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A finished folder of the store, with the content of its manifest."""

    path: Path
    key: str
    identity: Mapping[str, Any]
    facts: Mapping[str, Any]
    """Measured during the build: seconds, memory, sparsity."""
    fresh: bool
    """This process built it; otherwise it was found."""
    taken: bool = False
    """Another machine built it: its facts hold times and memory of that machine."""


class Store:
    """The artifacts in one folder; any number of processes may use it at a time."""

    def __init__(self, home: Path) -> None:
        self.home = home
        try:
            for folder in (home, home / "locks", home / "digests"):
                folder.mkdir(parents=True, exist_ok=True)
                probe = folder / f".writable-{_unique()}"
                probe.touch()
                probe.unlink()
        except OSError as error:
            raise StoreError(
                f"the store {home} cannot be written ({error.strerror}): "
                "name another one with --unicomp-home DIR"
            ) from None

    @contextmanager
    def lock(self, name: str, on_wait: Wait = silent, *, wait: bool = True) -> Iterator[None]:
        """Hold the lock `name`. If another process has it, tell `on_wait` and wait.

        Many locks are held for a moment only, so that a short wait is not reported. Without `wait`,
        raise filelock.Timeout instead.
        """
        path = self.home / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=_MOMENT if wait else 0)
        except Timeout:
            if not wait:
                raise
            with said(on_wait, path):
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def find(self, kind: str, key: str) -> Artifact | None:
        """The finished artifact, or None; if a file is missing or changed, it is not finished.

        A file's digest is computed once, and again if its size or time of change differs.
        """
        path = self.home / kind / key
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            for name, entry in manifest["files"].items():
                if (path / name).stat().st_size != entry["size"]:
                    return None
                if self.digest_of(path / name) != entry["sha256"]:
                    return None
            return Artifact(
                path=path,
                key=key,
                identity=manifest["identity"],
                facts=manifest["facts"],
                fresh=False,
                taken=(path / TAKEN).is_file(),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def is_damaged(self, kind: str, key: str) -> bool:
        """Whether an artifact was finished once, and `find` refuses it now."""
        return (self.home / kind / key / MANIFEST).is_file() and self.find(kind, key) is None

    def build(
        self,
        kind: str,
        identity: Mapping[str, Any],
        make: Callable[[Path], Mapping[str, Any]],
        *,
        on_wait: Wait = silent,
    ) -> Artifact:
        """Find the artifact of `identity`, or build it with `make(folder)`.

        One process builds, the others wait for it. `make` returns the facts for the manifest; if
        it raises, nothing is kept. What can be taken from elsewhere is not built. Raises StoreError
        if the disk is full.
        """
        key = content_key(identity)
        if found := self.find(kind, key):
            return found
        with self.lock(f"{kind}-{key}", on_wait):
            if found := self.find(kind, key):
                return found
            self.take(kind, key)
            if found := self.find(kind, key):
                return found
            partial = self.partial(kind, key)
            try:
                with advice_when_full(self.home):
                    shutil.rmtree(partial, ignore_errors=True)
                    partial.mkdir(parents=True)
                    facts = make(partial)
                    digests = self._write_manifest(partial, identity, facts)
                    place = self.finish(kind, key, digests)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        return Artifact(path=place, key=key, identity=identity, facts=facts, fresh=True)

    def partial(self, kind: str, key: str) -> Path:
        """The folder in which an artifact is made, by the process that holds its lock."""
        return self.home / kind / f".partial-{key}"

    def finish(self, kind: str, key: str, digests: Mapping[str, str]) -> Path:
        """Put a folder that is made into its place; `digests` has the SHA-256 of its files."""
        place = self.home / kind / key
        shutil.rmtree(place, ignore_errors=True)
        os.replace(self.partial(kind, key), place)
        for name, digest in digests.items():
            self._remember_digest(place / name, digest)
        return place

    def take(self, kind: str, key: str, *, of: str | None = None, name: str | None = None) -> None:
        """Take a folder from elsewhere, or its file `name`; a store without an upstream cannot.

        `of` is the key of the checkpoint that answered. The caller holds the lock.
        """

    @staticmethod
    def corrupt_files(artifact: Artifact) -> list[str]:
        """The files of an artifact that are missing, or differ from the manifest."""
        manifest = json.loads((artifact.path / MANIFEST).read_text(encoding="utf-8"))
        return [
            name
            for name, entry in manifest["files"].items()
            if not (path := artifact.path / name).is_file() or file_digest(path) != entry["sha256"]
        ]

    @staticmethod
    def _write_manifest(
        folder: Path, identity: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> dict[str, str]:
        """Write the manifest, and return name → SHA-256 of each file."""
        files: dict[str, dict[str, Any]] = {
            str(path.relative_to(folder)): {
                "size": path.stat().st_size,
                "sha256": file_digest(path),
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        manifest = {
            "identity": dict(identity),
            "facts": dict(facts),
            "files": files,
            "created": time.time(),
        }
        write_atomically(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
        return {name: entry["sha256"] for name, entry in files.items()}

    def digest_of(self, path: Path) -> str:
        """SHA-256 of a file, computed once for each (path, size, mtime)."""
        key, stamp = _stamp(path)
        known = self.recall("digests", key)
        if isinstance(known, dict) and known.get("stamp") == stamp and "sha256" in known:
            return str(known["sha256"])
        return self._remember_digest(path, file_digest(path))

    def _remember_digest(self, path: Path, digest: str) -> str:
        key, stamp = _stamp(path)
        self.remember("digests", key, {"stamp": stamp, "sha256": digest})
        return digest

    def recall(self, kind: str, key: str, *, of: str | None = None) -> Any | None:
        """The JSON value stored under `key`, or None; `of` is the key of its checkpoint, if any."""
        try:
            return json.loads((self.home / kind / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def remember(self, kind: str, key: str, value: Any) -> None:
        """Store a small JSON value under `key`."""
        write_atomically(self.home / kind / f"{key}.json", json.dumps(value, ensure_ascii=False))
