"""Inference memory is measured in a process of its own, repeats, and is split into its parts."""

import json
import shutil
import time
from pathlib import Path
from random import Random

import pytest
from safetensors.torch import load_file

from tests.efficiency import random_model
from unicomp.efficiency import memory
from unicomp.efficiency.memory import Footprint, footprint
from unicomp.engines import EngineSettings
from unicomp.errors import EngineError
from unicomp.machine import memory as system
from unicomp.spec import Model

EMBEDDED = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"
ROW = [Random(0).randrange(3, 1024) for _ in range(4096)]
ON_CPU = EngineSettings(device="cpu")


def measured(folder, tokens, log, dtype="auto"):
    model = Model(name="subject", source=str(folder), dtype=dtype)
    return footprint(folder, model, tokens, ON_CPU, log=log)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    return measured(EMBEDDED, ROW, tmp_path_factory.mktemp("log") / "memory.log")


def test_the_parts_are_the_peak(embedded):
    assert embedded.weights + embedded.kv_cache + embedded.rest == embedded.peak
    assert embedded.rest > 4096 * 1024 * 4, "the logits of all tokens are held"


def test_the_weights_are_those_of_the_checkpoint_in_the_precision_it_is_run_in(embedded):
    count = sum(weight.numel() for weight in load_file(EMBEDDED / "model.safetensors").values())
    assert embedded.loaded == pytest.approx(count * 4, rel=0.001)
    assert embedded.weights == embedded.loaded


def test_the_cache_holds_a_key_and_a_value_of_each_token_in_each_layer(embedded):
    assert embedded.kv_cache == 2 * 6 * 4096 * 128 * 4


def test_no_scores_of_attention_are_held(embedded):
    assert embedded.peak < 4 * 4096**2 * 4


def test_it_repeats_within_three_percent(embedded, tmp_path):
    again = measured(EMBEDDED, ROW, tmp_path / "memory.log")
    assert again.peak == pytest.approx(embedded.peak, rel=0.03)
    assert (again.weights, again.kv_cache) == (embedded.weights, embedded.kv_cache)


def test_half_the_precision_takes_half_the_weights_and_half_the_cache(embedded, tmp_path):
    narrow = measured(EMBEDDED, ROW, tmp_path / "memory.log", dtype="bfloat16")
    assert narrow.weights == pytest.approx(embedded.weights / 2, rel=0.001)
    assert narrow.kv_cache == embedded.kv_cache / 2
    assert narrow.peak < embedded.peak


def test_weights_beyond_the_libraries_count_in_full(tmp_path):
    """What is resident is what the tensors take: so many more of them are so much more memory."""
    few, many = tmp_path / "few", tmp_path / "many"
    less = random_model.write(few, 0, num_hidden_layers=1)
    more = random_model.write(many, 0, num_hidden_layers=5)
    row = [5] * 64  # short, so that only the weights differ
    small, large = (measured(folder, row, tmp_path / "memory.log") for folder in (few, many))
    assert large.weights - small.weights == 4 * (more - less)
    assert large.peak - small.peak == pytest.approx(4 * (more - less), rel=0.03)


def test_packed_weights_are_packed_until_the_pass_and_dense_after_it(build, embedded, tmp_path):
    packed = measured(build("gptq_w4a16").path, ROW, tmp_path / "memory.log")
    assert packed.loaded < 0.5 * embedded.loaded
    assert packed.weights == pytest.approx(embedded.weights, rel=0.05)


def test_zeros_take_the_memory_of_other_numbers(build, embedded, tmp_path):
    pruned = measured(build("wanda_50").path, ROW, tmp_path / "memory.log")
    assert pruned.weights == embedded.weights
    assert pruned.peak == pytest.approx(embedded.peak, rel=0.03)


def test_where_the_system_keeps_no_peak_it_is_watched(monkeypatch):
    monkeypatch.setattr(system, "forget_peak", lambda: False)

    def hold():
        held = bytearray(200 << 20)
        time.sleep(0.1)
        return len(held)

    before = system.current()
    done, highest = memory._peak_resident(hold)
    assert done == 200 << 20
    assert highest - before == pytest.approx(done, rel=0.05)


def test_nothing_is_left_of_a_measurement_but_its_figures(tmp_path):
    log = tmp_path / "logs" / "memory.log"
    assert isinstance(measured(EMBEDDED, ROW[:16], log), Footprint)
    assert not log.exists()


def test_more_tokens_than_positions_are_an_error_of_one_line(tmp_path):
    folder = Path(shutil.copytree(EMBEDDED, tmp_path / "short"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    with pytest.raises(EngineError, match="2048 positions, too few for the 4096 tokens") as caught:
        measured(folder, ROW, tmp_path / "memory.log")
    assert len(str(caught.value).splitlines()) == 1


def test_a_device_whose_memory_is_unknown_is_an_error(tmp_path):
    model = Model(name="subject", source=str(EMBEDDED))
    settings = EngineSettings(device="mps")
    with pytest.raises(EngineError, match="not on mps"):
        footprint(EMBEDDED, model, ROW, settings, log=tmp_path / "memory.log")


def test_a_checkpoint_that_does_not_load_is_an_error_of_one_line_and_its_log_is_kept(tmp_path):
    folder = Path(shutil.copytree(EMBEDDED, tmp_path / "broken"))
    (folder / "model.safetensors").write_bytes(b"\0" * 64)
    log = tmp_path / "memory.log"
    with pytest.raises(EngineError, match=f"cannot be measured: .*log: {log}") as caught:
        measured(folder, ROW[:16], log)
    assert len(str(caught.value).splitlines()) == 1
    assert "Traceback" in log.read_text()


def test_a_token_that_the_model_does_not_know_is_an_error(tmp_path):
    with pytest.raises(EngineError, match="index out of range"):
        measured(EMBEDDED, [1, 2, 9999], tmp_path / "memory.log")
