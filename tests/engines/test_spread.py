"""The engine in process spreads a checkpoint that one GPU cannot hold, and no other."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.engines.gpus import BYTES_8B, BYTES_70B, LLAMA_8B, LLAMA_70B, gpus
from unicomp.efficiency.memory import _peak_allocated, _room
from unicomp.engines import EngineSettings
from unicomp.engines.hf import check_spread
from unicomp.engines.placement import placed
from unicomp.errors import EngineError
from unicomp.spec import Model

FOLDER = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"
MODEL = Model(name="embedded", source=str(FOLDER))


@pytest.fixture
def asked(monkeypatch):
    """What transformers is asked for, on a machine with GPUs; it loads nothing."""
    import torch
    from transformers import AutoModelForCausalLM

    found = {}

    def load(folder, **options):
        found.update(options)
        raise OSError("nothing is loaded here")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", load)
    return found


@pytest.mark.parametrize(
    ("weights", "config", "places"), [(BYTES_8B, LLAMA_8B, None), (BYTES_70B, LLAMA_70B, [0, 1])]
)
def test_layers_are_spread_only_where_one_gpu_is_too_small(asked, weights, config, places):
    settings = placed(EngineSettings(device="cuda"), "m", weights, config, gpus(4))
    with pytest.raises(EngineError, match="nothing is loaded"), settings.open(FOLDER, MODEL, 64):
        pass
    assert asked.get("device_map") == (places and "auto")
    assert list(asked.get("max_memory", {})) == (places or [])


def test_the_memory_of_a_checkpoint_is_measured_on_the_gpus_that_it_needs():
    settings = placed(EngineSettings(device="cuda"), "m", BYTES_70B, LLAMA_70B, gpus(4))
    assert _room(settings) == {str(n): int(0.9 * gpus(1)[0].memory) for n in range(2)}
    assert _room(placed(EngineSettings(), "m", BYTES_8B, LLAMA_8B, gpus(4))) == {}
    assert _room(EngineSettings(device="cuda")) == {}


@pytest.mark.parametrize(("place", "named"), [("cpu", "the cpu"), ("disk", "the disk")])
def test_layers_that_were_left_outside_of_the_gpus_are_an_error(place, named):
    check_spread(SimpleNamespace(hf_device_map={"a": 0, "b": 1, "c": "cuda:1"}))
    with pytest.raises(ValueError, match=f"layers were put on {named}"):
        check_spread(SimpleNamespace(hf_device_map={"a": 0, "b": place}))


def test_the_peaks_of_all_gpus_are_added(monkeypatch):
    import torch

    peaks, reset = {0: 300, 1: 50}, []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset.append)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda place: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", peaks.get)
    assert _peak_allocated(lambda: "done") == ("done", 350)
    assert reset == [0, 1]
