"""The store that the commands of all pages share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def documented_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all workers, so that each checkpoint is built once."""
    root = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        root = root.parent
    return root / "documented-home"
