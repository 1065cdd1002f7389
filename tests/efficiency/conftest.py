"""Checkpoints of the embedded model that the tests of efficiency share."""

import shutil
from pathlib import Path

import pytest

from unicomp import catalogue
from unicomp.checkpoint import Builder
from unicomp.spec import Calibration, Model
from unicomp.store import Store

REPOSITORY = Path(__file__).parents[2]
SEEN = Calibration(name="seen", samples=("one and two is three",) * 4, tokens=16)


@pytest.fixture(scope="session")
def embedded_model():
    return Model(
        name="embedded", source=str(REPOSITORY / "fixtures" / "embedded" / "model"), dtype="auto"
    )


@pytest.fixture(scope="session")
def build(tmp_path_factory, embedded_model):
    """Builds the embedded model by a method of the given name, and of the given file."""
    root = tmp_path_factory.mktemp("user")
    shutil.copytree(REPOSITORY / "fixtures/methods", root / "fixtures/methods")
    store = Store(tmp_path_factory.mktemp("home"))

    def built(name, text=None):
        if text is not None:
            (root / "fixtures/methods" / f"{name}.py").write_text(text)
        roots = catalogue.roots(root)
        method = catalogue.load_method(name, roots)
        return Builder(store=store, roots=roots).build(embedded_model, method, SEEN)

    return built
