"""A store that takes from its upstream what it lacks.

Each folder of the upstream is listed at most once, when something of it is first missing, and each
object is fetched at most once. What is refused is computed here instead. If the upstream cannot be
read any more, one line says so, and this process goes on without it.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from unicomp.errors import CorruptedError, UpstreamError
from unicomp.looks import Look, merge_looks
from unicomp.machine.waiting import Say, silent
from unicomp.store import (
    LOOKS,
    MANIFEST,
    SCORES,
    TAKEN,
    Store,
    advice_when_full,
    content_key,
    file_digest,
    write_atomically,
)
from unicomp.units import amount
from unicomp.upstream.layout import FOLDERS, VALUES, bytes_in, bytes_of
from unicomp.upstream.objects import Objects, Stored

_EVERY = 1.0
"""Seconds between two reports of a transfer."""


class UpstreamWarning(UserWarning):
    """Something could not be taken from the upstream, so that it is computed here."""


def warn(error: UpstreamError) -> None:
    """Show an error as a warning, which does not end the work."""
    with suppress(UpstreamWarning):  # where warnings are errors
        warnings.warn(f"{error}; it is computed here instead", UpstreamWarning, stacklevel=2)


class UpstreamStore(Store):
    """A store with an upstream, which is only read."""

    def __init__(
        self,
        home: Path,
        objects: Objects,
        narrate: Callable[[str], None] = lambda text: None,
        on_error: Callable[[UpstreamError], None] = warn,
    ) -> None:
        """`narrate` takes what is being copied; `on_error` what cannot be taken."""
        super().__init__(home)
        self.objects = objects
        self._narrate = narrate
        self._on_error = on_error
        self._listed: dict[str, dict[str, Stored]] = {}
        """Folder of the upstream → name → object, of all that were not tried yet."""
        self._tried: set[tuple[str, str]] = set()
        """Kind and key of the artifacts that were tried."""
        self._lost = False

    def recall(self, kind: str, key: str, *, of: str | None = None) -> Any | None:
        """The JSON value stored under `key`, here or upstream; see `Store.recall`."""
        found = super().recall(kind, key)
        if found is not None or self._lost:
            return found
        if kind in VALUES:
            folder = kind
        elif kind == SCORES and of is not None:
            folder = f"{kind}/{bytes_of(self, of)}"
        else:
            return None
        self.take_files(folder, self.home / kind, [f"{key}.json"])
        return super().recall(kind, key)

    def take(self, kind: str, key: str, *, of: str | None = None, name: str | None = None) -> None:
        """Take a folder from the upstream, or its file `name`; see `Store.take`."""
        if self._lost:
            return
        if kind in FOLDERS:
            self._take_artifact(kind, key)
        else:
            folder = f"{kind}/{key}/{bytes_of(self, of or key)}"
            self.take_files(folder, self.home / kind / key, None if name is None else [name])

    def begin(self, on_wait: Say = silent) -> None:
        """Check the upstream, and take its looks, before a run.

        Raises SpecError where the URL or the rights are wrong, UpstreamError for any other reason.
        """
        try:
            self.objects.check()
            self.take_looks(on_wait)
        except UpstreamError as error:
            raise UpstreamError(
                f"{error}; give UNICOMP_UPSTREAM=off to run without it, and without its looks"
            ) from None

    def take_looks(self, on_wait: Say = silent) -> list[tuple[Stored, bool]]:
        """Merge all looks of the upstream into those of this store. Raises UpstreamError.

        Returns each version of the looks at a candidate, and whether one of its looks was new.
        """
        return [(one, self._merge(one, on_wait)) for one in self.objects.below(LOOKS)]

    def _merge(self, one: Stored, on_wait: Say) -> bool:
        local = self.home / LOOKS / one.name
        if local.is_file() and file_digest(local) == one.sha256:
            return False
        try:
            content = json.loads(self.objects.read(LOOKS, one))
            looks = [Look(**look) for look in content["looks"]]
            return merge_looks(self, content["candidate"], content["baseline"], looks, on_wait)
        except (ValueError, LookupError, TypeError):
            raise UpstreamError(
                f"upstream {self.objects.url}: the looks {one.name} are damaged or of another "
                "version, so earlier looks at a candidate are not known: remove them there"
            ) from None

    def take_files(self, folder: str, target: Path, names: Collection[str] | None = None) -> None:
        """Take the objects of a folder whose files are missing in `target`; all, or those named."""
        there = self._list(folder)
        chosen = {name: there.pop(name, None) for name in (list(there) if names is None else names)}
        wanted = [(one, target / name) for name, one in chosen.items() if one is not None]
        self._fetch(folder, [(one, path) for one, path in wanted if not path.exists()])

    def _take_artifact(self, kind: str, key: str) -> None:
        """Take a finished artifact: the first whose files are all there and as its manifest says.

        Files that an interrupted copy has left are used.
        """
        if (kind, key) in self._tried:
            return
        self._tried.add((kind, key))
        folder = f"{kind}/{key}"
        try:
            there = self.objects.below(folder)
        except UpstreamError as error:
            self.report(error)
            return
        for manifest in (one for one in there if one.name.endswith(f"/{MANIFEST}")):
            try:
                content = json.loads(self.objects.read(folder, manifest))
                files = files_of(content, key, manifest, there)
            except UpstreamError as error:
                self.report(error)
            except (ValueError, LookupError, TypeError, AttributeError):
                self.report(
                    CorruptedError(
                        f"upstream {self.objects.url}: {folder}/{manifest.name} is not complete, "
                        "or of another version: remove its folder there, and push it again"
                    )
                )
            else:
                if self._fill(kind, key, files, manifest):
                    return

    def _fill(self, kind: str, key: str, files: Mapping[str, Stored], manifest: Stored) -> bool:
        """Fetch the files of an artifact; put it into its place if all have arrived."""
        partial, folder = self.partial(kind, key), f"{kind}/{key}"
        wanted = [
            (one, path)
            for name, one in files.items()
            if not (
                (path := partial / name).is_file()
                and path.stat().st_size == one.size
                and file_digest(path) == one.sha256
            )
        ]
        if not self._fetch(folder, [*wanted, (manifest, partial / MANIFEST)]):
            return False
        for path in partial.rglob("*"):  # of another build's copy
            if path.is_file() and path.relative_to(partial).as_posix() not in {*files, MANIFEST}:
                path.unlink()
        note = {"upstream": self.objects.url, "taken": time.time()}
        write_atomically(partial / TAKEN, json.dumps(note))
        self.finish(kind, key, {name: one.sha256 for name, one in files.items()})
        return True

    def _fetch(self, folder: str, wanted: Sequence[tuple[Stored, Path]]) -> bool:
        """Fetch objects to their paths; returns whether all have arrived."""
        if not wanted:
            return True
        total, done, due = sum(one.size for one, _ in wanted), 0, time.monotonic() + _EVERY

        def on_progress(count: int) -> None:
            nonlocal done, due
            done += count
            if time.monotonic() >= due:
                due = time.monotonic() + _EVERY
                self._narrate(
                    f"taking {folder.partition('/')[0]} from the upstream, "
                    f"{amount(done, 'bytes')} of {amount(total, 'bytes')}"
                )

        try:
            with advice_when_full(self.home):
                refused = self.objects.fetch(folder, wanted, on_progress)
        except UpstreamError as error:
            self.report(error)
            return False
        for corrupted in refused:
            self.report(corrupted)
        return not refused

    def _list(self, folder: str) -> dict[str, Stored]:
        """Name → object, of those of a folder that were not tried; none of a lost upstream.

        Of several objects of one name it is the first, for all who look.
        """
        if folder not in self._listed and not self._lost:
            try:
                there = self.objects.below(folder)
            except UpstreamError as error:
                self.report(error)
            else:
                self._listed[folder] = {one.name: one for one in reversed(there)}
        return self._listed.get(folder, {})

    def report(self, error: UpstreamError) -> None:
        """Report what cannot be taken. Whatever is not of one object ends the use of the rest."""
        if not isinstance(error, CorruptedError):
            if self._lost:
                return
            self._lost = True
        self._on_error(error)


def files_of(
    content: Mapping[str, Any], key: str, manifest: Stored, there: Sequence[Stored]
) -> dict[str, Stored]:
    """File → its object, of an artifact with this manifest among the objects of its key.

    Raises LookupError if one is missing, ValueError if it is not an artifact of the key.
    """
    folder = manifest.name.removesuffix(f"/{MANIFEST}")
    if content_key(content["identity"]) != key or bytes_in(dict(content)) != folder:
        raise ValueError(key)
    objects = {(one.name, one.sha256): one for one in there}
    return {
        name: objects[f"{folder}/{name}", entry["sha256"]]
        for name, entry in content["files"].items()
    }
