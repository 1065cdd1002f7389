"""What a run of the suites would measure, for the commands that plan one."""

from __future__ import annotations

import sys
from pathlib import Path

from unicomp import catalogue
from unicomp.data.lock import load_lock
from unicomp.data.sources import Source, default_rows
from unicomp.framework import Profile, profile_for
from unicomp.settings import Settings
from unicomp.spec import Benchmark, Model


def shipped_and_own(root: Path) -> list[Benchmark]:
    """The benchmarks of all suites, shipped and the user's; a file that is left out is named."""
    return catalogue.load_benchmarks(
        catalogue.suite_folders(root),
        on_skip=lambda error: print(f"unicomp: left out: {error}", file=sys.stderr),
    )


def rows_and_profile(
    model: Model, given: str | None, settings: Settings, root: Path
) -> tuple[Source, Profile]:
    """Where the rows of a model are read from, and what its metrics consist of.

    `given` is the option --dataset-root; it outranks the settings.
    """
    rows = given or settings.dataset_root or default_rows(model.source)
    source = Source(rows, load_lock(root))
    return source, profile_for(settings.profile, embedded=source.is_embedded)
