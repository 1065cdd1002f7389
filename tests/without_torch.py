"""A pytest plugin for an environment without the heavy dependencies of unicomp.

    python -m pytest tests -p tests.without_torch

Tests that import a dependency that is not installed are skipped, at collection or when they run. So
are tests that start processes, since what a process lacks cannot be seen from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

import pytest


def _missing() -> frozenset[str]:
    """The modules of unicomp's dependencies, and of theirs, that are not installed."""
    names = set()
    for requirement in requires("unicomp") or ():
        name = re.match(r"[\w.-]+", requirement)[0]
        try:
            version(name)
        except PackageNotFoundError:
            names.add(name)
    return names
