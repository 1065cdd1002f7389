"""Run one training, in this process or in one process for each accelerator.

`python -m unicomp.distillation.job FILE` runs one process of the training that `run_job` wrote to
FILE; `torch.distributed.run` starts it. It reports on its standard output, one JSON object a line:
`{"stage": TEXT}`, or `{"error": {"type": ..., "message": ...}}`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unicomp.data.tokenizer import read_tokenizer
from unicomp.distillation.corpus import Corpus
from unicomp.distillation.loop import STATE, Progress, Trained, train
from unicomp.distillation.training import ObjectiveName, Training
from unicomp.errors import BuildError
from unicomp.machine import parent_watch
from unicomp.store import write_atomically

DONE = "done.json"
MODEL = "model"
_REQUEST = "request.json"


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A training with all that it reads; equal jobs give equal weights."""

    objective: ObjectiveName
    teacher: Path
    """A Hugging Face folder."""
    student: Path | None = None
    """For `logits`: the folder of the student before training."""
    hidden: int | None = None
    """For `low_rank_clone`: the student's channels."""
    alpha: float = 0.0
    """For `low_rank_clone`: the weight of the differences of activations."""
    training: Training
    corpus: Corpus
    folder: Path
    """Holds the state during training; afterwards the loss curve and `model/`."""
    trust_remote_code: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the loop: `save_every`, `save_seconds`."""

    def as_json(self) -> dict[str, Any]:
        """The job as JSON values."""
        return asdict(self) | {
            "teacher": str(self.teacher),
            "student": self.student and str(self.student),
            "training": self.training.as_json(),
            "corpus": self.corpus.as_json(),
            "folder": str(self.folder),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingJob:
        """The job that `as_json` wrote."""
        return cls(
            **values
            | {
                "teacher": Path(values["teacher"]),
                "student": values["student"] and Path(values["student"]),
                "training": Training.from_json(values["training"]),
                "corpus": Corpus.from_json(values["corpus"]),
                "folder": Path(values["folder"]),
            }
        )


def run_job(
    job: TrainingJob, progress: Progress = lambda text: None, *, devices: int | None = None
) -> Trained:
    """Train the student to the end and write it to `job.folder / MODEL`.

    Uses `devices` accelerators; None: all that are visible. A training that was interrupted goes
    on; one that is done is not repeated. Raises BuildError, or SpecError if the text cannot be
    read.
    """
    done = job.folder / DONE
    if not done.is_file():
        job.folder.mkdir(parents=True, exist_ok=True)
        if devices is None:
            import torch

            devices = torch.accelerator.device_count()
        if devices > 1:
            _launch(job, devices, progress)
        else:
            _run_process(job, progress)
    return Trained(**json.loads(done.read_text(encoding="utf-8")))


def _run_process(job: TrainingJob, progress: Progress) -> None:
    """Train in this process, the only one of the job or one of several."""
    tokenizer = read_tokenizer(job.teacher, trust_remote_code=job.trust_remote_code)
    objective = _objective(job)
    objective.train()
    trained = train(
        objective,
        job.corpus.stream(job.training.seed),
        tokenizer,
        job.training,
        job.folder,
        progress=progress,
        **job.settings,
    )
    if _is_first():
        _finish(objective.student(), trained, job.folder)


def _finish(student: Any, trained: Trained, folder: Path) -> None:
    """Write the student, then `DONE`, then remove the state."""
    partial = folder / f".{MODEL}"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(folder / MODEL, ignore_errors=True)
    student.save_pretrained(partial, max_shard_size="5GB")
    os.replace(partial, folder / MODEL)
    write_atomically(folder / DONE, json.dumps(asdict(trained)))
    (folder / STATE).unlink(missing_ok=True)


def _objective(job: TrainingJob) -> Any:
    """The module that is trained, the same in each process."""
    import torch

    from unicomp.distillation.objective import LogitDistillation, NextToken

    torch.manual_seed(job.training.seed)
    if job.objective == "next_token":
        return NextToken(load_model(job.teacher, job, trained=True))
    teacher = load_model(job.teacher, job)
    if job.objective == "logits":
        assert job.student is not None
        return LogitDistillation(load_model(job.student, job, trained=True), teacher)
    from unicomp.distillation.assembly import shape_of
    from unicomp.distillation.clone import LowRankClone

    return LowRankClone(teacher, shape_of(teacher).scaled(hidden=job.hidden), alpha=job.alpha)


def load_model(folder: Path, job: TrainingJob, *, trained: bool = False) -> Any:
    """The model in a folder: in float32 if it is `trained` or there is no accelerator.

    A frozen model on an accelerator is in bfloat16, unless the job's precision is float32.
    """
    import torch
    from transformers import AutoModelForCausalLM

    there = torch.accelerator.is_available()
    narrow = there and not trained and job.training.precision != "float32"
    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.bfloat16 if narrow else torch.float32,
        trust_remote_code=job.trust_remote_code,
        # eager attention is faster on CPU, where rows are short and matrices small
        attn_implementation="sdpa" if there else "eager",
    )


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


# -- one process for each device ----------------------------------------------------------------


def _launch(job: TrainingJob, devices: int, progress: Progress) -> None:
    request = job.folder / _REQUEST
    request.write_text(json.dumps(job.as_json() | {"parent": os.getpid()}), encoding="utf-8")
    error: Mapping[str, str] | None = None
    with subprocess.Popen(  # noqa: S603 (this very module)
        [sys.executable, "-P", "-m", __name__, "--devices", str(devices), str(request)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                message = _parse_line(line)
                if "stage" in message:
                    progress(message["stage"])
                error = message.get("error", error)
            child.wait()
        finally:
            if child.poll() is None:
                child.kill()
    if error is not None:
        raise BuildError(error["message"])
    if child.returncode or not (job.folder / DONE).is_file():
        raise BuildError(f"the training on {devices} devices ended with status {child.returncode}")


def _parse_line(line: str) -> dict[str, Any]:
    """The JSON object in a line; empty for anything else that a process prints."""
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def main(arguments: list[str]) -> int:
    """Start the processes of a job (`--devices N FILE`), or be one of them (`FILE`)."""
    request = Path(arguments[-1])
    values = json.loads(request.read_text(encoding="utf-8"))
    parent = values.pop("parent")
    if arguments[0] == "--devices":
        parent_watch.end_with(parent)
        from torch.distributed import run as elastic

        elastic.main(
            ["--standalone", f"--nproc-per-node={arguments[1]}", "-m", __spec__.name, str(request)]
        )
        return 0
    parent_watch.end_with(os.getppid())

    def progress(text: str) -> None:
        if _is_first():
            _print_line({"stage": text})

    try:
        _run_process(TrainingJob.from_json(values), progress)
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")
        _print_line({"error": {"type": type(error).__name__, "message": line[:400]}})
        raise
    return 0


def _print_line(message: dict[str, Any]) -> None:
    """Print a message as one line, in one write.

    The processes share an unbuffered pipe. `print` writes a line and its end separately, so the
    lines of two processes that fail at once would mix.
    """
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
