"""The one training loop: any objective, any number of devices, resumed after a kill.

An objective is a `torch.nn.Module` called with the tensors of a `Batch`, `(input_ids, weights,
positions)`, each (rows, sequence). It returns `loss`, a weighted mean over the tokens, and the
parts of the loss by name. Its parameters that require a gradient are trained. Its method
`recompute_activations` saves memory: activations are computed again instead of kept.

The folder of a training holds:

    state.pt      weights, optimizer, random state, step, and each process's position in the text;
                  replaced as a whole, every few minutes and every few hundred steps
    loss.jsonl    one JSON object a step: step, tokens, rate, loss and its parts

On one machine, a training that was killed and resumed gives the same bits as one that was not.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.distillation.text import Batch, Stream, Text
from unicomp.distillation.training import Training
from unicomp.errors import BuildError, SpecError
from unicomp.store import write_atomically
from unicomp.units import amount

if TYPE_CHECKING:
    from torch import Tensor

STATE = "state.pt"
CURVE = "loss.jsonl"

Progress = Callable[[str], None]
"""Receives a line that reports the progress of the training."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The cost and the loss of a finished training."""

    steps: int
    tokens: int
    """Without padding."""
    seconds: float
    """Training time, including time before an interruption, excluding lost work."""
    first_loss: float
    last_loss: float
    accelerator_bytes: int | None = None
    """Peak memory on the devices, summed over them; None on CPU."""

    @property
    def tokens_per_second(self) -> float:
        """Over all devices."""
        return self.tokens / self.seconds if self.seconds else 0.0


def train(
    objective: Any,
    stream: Stream,
    tokenizer: Any,
    training: Training,
    folder: Path,
    *,
    progress: Progress = lambda text: None,
    save_every: int = 500,
    save_seconds: float = 180.0,
) -> Trained:
    """Train the parameters of `objective` to the end, from the state saved in `folder` if any.

    Every process of a distributed training calls this; only the first one writes. Raises BuildError
    if the loss is not finite, SpecError if the rows of a step cannot be divided among the devices.
    """
    loop = _Loop(objective, stream, tokenizer, training, folder)
    loop.resume()
    saved = shown = time.monotonic()
    while loop.step < training.steps:
        loss = loop.advance(due=time.monotonic() - saved > save_seconds)
        if time.monotonic() - shown > 1.0:
            shown = time.monotonic()
            progress(loop.status(loss))
        if loop.due or loop.step % save_every == 0 or loop.step == training.steps:
            loop.save()
            saved = time.monotonic()
    return loop.outcome()


class _Loop:
    """A training in progress: the objective, the optimizer, the text, and their positions."""

    def __init__(
        self,
        objective: Any,
        stream: Stream,
        tokenizer: Any,
        training: Training,
        folder: Path,
    ) -> None:
        import torch

        self.training = training
        self.folder = folder
        self.accelerator = _accelerator(training)
        self.processes = self.accelerator.num_processes
        if training.batch % self.processes:
            raise SpecError(
                f"{training.batch} rows a step cannot be divided among {self.processes} devices: "
                "give a batch that is a multiple of them"
            )
        if training.checkpointing:
            objective.recompute_activations()
        self.model: Any = self.accelerator.prepare(objective)
        self.trained = {
            name: weight for name, weight in objective.named_parameters() if weight.requires_grad
        }
        self.optimizer = torch.optim.AdamW(
            self.trained.values(),
            lr=training.learning_rate,
            betas=training.betas,
            weight_decay=training.weight_decay,
        )
        self.text = Text(
            stream,
            tokenizer,
            training,
            rank=self.accelerator.process_index,
            processes=self.processes,
        )
        self.step = self.tokens = 0
        self.seconds = 0.0
        self.due = False
        folder.mkdir(parents=True, exist_ok=True)

    # -- one step ---------------------------------------------------------------------------

    def advance(self, due: bool) -> float:
        """Do one step and return its loss; `due`: this process wants the state to be saved."""
        import torch

        started = time.monotonic()
        batches = list(self._batches())
        device = self.accelerator.device
        whole, tokens, dues = self._sum(
            [
                sum(float(batch.weights.sum()) for batch in batches),
                float(sum(batch.tokens for batch in batches)),
                float(due),
            ]
        )
        nothing = torch.zeros((), device=device)
        parts: dict[str, Tensor] = {}
        for number, batch in enumerate(batches, start=1):
            share = float(batch.weights.sum()) / max(whole, 1e-9)
            # processes exchange gradients only with the last batch of a step
            last = number == len(batches)
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                losses = self.model(
                    batch.input_ids.to(device), batch.weights.to(device), batch.positions.to(device)
                )
                # gradients are averaged over processes and summed over batches
                self.accelerator.backward(losses["loss"] * share * self.processes)
            for name, value in losses.items():
                parts[name] = parts.get(name, nothing) + value.detach() * share
        names = sorted(parts)
        loss = dict(zip(names, self._sum([float(parts[name]) for name in names]), strict=True))
        if not all(map(math.isfinite, loss.values())):
            raise BuildError(
                f"the loss is not finite after {self.step} steps: lower the learning rate"
            )
        self.accelerator.clip_grad_norm_(list(self.trained.values()), self.training.clip)
        rate = self.training.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += int(tokens)
        self.due = dues > 0
        self.seconds += time.monotonic() - started
        self._note({"step": self.step, "tokens": self.tokens, "rate": rate, **loss})
        return loss["loss"]

    def _batches(self) -> Iterator[Batch]:
        """The rows of this process in this step, in batches that fit the device."""
        rows = self.training.batch // self.processes
        at_once = min(rows, self.training.at_once or rows)
        for start in range(0, rows, at_once):
            yield self.text.batch(min(at_once, rows - start))

    def _sum(self, values: list[float]) -> list[float]:
        """The sums over all processes."""
        if self.processes == 1:
            return values
        import torch

        summed = self.accelerator.reduce(
            torch.tensor(values, dtype=torch.float32, device=self.accelerator.device)
        )
        return [float(value) for value in summed]

    def status(self, loss: float) -> str:
        """A line that reports the progress of the training."""
        left = self.seconds / self.step * (self.training.steps - self.step)
        return (
            f"training, step {self.step}/{self.training.steps}, loss {loss:.3f}, "
            f"{self.tokens / self.seconds:,.0f} tokens/s, {amount(left, 's')} left"
        )

    # -- state ------------------------------------------------------------------------------

    def _note(self, line: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            with (self.folder / CURVE).open("a", encoding="utf-8") as curve:
                curve.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Write the state; the file is always whole, the old one or the new one."""
        import torch
        from accelerate.utils import gather_object

        texts = gather_object([self.text.state()])
        if self.accelerator.is_main_process:
            state = {
                "training": self.training.as_json(),
                "weights": {name: weight.detach() for name, weight in self.trained.items()},
                "optimizer": self.optimizer.state_dict(),
                "random": torch.get_rng_state(),
                "step": self.step,
                "tokens": self.tokens,
                "seconds": self.seconds,
                "texts": texts,
            }
            partial = self.folder / f".{STATE}"
            with partial.open("wb") as stream:
                torch.save(state, stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(partial, self.folder / STATE)
        self.accelerator.wait_for_everyone()

    def resume(self) -> None:
        """Go on from a saved state of the same training, if there is one.

        If the number of processes has changed, the text goes on where the furthest one was.
        """
        import torch

        path = self.folder / STATE
        if path.is_file():
            state = torch.load(path, map_location=self.accelerator.device, weights_only=True)
            if state["training"] == self.training.as_json():
                self._restore(state)
        if self.accelerator.is_main_process:
            _cut(self.folder / CURVE, self.step)
        self.accelerator.wait_for_everyone()

    def _restore(self, state: dict[str, Any]) -> None:
        import torch

        with torch.no_grad():
            for name, weight in self.trained.items():
                weight.copy_(state["weights"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]
        texts = state["texts"]
        if len(texts) == self.processes:
            self.text.resume(texts[self.accelerator.process_index])
        else:
            self.text.resume(
                {"read": max(text["read"] for text in texts), "pieces": [], "open": []}
            )

    def outcome(self) -> Trained:
        """The cost and the loss of the training, the losses from its curve."""
        self.accelerator.wait_for_everyone()
        lines = (self.folder / CURVE).read_text(encoding="utf-8").splitlines()
        return Trained(
            steps=self.step,
            tokens=self.tokens,
            seconds=self.seconds,
            first_loss=json.loads(lines[0])["loss"],
            last_loss=json.loads(lines[-1])["loss"],
            accelerator_bytes=self._accelerator_bytes(),
        )

    def _accelerator_bytes(self) -> int | None:
        import torch

        if not torch.accelerator.is_available():
            return None
        own = torch.tensor([torch.accelerator.max_memory_allocated()])
        return int(self.accelerator.gather(own.to(self.accelerator.device)).sum())


def _accelerator(training: Training) -> Any:
    import torch
    from accelerate import Accelerator

    there = torch.accelerator.is_available()
    narrow = training.precision == "bfloat16" or (training.precision == "auto" and there)
    return Accelerator(mixed_precision="bf16" if narrow else "no", cpu=not there)


def _cut(curve: Path, steps: int) -> None:
    """Drop the lines of steps whose work was lost."""
    if not curve.is_file():
        return
    lines = curve.read_text(encoding="utf-8").splitlines(keepends=True)
    write_atomically(curve, "".join(lines[:steps]))
