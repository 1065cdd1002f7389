"""Train a student of a model and write it to disk: what all methods of distillation share.

A method that trains is called with a fourth argument, the `Workshop`: the source of its text, a
folder for its state, and a function to report progress to. Each step is done once: what the folder
already holds is not made again, so a killed build goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from unicomp.data.model_folder import read_config
from unicomp.data.tokenizer import read_tokenizer
from unicomp.distillation import shape
from unicomp.distillation.corpus import Corpus
from unicomp.distillation.estimate import Estimate, PlannedTraining, estimate
from unicomp.distillation.job import MODEL, TrainingJob, load_model, run_job
from unicomp.distillation.loop import CURVE, Progress, Trained
from unicomp.distillation.training import Training
from unicomp.errors import BuildError, SpecError
from unicomp.formats.companions import copy_companions
from unicomp.methods import support
from unicomp.methods.footprint import memory_to_run
from unicomp.methods.oneshot import store_in
from unicomp.methods.stored_weights import stored_dtype
from unicomp.spec import Calibration, Guarantees, Method
from unicomp.units import amount

Begin = Callable[[Any, Any, Calibration], Any]
"""Make an untrained student from a teacher, its tokenizer and the calibration."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """The extra inputs of a method that trains, besides source, target and calibration."""

    corpus: Corpus
    folder: Path
    """Its content survives a killed build, and is removed after a finished one."""
    progress: Progress
    trust_remote_code: bool = False


def warm_up() -> None:
    """Import what a training needs, so that importing is not counted as compressing."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import accelerate  # noqa: F401
    import transformers

    transformers.logging.set_verbosity_error()


def student_method(
    name: str, *, begin: Begin | None, training: Training, **parameters: Any
) -> Method:
    """Declare a method that trains a student of a guaranteed shape.

    `begin` makes the student from the calibration text; without it the method reads none. The
    `parameters` hold at least `objective`, a kind of `TrainingJob`, and `shape`, the arguments of
    `Shape.scaled` that make the student's shape from the teacher's.
    """
    identity = {**parameters, "training": training.as_json()}
    return Method(
        name=name,
        family="distillation",
        compress=partial(distil, parameters=identity, begin=begin),
        guarantees=Guarantees(shape=parameters["shape"]),
        parameters=identity,
        corpus=training.corpus,
        calibrated=begin is not None,
        why_unsupported=partial(_why_unsupported, name, identity),
    )


def _why_unsupported(
    name: str, parameters: Mapping[str, Any], config: Mapping[str, Any]
) -> str | None:
    """Why a model cannot be cut, or the tokens are too few to train its student; or None."""
    if reason := support.why_unsupported(config) or shape.why_unsupported(config):
        return reason
    try:
        planned = PlannedTraining.of(config, parameters)
    except SpecError as error:
        return str(error)
    tokens, weights = planned.training.tokens, planned.student.parameters()
    if tokens < weights:
        return (
            f"{tokens:,} tokens are too few to train a student of {weights:,} parameters: give "
            f"more of them in a file of your own, fixtures/methods/{name}.py"
        )
    return None


def distil(
    source: Path,
    target: Path,
    calibration: Calibration,
    workshop: Workshop,
    *,
    parameters: Mapping[str, Any],
    begin: Begin | None,
) -> dict[str, Any]:
    """Train a student of the model in `source`, write it to `target`, and return the facts.

    `begin` makes the student for a distillation of logits; other objectives make their own.
    Raises BuildError if the device has too little memory or the training fails.
    """
    training = Training.from_json(dict(parameters["training"]))
    expected = _expected(source, parameters)
    workshop.progress(str(expected))
    job = TrainingJob(
        objective=parameters["objective"],
        teacher=source,
        hidden=expected.hidden,
        alpha=parameters.get("alpha", 0.0),
        training=training,
        corpus=workshop.corpus,
        folder=workshop.folder / "distillation",
        trust_remote_code=workshop.trust_remote_code,
    )
    corrected: Trained | None = None
    if correction := parameters.get("correction", 0):
        teacher, corrected = _corrected(job, correction, workshop)
        job = replace(job, teacher=teacher)
    if begin is not None:
        workshop.progress("cutting the student")
        job = replace(job, student=_begun(job, begin, calibration, workshop))
    trained = run_job(job, workshop.progress)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(job.folder / MODEL, target)
    store_in(target, stored_dtype(source, read_config(source)))
    copy_companions(source, target)
    shutil.copyfile(job.folder / CURVE, target.parent / CURVE)
    peaks = [each.accelerator_bytes for each in (corrected, trained) if each]
    return {
        "tokens": trained.tokens,
        "steps": trained.steps,
        "train_seconds": trained.seconds,
        "correction_seconds": corrected.seconds if corrected else 0.0,
        "tokens_per_second": trained.tokens_per_second,
        "loss_first": trained.first_loss,
        "loss_last": trained.last_loss,
        "estimate": expected.as_json(),
        "peak_accelerator_bytes": max(filter(None, peaks), default=None),
    }


def _expected(source: Path, parameters: Mapping[str, Any]) -> Estimate:
    """Estimate the training; raise BuildError if it needs more memory than a device has."""
    import torch

    accelerated = torch.accelerator.is_available()
    devices = torch.accelerator.device_count() if accelerated else 1
    planned = PlannedTraining.of(read_config(source), parameters)
    precision = planned.training.precision
    narrow = precision == "bfloat16" or (precision == "auto" and accelerated)
    expected = estimate(planned, devices=devices, narrow=narrow)
    available = memory_to_run()
    if expected.device_bytes > available:
        raise BuildError(
            f"the training needs {amount(expected.device_bytes, 'bytes')} on each device, and "
            f"there are {amount(available, 'bytes')}: set at_once and checkpointing, or use "
            "larger devices"
        )
    return expected


def _corrected(job: TrainingJob, tokens: int, workshop: Workshop) -> tuple[Path, Trained]:
    """The folder of the teacher, trained on the text of the distillation, and its training."""
    correction = replace(
        job,
        objective="next_token",
        training=replace(job.training, tokens=tokens),
        folder=workshop.folder / "correction",
    )
    trained = run_job(correction, lambda text: workshop.progress(f"correcting the teacher: {text}"))
    copy_companions(job.teacher, correction.folder / MODEL)
    return correction.folder / MODEL, trained


def _begun(job: TrainingJob, begin: Begin, calibration: Calibration, workshop: Workshop) -> Path:
    """The folder of the untrained student, made once."""
    folder = workshop.folder / "student"
    if not folder.is_dir():
        import torch

        tokenizer = read_tokenizer(job.teacher, trust_remote_code=job.trust_remote_code)
        teacher = load_model(job.teacher, job)
        if torch.accelerator.is_available():
            teacher = teacher.to(torch.accelerator.current_accelerator())
        student = begin(teacher, tokenizer, calibration)
        unfinished = workshop.folder / ".student"
        shutil.rmtree(unfinished, ignore_errors=True)
        student.save_pretrained(unfinished, max_shard_size="5GB")
        os.replace(unfinished, folder)
    return folder
