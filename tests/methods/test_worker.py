"""A build is the same in a forked process as in a new one, and its cost is that of compressing."""

import shutil
import sys
from pathlib import Path

import pytest

from unicomp import catalogue
from unicomp.checkpoint import Builder
from unicomp.machine import child_process, warm_process
from unicomp.spec import Calibration, Model
from unicomp.store import Store

REPOSITORY = Path(__file__).parents[2]
EMBEDDED = REPOSITORY / "fixtures" / "embedded" / "model"
SEEN = Calibration(name="seen", samples=("one and two is three", "four is five") * 4, tokens=32)
MIB = 2**20

DRAWN = """
import json, random, shutil
from unicomp.spec import Method

def compress(source, target, calibration):
    import numpy, torch
    shutil.copytree(source, target)
    drawn = [random.random(), numpy.random.rand(), torch.rand(1).item()]
    (target / "drawn.json").write_text(json.dumps(drawn))

method = Method(name="drawn", family="pruning", compress=compress)
"""
HOLDS = """
import shutil, time
from unicomp.spec import Method

def compress(source, target, calibration):
    import transformers, torch
    started = time.process_time()
    held = torch.ones(100 << 20, dtype=torch.uint8)
    shutil.copytree(source, target)
    while time.process_time() < started + 0.5:
        pass

method = Method(name="holds", family="pruning", compress=compress)
"""


@pytest.fixture
def build(tmp_path, monkeypatch, own_warm_processes):
    """Builds the embedded model by a method in the store of a given name, forked or in a new
    process."""
    run = child_process.run
    shutil.copytree(REPOSITORY / "fixtures/methods", tmp_path / "fixtures/methods")

    def built(name, store, *, forked, text=None):
        if text is not None:
            (tmp_path / "fixtures/methods" / f"{name}.py").write_text(text)
        new = {} if forked else {"preload": ()}
        monkeypatch.setattr(child_process, "run", lambda *args, **kw: run(*args, **kw | new))
        roots = catalogue.roots(tmp_path)
        model = Model(name="embedded", source=str(EMBEDDED))
        method = catalogue.load_method(name, roots)
        return Builder(store=Store(tmp_path / store), roots=roots).build(model, method, SEEN)

    return built


def content(checkpoint):
    """File name → bytes of a checkpoint."""
    paths = [path for path in checkpoint.path.rglob("*") if path.is_file()]
    return {str(path.relative_to(checkpoint.path)): path.read_bytes() for path in paths}


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_forked_builds_in_either_order_equal_those_of_new_processes_byte_for_byte(
    build, monkeypatch
):
    started = []

    class Noted(warm_process.WarmProcess):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            started.append(self)

    monkeypatch.setattr(warm_process, "WarmProcess", Noted)
    names = ["wanda_50", "gptq_w4a16"]
    new = {name: content(build(name, "new", forked=False)) for name in names}
    assert not started
    for number, (store, order) in enumerate((("forward", names), ("backward", names[::-1])), 1):
        for name in order:
            assert content(build(name, store, forked=True)) == new[name], (store, name)
        assert len(started) == number  # one forked both
        warm_process.end_all()
    assert len(new["wanda_50"]) > 3


@pytest.mark.long
def test_a_build_begins_with_the_same_random_numbers_in_any_process(build):
    drawn = [
        (build("drawn", store, forked=forked, text=DRAWN).path / "drawn.json").read_text()
        for store, forked in (("one", True), ("two", True), ("three", False))
    ]
    assert len(set(drawn)) == 1


@pytest.mark.long
@pytest.mark.parametrize("forked", [True, False])
def test_the_cost_is_that_of_the_compression_without_imports(build, forked):
    facts = build("holds", "home", forked=forked, text=HOLDS).facts
    assert facts["peak_rss_bytes"] == pytest.approx(100 * MIB, rel=0.2)
    assert 0.45 < facts["cpu_seconds"] < 1.5  # importing takes more than 2 s
    assert facts["seconds"] >= 0.45
    assert 0 <= facts["other_load"] <= 1
    assert facts["shared_machine"] is (facts["other_load"] > 0.1)
