"""The one place that calls llmcompressor: weights in, calibrated modifiers, weights out.

The weights are loaded in float32, whatever they are stored in, since the statistics of a method
lose points of accuracy in bfloat16; they are written in the precision of the source. Zeros and
packed integers survive the rounding, everything else is rounded once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.errors import SpecError
from unicomp.methods.tokenization import batches, tokenize
from unicomp.spec import Calibration

if TYPE_CHECKING:
    import torch

Modifiers = Callable[[list[str]], Sequence[Any]]
"""Makes the llmcompressor modifiers of a recipe from the patterns of what they must ignore."""

SEED = 42
TRUST_REMOTE_CODE = "UNICOMP_TRUST_REMOTE_CODE"
"""Set to 1 in the environment of a build whose model may bring its own code."""


def warm_up() -> None:
    """Import what `compress` needs, so that importing is not counted as compressing."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("LLM_COMPRESSOR_LOG_LEVEL", "ERROR")
    import llmcompressor.modifiers.gptq
    import llmcompressor.modifiers.pruning
    import llmcompressor.modifiers.transform.awq  # noqa: F401
    import transformers

    transformers.logging.set_verbosity_error()


def compress(source: Path, target: Path, calibration: Calibration, *, modifiers: Modifiers) -> None:
    """Apply `modifiers` to the model in `source` and write it to `target`.

    `source` and `target` are Hugging Face folders. Every sample is cut to `calibration.tokens`
    tokens and to the positions of the model. Runs on the accelerator where there is one.
    """
    warm_up()
    with _letting_go():
        _compress(source, target, calibration, modifiers)


def _compress(source: Path, target: Path, calibration: Calibration, modifiers: Modifiers) -> None:
    import torch
    from llmcompressor import oneshot
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trust = os.environ.get(TRUST_REMOTE_CODE) == "1"
    config = json.loads((source / "config.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=trust)
    model = AutoModelForCausalLM.from_pretrained(
        source, dtype=torch.float32, trust_remote_code=trust
    )
    model.eval()
    tokens = min(calibration.tokens, config.get("max_position_embeddings") or calibration.tokens)
    samples = tokenize(tokenizer, calibration.samples, tokens)
    if not samples:
        raise SpecError(f"calibration {calibration.name}: the tokenizer makes no tokens of it")

    torch.manual_seed(SEED)
    with _unpinned_without_accelerator():
        oneshot(
            model=model,
            processor=tokenizer,
            recipe=list(modifiers(_heads(model))),
            dataset=_loader(samples),
            num_calibration_samples=len(samples),
            max_seq_length=tokens,
            shuffle_calibration_samples=False,
            trust_remote_code_model=trust,
        )
    model.save_pretrained(target, save_compressed=True, max_shard_size="5GB")
    store_in(target, stored_dtype(source, config))
    copy_companions(source, target)


def _heads(model: Any) -> list[str]:
    """What matches the modules that no method may touch: the head, by whatever name.

    Patterns, since the pruning modifiers of llmcompressor append a dot to the names they match.
    """
    head = model.get_output_embeddings()
    names = {name for name, module in model.named_modules() if module is head}
    return [rf"re:{re.escape(name)}\.?$" for name in sorted(names | {"lm_head"})]


def stored_dtype(source: Path, config: Mapping[str, Any]) -> torch.dtype:
    """The precision that most of the weights in `source` are stored in."""
    import torch
    from safetensors import safe_open

    names = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
    sizes: dict[torch.dtype, int] = {}
    for path in sorted(source.glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            for key in weights.keys():  # noqa: SIM118 (not a mapping)
                entry = weights.get_slice(key)
                if entry.get_dtype() in names:
                    dtype = names[entry.get_dtype()]
                    size = 1
                    for length in entry.get_shape():
                        size *= length
                    sizes[dtype] = sizes.get(dtype, 0) + size
    if sizes:
        return max(sizes, key=lambda dtype: sizes[dtype])
    declared = config.get("dtype") or config.get("torch_dtype") or "float32"
    return getattr(torch, str(declared))  # type: ignore[no-any-return]


def _loader(samples: Sequence[Sequence[int]]) -> Any:
    """A loader of batches in which nothing is padded or cut."""
    import torch
    from torch.utils.data import DataLoader

    found = [{"input_ids": ids, "attention_mask": torch.ones_like(ids)} for ids in batches(samples)]
    return DataLoader(found, batch_size=None, shuffle=False)  # type: ignore[arg-type]


@contextmanager
def _unpinned_without_accelerator() -> Iterator[None]:
    """AWQ pins memory for an accelerator also where there is none, which fails."""
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
def _letting_go() -> Iterator[None]:
    """Afterwards the model is garbage, which llmcompressor's session and its traces would keep."""
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
                name: tensor.to(dtype) if tensor.dtype == torch.float32 else tensor
                for name, tensor in load_file(path).items()
            }
            total += sum(tensor.nbytes for tensor in tensors.values())
            partial = path.with_suffix(".partial")
            save_file(tensors, partial, metadata={"format": "pt"})
            os.replace(partial, path)
        index = folder / "model.safetensors.index.json"
        if index.is_file():
            content = json.loads(index.read_text())
            content["metadata"]["total_size"] = total
            index.write_text(json.dumps(content, indent=2))
    config = json.loads((folder / "config.json").read_text())
    config.pop("torch_dtype", None)
    config["dtype"] = str(dtype).removeprefix("torch.")
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True))


def copy_companions(source: Path, target: Path) -> None:
    """Tokenizer, chat template and generation settings, byte for byte as the model has them."""
    for path in sorted(source.iterdir()):
        if (
            path.is_file()
            and path.name != "config.json"
            and path.suffix in (".json", ".jinja", ".model", ".txt", ".py")
            and not path.name.endswith(".index.json")
        ):
            shutil.copyfile(path, target / path.name)
