"""vLLM's own benchmark runs on a checkpoint, ends with us, and reports figures or an error."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.efficiency.random_model import write
from tests.engines.conftest import until
from unicomp.data.sources import shipped_fixtures
from unicomp.engines import bench
from unicomp.errors import EngineError, UnmeasuredError
from unicomp.spec import Load, Model

EMBEDDED = shipped_fixtures() / "embedded" / "model"
LOAD = Load(prompt_tokens=24, new_tokens=8, concurrency=2)
SMALL = {"num_hidden_layers": 2, "hidden_size": 256, "intermediate_size": 512, "head_dim": 64}
SMALL |= {"num_attention_heads": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random model whose vocabulary is large enough for `vllm bench latency`."""
    found = tmp_path_factory.mktemp("random") / "model"
    write(found, 10_000 * 256 + 1_500_000, **SMALL)
    return found


def run(quantity, folder, settings, rounds=4, load=LOAD):
    model = Model(name="m", source=str(folder))
    return bench.run(
        quantity, folder, model, settings, load, bench.options(quantity, load, 1, rounds)
    )


@pytest.mark.parametrize("quantity", ["throughput", "latency"])
def test_its_figures_are_read(quantity, folder, faithful):
    bench.check(quantity, folder)
    found = run(quantity, folder, faithful)
    if quantity == "latency":
        assert (len(found.seconds), found.tokens) == (4, 2 * 32)
    else:
        assert len(found.seconds) == 1
        assert found.tokens == pytest.approx(8 * 32, rel=0.2)  # texts may be split otherwise
    assert list(Path(faithful.logs).glob(f"vllm-bench-{quantity}-m-*.log"))


def test_it_loads_a_checkpoint_as_the_server_does(folder, settings, double):
    run("throughput", folder, settings)
    (start,) = double.starts
    options = start["options"]
    assert (options["dtype"], options["enforce_eager"]) == ("float16", True)
    assert options["no_enable_prefix_caching"]
    assert options["kv_cache_memory_bytes"] == 2**30
    assert (options["num_prompts"], options["num_warmups"]) == (8, 2)
    assert options["max_num_seqs"] == 2
    assert start["environment"]["OMP_NUM_THREADS"] == "1"
    assert not start["python"]
    assert not double.left


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("fails", "the weights do not fit the memory"),
        ("garbled", "its figures cannot be read"),
        ("mute", "its figures cannot be read"),
    ],
)
def test_a_failure_is_one_line_with_the_last_error(mode, words, folder, settings, monkeypatch):
    monkeypatch.setenv("DOUBLE", mode)
    with pytest.raises(EngineError, match="vllm bench latency failed: ") as failure:
        run("latency", folder, settings)
    assert words in str(failure.value)
    assert "its log is" in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.long
def test_one_that_never_ends_is_ended(folder, settings, double, monkeypatch):
    monkeypatch.setenv("DOUBLE", "hangs")
    monkeypatch.setattr(bench, "DONE_WITHIN", 2.0)
    with pytest.raises(EngineError, match="had not ended after 2 s"):
        run("throughput", folder, settings)
    assert not double.left


def test_a_vocabulary_below_what_it_draws_is_not_measured(settings):
    bench.check("throughput", EMBEDDED)
    with pytest.raises(UnmeasuredError, match=r"draws token ids below 10,000.*has 1,024 tokens"):
        bench.check("latency", EMBEDDED)


def test_a_load_beyond_the_context_is_refused_in_a_line(folder, settings, double):
    with pytest.raises(EngineError, match="longer than the context of m, 8192 tokens"):
        run("latency", folder, settings, load=Load(prompt_tokens=8192, new_tokens=1))
    assert not double.starts


KILLED = """
import sys
from pathlib import Path
from unicomp.engines import EngineSettings, bench
from unicomp.spec import Load, Model
settings = EngineSettings(name="vllm", vllm=sys.argv[2], logs=sys.argv[3])
load = Load(prompt_tokens=24, new_tokens=8, concurrency=2)
model = Model(name="m", source=sys.argv[1])
options = bench.options("throughput", load, 1, 4)
bench.run("throughput", Path(sys.argv[1]), model, settings, load, options)
"""


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_when_we_do(number, folder, double, tmp_path, monkeypatch):
    monkeypatch.setenv("DOUBLE", "hangs")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(double.path), str(tmp_path / "logs")],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.DEVNULL,
    )
    assert until(lambda: double.starts)
    process.send_signal(number)
    process.wait(60)
    assert until(lambda: not double.left, 30)
