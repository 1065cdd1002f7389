"""A small Llama, stored in bfloat16, with the embedded model's tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.families import write_model
from unicomp.errors import UnicompError
from unicomp.formats import intake
from unicomp.formats.worker import read_in
from unicomp.machine.child_process import ChildFailureError, Narrate
from unicomp.store import Store


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers of width 64, four heads, two of keys; head and embeddings apart."""
    shape = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16, "initializer_range": 0.3}
    return write_model(tmp_path_factory.mktemp("llama") / "tiny", "llama", **shape)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "home")


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read models in this process: to start one takes most of the time."""

    def run(
        module: str, request: Mapping[str, Any], *, log: Path, narrate: Narrate, **about: Any
    ) -> dict[str, Any]:
        log.touch()
        try:
            return read_in(request, narrate)
        except UnicompError as error:
            raise ChildFailureError(f"failed: {error}") from None

    monkeypatch.setattr(intake.child_process, "run", run)
