"""Times on a GPU that follow from published figures, where nothing was measured.

Reading is bound by arithmetic: two operations for each weight that a token meets. Writing is bound
by the memory, from which all weights come once for each token of a batch, or by arithmetic. Of both
peaks a GPU reaches the share that the paper's throughput shows: 41,498 tokens a second of
LLaMA-3.1-8B on an H100, with prompts of 1024 tokens (arXiv 2602.09130, appendix). Several GPUs of
one model are taken to share its work without loss.

The times of compression are the paper's, on the same model and GPU, in proportion to the weights.
That of a training follows from Minitron's throughput, see `unicomp.distillation.estimate`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from unicomp.cost.figures import Figure
from unicomp.cost.weights import Sizes
from unicomp.cost.workloads import CHARACTERS, Workload
from unicomp.distillation.estimate import (
    MINITRON_DEVICES,
    PlannedTraining,
    estimate,
    minitron_flops_per_second,
)
from unicomp.efficiency.rounds import Effort
from unicomp.hardware import PUBLISHED, GpuKind
from unicomp.spec import DENSE, Load, Method

READ_AT = 1e9
"""Bytes a second at which weights are read from a disk and written to one. Assumed."""
START = 60.0
"""Seconds until a server has started, without reading the weights. Assumed."""
_BASE = 8.030e9
"""Weights of LLaMA-3.1-8B."""
_OPERATIONS = 1.92e12 / 128
"""Its operations for a token, as the paper counts them."""
_H100 = PUBLISHED["H100"]
_ALGORITHMS = {
    "WandaPruningModifier": "wanda_50",
    "SparseGPTModifier": "sparsegpt_50",
    "gptq": "gptq_w4a16",
    "awq": "awq_w4a16",
}
"""How a method works → the published method that works like it."""
_OTHERS = "awq_w4a16"
"""The published method whose time stands for those of algorithms that are not published."""


@dataclass(frozen=True, kw_only=True)
class PublishedRates:
    """The times of one model on some GPUs."""

    gpu: GpuKind
    sizes: Sizes
    gpus: int
    """GPUs that one loaded checkpoint takes."""
    batch: int
    """Requests that are answered at the same time."""

    def loading(self, stored: int) -> Figure:
        """Until a checkpoint of so many bytes can answer."""
        return Figure.of(START + stored / READ_AT, "assumed")

    def item(self, each: Workload, stored: int) -> Figure:
        """An item of a benchmark, asked with others."""
        read, written = each.read / CHARACTERS, each.written / CHARACTERS
        return Figure.of(read * self._token + written * self._step(stored, self.batch), "published")

    def build(self, method: Method, stored: int) -> Figure:
        """Compressing without training, with reading and writing the weights."""
        files = (self.sizes.weights.all * 2 + stored) / READ_AT
        parts = [method.parameters.get(name) for name in ("first", "second")]
        steps = [part for part in parts if part] or [method.parameters]
        found = Figure.of(files, "assumed")
        for parameters in steps:
            found += self._compression(parameters)
        return found

    def training(self, planned: PlannedTraining, devices: int) -> Figure:
        """Compressing by training on so many GPUs; the longer time of Minitron's two rates."""
        slowest = minitron_flops_per_second()[0] / MINITRON_DEVICES
        speed = slowest * self.gpu.flops / _H100.flops
        found = estimate(planned, devices=devices, flops_per_second=speed)
        return Figure.of(3600 * found.hours_most, "published")

    @property
    def _token(self) -> float:
        """Seconds to read a token."""
        return self.sizes.operations / (_utilisation() * self.gpu.flops * self.gpus)

    def _step(self, stored: int, batch: int) -> float:
        """Seconds for each token that is written, if so many answers are written together."""
        fetched = stored / (_utilisation() * self.gpu.bandwidth * self.gpus)
        return max(fetched / batch, self._token)

    def requests(self, load: Load, stored: int) -> Figure:
        """The requests of a load, made at the same time."""
        number = load.concurrency
        written = load.new_tokens * self._step(stored, number)
        return Figure.of(number * (load.prompt_tokens * self._token + written), "published")

    def _compression(self, parameters: object) -> Figure:
        settings = dict(parameters) if isinstance(parameters, dict) else {}
        how = settings.get("modifier") or settings.get("algorithm")
        if how == "rtn":
            return Figure.of(0.0, "published")
        named = _ALGORITHMS.get(str(how))
        on_h100 = _published_seconds()[named or _OTHERS] * self.sizes.weights.all / _BASE
        slower = _H100.flops / self.gpu.flops
        return Figure.of(on_h100 * slower, "published" if named else "assumed")


@cache
def _published_rows() -> dict[tuple[str, str], float]:
    text = resources.files("unicomp.advice").joinpath("published.csv").read_text(encoding="utf-8")
    return {
        (row["method"], row["score"]): float(row["value"])
        for row in csv.DictReader(text.splitlines())
    }


def _published_seconds() -> dict[str, float]:
    """Method → the seconds of its compression."""
    return {
        method: value
        for (method, score), value in _published_rows().items()
        if score == "compression_time"
    }


def _utilisation() -> float:
    """The share of its peak that an H100 reached."""
    tokens = _published_rows()[DENSE.name, "throughput"]
    return tokens * _OPERATIONS / _H100.flops


def timing(
    loads: Iterable[Load],
    effort: Effort,
    dense: tuple[PublishedRates, int],
    other: tuple[PublishedRates, int],
) -> Figure:
    """All rounds of some loads, with two checkpoints loaded once; each with its bytes."""
    sides = (dense, other)
    found = Figure.of(0.0, "published")
    for rates, stored in sides:
        found += rates.loading(stored)
    for load in dict.fromkeys(loads):
        both = sum(rates.requests(load, stored).seconds for rates, stored in sides)
        found += Figure.of((effort.warmup_rounds + effort.rounds(both)) * both, "published")
    return found
