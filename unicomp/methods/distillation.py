"""From a teacher and a way to begin to a trained student on disk.

A method that trains is called with a fourth argument, the `Workshop`: where its text comes from,
where it may leave what it has so far, and whom it tells. All that is done is done once: what is in
the workshop's folder already is not made again, so a build that was killed goes on.
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
from unicomp.distillation.corpus import Corpus
from unicomp.distillation.estimate import Estimate, PlannedTraining, estimate
from unicomp.distillation.job import MODEL, TrainingJob, load_model, run_job
from unicomp.distillation.loop import CURVE, Progress, Trained
from unicomp.distillation.shape import why_unsupported
from unicomp.distillation.training import Training
from unicomp.errors import BuildError, SpecError
from unicomp.methods.oneshot import copy_companions, store_in, stored_dtype
from unicomp.methods.support import MatrixWise
from unicomp.spec import Calibration, Guarantees, Method
from unicomp.units import amount

Begin = Callable[[Any, Any, Calibration], Any]
"""Makes an untrained student from a teacher, its tokenizer and the calibration."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What a method that trains needs beside a source, a target and a calibration."""

    corpus: Corpus
    folder: Path
    """What lies in it survives a killed build, and is removed after a finished one."""
    progress: Progress
    trust_remote_code: bool = False


def warm_up() -> None:
    """Import what a training needs, so that importing is not counted as compressing."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import accelerate  # noqa: F401
    import transformers

    transformers.logging.set_verbosity_error()


def student_method(
    name: str,
    *,
    compress: Callable[..., Any],
    calibrated: bool,
    training: Training,
    **parameters: Any,
) -> Method:
    """The method that trains a student: `compress` gets all of it as its keyword `parameters`.

    `parameters` hold at least `objective`, a kind of job, and `shape`, how `Shape.scaled` makes the
    student's shape of the teacher's, to which the student is held.
    """
    identity = {**parameters, "training": training.as_json()}
    return Method(
        name=name,
        family="distillation",
        compress=partial(compress, parameters=identity),
        guarantees=Guarantees(shape=parameters["shape"]),
        parameters=identity,
        corpus=training.corpus,
        calibrated=calibrated,
        why_unsupported=Refusal(name, identity),
    )


@dataclass(frozen=True)
class Refusal:
    """Refuses models that cannot be cut, or for whose students the budget is no training."""

    name: str
    parameters: Mapping[str, Any]

    def __call__(self, config: Mapping[str, Any]) -> str | None:
        """The reason why such a model cannot be distilled, or None."""
        reason = MatrixWise()(config) or why_unsupported(config)
        if reason is not None:
            return reason
        try:
            planned = PlannedTraining.of(config, self.parameters)
        except SpecError as error:
            return str(error)
        tokens, weights = planned.training.tokens, planned.student.parameters()
        if tokens < weights:
            return (
                f"{tokens:,} tokens are no training for a student of {weights:,} parameters: give "
                f"a larger budget in fixtures/methods/{self.name}_OF_THIS_MODEL.py"
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
    """Train a student of the model in `source`, write it to `target`, and say what it took.

    `begin` makes the student of a distillation of logits; the other objectives make their own.
    Raises BuildError where the device has not the memory, or the training fails.
    """
    import torch

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
    dtype: torch.dtype = stored_dtype(source, read_config(source))
    store_in(target, dtype)
    copy_companions(source, target)
    shutil.copyfile(job.folder / CURVE, target.parent / CURVE)
    peaks = [each.accelerator_bytes for each in (corrected, trained) if each is not None]
    return {
        "tokens": trained.tokens,
        "steps": trained.steps,
        "train_seconds": trained.seconds,
        "correction_seconds": corrected.seconds if corrected is not None else 0.0,
        "tokens_per_second": trained.tokens_per_second,
        "loss_first": trained.first_loss,
        "loss_last": trained.last_loss,
        "estimate": expected.as_json(),
        "peak_accelerator_bytes": max((peak for peak in peaks if peak is not None), default=None),
    }


def _expected(source: Path, parameters: Mapping[str, Any]) -> Estimate:
    """What it will take; BuildError if that is more memory than a device has."""
    import torch

    there = torch.accelerator.is_available()
    devices = torch.accelerator.device_count() if there else 1
    planned = PlannedTraining.of(read_config(source), parameters)
    precision = planned.training.precision
    narrow = precision == "bfloat16" or (precision == "auto" and there)
    expected = estimate(planned, devices=devices, narrow=narrow)
    has = _memory(there)
    if has is not None and expected.device_bytes > has:
        raise BuildError(
            f"the training needs {amount(expected.device_bytes, 'bytes')} on each device, and "
            f"there are {amount(has, 'bytes')}: set at_once and checkpointing, or take larger "
            "devices"
        )
    return expected


def _memory(there: bool) -> int | None:
    """Bytes of the smallest accelerator, or of the machine where there is none."""
    import torch

    if there and torch.cuda.is_available():
        counts = range(torch.cuda.device_count())
        return min(torch.cuda.get_device_properties(n).total_memory for n in counts)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _corrected(job: TrainingJob, tokens: int, workshop: Workshop) -> tuple[Path, Trained]:
    """The teacher, trained on the text of the distillation, and what that took."""
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
    """The untrained student, made once."""
    folder = workshop.folder / "student"
    if not folder.is_dir():
        import torch
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(
            job.teacher, trust_remote_code=job.trust_remote_code
        )
        teacher = load_model(job.teacher, job)
        if torch.accelerator.is_available():
            teacher = teacher.to(torch.accelerator.current_accelerator())
        student = begin(teacher, tokenizer, calibration)
        unfinished = workshop.folder / ".student"
        shutil.rmtree(unfinished, ignore_errors=True)
        student.save_pretrained(unfinished, max_shard_size="5GB")
        os.replace(unfinished, folder)
    return folder
