"""What building a checkpoint took is recorded, of the processes that a method starts as well."""

from pathlib import Path

import pytest

from unicomp.methods.stored_weights import size

EMBEDDED = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"
MIB = 2**20

METHOD = """
import shutil, subprocess, sys, time
from unicomp.spec import Method

HOLD = "import time; held = bytearray({size} << 20); time.sleep(1)"

def compress(source, target, calibration):
    shutil.copytree(source, target)
    started = [subprocess.Popen([sys.executable, "-c", HOLD]) for _ in range({processes})]
    for child in started:
        child.wait()

method = Method(name="{name}", family="pruning", compress=compress)
"""


def in_children(name, processes, size):
    return METHOD.format(name=name, processes=processes, size=size)


@pytest.mark.long
def test_the_peak_is_of_all_processes_that_a_method_starts_together(build):
    alone = build("alone", in_children("alone", 0, 0)).facts["peak_rss_bytes"]
    one = build("one", in_children("one", 1, 400)).facts["peak_rss_bytes"]
    two = build("two", in_children("two", 2, 400)).facts["peak_rss_bytes"]
    assert one - alone == pytest.approx(400 * MIB, rel=0.2)
    assert two - one == pytest.approx(400 * MIB, rel=0.2)


@pytest.mark.long
@pytest.mark.parametrize("name", ["wanda_50", "gptq_w4a16"])
def test_the_size_is_that_of_the_weights_and_nothing_else_grows(build, name):
    """Other files ship as well, the same for each checkpoint but for the configuration."""
    made = build(name)
    shipped = {path.name: path.stat().st_size for path in made.path.rglob("*") if path.is_file()}
    weights = sum(length for file, length in shipped.items() if file.endswith(".safetensors"))
    assert made.facts["bytes"] == size(made.path) == weights
    same = {
        file: length
        for file, length in shipped.items()
        if not file.endswith(".safetensors") and file != "config.json"
    }
    for file, length in same.items():
        if (EMBEDDED / file).is_file():
            assert length == (EMBEDDED / file).stat().st_size, file
    assert shipped["config.json"] < 4096


def test_the_published_size_is_that_of_the_weights_in_gib():
    """8.03 B weights of 16 bits are the 14.96 GB of the paper; a tokenizer would make it 14.97."""
    weights, tokenizer = 8_030_261_248 * 2, 17_209_920
    assert round(weights / 2**30, 2) == 14.96
    assert round((weights + tokenizer) / 2**30, 2) != 14.96
