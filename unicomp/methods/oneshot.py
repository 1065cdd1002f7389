"""Apply llmcompressor to a model on disk; nothing else calls it.

The weights are loaded and written in the precision of the source, and each layer is compressed in
float32 (`unicomp.methods.layerwise`). Scales are rounded to that precision first and the weights
with these scales, so what is computed in memory is what is stored.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.tokenizer import read_tokenizer
from unicomp.errors import SpecError
from unicomp.formats.companions import copy_companions
from unicomp.machine.memory import free
from unicomp.methods.fidelity import note_expected
from unicomp.methods.footprint import RESERVED_BYTES
from unicomp.methods.layerwise import LayerByLayer, is_rounded, pack
from unicomp.methods.stored_weights import parameters, stored_dtype
from unicomp.methods.tokenization import batches, tokenize
from unicomp.spec import Calibration

if TYPE_CHECKING:
    import torch

Modifiers = Callable[[list[str]], Sequence[Any]]
"""Make the llmcompressor modifiers of a recipe, given the patterns of modules to ignore."""

SEED = 42
SPILLED = "spilled"
"""The folder next to the checkpoint's with weights that the host's memory cannot hold."""
TRUST_REMOTE_CODE = "UNICOMP_TRUST_REMOTE_CODE"
"""The environment variable that is 1 if the model of a build may bring its own code."""


def warm_up() -> None:
    """Import what `compress` needs, so that importing is not counted as compressing."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("LLM_COMPRESSOR_LOG_LEVEL", "ERROR")
    import llmcompressor.modifiers.gptq
    import llmcompressor.modifiers.pruning
    import llmcompressor.modifiers.quantization
    import llmcompressor.modifiers.transform.awq  # noqa: F401
    import transformers

    transformers.logging.set_verbosity_error()


def compress(source: Path, target: Path, calibration: Calibration, *, modifiers: Modifiers) -> None:
    """Apply `modifiers` to the model in `source` and write it to `target`.

    `source` and `target` are Hugging Face folders. Every sample is cut to `calibration.tokens`
    tokens and to the positions of the model. Runs on the accelerator where there is one.
    """
    warm_up()
    with _releasing_the_model():
        _compress(source, target, calibration, modifiers)


def _compress(source: Path, target: Path, calibration: Calibration, modifiers: Modifiers) -> None:
    import torch
    from llmcompressor import oneshot

    trust = os.environ.get(TRUST_REMOTE_CODE) == "1"
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    tokenizer = read_tokenizer(source, trust_remote_code=trust)
    dtype = stored_dtype(source, config)
    model = _loaded(source, dtype, trust, target.parent / SPILLED).eval()
    tokens = min(calibration.tokens, config.get("max_position_embeddings") or calibration.tokens)
    samples = tokenize(tokenizer, calibration.samples, tokens)
    if not samples:
        raise SpecError(f"calibration {calibration.name}: the tokenizer gives no tokens for it")

    recipe = list(modifiers(_heads(model)))
    reads, *later = (modifier.requires_calibration_data for modifier in recipe)
    torch.manual_seed(SEED)
    with (
        _unpinned_without_accelerator(),
        LayerByLayer(model, dtype) as layers,
        _closing(layers, len(recipe) if any(later) else 1),
    ):
        oneshot(
            model=model,
            processor=tokenizer,
            recipe=recipe,
            dataset=_loader(samples) if reads or any(later) else None,
            # a modifier that reads what an earlier one changed needs a pass of its own
            pipeline="sequential" if reads and not any(later) else "independent",
            num_calibration_samples=len(samples),
            max_seq_length=tokens,
            shuffle_calibration_samples=False,
            trust_remote_code_model=trust,
        )
    note_expected(model, samples, target, dtype)
    pack(model, dtype)
    model.save_pretrained(target, save_compressed=True, max_shard_size="5GB")
    declare(target, dtype)
    copy_companions(source, target)
    shutil.rmtree(target.parent / SPILLED, ignore_errors=True)


def _loaded(source: Path, dtype: torch.dtype, trust: bool, spilled: Path) -> Any:
    """The model, with its weights on the host, or in the folder `spilled` where they do not fit."""
    from compressed_tensors.offload import load_offloaded_model
    from transformers import AutoModelForCausalLM

    settings = {"dtype": dtype, "trust_remote_code": trust}
    if dtype.itemsize * parameters(source) + RESERVED_BYTES < free():
        return AutoModelForCausalLM.from_pretrained(source, **settings)
    spilled.mkdir(parents=True, exist_ok=True)
    with load_offloaded_model(extra_cpu_mem=RESERVED_BYTES):
        return AutoModelForCausalLM.from_pretrained(
            source, **settings, device_map="auto_offload", offload_folder=spilled
        )


def _heads(model: Any) -> list[str]:
    """Patterns of the modules that no method may touch: the head, under any name.

    The dot is optional: the pruning modifiers of llmcompressor append one to the names they match.
    """
    head = model.get_output_embeddings()
    names = {name for name, module in model.named_modules() if module is head}
    return [rf"re:{re.escape(name)}\.?$" for name in sorted(names | {"lm_head"})]


def _loader(samples: Sequence[Sequence[int]]) -> Any:
    """A loader of batches in which no sample is padded or cut."""
    import torch
    from torch.utils.data import DataLoader

    found = [{"input_ids": ids, "attention_mask": torch.ones_like(ids)} for ids in batches(samples)]
    return DataLoader(found, batch_size=None, shuffle=False)  # type: ignore[arg-type]


@contextmanager
def _unpinned_without_accelerator() -> Iterator[None]:
    """Keep AWQ from pinning memory if there is no accelerator, which would fail."""
    import torch
    from llmcompressor.pipelines.cache import IntermediatesCache

    if torch.accelerator.is_available():
        yield
        return
    pin_memory = IntermediatesCache.pin_memory
    IntermediatesCache.pin_memory = lambda *_, **__: None
    try:
        yield
    finally:
        IntermediatesCache.pin_memory = pin_memory


@contextmanager
def _closing(layers: LayerByLayer, passes: int) -> Iterator[None]:
    """Close the last layer after each pass, and let a pass without text open layers, too.

    llmcompressor gives all layers at once to methods that read no text. Before the last pass no
    layer is rounded: smoothed weights in bfloat16 cost `w8a8` 5 % of its divergence.
    """
    from compressed_tensors.utils import patch_attr
    from llmcompressor.core import LifecycleCallbacks
    from llmcompressor.pipelines.data_free import DataFreePipeline
    from llmcompressor.pipelines.sequential import SequentialPipeline

    at_once = LifecycleCallbacks.sequential_epoch_end
    to_come = passes

    def begin() -> None:
        nonlocal to_come
        to_come -= 1
        layers.rounds = not to_come

    def in_turn(modules: list[Any]) -> None:
        for layer in layers:
            at_once(list(layer.modules()))

    def without_text(*arguments: Any) -> None:
        begin()
        with patch_attr(LifecycleCallbacks, "sequential_epoch_end", in_turn):
            data_free(*arguments)
        layers.close()

    def with_text(*arguments: Any) -> None:
        begin()
        sequential(*arguments)
        layers.close()

    data_free, sequential = DataFreePipeline.__call__, SequentialPipeline.__call__
    DataFreePipeline.__call__ = staticmethod(without_text)
    SequentialPipeline.__call__ = staticmethod(with_text)
    try:
        yield
    finally:
        DataFreePipeline.__call__ = staticmethod(data_free)
        SequentialPipeline.__call__ = staticmethod(sequential)


@contextmanager
def _releasing_the_model() -> Iterator[None]:
    """Afterwards drop what llmcompressor's session and its traces keep of the model in memory."""
    from llmcompressor.core import reset_session
    from torch.fx import _symbolic_trace

    traced = _symbolic_trace._wrapped_fns_to_patch
    before = dict(traced)
    try:
        yield
    finally:
        traced.clear()
        traced.update(before)
        reset_session()


def store_in(folder: Path, dtype: torch.dtype) -> None:
    """Rewrite the float32 tensors of a saved model as `dtype`, file by file."""
    import torch
    from safetensors.torch import load_file, save_file

    if dtype != torch.float32:
        total = 0
        for path in sorted(folder.glob("*.safetensors")):
            tensors = {
                name: tensor.to(dtype) if is_rounded(name, tensor) else tensor
                for name, tensor in load_file(path).items()
            }
            total += sum(tensor.nbytes for tensor in tensors.values())
            partial = path.with_suffix(".partial")
            save_file(tensors, partial, metadata={"format": "pt"})
            os.replace(partial, path)
        index = folder / "model.safetensors.index.json"
        if index.is_file():
            content = json.loads(index.read_text(encoding="utf-8"))
            content["metadata"]["total_size"] = total
            index.write_text(json.dumps(content, indent=2), encoding="utf-8")
    declare(folder, dtype)


def declare(folder: Path, dtype: torch.dtype) -> None:
    """Write into the `config.json` of a saved model that its weights are `dtype`."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)
    config["dtype"] = str(dtype).removeprefix("torch.")
    text = json.dumps(config, indent=2, sort_keys=True)
    (folder / "config.json").write_text(text, encoding="utf-8")
