"""The store that the commands of all pages share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def documented_home(common_folder: Path) -> Path:
    """One store for all workers, so that each checkpoint is built once."""
    return common_folder / "documented-home"
