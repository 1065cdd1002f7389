"""Fetch data sets from the hub into a mirror, only the files that are needed.

If something fails, the files that have arrived are kept and not fetched again.
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
from unicomp.errors import SpecError, StoreError, UnicompError, first_line
from unicomp.mirror.needs import NeededRows, files_of, looked_at
from unicomp.mirror.survey import FoundRows, compare_with_lock, pinned, survey_dataset, survey_need
from unicomp.store import file_digest
from unicomp.units import amount

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

_TIMEOUT = 60.0
"""Seconds to wait for the hub, which is slow to list many thousand files."""


class HubUnreachableError(SpecError):
    """The hub cannot be reached, so it is not asked for the other data sets."""


def fill(
    mirror: Path,
    needs: Mapping[str, Sequence[NeededRows]],
    *,
    lock: Lock,
    lock_to: Path | None = None,
    progress: bool = False,
    on_ask: Callable[[str], None] = lambda text: None,
    on_fetch: Callable[[str], None] = lambda text: None,
    on_error: Callable[[UnicompError], None] = lambda error: None,
) -> list[FoundRows]:
    """Fetch the rows that a mirror lacks, at the locked revisions; return what it then holds.

    `lock_to` is the folder of a project: data sets that are not locked yet are locked there. An
    error of one data set is passed to `on_error` and does not stop the others. `on_ask` is
    called before the hub is asked for a data set, `on_fetch` before files are fetched.
    """
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    if not progress:
        disable_progress_bars()
    found: list[FoundRows] = []
    lock = dict(lock)
    reachable = True
    for number, (dataset, wanted) in enumerate(needs.items(), start=1):
        folder, pin = mirror / dataset, lock.get(dataset)
        here = survey_dataset(folder, wanted, lock)
        if reachable and (lock_to is not None or not all(one.complete for one in here)):
            on_ask(f"looking up {dataset}, data set {number} of {len(needs)}")
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
    """Bring the needed files of a data set to one revision; return its commit. Raises SpecError.

    The default revision is the newest one. Files are compared with the hub's digests, so that the
    folder holds that commit, whoever put the files there. A file that would be read too, but is not
    in the commit, is removed if it came from the hub, and refused if it did not.
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
    """Files of another commit that `datasets` would read too.

    Raises SpecError for one that did not come from the hub.
    """
    others = visible_names(folder).difference(listed)
    stale = sorted({name for need in needs for name in looked_at(need, layout, others)})
    for name in stale:
        if not _record(folder, name).is_file():
            raise SpecError(
                f"{folder / name} would be read together with the rows of the hub, which does not "
                "have it: move it out of the mirror"
            )
    return stale


def _record(folder: Path, name: str) -> Path:
    """The record that the hub's library writes of a file that it downloads."""
    return folder / ".cache" / "huggingface" / "download" / f"{name}.metadata"


@contextmanager
def _marked_as_partial(folder: Path) -> Iterator[Callable[[], None]]:
    """Give a function that marks the folder of a data set until all its files have arrived.

    If nothing at all has arrived, not even a part of a file, the folder is left as it was.
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
    """Download the files that are missing, or differ from the hub's."""
    from huggingface_hub import snapshot_download

    wanted = [entry for entry in entries if not _is_as_listed(folder, entry)]
    there = [entry for entry in wanted if (folder / entry.rfilename).exists()]
    absent = [entry for entry in wanted if entry not in there]
    if wanted:
        size = amount(sum(entry.size or 0 for entry in wanted), "bytes")
        on_fetch(f"fetching {dataset}: {len(wanted)} of {len(entries)} files, {size}")
    for chosen, replace in ((absent, False), (there, True)):
        if chosen:
            snapshot_download(
                dataset,
                repo_type="dataset",
                revision=commit,
                local_dir=folder,
                allow_patterns=[glob.escape(entry.rfilename) for entry in chosen],
                # without force, a file that was changed later may pass for the fetched one
                force_download=replace,
            )
    for entry in wanted:
        if not _is_as_listed(folder, entry):
            raise SpecError(f"{entry.rfilename} did not arrive whole: run this again")


def _is_as_listed(folder: Path, entry: RepoSibling) -> bool:
    """The file has the content that the hub lists, by its SHA-256 or its git blob."""
    path = folder / entry.rfilename
    if not path.is_file():
        return False
    if entry.lfs is not None:
        return file_digest(path) == entry.lfs.sha256
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return blob.hexdigest() == entry.blob_id


@contextmanager
def _in_one_line(dataset: str, revision: str | None) -> Iterator[None]:
    """Turn an error of the hub, the network or the disk into one line that says how to go on."""
    try:
        yield
    except SpecError as error:
        raise SpecError(f"{dataset}: {error}") from None
    except Exception as error:
        raise _explained(error, dataset, revision) from error


def _explained(error: Exception, dataset: str, revision: str | None) -> UnicompError:
    """The error of UniComp for one of the hub's library."""
    import httpx
    from huggingface_hub import constants, errors

    login = "log in with `hf auth login`, or set HF_TOKEN"
    again = "run this again; files that have arrived are kept"
    if isinstance(error, errors.GatedRepoError):
        page = f"{constants.ENDPOINT}/datasets/{dataset}"
        return SpecError(f"{dataset} is gated: accept its conditions at {page}, and {login}")
    if isinstance(error, errors.RevisionNotFoundError):
        anew = f"remove its entry from {LOCK_FILE} to lock it anew"
        return SpecError(f"{dataset} has no revision {revision} on the hub: {anew}")
    if isinstance(error, errors.RepositoryNotFoundError):
        return SpecError(f"there is no data set {dataset} on the hub; if it is private, {login}")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return HubUnreachableError(
            "HF_HUB_OFFLINE is set, so the hub is not asked: unset it, or check the mirror "
            "with --verify"
        )
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return HubUnreachableError(
            f"the hub at {constants.ENDPOINT} cannot be reached ({first_line(error)}): go online, "
            "or check the mirror with --verify"
        )
    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return _explained(error.__cause__, dataset, revision)
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        hint = login if status in (401, 403) else again
        return SpecError(f"{dataset}: the hub answers {status}: {hint}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"{dataset}: the disk is full: free some space, then {again}")
    if isinstance(error, PermissionError):
        return StoreError(f"{dataset}: {error.filename} cannot be written: {error.strerror}")
    return SpecError(f"{dataset} cannot be fetched ({first_line(error)}): {again}")
