"""Pull from the upstream of a store: `unicomp cache pull`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from unicomp.errors import UpstreamError
from unicomp.store import CHECKPOINTS, ITEMS, LOOKS, MANIFEST, RESPONSES, SCORES
from unicomp.upstream.layout import FOLDERS, IDENTITY, VALUES, bytes_in, bytes_of
from unicomp.upstream.objects import Stored
from unicomp.upstream.selection import (
    Chosen,
    Copied,
    check_chosen,
    identity_in,
    keys_of_texts,
    label_of,
)
from unicomp.upstream.taking import UpstreamStore, files_of


@dataclass(frozen=True)
class _Built:
    """An artifact of the upstream."""

    label: str
    own: str
    """The key of its bytes."""
    objects: Sequence[Stored]


@dataclass(frozen=True)
class _Answered:
    """Responses of the upstream."""

    label: str
    checkpoint: str
    """The key of the checkpoint."""
    objects: Mapping[str, Sequence[Stored]]
    """Key of the bytes that answered → objects."""


def pull(store: UpstreamStore, chosen: Chosen, *, dry: bool = False) -> Iterator[Copied]:
    """Copy from the upstream what the store lacks; `dry` only counts.

    What is corrupted is reported to `on_error` of the store. Raises SpecError if nothing is chosen,
    UpstreamError if the upstream cannot be read.
    """
    built, answered = _built(store), _answered(store)
    if not chosen.everything:
        labels = [one.label for one in built.values()]
        labels += [one.label for one in answered.values()]
        check_chosen(chosen, labels, f"upstream {store.objects.url}")
    for (kind, key), artifact in built.items():
        if chosen.has(artifact.label):
            missing = [] if store.find(kind, key) else artifact.objects
            if missing and not dry:
                with store.lock(f"{kind}-{key}"):
                    store.take(kind, key)
            yield _copied(kind, artifact.label, artifact.objects, missing)
    owners: dict[str, str] = {}
    for key, responses in answered.items():
        own = bytes_of(store, responses.checkpoint)
        if dry and own == responses.checkpoint:  # what would be pulled is not there
            pulled = built.get((CHECKPOINTS, responses.checkpoint))
            own = pulled.own if pulled else own
        objects = responses.objects.get(own, ())  # of no other build
        if objects and chosen.has(responses.label):
            owners[own] = responses.label
            folder = store.home / RESPONSES / key
            missing = [one for one in objects if not (folder / one.name).exists()]
            if missing and not dry:
                with store.lock(f"{RESPONSES}-{key}"):
                    store.take(RESPONSES, key, of=responses.checkpoint)
            yield _copied(RESPONSES, responses.label, objects, missing)
    yield from _pull_values(store, chosen, owners, dry)
    if not dry and (looks := store.take_looks()):
        yield _copied(LOOKS, "", (one for one, _ in looks), (one for one, new in looks if new))


def _pull_values(
    store: UpstreamStore, chosen: Chosen, owners: Mapping[str, str], dry: bool
) -> Iterator[Copied]:
    """Pull the records of the owners, and all other values; of a choice only the items' texts.

    `owners` is the key of a checkpoint's bytes → its label.
    """
    names: set[str] = set()
    for own, label in owners.items():
        folder = f"{SCORES}/{own}"
        objects = store.objects.below(folder)
        yield from _pull_files(store, SCORES, folder, label, objects, dry)
        if not chosen.everything:
            paths = [store.home / SCORES / one.name for one in objects]
            names |= keys_of_texts(path for path in paths if path.is_file())
    for kind in VALUES if chosen.everything else (ITEMS,):
        objects = store.objects.below(kind)
        if not chosen.everything:
            objects = [one for one in objects if one.name.removesuffix(".json") in names]
        yield from _pull_files(store, kind, kind, "", objects, dry)


def _pull_files(
    store: UpstreamStore, kind: str, folder: str, label: str, objects: Iterable[Stored], dry: bool
) -> Iterator[Copied]:
    there = {one.name: one for one in objects}
    missing = [one for one in there.values() if not (store.home / kind / one.name).exists()]
    if missing and not dry:
        store.take_files(folder, store.home / kind, there)
    if there:
        yield _copied(kind, label, there.values(), missing)


def _copied(kind: str, label: str, all_: Iterable[Stored], new: Iterable[Stored]) -> Copied:
    objects, lacking = list(all_), list(new)
    return Copied(
        kind=kind,
        label=label,
        objects=len(objects),
        size=sum(one.size for one in objects),
        new=len(lacking),
        new_size=sum(one.size for one in lacking),
    )


def _built(store: UpstreamStore) -> dict[tuple[str, str], _Built]:
    """Kind and key of each artifact of the upstream → the artifact."""
    found: dict[tuple[str, str], _Built] = {}
    for kind in FOLDERS:
        for key, there in _by_key(store.objects.below(kind)).items():
            for manifest in (one for one in there if one.name.endswith(f"/{MANIFEST}")):
                try:
                    content = json.loads(store.objects.read(f"{kind}/{key}", manifest))
                    files = files_of(content, key, manifest, there)
                except UpstreamError as error:
                    store.report(error)
                except (ValueError, LookupError, TypeError, AttributeError):
                    continue  # it is reported when it is taken
                else:
                    label = str(content["facts"].get("label", ""))
                    found[kind, key] = _Built(label, bytes_in(content), [*files.values(), manifest])
                    break
    return found


def _answered(store: UpstreamStore) -> dict[str, _Answered]:
    """Key of each checkpoint's responses on an engine → the responses."""
    found: dict[str, _Answered] = {}
    for key, there in _by_key(store.objects.below(RESPONSES)).items():
        for one in (one for one in there if one.name.endswith(f"/{IDENTITY}")):
            try:
                identity = identity_in(store.objects.read(f"{RESPONSES}/{key}", one), key)
            except UpstreamError as error:
                store.report(error)
            except ValueError:
                continue  # of another version
            else:
                label, checkpoint = label_of(identity), str(identity["checkpoint"])
                found[key] = _Answered(label, checkpoint, _by_key(there))
                break
    return found


def _by_key(there: Iterable[Stored]) -> dict[str, list[Stored]]:
    """First folder of the objects' names → the objects, by the rest of their names."""
    found: dict[str, list[Stored]] = {}
    for one in there:
        key, _, name = one.name.partition("/")
        found.setdefault(key, []).append(Stored(name, one.sha256, one.size))
    return found
