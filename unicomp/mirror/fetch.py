"""Data sets fetched from the hub into a mirror, file by file as they are needed.

What has arrived is kept when something fails, and is not fetched again.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import logging
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unicomp.data.layout import README, Layout, layout_of
from unicomp.data.lock import LOCK_FILE, Lock, write_lock
from unicomp.data.sources import PARTIAL, visible_files, visible_names
from unicomp.errors import SpecError, StoreError, UnicompError
from unicomp.mirror.needs import NeededRows, files_of, looked_at
from unicomp.mirror.survey import FoundRows, compare_with_lock, pinned, survey_dataset, survey_need

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

_TIMEOUT = 60.0
"""Seconds that the hub may be silent; listing a data set of many thousand files takes some."""


class HubUnreachableError(SpecError):
    """There is no way to the hub, so there is no point in asking it for more."""


def fill(
    mirror: Path,
    needs: Mapping[str, Sequence[NeededRows]],
    *,
    lock: Lock,
    lock_to: Path | None = None,
    progress: bool = False,
    on_fetch: Callable[[str], None] = lambda text: None,
    on_error: Callable[[UnicompError], None] = lambda error: None,
) -> list[FoundRows]:
    """Fetch what a mirror lacks, at the locked revisions, and return what is in it then.

    With `lock_to`, the folder of a project, data sets that are not locked yet are locked. A data
    set that cannot be fetched is told to `on_error` and does not stop the others.
    """
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    if not progress:
        disable_progress_bars()
    found: list[FoundRows] = []
    lock = dict(lock)
    reachable = True
    for dataset, wanted in needs.items():
        folder, pin = mirror / dataset, lock.get(dataset)
        here = survey_dataset(folder, wanted, lock)
        if reachable and (lock_to is not None or not all(one.complete for one in here)):
            try:
                revision = fetch(dataset, wanted, folder, pin.revision if pin else None, on_fetch)
            except UnicompError as error:
                reachable = not isinstance(error, HubUnreachableError)
                on_error(error)
                here = survey_dataset(folder, wanted, lock)
            else:
                here = [survey_need(folder, need, pin) for need in wanted]
                if lock_to is not None and all(one.complete for one in here):
                    lock[dataset] = pinned(here, revision, pin)
                    write_lock(lock_to, lock)
                if dataset in lock:
                    here = [compare_with_lock(one, lock[dataset]) for one in here]
        found += here
    return found


def fetch(
    dataset: str,
    needs: Sequence[NeededRows],
    folder: Path,
    revision: str | None = None,
    on_fetch: Callable[[str], None] = lambda text: None,
) -> str:
    """Bring what is needed of a data set to one revision, and return the commit. Raises SpecError.

    Without a revision, that is the newest one. Files are compared with what the hub says of them,
    so that the folder holds that commit whoever put the files there. What the commit does not have
    and would be read with it is removed if it came from the hub, and refused if it did not.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import logging as hub_logging

    hub_logging.set_verbosity(logging.ERROR)
    with _in_one_line(dataset, revision), _marked_as_partial(folder) as mark:
        info = HfApi().dataset_info(
            dataset, revision=revision, files_metadata=True, timeout=_TIMEOUT
        )
        commit = str(info.sha)
        listed = {entry.rfilename: entry for entry in info.siblings or ()}
        mark()
        _bring(dataset, commit, folder, [listed[README]] if README in listed else [], on_fetch)
        if README not in listed:
            (folder / README).unlink(missing_ok=True)
        layout = layout_of(folder)
        stale = _stale(folder, layout, needs, listed.keys())
        names = {name for need in needs for name in files_of(need, layout, listed.keys()).required}
        _bring(dataset, commit, folder, [listed[name] for name in sorted(names)], on_fetch)
        for name in stale:
            (folder / name).unlink()
            _record(folder, name).unlink(missing_ok=True)
    return commit


def _stale(
    folder: Path, layout: Layout, needs: Sequence[NeededRows], listed: Collection[str]
) -> list[str]:
    """Files of another commit among those that are looked at; SpecError for one of unknown origin.

    Shards of one commit would be read beside those of another.
    """
    others = visible_names(folder).difference(listed)
    stale = sorted({name for need in needs for name in looked_at(need, layout, others)})
    for name in stale:
        if not _record(folder, name).is_file():
            raise SpecError(
                f"{folder / name} would be read beside the rows of the hub, which does not have "
                "it: move it out of the mirror"
            )
    return stale


def _record(folder: Path, name: str) -> Path:
    """What the hub's library writes about a file that it downloads."""
    return folder / ".cache" / "huggingface" / "download" / f"{name}.metadata"


@contextmanager
def _marked_as_partial(folder: Path) -> Iterator[Callable[[], None]]:
    """Mark the folder of a data set, from a call on, until all of it has arrived.

    Where nothing at all has arrived, not even a part of a file, the folder is left as it was.
    """
    before, marked = _state(folder), (folder / PARTIAL).exists()

    def mark() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PARTIAL).touch()

    try:
        yield mark
    except BaseException:
        if not marked and _state(folder) == before and not any(folder.rglob("*.incomplete")):
            (folder / PARTIAL).unlink(missing_ok=True)
            if not before:
                shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / PARTIAL).unlink(missing_ok=True)


def _state(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in visible_files(folder)}


def _bring(
    dataset: str,
    commit: str,
    folder: Path,
    entries: Sequence[RepoSibling],
    on_fetch: Callable[[str], None],
) -> None:
    """Download those of the files that are not there as the hub has them."""
    from huggingface_hub import snapshot_download

    stale = [entry for entry in entries if not _is_as_listed(folder, entry)]
    there = [entry for entry in stale if (folder / entry.rfilename).exists()]
    absent = [entry for entry in stale if entry not in there]
    if stale:
        on_fetch(f"{dataset}: {len(stale)} of {len(entries)} files")
    for chosen, replace in ((absent, False), (there, True)):
        if chosen:
            snapshot_download(
                dataset,
                repo_type="dataset",
                revision=commit,
                local_dir=folder,
                allow_patterns=[glob.escape(entry.rfilename) for entry in chosen],
                # a file that was changed later may pass for the one that had been fetched
                force_download=replace,
            )
    for entry in stale:
        if not _is_as_listed(folder, entry):
            raise SpecError(f"{entry.rfilename} did not arrive whole: run this again")


def _is_as_listed(folder: Path, entry: RepoSibling) -> bool:
    """Whether a file has the content that the hub lists: by SHA-256, or as git's blob."""
    path = folder / entry.rfilename
    if not path.is_file():
        return False
    if entry.lfs is not None:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == entry.lfs.sha256
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return blob.hexdigest() == entry.blob_id


@contextmanager
def _in_one_line(dataset: str, revision: str | None) -> Iterator[None]:
    """Turn what the hub, the network and the disk say into one line that says how to go on."""
    try:
        yield
    except SpecError as error:
        raise SpecError(f"{dataset}: {error}") from None
    except Exception as error:
        raise _explained(error, dataset, revision) from error


def _explained(error: Exception, dataset: str, revision: str | None) -> UnicompError:
    import httpx
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    login = "log in with `hf auth login`, or set HF_TOKEN"
    if isinstance(error, GatedRepoError):
        page = f"{constants.ENDPOINT}/datasets/{dataset}"
        return SpecError(f"{dataset} is gated: accept its conditions at {page}, and {login}")
    if isinstance(error, RevisionNotFoundError):
        return SpecError(
            f"{dataset} has no revision {revision} on the hub: remove its entry from {LOCK_FILE} "
            "to lock it anew"
        )
    if isinstance(error, RepositoryNotFoundError):
        return SpecError(f"there is no data set {dataset} on the hub; if it is private, {login}")
    if isinstance(error, OfflineModeIsEnabled):
        return HubUnreachableError(
            "the hub is not asked, since HF_HUB_OFFLINE is set: unset it, or check what is there "
            "with --verify"
        )
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return HubUnreachableError(
            f"the hub at {constants.ENDPOINT} cannot be reached ({_line(error)}): go online, or "
            "check what is there with --verify"
        )
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return _explained(error.__cause__, dataset, revision)
    again = "what has arrived is kept, so run this again"
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        hint = login if status in (401, 403) else again
        return SpecError(f"{dataset}: the hub answers {status}: {hint}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"{dataset}: the disk is full; free some space, {again}")
    if isinstance(error, PermissionError):
        return StoreError(f"{dataset}: {error.filename} cannot be written: {error.strerror}")
    return SpecError(f"{dataset} cannot be fetched ({_line(error)}): {again}")


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
