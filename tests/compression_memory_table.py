"""Write the published tables of what compressing layer by layer costs, in accuracy and memory.

    python -m tests.compression_memory_table accuracy [MODEL METHOD...]
    python -m tests.compression_memory_table memory FOLDER SAMPLES METHOD...

The first builds each method four times, with other precisions, and compares the results. MODEL is
the embedded one by default. The second builds the model in a folder, and measures the memory.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from fixtures.embedded.blocks import RESULTS, rewrite
from unicomp import catalogue
from unicomp.data.model_source import locate
from unicomp.data.sources import EMBEDDED_ROWS, Source
from unicomp.data.tokenizer import read_tokenizer
from unicomp.machine.memory import Rise
from unicomp.methods import layerwise, oneshot
from unicomp.methods.footprint import Weights
from unicomp.methods.layerwise import LayerByLayer
from unicomp.methods.stored_weights import headers, stored_matrices
from unicomp.methods.tokenization import batches, tokenize
from unicomp.spec import Calibration, Method

PAGE = RESULTS / "compression_memory.md"
ROOTS = catalogue.roots(Path(__file__).parents[1])
SAMPLES = 48
"""Calibration texts of the embedded model."""
HELD_OUT, HELD_OUT_OF_REAL, HELD_OUT_SEED = 64, 12, 7
"""Documents on which the compressed model is compared with the dense one, and their seed."""
MOST_LOSS = 0.02
"""The most that the divergence from dense may rise over that of a build in float32, as a share."""


class Whole(LayerByLayer):
    """All layers at once in float32, rounded at the end: as it was before."""

    def __enter__(self) -> Whole:
        self._model.float()
        super().__enter__()
        return self

    def open(self, layer: Any) -> None:
        """Nothing to do: a layer is in float32 from the start."""

    def close(self) -> None:
        """Nothing to do before the end."""

    def __exit__(self, error: type[BaseException] | None, *rest: object) -> None:
        for module in self._model.modules() if error is None else ():
            home = layerwise._take(module, torch.float32)
            self._round(module)
            layerwise._put_back(module, home)
        super().__exit__(error, *rest)


class Stored(Whole):
    """All layers in the precision that they are stored in."""

    def __enter__(self) -> Stored:
        return self


class Narrow(LayerByLayer):
    """A layer in float32, and between two layers activations in the stored precision."""

    def __enter__(self) -> Narrow:
        super().__enter__()
        for layer in self._layers:
            self._hooks.append(layer.register_forward_hook(self._narrowed))
        return self

    def _narrowed(self, _: Any, __: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (output[0].to(self._dtype).float(), *output[1:])
        return output.to(self._dtype).float()


VARIANTS: Mapping[str, type[LayerByLayer]] = {
    "all in float32": Whole,
    "a layer in float32": LayerByLayer,
    "its activations in bfloat16": Narrow,
    "all in bfloat16": Stored,
}
EMBEDDED_METHODS = (
    *("wanda_50", "wanda_2_4", "sparsegpt_50", "sparsegpt_2_4", "gptq_w4a16", "awq_w4a16"),
    *("gptq_w3a16", "w4a16_rtn", "w8a8", "fp8_dynamic", "fp8_block", "nvfp4", "mxfp4"),
)


def accuracy(source: Path, methods: Sequence[str], samples: int, held_out: int) -> Iterator[str]:
    """The lines of the table that compares four ways to build."""
    calibration = _calibration(samples)
    tokenizer = read_tokenizer(source, trust_remote_code=False)
    recipe = catalogue.load_recipe("generic", ROOTS)
    texts = list(islice(recipe.stream(Source(EMBEDDED_ROWS), HELD_OUT_SEED), held_out))
    rows = batches(tokenize(tokenizer, texts, calibration.tokens))
    dense = _log_probabilities(source, rows)
    names = " | ".join(f"{name}: equal | KL" for name in VARIANTS)
    yield f"| method | {names} | kept |"
    yield f"|---|{'---:|' * (2 * len(VARIANTS))}---|"
    for name in methods:
        method = catalogue.load_method(name, ROOTS)
        cells, divergences = [], []
        with tempfile.TemporaryDirectory() as scratch:
            folders = [Path(scratch) / str(n) / "model" for n in range(len(VARIANTS))]
            for folder, variant in zip(folders, VARIANTS.values(), strict=True):
                if not _built(method, source, folder, calibration, variant):
                    cells.append("fails |")
                    continue
                divergences.append(_divergence(dense, _log_probabilities(folder, rows)))
                equal = _equal(folders[0], folder)
                cells.append(f"{100 * equal:.3f} % | {divergences[-1]:.5f}")
        ours, theirs = divergences[1], divergences[0]
        kept = "a layer" if ours <= theirs * (1 + MOST_LOSS) else "all"
        line = f"| {name} | {' | '.join(cells)} | {kept} |"
        print(line, file=sys.stderr, flush=True)
        yield line


def _built(
    method: Method,
    source: Path,
    folder: Path,
    calibration: Calibration,
    variant: type[LayerByLayer],
) -> bool:
    """Whether a variant of a method can be built; it is, in `folder`."""
    assert method.compress is not None
    folder.parent.mkdir()
    oneshot.LayerByLayer = variant  # type: ignore[misc]
    try:
        method.compress(source, folder, calibration)
    except (RuntimeError, ValueError) as error:
        print(method, variant.__name__, error, file=sys.stderr)
        return False
    finally:
        oneshot.LayerByLayer = LayerByLayer  # type: ignore[misc]
    return True


def memory(source: Path, samples: int, methods: Sequence[str]) -> Iterator[str]:
    """The lines of the table of memory."""
    weights = Weights.of({name: entry["shape"] for name, entry in headers(source).items()})
    stored = 2 * weights.all
    calibration = _calibration(samples)
    tokenizer = read_tokenizer(source, trust_remote_code=False)
    tokens = sum(map(len, tokenize(tokenizer, calibration.samples, calibration.tokens)))
    most = 1.3 * stored + 4 * weights.layer + 8 * tokens * weights.hidden
    yield "| method | weights | stored | a layer in float32 | activations | bound | measured |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    oneshot.warm_up()
    for name in methods:
        method = catalogue.load_method(name, ROOTS)
        assert method.compress is not None
        with tempfile.TemporaryDirectory(dir=source.parent) as scratch, Rise() as rise:
            method.compress(source, Path(scratch) / "model", calibration)
        sizes = (stored, 4 * weights.layer, 8 * tokens * weights.hidden, most, rise.bytes)
        cells = " | ".join(f"{size / 1e9:.2f}" for size in sizes)
        yield f"| {name} | {weights.all / 1e9:.2f} B | {cells} |"


def _calibration(samples: int) -> Calibration:
    found = catalogue.load_calibration("generic", ROOTS, Source(EMBEDDED_ROWS))
    return replace(found, samples=found.samples[:samples])


def _log_probabilities(folder: Path, rows: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    from unicomp.admission.weights import load
    from unicomp.methods.unpacking import unpack

    model, _ = load(folder, dtype="float32")
    unpack(model.eval())
    with torch.no_grad():
        return [model(ids).logits.float().log_softmax(-1) for ids in rows]


def _divergence(dense: Sequence[torch.Tensor], own: Sequence[torch.Tensor]) -> float:
    """The mean Kullback-Leibler divergence of a token's distribution from the dense one's."""
    total = sum(float((p.exp() * (p - q)).sum()) for p, q in zip(dense, own, strict=True))
    return total / sum(p[..., 0].numel() for p in dense)


def _equal(one: Path, other: Path) -> float:
    """The share of weights that two checkpoints have in common, unpacked."""
    theirs = stored_matrices(other)
    equal = total = 0
    for name, read in stored_matrices(one).items():
        if name.endswith(".weight"):
            values = read().float()
            equal += int((values == theirs[name]().float()).sum())
            total += values.numel()
    return equal / total


def main(arguments: Sequence[str]) -> int:
    """Write one of the tables into the page."""
    torch.set_num_threads(1)
    match arguments:
        case ["accuracy"]:
            source = locate(catalogue.load_model("embedded", ROOTS))
            lines = list(accuracy(source, EMBEDDED_METHODS, SAMPLES, HELD_OUT))
            rewrite([(PAGE, "embedded", lines)])
        case ["accuracy", folder, samples, *methods]:
            lines = list(accuracy(Path(folder), methods, int(samples), HELD_OUT_OF_REAL))
            rewrite([(PAGE, "real", lines)])
        case ["memory", folder, samples, *methods]:
            for line in memory(Path(folder), int(samples), methods):
                print(line, flush=True)
        case _:
            sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
