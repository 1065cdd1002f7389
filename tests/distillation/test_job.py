"""One request is one training, in this process or in one for each device."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.distillation import tiny
from unicomp.data.lock import Pin
from unicomp.data.sources import Source
from unicomp.distillation.corpus import Corpus
from unicomp.distillation.job import DONE, MODEL, TrainingJob, run_job
from unicomp.distillation.loop import CURVE, STATE
from unicomp.distillation.training import Training
from unicomp.errors import BuildError

pytestmark = pytest.mark.filterwarnings("ignore")

RECIPE = """
from unicomp.data.calibration import Part, Recipe
from tests.distillation import tiny

calibration = Recipe(
    name="tales",
    parts=(Part(dataset="org/tales", configs=("main",), render=lambda row: row["text"]),),
    embedded_stream=lambda seed: tiny.stream(seed),
)
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    root = tmp_path_factory.mktemp("job")
    (root / "fixtures/calibration").mkdir(parents=True)
    (root / "fixtures/calibration/tales.py").write_text(RECIPE)
    tiny.model().save_pretrained(root / "teacher")
    tiny.tokenizer().save_pretrained(root / "teacher")
    tiny.model(seed=1, num_hidden_layers=1).save_pretrained(root / "student")
    return TrainingJob(
        objective="logits",
        teacher=root / "teacher",
        student=root / "student",
        training=Training(tokens=20 * 8 * 24, sequence=24, batch=8, learning_rate=1e-2),
        corpus=Corpus(name="tales", roots=(root / "fixtures",), source=Source("embedded")),
        folder=root / "alone",
    )


def test_a_request_is_read_back_from_json_as_it_was(job):
    lock = {"org/tales": Pin(revision="abc", files={"a": "b"})}
    pinned = replace(job, corpus=replace(job.corpus, source=Source("embedded", lock)))
    assert TrainingJob.from_json(json.loads(json.dumps(pinned.as_json()))) == pinned


def test_it_leaves_a_model_a_curve_and_no_state_and_is_done_once(job):
    trained = run_job(job)
    assert (job.folder / MODEL / "config.json").is_file()
    assert len((job.folder / CURVE).read_text().splitlines()) == trained.steps == 20
    assert trained.last_loss < trained.first_loss
    assert not (job.folder / STATE).exists()
    assert run_job(replace(job, teacher=Path("/gone"))) == trained


@pytest.mark.long
def test_on_two_devices_it_is_one_training(job, tmp_path):
    told = []
    both = replace(job, folder=tmp_path / "both")
    trained = run_job(both, told.append, devices=2)
    assert (both.folder / DONE).is_file()
    assert trained.steps == 20
    alone = run_job(job)
    assert trained.first_loss == pytest.approx(alone.first_loss, rel=0.2)
    assert trained.last_loss < trained.first_loss
    for name, weight in load_file(both.folder / MODEL / "model.safetensors").items():
        assert weight.isfinite().all(), name


@pytest.mark.long
def test_a_failure_on_many_devices_is_one_line(job, tmp_path):
    odd = replace(job, folder=tmp_path / "odd", training=replace(job.training, batch=9))
    with pytest.raises(BuildError, match="9 rows a step cannot be divided among 2 devices"):
        run_job(odd, devices=2)
