"""The upstream of a store: a place that several machines share, by any URL that fsspec knows.

    objects.py      objects by folder, each named by its content and verified on arrival
    layout.py       what is shared, and under which names
    taking.py       a store that takes from its upstream what it lacks
    selection.py    what is pushed or pulled
    pushing.py      `unicomp cache push`
    pulling.py      `unicomp cache pull`

A run only reads. What it takes is what it would have computed, so it ends with the same results.
fsspec is imported when an upstream is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from unicomp.errors import SpecError
from unicomp.store import Store
from unicomp.upstream.objects import Objects


def open_store(
    home: Path, upstream: str | None, narrate: Callable[[str], None] = lambda text: None
) -> Store:
    """The store in a folder, with an upstream if there is the URL of one.

    Raises SpecError for a URL that cannot be used, before anything is asked of it.
    """
    if upstream is None:
        return Store(home)
    from unicomp.upstream.taking import UpstreamStore

    return UpstreamStore(home, open_upstream(home, upstream), narrate)


def open_upstream(home: Path, url: str) -> Objects:
    """The objects of a URL, which does not lie in the store's folder. Raises SpecError."""
    objects = Objects(url)
    folder, own = objects.folder, home.resolve()
    if folder is not None and (
        folder.resolve().is_relative_to(own) or own.is_relative_to(folder.resolve())
    ):
        raise SpecError(f"upstream {url} and the store {home} lie in one another: move one of them")
    return objects
