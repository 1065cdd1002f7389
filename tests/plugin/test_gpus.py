"""Sessions on simulated GPUs: each worker and each server has its own, of those that are there."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest

from tests.engines.conftest import Double, until
from tests.plugin.conftest import SETTINGS
from unicomp.data.sources import shipped_fixtures
from unicomp.plugin import placing

SIMULATED = """
import os
from unicomp.machine import gpus
def visible():
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "0,1,2,3").split(",")
    return tuple(gpus.Gpu(name, "Simulated", {memory}) for name in names)
gpus.visible = visible
"""
FEW = ("--engine=vllm", "-m", "knowledge", "--samples=12", "--floor=performance=0")
TWO = ("--method=dense", "--method=wanda_50")
EMBEDDED = shipped_fixtures() / "embedded" / "model"


def other_folder(folder):
    """The embedded model in a folder of another content, so that its answers are its own."""
    copied = shutil.copytree(EMBEDDED, folder / "other")
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"copied": True}))
    return copied


@pytest.fixture
def double(tmp_path, monkeypatch):
    found = Double(tmp_path)
    monkeypatch.setenv("DOUBLE_RECORD", str(found.record))
    monkeypatch.setenv("DOUBLE_VERSION", "9.8.7")
    monkeypatch.delenv("DOUBLE", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield found
    assert until(lambda: not found.left, 30), "a server was left behind"


@pytest.fixture
def on_gpus(new_gate, shared_home, double):
    """Makes a gate on four GPUs of so much memory, with more settings of the engine."""

    def make(memory=10**10, settings="", home=shared_home):
        engine = f'[engine]\nvllm = "{double.path}"\n{settings}\n'
        gate = new_gate(home, SETTINGS.replace("[engine]\n", engine))
        gate.write("conftest.py", SIMULATED.format(memory=memory))
        return gate

    return make


def test_a_model_that_fits_nowhere_ends_the_run_before_anything_is_built(on_gpus, double):
    run = on_gpus(memory=10**9).run(*FEW, *TWO)
    assert run.status == 4
    (line,) = [line for line in run.lines if "fits nowhere" in line]
    assert "embedded fits nowhere on 4 × Simulated (1 GB): it needs 3.09 MB of weights" in line
    assert "0.9 of the 1 GB of a GPU are 900 MB" in line
    assert run.card is None
    assert not double.starts


@pytest.mark.long
def test_each_checkpoint_alone_takes_its_gpus_whole_and_replicas_score_the_same(
    on_gpus, double, tmp_path
):
    two = ("--method=dense", f"--checkpoint={other_folder(tmp_path)}")
    runs = [
        on_gpus(settings=more, home=tmp_path / name).run(*FEW, *two)
        for name, more in (("one", ""), ("four", 'replicas = "auto"'))
    ]
    assert [run.status for run in runs] == [0, 0], runs[0].text
    first, second, third, fourth = double.starts
    for start in (first, second):
        assert start["environment"]["CUDA_VISIBLE_DEVICES"] == "0"
        assert start["options"]["gpu_memory_utilization"] == 0.9
        assert start["options"]["data_parallel_size"] is None
    for start in (third, fourth):
        assert start["environment"]["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"
        assert start["options"]["data_parallel_size"] == 4
    scores = [[row["score"] for row in run.card["scores"]] for run in runs]
    assert scores[0] == scores[1]
    assert "UniComp GPUs: embedded on 1 of 4 × Simulated (10 GB): 3.09 MB of wei" in runs[0].text
    notes = runs[1].card["environment"]["notes"]
    assert any("4 of 4 × Simulated (10 GB), 4 replicas" in note for note in notes)


@pytest.mark.long
def test_each_worker_has_gpus_of_its_own_and_too_many_are_refused(on_gpus, double, tmp_path):
    two = ("--method=dense", f"--checkpoint={other_folder(tmp_path)}")
    gate = on_gpus(settings='replicas = "auto"', home=tmp_path / "home")
    run = gate.run("-n2", *FEW, *two)
    assert run.status == 0, run.text
    seen = {start["environment"]["CUDA_VISIBLE_DEVICES"] for start in double.starts}
    assert seen == {"0,1", "2,3"}
    before = len(double.starts)
    refused = gate.run("-n5", *FEW, *two)
    assert refused.status == 4
    assert "-n 5: embedded needs 1 GPU for each worker, and there are 4 ×" in refused.text
    assert "give -n 4 at most" in refused.text
    assert len(double.starts) == before


def test_a_worker_that_replaces_another_gets_its_place():
    config = SimpleNamespace(stash={})

    def node(name):
        found = SimpleNamespace(
            config=config, gateway=SimpleNamespace(id=name), workerinput={"workercount": 3}
        )
        placing.pytest_configure_node(found)
        return found

    nodes = [node(name) for name in ("gw0", "gw1", "gw2")]
    assert [one.workerinput[placing._PLACE] for one in nodes] == [0, 1, 2]
    placing.pytest_testnodedown(nodes[1])
    assert node("gw3").workerinput[placing._PLACE] == 1


def test_workers_share_the_gpus_evenly_and_none_twice():
    there = list(range(8))
    parts = [list(placing._part(there, number, 3)) for number in range(3)]
    assert parts == [[0, 1], [2, 3], [4, 5]]
