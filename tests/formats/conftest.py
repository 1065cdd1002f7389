"""A small Llama, stored in bfloat16, with the embedded model's tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.families import write_model
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
