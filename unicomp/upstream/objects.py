"""Objects of an upstream: each is written once, under a name that holds the SHA-256 of its content.

So two jobs that push the same write the same, a copy that is cut short or changed is found on
arrival, and nothing is ever replaced. Large objects are copied one by one, small ones together.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from unicomp.errors import CorruptedError, SpecError, UpstreamError, described
from unicomp.store import file_digest

Progress = Callable[[int], None]
"""Takes the bytes that were copied since the last call."""

_LAYOUT = "v1"
"""The folder below the URL; another layout would get another one."""
_NAME = re.compile(r"(?P<name>.+)\.(?P<sha256>[0-9a-f]{64})")
_LARGE = 2**23
"""Bytes from which an object is copied alone, with progress."""
_TOGETHER = 64
"""Small objects that are copied at once."""
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "adl", "memory"})
"""Protocols whose objects appear when they are written to the end. Elsewhere an object is written
under another name and then renamed."""
_EXTRAS = {"s3": "unicomp[s3]", "s3a": "unicomp[s3]", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs",
           "abfs": "adlfs"}  # fmt: skip
"""Protocol → what to install for it."""


@dataclass(frozen=True)
class Stored:
    """An object of an upstream."""

    name: str
    """Its path below the folder that was listed."""
    sha256: str
    size: int
    """In bytes."""


class Objects:
    """The objects below a URL."""

    def __init__(self, url: str) -> None:
        """Open a URL; nothing is asked of it yet. Raises SpecError for one that cannot be used."""
        check_url(url)
        from fsspec.core import url_to_fs

        protocol = url.partition("://")[0]
        try:
            self._fs, path = url_to_fs(url)
        except ImportError:
            package = _EXTRAS.get(protocol, "its fsspec package")
            raise SpecError(
                f"upstream {url}: {protocol}:// needs more: pip install '{package}'"
            ) from None
        except ValueError as error:
            raise SpecError(f"upstream {url} cannot be used: {_reason(error)}") from None
        self.url = url
        self._root = f"{path.rstrip('/')}/{_LAYOUT}"
        self._renames = protocol not in _WHOLE

    def check(self, *, create: bool = False) -> None:
        """Ask for something, so that what is wrong is known at once.

        With `create` a folder on this machine's disks may be missing, if its parent is there.
        Raises SpecError where the URL or the rights are wrong, else UpstreamError.
        """
        try:
            self.below("looks")
        except UpstreamError as error:
            if isinstance(error.__cause__, FileNotFoundError | PermissionError):
                raise SpecError(str(error)) from None
            raise
        folder = self.folder
        if folder is not None and not (folder.parent if create else folder).is_dir():
            raise SpecError(f"upstream {self.url}: there is no folder {folder}")

    @property
    def folder(self) -> Path | None:
        """The folder of a URL that is on this machine's disks; None for any other."""
        protocols = self._fs.protocol
        local = "file" in ((protocols,) if isinstance(protocols, str) else protocols)
        return Path(self._root).parent if local else None

    def below(self, folder: str) -> list[Stored]:
        """The objects below a folder, sorted by name and content. Raises UpstreamError."""
        place = f"{self._root}/{folder}"
        with self._errors():
            self._fs.invalidate_cache()
            found = self._fs.find(place, detail=True)
        there = []
        for path, facts in found.items():
            name = path[path.index(place) + len(place) + 1 :]
            matched = _NAME.fullmatch(name)
            if matched and not {"", ".", ".."} & set(name.split("/")):  # it stays below
                there.append(Stored(matched["name"], matched["sha256"], int(facts["size"])))
        return sorted(there, key=lambda one: (one.name, one.sha256))

    def read(self, folder: str, one: Stored) -> bytes:
        """The content of a small object, verified. Raises UpstreamError."""
        with self._errors():
            content: bytes = self._fs.cat_file(self._path(folder, one))
        if sha256(content).hexdigest() != one.sha256:
            raise self.corrupted(folder, one)
        return content

    def fetch(
        self,
        folder: str,
        wanted: Sequence[tuple[Stored, Path]],
        on_progress: Progress = lambda count: None,
    ) -> list[CorruptedError]:
        """Copy objects of a folder to their paths; each appears there whole and verified.

        Returns an error for each whose content is not what its name says: it is not copied. Raises
        UpstreamError if the upstream cannot be read.
        """
        refused = []
        for group in _grouped(wanted, lambda one: one[0].size):
            partial = [path.with_name(f".{path.name}.{secrets.token_hex(6)}") for _, path in group]
            try:
                for path in partial:
                    path.parent.mkdir(parents=True, exist_ok=True)
                with self._errors():
                    self._copy(
                        self._fs.get,
                        self._fs.get_file,
                        [self._path(folder, one) for one, _ in group],
                        [str(path) for path in partial],
                        on_progress,
                        sum(one.size for one, _ in group),
                    )
                for (one, path), temporary in zip(group, partial, strict=True):
                    if file_digest(temporary) == one.sha256:
                        os.replace(temporary, path)
                    else:
                        refused.append(self.corrupted(folder, one))
            finally:
                for path in partial:
                    path.unlink(missing_ok=True)
        return refused

    def put(
        self,
        folder: str,
        given: Sequence[tuple[Path, Stored]],
        on_progress: Progress = lambda count: None,
    ) -> None:
        """Write files into a folder. Raises UpstreamError."""
        for group in _grouped(given, lambda one: one[1].size):
            paths = [self._path(folder, one) for _, one in group]
            written = [f"{path}.{secrets.token_hex(6)}" for path in paths]
            with self._errors():
                if self._renames:
                    for parent in {path.rpartition("/")[0] for path in paths}:
                        self._fs.makedirs(parent, exist_ok=True)
                self._copy(
                    self._fs.put,
                    self._fs.put_file,
                    [str(path) for path, _ in group],
                    written if self._renames else paths,
                    on_progress,
                    sum(one.size for _, one in group),
                )
                if self._renames:
                    for temporary, path in zip(written, paths, strict=True):
                        self._fs.mv(temporary, path)

    def _copy(
        self,
        together: Callable[..., Any],
        alone: Callable[..., Any],
        sources: Sequence[str],
        targets: Sequence[str],
        on_progress: Progress,
        size: int,
    ) -> None:
        """Copy a group of objects, or a large one."""
        if len(sources) > 1:
            together(list(sources), list(targets))
            on_progress(size)
            return
        counted = _counting(on_progress)
        alone(sources[0], targets[0], callback=counted)
        on_progress(size - counted.value)  # not every file system counts

    def _path(self, folder: str, one: Stored) -> str:
        return f"{self._root}/{folder}/{one.name}.{one.sha256}"

    def corrupted(self, folder: str, one: Stored) -> CorruptedError:
        """The error of an object whose content is not that of its checksum."""
        return CorruptedError(
            f"upstream {self.url}: {_LAYOUT}/{folder}/{one.name}.{one.sha256} is corrupted: its "
            "content is not that of its checksum; remove it there, and push it again"
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn every error of fsspec into an UpstreamError."""
        try:
            yield
        except UpstreamError:
            raise
        except Exception as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise
            # botocore's error for missing keys is not one of rights, but is mended like one
            denied = type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError")
            cause = PermissionError() if denied else error
            raise UpstreamError(f"upstream {self.url}: {_reason(error)}") from cause


def check_url(url: str) -> None:
    """Raise SpecError for a text that is not the URL of an upstream, or that holds a secret."""
    if re.search(r"://[^/]*@", url) or "?" in url:
        raise SpecError(
            "the URL of the upstream has credentials or options in it: leave them to the "
            "environment (such as AWS_ACCESS_KEY_ID), or to fsspec's configuration"
        )
    if not re.fullmatch(r"[a-z0-9+:]+://.+", url):
        raise SpecError(
            f"upstream {url!r} is not a URL: give one such as s3://BUCKET/FOLDER, or file:///FOLDER"
        )


def _grouped(wanted: Iterable[Any], size: Callable[[Any], int]) -> Iterator[list[Any]]:
    """Groups to copy together: each large one alone, small ones in their order."""
    small = []
    for one in wanted:
        if size(one) >= _LARGE:
            yield [one]
            continue
        small.append(one)
        if len(small) == _TOGETHER:
            yield small
            small = []
    if small:
        yield small


def _counting(on_progress: Progress) -> Any:
    """A callback of fsspec that passes on the bytes of a copy; `value` is their sum."""
    from fsspec.callbacks import Callback

    class Counting(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            super().relative_update(inc)
            on_progress(inc)

    return Counting()


def _reason(error: BaseException) -> str:
    """An error in one line, without the options of URLs, which may hold a secret."""
    return re.sub(r"\?[^\s\"']*", "?…", described(error))
