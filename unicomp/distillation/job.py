"""One training as a request: in this process, or in one process for each accelerator.

`python -m unicomp.distillation.job FILE` serves a request that `run` has written, as one of the
processes that `torch.distributed.run` starts. What it has to tell goes to its standard output, one
JSON object a line: `{"stage": TEXT}`, or `{"error": {"type": ..., "message": ...}}`.
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
from typing import Any, Literal

from unicomp.distillation.corpus import Corpus
from unicomp.distillation.loop import STATE, Tell, Trained, train
from unicomp.distillation.shape import Shape
from unicomp.distillation.training import Training
from unicomp.errors import BuildError
from unicomp.machine import parent_watch

Kind = Literal["next_token", "logits", "low_rank_clone"]

DONE = "done.json"
MODEL = "model"
_REQUEST = "request.json"


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A training with all that it reads; equal jobs give equal weights."""

    kind: Kind
    """What is minimised: the cross entropy of the teacher itself on the text, the divergence of the
    student's logits, or the loss of Low-Rank Clone."""
    teacher: Path
    """A Hugging Face folder."""
    student: Path | None = None
    """Likewise, for `logits`: the student to begin with."""
    hidden: int | None = None
    """For `low_rank_clone`: the student's channels."""
    alpha: float = 0.0
    """For `low_rank_clone`: what the differences of activations weigh."""
    training: Training
    corpus: Corpus
    folder: Path
    """Where the state lies while it trains, and in the end the loss curve and `model/`."""
    trust_remote_code: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the loop: `save_every`, `save_seconds`."""

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            **{name: getattr(self, name) for name in ("kind", "hidden", "alpha")},
            "teacher": str(self.teacher),
            "student": self.student and str(self.student),
            "training": self.training.as_json(),
            "corpus": self.corpus.as_json(),
            "folder": str(self.folder),
            "trust_remote_code": self.trust_remote_code,
            "settings": dict(self.settings),
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


def run(job: TrainingJob, tell: Tell = lambda text: None, *, devices: int | None = None) -> Trained:
    """Train, on `devices` accelerators (None: all that are visible), or go on where it was left.

    The student is in `job.folder / MODEL` then. A job that is done is not done again. Raises
    BuildError, or SpecError where the text cannot be read.
    """
    if (job.folder / DONE).is_file():
        return Trained(**json.loads((job.folder / DONE).read_text()))
    job.folder.mkdir(parents=True, exist_ok=True)
    count = _accelerators() if devices is None else devices
    if count > 1:
        _launch(job, count, tell)
    else:
        serve(job, tell)
    return Trained(**json.loads((job.folder / DONE).read_text()))


def serve(job: TrainingJob, tell: Tell) -> None:
    """Train as one of the processes of a job, or as its only one."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.teacher, trust_remote_code=job.trust_remote_code)
    objective = _objective(job)
    objective.train()
    trained = train(
        objective,
        job.corpus.stream(job.training.seed),
        tokenizer,
        job.training,
        job.folder,
        tell=tell,
        **job.settings,
    )
    if int(os.environ.get("RANK", "0")) == 0:
        _keep(objective.student(), trained, job.folder)


def _keep(student: Any, trained: Trained, folder: Path) -> None:
    """Write the student, then that it is done, then forget the state."""
    partial = folder / f".{MODEL}"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(folder / MODEL, ignore_errors=True)
    student.save_pretrained(partial, max_shard_size="5GB")
    os.replace(partial, folder / MODEL)
    written = folder / f".{DONE}"
    written.write_text(json.dumps(asdict(trained)))
    os.replace(written, folder / DONE)
    (folder / STATE).unlink(missing_ok=True)


def _objective(job: TrainingJob) -> Any:
    """The module that is trained, the same one in each process."""
    import torch

    torch.manual_seed(job.training.seed)
    if job.kind == "next_token":
        from unicomp.distillation.correction import next_token

        return next_token(load(job.teacher, job, trained=True))
    teacher = load(job.teacher, job)
    if job.kind == "logits":
        from unicomp.distillation.objective import LogitDistillation

        assert job.student is not None
        return LogitDistillation(load(job.student, job, trained=True), teacher)
    from unicomp.distillation.assembly import shape_of
    from unicomp.distillation.clone import LowRankClone

    shape: Shape = shape_of(teacher)
    return LowRankClone(teacher, shape.scaled(hidden=job.hidden), alpha=job.alpha)


def load(folder: Path, job: TrainingJob, *, trained: bool = False) -> Any:
    """A model in memory: in float32 if it is `trained`, and on a device without bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    there = torch.accelerator.is_available()
    narrow = there and not trained and job.training.precision != "float32"
    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.bfloat16 if narrow else torch.float32,
        trust_remote_code=job.trust_remote_code,
        # the eager one is faster on CPU: rows are short there, and the matrices small
        attn_implementation="sdpa" if there else "eager",
    )


def _accelerators() -> int:
    import torch

    return torch.accelerator.device_count() if torch.accelerator.is_available() else 0


# -- one process for each device ----------------------------------------------------------------


def _launch(job: TrainingJob, devices: int, tell: Tell) -> None:
    request = job.folder / _REQUEST
    request.write_text(json.dumps(job.as_json() | {"parent": os.getpid()}))
    error: Mapping[str, str] | None = None
    with subprocess.Popen(  # noqa: S603 (this very module)
        [sys.executable, "-P", "-m", __name__, "--devices", str(devices), str(request)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                message = _message(line)
                if "stage" in message:
                    tell(message["stage"])
                error = message.get("error", error)
            child.wait()
        finally:
            if child.poll() is None:
                child.kill()
    if error is not None:
        raise BuildError(error["message"])
    if child.returncode or not (job.folder / DONE).is_file():
        raise BuildError(f"the training on {devices} devices ended with status {child.returncode}")


def _message(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def main(arguments: list[str]) -> int:
    """Start the processes of a job (`--devices N FILE`), or be one of them (`FILE`)."""
    request = Path(arguments[-1])
    values = json.loads(request.read_text())
    parent = values.pop("parent")
    if arguments[0] == "--devices":
        parent_watch.end_with(parent)
        from torch.distributed import run as elastic

        elastic.main(
            ["--standalone", f"--nproc-per-node={arguments[1]}", "-m", __spec__.name, str(request)]
        )
        return 0
    parent_watch.end_with(os.getppid())
    job = TrainingJob.from_json(values)
    first = os.environ.get("RANK", "0") == "0"

    def tell(text: str) -> None:
        if first:
            _say({"stage": text})

    try:
        serve(job, tell)
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")
        message = {"type": type(error).__name__, "message": line[:400]}
        _say({"error": message})
        raise
    return 0


def _say(message: dict[str, Any]) -> None:
    """Tell in one line, and in one write.

    The processes share a pipe and are run unbuffered, where `print` writes a line and its end
    apart: the lines of two that fail at once would run together.
    """
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
