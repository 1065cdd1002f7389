"""Recognise what a user gives as a model, and settle it: a folder that an engine can load.

A Hugging Face folder that the engine reads is used where it is. Anything else is read into the
store, once for each content, in a process of its own: a GGUF file, an adapter, which is merged into
its base, and weights that others packed. Nothing is written beside the user's files.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from unicomp.data import libraries
from unicomp.data.model_folder import check_folder, folder_name, hub_id, read_config, slug
from unicomp.data.model_source import fetch, locate
from unicomp.errors import SpecError
from unicomp.formats import adapter, gguf_file
from unicomp.formats.description import describe
from unicomp.formats.method import is_repacked, quantization_of, why_unreadable
from unicomp.formats.software import READERS, installed_version
from unicomp.machine import child_process
from unicomp.machine.child_process import ChildFailureError, Narrate
from unicomp.machine.waiting import Say, silent, waiting
from unicomp.spec import Model
from unicomp.store import CONVERTED, MANIFEST, Artifact, Store, code_digest, content_key

MODEL = "model"
"""The name of a model's folder in the store."""
_BESIDE = ("*.json", "*.jinja", "*.model", "*.txt")
"""The small files of a model folder: configuration and tokenizer."""


@dataclass(frozen=True)
class Given:
    """A model as it was given: what it is, checked as far as its headers show."""

    path: Path
    form: Literal["folder", "gguf", "adapter", "packed"]
    config: Mapping[str, Any]
    """Its `config.json`, or what the file says of it under the same names; empty for an adapter."""
    files: tuple[Path, ...] = ()
    """The files that hold its weights, if it is not a folder."""
    quantization: Mapping[str, Any] = field(default_factory=dict)
    """The quantization that it declares; empty if its weights are floats."""

    @property
    def name(self) -> str:
        """A name for the model."""
        return (slug(self.path.stem) or "model") if self.path.is_file() else folder_name(self.path)

    @property
    def folder(self) -> Path:
        """The folder that it lies in."""
        return self.path if self.path.is_dir() else self.path.parent


def recognise(path: Path) -> Given:
    """What a user's file or folder is. Raises SpecError for one that cannot be a model."""
    if path.is_file() and path.suffix != ".gguf":
        raise SpecError(f"{path} is a file: give the folder of the model, or a file FILE.gguf")
    weights = {one.name for one in path.glob("*.safetensors")} if path.is_dir() else set()
    if path.is_file() or (not weights and any(path.glob("*.gguf"))):
        return _gguf(path)
    if (path / adapter.CONFIG).is_file() and not weights - {adapter.WEIGHTS}:
        adapter.check(path)
        return Given(path, "adapter", {}, (path / adapter.WEIGHTS,))
    check_folder(path)
    if (path / adapter.CONFIG).is_file():
        raise SpecError(
            f"{path} holds a model and an adapter ({adapter.CONFIG}), which would be loaded "
            "together: give each a folder of its own"
        )
    config = read_config(path)
    return Given(path, "folder", config, quantization=quantization_of(path, config))


def describe_folder(folder: Path) -> dict[str, Any]:
    """The format of a folder that an engine loads, as JSON values.

    For one that was read in, it is the format that was given. The line is the description in words,
    and `origin` what was read from which file, or None. Raises SpecError.
    """
    origin = origin_of(folder)
    if "description" in origin:
        return {**origin.pop("description"), "origin": origin}
    config = read_config(folder)
    found = describe(folder, config, quantization_of(folder, config))
    return {**found.as_json(), "origin": origin or None}


def _gguf(path: Path) -> Given:
    files = gguf_file.gguf_files(path)
    header = gguf_file.read_headers(files)
    if find_spec("gguf") is None:
        raise SpecError(f"{path} needs the package gguf to be read: pip install 'unicomp[gguf]'")
    quantization = {"quant_method": "gguf"} if header.is_quantized else {}
    return Given(path, "gguf", header.config, tuple(files), quantization)


def config_of(model: Model) -> Mapping[str, Any]:
    """The configuration of a model, as far as it is known without reading weights.

    Raises SpecError.
    """
    folder = locate(model, config_only=True)
    if model.folder is None and not (folder / adapter.CONFIG).is_file():
        return read_config(folder)  # its weights have not been fetched
    given = None if model.folder is None else recognise(folder)
    if given is None or given.form == "adapter":
        return read_config(adapter.base_of(folder))
    return given.config


def settled(
    model: Model,
    store: Store,
    *,
    base: Model | None = None,
    engine: str = "hf",
    device: str = "cpu",
    threads: int = 1,
    narrate: Narrate = lambda text: None,
    on_wait: Say = silent,
) -> Model:
    """The model with a folder or hub id as its source that an engine can load.

    `base` is the settled model that it was made from, if that is known. Raises SpecError if it
    cannot be read, StoreError if the disk is full.
    """
    path = model.folder
    if path is None:
        narrate(f"{model}: looking up {model.source} on the hub")
        path = fetch(model.source, model.revision, config_only=True)
        if (path / "config.json").is_file():
            quantization = quantization_of(path, read_config(path))
            _check_readable(model.source, quantization, engine, device)
            if not is_repacked(quantization, engine):
                return model
        elif not (path / adapter.CONFIG).is_file():
            return model
        narrate(f"{model}: fetching {model.source} from the hub")
        path = fetch(model.source, model.revision)
    given = recognise(path)
    if given.form == "folder":
        _check_readable(model.source, given.quantization, engine, device)
        if not is_repacked(given.quantization, engine):
            return model
        given = replace(given, form="packed")
    folder = None if base is None or given.form == "packed" else locate(base)
    if given.form == "adapter":
        folder = adapter.base_of(path, folder, None if base is None else hub_id(base))
    read = _read_in(given, store, folder, threads, narrate, on_wait)
    return replace(model, source=str(read.path / MODEL), revision=None)


def _check_readable(source: str, quantization: Mapping[str, Any], engine: str, device: str) -> None:
    if reason := why_unreadable(quantization, engine, device):
        raise SpecError(f"{source} is in the format {reason}")


def origin_of(folder: Path) -> dict[str, Any]:
    """What a folder of the store was read from, as JSON values; empty for any other folder."""
    if folder.name != MODEL or folder.parent.parent.name != CONVERTED:
        return {}
    try:
        found: dict[str, Any] = json.loads((folder.parent / MANIFEST).read_text(encoding="utf-8"))
        return dict(found["facts"])
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _read_in(
    given: Given, store: Store, base: Path | None, threads: int, narrate: Narrate, on_wait: Say
) -> Artifact:
    """Read a model in another format into the store, once for each content."""
    path = given.path
    request = {
        "form": given.form,
        "files": [str(one) for one in given.files],
        "beside": str(given.folder),
        "base": str(base) if base else None,
    }
    identity = {
        "form": given.form,
        "files": [store.digest_of(one) for one in given.files],
        "beside": _digests(given.folder, _BESIDE, store),
        "base": _digests(base, _BESIDE, store) if base else None,
        "code": code_digest(sorted(Path(__file__).parent.glob("*.py"))),
        "versions": {name: installed_version(name) for name in READERS},
    }
    if weights := base if given.form == "adapter" else path if given.form == "packed" else None:
        identity["weights"] = _digests(weights, ("*.safetensors",), store)

    def make(folder: Path) -> Mapping[str, Any]:
        narrate(f"reading {path.name} into the store")
        log = folder / "reading.log"
        target = {"target": str(folder / MODEL)}
        try:
            return child_process.run(  # type: ignore[no-any-return]
                "unicomp.formats.worker",
                request | target,
                log=log,
                threads=threads,
                environment={},
                preload=(libraries.__name__,),
                narrate=lambda text: narrate(f"{path.name}: {text}"),
            )
        except ChildFailureError as failure:
            if failure.disk_is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
            kept = store.home / "logs" / f"{slug(path.name)}-{content_key(identity)[:8]}.log"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, kept)
            reason = str(failure).removeprefix("failed: ")
            if str(path) in reason:  # our own words
                raise SpecError(reason) from None
            raise SpecError(f"reading {path} {failure} (log: {kept})") from None

    return store.build(
        CONVERTED,
        identity,
        make,
        on_wait=waiting(on_wait, "read it", path.name),
    )


def _digests(folder: Path, patterns: Iterable[str], store: Store) -> dict[str, str]:
    """File name → SHA-256 of the files of a folder that match a pattern."""
    found = {one for pattern in patterns for one in folder.glob(pattern) if one.is_file()}
    return {one.name: store.digest_of(one) for one in sorted(found)}
