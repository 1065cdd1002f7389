"""Push a store to its upstream: `unicomp cache push`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unicomp.responses import RECORDS
from unicomp.store import (
    CHECKPOINTS,
    ITEMS,
    LOOKS,
    MANIFEST,
    RESPONSES,
    SCORES,
    Store,
    file_digest,
)
from unicomp.upstream.layout import FOLDERS, IDENTITY, VALUES, bytes_in, bytes_of
from unicomp.upstream.objects import Objects, Progress, Stored
from unicomp.upstream.selection import (
    Chosen,
    Copied,
    check_chosen,
    identity_in,
    keys_of_texts,
    label_of,
)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Files that belong together: an artifact, a checkpoint's answers, values of a kind."""

    kind: str
    label: str
    """What it is of: MODEL/METHOD, or empty."""
    folder: str
    """Its folder on the upstream."""
    files: Mapping[str, Path]
    """Name in the folder → file."""
    last: str | None = None
    """The file that is written last, so that what is not complete is not seen."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Name → SHA-256, where it is known."""


def push(
    store: Store,
    objects: Objects,
    chosen: Chosen,
    *,
    dry: bool = False,
    on_progress: Callable[[str, int, int], None] = lambda label, done, total: None,
) -> Iterator[Copied]:
    """Copy to the upstream what it lacks, bundle by bundle; `dry` only counts.

    Raises SpecError if nothing is chosen, UpstreamError if the upstream cannot be written.
    """
    for bundle in _bundles(store, chosen):
        there = {(one.name, one.sha256): one.size for one in objects.below(bundle.folder)}
        given = [(path, _stored(name, path, bundle)) for name, path in bundle.files.items()]
        # one that was cut short is written again
        new = [pair for pair in given if there.get((pair[1].name, pair[1].sha256)) != pair[1].size]
        size = sum(one.size for _, one in new)
        if new and not dry:
            for group in (
                [pair for pair in new if pair[1].name != bundle.last],
                [pair for pair in new if pair[1].name == bundle.last],
            ):
                objects.put(bundle.folder, group, _told(bundle, size, on_progress))
        yield Copied(
            kind=bundle.kind,
            label=bundle.label,
            objects=len(given),
            size=sum(one.size for _, one in given),
            new=len(new),
            new_size=size,
        )


def _told(bundle: Bundle, total: int, on_progress: Callable[[str, int, int], None]) -> Progress:
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        on_progress(f"{bundle.kind} {bundle.label}".strip(), done, total)

    return add


def _stored(name: str, path: Path, bundle: Bundle) -> Stored:
    digest = bundle.digests.get(name) or file_digest(path)
    return Stored(name, digest, path.stat().st_size)


def _bundles(store: Store, chosen: Chosen) -> Iterator[Bundle]:
    """What is chosen of a store, artifacts first: answers belong to them."""
    labels = _labels(store)
    if not chosen.everything:
        check_chosen(chosen, labels.values(), f"the store {store.home}")
    for kind in FOLDERS:
        for key in _names(store, kind):
            if (bundle := _artifact(store, kind, key)) and chosen.has(bundle.label):
                yield bundle
    items: set[str] = set()
    for key in _names(store, RESPONSES):
        folder = store.home / RESPONSES / key
        if (identity := _identity(folder, key)) is None or not chosen.has(label_of(identity)):
            continue
        for bundle in _answers(store, folder, identity):
            if bundle.kind == SCORES:
                items |= keys_of_texts(bundle.files.values())
            yield bundle
    for kind in VALUES if chosen.everything else (ITEMS,):
        names = _names(store, kind) if chosen.everything else [f"{key}.json" for key in items]
        if files := _values(store.home / kind, names):
            yield Bundle(kind=kind, label="", folder=kind, files=files)
    looks = {
        name: path
        for name, path in _values(store.home / LOOKS, _names(store, LOOKS)).items()
        if chosen.has(labels.get(_candidate(path), ""))
    }
    if looks:
        yield Bundle(kind=LOOKS, label="", folder=LOOKS, files=looks)


def _artifact(store: Store, kind: str, key: str) -> Bundle | None:
    """A finished artifact; None if it is damaged."""
    if (found := store.find(kind, key)) is None:
        return None
    manifest = json.loads((found.path / MANIFEST).read_text(encoding="utf-8"))
    folder = f"{kind}/{key}/{bytes_in(manifest)}"
    files = {name: found.path / name for name in manifest["files"]}
    return Bundle(
        kind=kind,
        label=str(found.facts.get("label", "")),
        folder=folder,
        files={**files, MANIFEST: found.path / MANIFEST},
        last=MANIFEST,
        digests={name: entry["sha256"] for name, entry in manifest["files"].items()},
    )


def _answers(store: Store, folder: Path, identity: Mapping[str, Any]) -> Iterator[Bundle]:
    """The responses of a checkpoint on one engine, and the records that were read in them."""
    own, label = bytes_of(store, identity["checkpoint"]), label_of(identity)
    files = {path.name: path for path in _visible(folder) if path.suffix in (".jsonl", ".npy")}
    batches = {
        name: digest
        for name, path in files.items()
        if (digest := file_digest(path)).startswith(path.stem) or path.suffix == ".npy"
    }
    yield Bundle(
        kind=RESPONSES,
        label=label,
        folder=f"{RESPONSES}/{folder.name}/{own}",
        files={**{name: files[name] for name in batches}, IDENTITY: folder / IDENTITY},
        last=IDENTITY,
        digests=batches,
    )
    noted = (
        (folder / RECORDS).read_text(encoding="utf-8").split()
        if (folder / RECORDS).is_file()
        else []
    )
    if records := _values(store.home / SCORES, [f"{key}.json" for key in noted]):
        yield Bundle(kind=SCORES, label=label, folder=f"{SCORES}/{own}", files=records)


def _values(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Name → file of the JSON values that are there and can be read."""
    found = {}
    for name in sorted(names):
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found[name] = folder / name
    return found


def _labels(store: Store) -> dict[str, str]:
    """Key of a checkpoint → MODEL/METHOD, of all that were built or have answered."""
    found = {}
    for key in _names(store, CHECKPOINTS):
        if artifact := store.find(CHECKPOINTS, key):
            found[key] = str(artifact.facts.get("label", ""))
    for key in _names(store, RESPONSES):
        if identity := _identity(store.home / RESPONSES / key, key):
            found[str(identity["checkpoint"])] = label_of(identity)
    return found


def _candidate(path: Path) -> str:
    """The key of the candidate of some looks."""
    return str(json.loads(path.read_text(encoding="utf-8")).get("candidate"))


def _identity(folder: Path, key: str) -> dict[str, Any] | None:
    """Whose the responses in a folder are; None if that is not known."""
    try:
        return identity_in((folder / IDENTITY).read_text(encoding="utf-8"), key)
    except (OSError, ValueError):
        return None


def _names(store: Store, kind: str) -> list[str]:
    return [path.name for path in _visible(store.home / kind)]


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, without unfinished files."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if not path.name.startswith(".")]
