"""Timings belong to the machine that they were taken on."""

import copy
import getpass
import json
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.engines.gpus import BYTES_70B, LLAMA_70B, gpus
from unicomp.efficiency.fingerprint import check_same_machine, fingerprint_of
from unicomp.engines import EngineSettings
from unicomp.engines.placement import placed
from unicomp.errors import SpecError
from unicomp.machine import nvml

REPOSITORY = Path(__file__).parents[2]

HERE = {
    "system": "Linux 6",
    "processor": "Some processor",
    "cores": 8,
    "threads": 1,
    "gpus": [{"name": "Some GPU", "max_clock_mhz": 1980}],
    "driver": "580.1",
    "versions": {"torch": "2.13"},
}


def with_changed(**changed):
    return {**copy.deepcopy(HERE), **changed}


def test_the_fingerprint_of_this_machine_survives_json():
    engine = EngineSettings(device="cpu", threads=2)
    found = fingerprint_of(engine)
    assert json.loads(json.dumps(found)) == found
    assert found["processor"]
    assert found["cores"] >= 1
    assert (found["device"], found["threads"]) == ("cpu", 2)
    assert found == fingerprint_of(engine)


def test_it_names_neither_the_machine_nor_its_user():
    text = json.dumps(fingerprint_of(EngineSettings(device="cpu")))
    assert platform.node() not in text
    assert f'"{getpass.getuser()}"' not in text


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"threads": 2}, "threads is 1 here and 2 there"),
        ({"versions": {"torch": "2.12"}}, "versions.torch is 2.13 here and 2.12 there"),
        ({"versions": {}}, "versions.torch is 2.13 here and unknown there"),
        ({"gpus": []}, "gpus is Some GPU here and none there"),
        (
            {"gpus": [{"name": "Some GPU", "max_clock_mhz": 1755}]},
            "gpus.0.max_clock_mhz is 1980 here and 1755 there",
        ),
        ({"driver": None}, "driver is 580.1 here and unknown there"),
    ],
)
def test_timings_of_another_machine_are_refused_and_the_difference_named(changed, named):
    there = with_changed(**changed)
    with pytest.raises(SpecError) as refused:
        check_same_machine(HERE, there, "baseline.json")
    assert str(refused.value) == (
        f"baseline.json has timings of another machine, which are not valid here: {named}"
    )


def test_timings_of_the_same_machine_are_let_through():
    check_same_machine(HERE, with_changed(), "baseline.json")


def test_all_differences_are_named_in_one_line():
    with pytest.raises(SpecError) as refused:
        check_same_machine(HERE, with_changed(threads=2, cores=4), "baseline.json")
    assert "cores is 8 here and 4 there; threads is 1 here and 2 there" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_gpu_that_does_not_report_its_clock_has_a_name(monkeypatch):
    class Gpu:
        name = "Some GPU"

        @property
        def power_limit(self):
            raise OSError("not supported")

    monkeypatch.setattr(nvml, "gpus", lambda: (Gpu(),))
    found = fingerprint_of(EngineSettings(device="cuda"))
    assert found["gpus"] == [{"name": "Some GPU"}]


def test_it_has_the_gpus_that_a_checkpoint_runs_on(monkeypatch):
    one = SimpleNamespace(name="Some GPU", power_limit=700.0, max_clocks=(1980, 2619))
    monkeypatch.setattr(nvml, "gpus", lambda: (one,) * 4)
    engine = EngineSettings(device="cuda")
    assert len(fingerprint_of(engine)["gpus"]) == 4
    split = placed(engine, "m", BYTES_70B, LLAMA_70B, gpus(4))
    assert len(fingerprint_of(split)["gpus"]) == 2


def test_it_is_taken_without_torch():
    code = (
        "import sys; from unicomp.efficiency.fingerprint import fingerprint_of; "
        "from unicomp.engines import EngineSettings; "
        "fingerprint_of(EngineSettings(device='cpu')); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)
