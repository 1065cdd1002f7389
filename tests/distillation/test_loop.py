"""The loop learns, on any number of devices, and a kill costs no bit."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.distillation import tiny
from unicomp.distillation.loop import CURVE, STATE, train
from unicomp.distillation.objective import NextToken
from unicomp.distillation.training import Training
from unicomp.errors import BuildError

REPOSITORY = Path(__file__).parents[2]
TRAINING = Training(
    tokens=40 * 8 * 24,
    sequence=24,
    batch=8,
    learning_rate=1e-2,
    warm_up=3,
    prompt_weight=0.5,
    precision="float32",
)


def run(folder, training=TRAINING, stream=tiny.stream, **settings):
    objective = NextToken(tiny.model())
    done = train(objective, stream, tiny.tokenizer(), training, folder, **settings)
    return done, objective.student().state_dict()


def curve(folder):
    return [json.loads(line) for line in (folder / CURVE).read_text().splitlines()]


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return (*run(folder), folder)


def test_it_learns_and_keeps_the_curve(undisturbed):
    done, _, folder = undisturbed
    lines = curve(folder)
    assert [line["step"] for line in lines] == list(range(1, 41))
    assert lines[0]["rate"] == TRAINING.rate(0)
    assert lines[-1]["tokens"] == done.tokens <= 40 * 8 * 24
    assert lines[-1]["cross_entropy"] == lines[-1]["loss"] == done.last_loss
    assert done.last_loss < 0.8 * done.first_loss
    assert done.tokens_per_second > 0


def test_small_batches_one_after_the_other_are_one_large_one(undisturbed, tmp_path):
    _, weights, folder = undisturbed
    _, parts = run(tmp_path, replace(TRAINING, at_once=3))
    for name, weight in weights.items():
        torch.testing.assert_close(parts[name], weight, rtol=1e-3, atol=1e-4)
    assert curve(tmp_path)[0]["loss"] == pytest.approx(curve(folder)[0]["loss"], rel=1e-5)


def test_activations_that_are_computed_again_are_the_same_ones(undisturbed, tmp_path):
    _, weights, _ = undisturbed
    _, again = run(tmp_path, replace(TRAINING, checkpointing=True))
    assert same(weights, again)


def test_a_training_that_is_done_is_not_done_again(undisturbed):
    done, weights, folder = undisturbed

    def untouched(start):
        raise AssertionError("it reads on")
        yield

    again, found = run(folder, stream=untouched)
    assert again == done
    assert same(weights, found)


def test_another_training_does_not_go_on_with_the_state(undisturbed, tmp_path):
    _, _, folder = undisturbed
    (tmp_path / STATE).write_bytes((folder / STATE).read_bytes())
    done, _ = run(tmp_path, replace(TRAINING, tokens=5 * 8 * 24))
    assert done.steps == 5
    assert len(curve(tmp_path)) == 5


def test_it_reports_its_progress(tmp_path, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    told = []
    run(tmp_path, replace(TRAINING, tokens=2 * 8 * 24), progress=told.append)
    assert len(told) == 2
    assert told[0].startswith("training, step 1/2, loss ")
    assert "tokens/s, " in told[0]
    assert told[0].endswith(" s left")


def test_a_loss_that_is_not_finite_ends_it(tmp_path):
    with pytest.raises(BuildError, match=r"not finite after \d+ steps: lower the learning rate"):
        run(tmp_path, replace(TRAINING, learning_rate=1e30, clip=1e30))


# -- killed, and several processes --------------------------------------------------------------

SCRIPT = """
import json, os, sys, time
from pathlib import Path
import torch
from tests.distillation import tiny
from unicomp.distillation.objective import NextToken
from unicomp.distillation.loop import train
from unicomp.distillation.training import Training

folder, pause, training = Path(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])
torch.set_num_threads(1)

def slowly(start):
    for sample in tiny.stream(start):
        time.sleep(pause)
        yield sample

objective = NextToken(tiny.model())
train(objective, slowly, tiny.tokenizer(), Training.from_json(training), folder, save_every=7)
rank = os.environ.get("RANK", "0")
torch.save(objective.student().state_dict(), folder / f"weights-{rank}.pt")
"""


def start(folder, *, pause=0.0, launcher=()):
    script = folder / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, *launcher, script, folder, str(pause), json.dumps(TRAINING.as_json())],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.long
def test_a_training_that_is_killed_and_called_again_ends_with_the_same_bits(undisturbed, tmp_path):
    _, weights, folder = undisturbed
    first = start(tmp_path, pause=0.004)
    end = time.monotonic() + 60
    while not (tmp_path / CURVE).is_file() or len((tmp_path / CURVE).read_text().split("\n")) < 18:
        assert time.monotonic() < end, "it did not get that far"
        assert first.poll() is None, "it was done too soon"
        time.sleep(0.005)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert (tmp_path / STATE).is_file()
    assert not (tmp_path / "weights-0.pt").exists()
    assert start(tmp_path).wait(60) == 0
    assert same(weights, torch.load(tmp_path / "weights-0.pt"))
    assert curve(tmp_path) == curve(folder)


@pytest.mark.long
def test_two_processes_train_the_same_weights(tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    assert start(tmp_path, launcher=launcher).wait(100) == 0
    one, other = (torch.load(tmp_path / f"weights-{rank}.pt") for rank in range(2))
    assert same(one, other)
    assert all(weight.isfinite().all() for weight in one.values())
    lines = curve(tmp_path)
    assert len(lines) == 40
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
