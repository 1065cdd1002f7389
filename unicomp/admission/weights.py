"""Check the weights of a folder against its architecture, by transformers' own loading report.

The model is built without memory for its weights (on torch's device `meta`), and each stored tensor
is read once. So a folder of any size is checked in little memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.config_values import LAYER_COUNTS
from unicomp.data.json_object import shown
from unicomp.data.model_folder import read_config
from unicomp.data.weight_files import headers, tensors
from unicomp.errors import SpecError, first_line
from unicomp.machine.child_process import Narrate

if TYPE_CHECKING:
    import torch

EXTRAS = {
    "further prediction heads": re.compile(r"(^|\.)(mtp\w*|nextn\w*|medusa\w*|eagle\w*)\."),
    "a vision tower": re.compile(
        r"(^|\.)(visual|vision\w*|image_newline|multi_modal_projector|mm_projector)(\.|$)"
    ),
    "an audio tower": re.compile(r"(^|\.)(audio\w*|speech\w*)\."),
}
"""What a language model may store and not use."""
_HEADS = "further prediction heads"
_PREDICTION_LAYERS = ("num_nextn_predict_layers", "num_mtp_layers", "mtp_num_hidden_layers")

_LAID_OUT = ("compressed-tensors", "fp8")
"""Formats whose packed weights have their shapes before anything is loaded."""
_EMBEDDING = re.compile(r"(^|\.)(embed\w*|wte|lm_head)\.weight$")

_SCALE_NAN = 255
"""The byte that is no number in the type E8M0, which scales of groups have."""


_SHAPE = ("hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads")
_OF_A_FILE = frozenset(
    {"_name_or_path", "architectures", "bos_token_id", "dtype", "eos_token_id", "pad_token_id",
     "quantization_config", "tie_word_embeddings", "transformers_version", "use_cache",
     "vocab_size"}
)  # fmt: skip
"""Settings that say how a model was saved, or that are checked elsewhere."""


class UnavailableError(SpecError):
    """transformers knows the format, but lacks a library or a device for it here."""


def check_weights(
    folder: Path,
    *,
    trust_remote_code: bool = False,
    serves: bool = False,
    narrate: Narrate = lambda text: None,
) -> list[str]:
    """Notes on the weights of a folder that passed `check_folder`.

    Raises SpecError if a weight is missing, of another shape, unexpected or not finite, or if
    transformers cannot load the folder. With `serves` a server will load it, so a format that
    transformers cannot load on this machine is a note.
    """
    check_finite(folder, narrate)
    try:
        _, notes = load(folder, trust_remote_code=trust_remote_code, empty=True)
    except UnavailableError as error:
        if not serves:
            raise
        return [f"its weights were not compared with its architecture: {error}"]
    return notes


def load(
    folder: Path, *, trust_remote_code: bool = False, empty: bool = False, dtype: str = "auto"
) -> tuple[Any, list[str]]:
    """The model in a folder, and notes on what is stored and not used.

    With `empty` its weights take no memory and have no values. `dtype` is the precision of those
    that are not quantized; `auto` is the stored one. Raises SpecError unless each weight
    of the model was read from the folder, and each stored tensor used or a known extra.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # the report names them
            **({"device_map": "meta"} if empty else {}),
        )
    except Exception as error:
        raise _unloadable(folder, error) from error
    stored, config = headers(folder), read_config(folder)
    _check_shapes(folder, report["mismatched_keys"])
    if quantization := config.get("quantization_config"):
        settings = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
        _check_shapes(folder, _of_other_shape(model, settings, quantization.get("quant_method")))
    missing = {*report["missing_keys"], *_silently_missing(model, stored)}
    extras, unexpected = _sorted_out(report["unexpected_keys"], config)
    _check_missing(folder, missing, unexpected)
    if unexpected:
        raise SpecError(
            f"{folder} stores {_some(unexpected)}, which {type(model).__name__} does not use: its "
            "config.json is that of another model, or the checkpoint was damaged"
        )
    _check_tied(folder, model, stored)
    extras.update(_set_aside(model, stored))
    return model, [f"stores tensors that are not used: {what} ({n})" for what, n in extras.items()]


def check_finite(folder: Path, narrate: Narrate = lambda text: None) -> None:
    """Read every stored weight; attention can hide NaN and infinity from the logits."""
    total = len(headers(folder))
    for number, (name, entry) in enumerate(tensors(folder), start=1):
        narrate(f"reading the weights of {folder.name}: {number} of {total} tensors")
        values = entry[...]
        if (bad := _not_finite(name, values)) > 0:
            raise SpecError(
                f"{folder} stores {shown(name)} with NaN or infinity in {bad} of {values.numel()} "
                "values: restore it from where the checkpoint was saved"
            )


def changed_settings(folder: Path, baseline: Path, *, trust_remote_code: bool = False) -> list[str]:
    """The settings of the architecture that a checkpoint does not share with its baseline.

    Each as `rms_norm_eps = 0.1 (baseline: 1e-06)`. None for a model of another shape, such as a
    student.
    """
    from transformers import AutoConfig

    own, other = (
        AutoConfig.from_pretrained(one, trust_remote_code=trust_remote_code)
        .get_text_config()
        .to_dict()
        for one in (folder, baseline)
    )
    if any(own.get(name) != other.get(name) for name in ("model_type", *_SHAPE)):
        return []
    return [
        f"{name} = {shown(own.get(name))} (baseline: {shown(other.get(name))})"
        for name in sorted(own.keys() | other.keys())
        if own.get(name) != other.get(name) and name not in _OF_A_FILE
    ]


def is_identical(folder: Path, baseline: Path) -> bool:
    """Whether two folders store the same tensors with the same values, in whatever files."""
    import torch

    mine, other = headers(folder), headers(baseline)
    if {n: e["shape"] for n, e in mine.items()} != {n: e["shape"] for n, e in other.items()}:
        return False
    theirs = dict(tensors(baseline))
    for name, entry in tensors(folder):
        one, two = entry[...], theirs[name][...]
        if one.dtype == two.dtype:  # byte by byte, since types of 4 bits have no arithmetic
            one, two = (values.reshape(-1).view(torch.uint8) for values in (one, two))
        if not torch.equal(one.float(), two.float()):
            return False
    return True


def _not_finite(name: str, values: torch.Tensor) -> int:
    """How many values are NaN or infinite."""
    import torch

    if "float4" in str(values.dtype):  # every value is a number
        return 0
    if values.is_floating_point():
        wide = values.float() if values.itemsize == 1 else values  # 8 bits have no isfinite
        return int((~wide.isfinite()).sum())
    if values.dtype == torch.uint8 and name.endswith(("_scale", "_scales", ".scales")):
        return int((values == _SCALE_NAN).sum())
    return 0


# -- the loading report -------------------------------------------------------------------------


def _unloadable(folder: Path, error: Exception) -> SpecError:
    """The error for a folder that transformers does not load, with the way out."""
    line = shown(first_line(error))
    if "trust_remote_code" in str(error):
        return SpecError(
            f"{folder} needs code of its own: if you trust it, set trust_remote_code=True in a "
            "file fixtures/models/NAME.py"
        )
    quantized = bool(read_config(folder).get("quantization_config"))
    if quantized and isinstance(error, ImportError | RuntimeError):
        return UnavailableError(
            f"{folder} cannot be loaded by transformers here ({line}): use what it asks for, or "
            "--engine vllm"
        )
    return SpecError(
        f"{folder} cannot be loaded by transformers ({type(error).__name__}: {line}): save it "
        "again with save_pretrained, or compare its config.json with the original's"
    )


def _check_shapes(folder: Path, mismatched: Iterable[tuple[str, Any, Any]]) -> None:
    for name, stored, wanted in sorted(mismatched, key=str):
        raise SpecError(
            f"{folder} stores {shown(name)} with the shape {list(stored)}, and its config.json "
            f"makes it {list(wanted)}"
        )


def _of_other_shape(model: Any, config: Any, method: object) -> Iterator[tuple[str, Any, Any]]:
    """Name, shape and wanted shape of each weight of a quantized model that has another one.

    transformers compares no shapes there. The model is built a second time without weights; where
    the format is not known to be laid out by then, only what is never quantized is compared.
    """
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()  # it would list every weight as missing
    try:
        with _uninitialised(type(model)):
            unloaded = type(model).from_pretrained(
                None, config=config, state_dict={}, device_map="meta", dtype=model.dtype
            )
    finally:
        logging.set_verbosity(level)
    found = model.state_dict()
    for name, wanted in unloaded.state_dict().items():
        if name.endswith(".weight_zero_point"):  # packed when it is stored, and not before
            continue
        compared = method in _LAID_OUT or wanted.ndim == 1 or _EMBEDDING.search(name)
        if compared and name in found and found[name].shape != wanted.shape:
            yield name, found[name].shape, wanted.shape


@contextmanager
def _uninitialised(kind: Any) -> Iterator[None]:
    """Let transformers draw no weights for models of a class: it fails on integers."""
    kind.initialize_weights = lambda self: None
    try:
        yield
    finally:
        del kind.initialize_weights  # the inherited one is back


def _check_missing(folder: Path, missing: Collection[str], unexpected: Collection[str]) -> None:
    if not missing:
        return
    if missing == {"lm_head.weight"}:
        why = "set tie_word_embeddings to true if the head is the embedding, or store the head"
    elif prefix := _foreign_prefix(missing, unexpected):
        why = f"it stores such names with the prefix {shown(prefix)}: save it without"
    elif unexpected:
        why = f"it stores {_some(unexpected)} instead"
    else:
        why = "restore it from where the checkpoint was saved"
    raise SpecError(
        f"{folder} lacks {_some(missing)}, and transformers would draw random weights: {why}"
    )


def _foreign_prefix(missing: Iterable[str], unexpected: Iterable[str]) -> str | None:
    """What stands before all unexpected names that end like missing ones."""
    wanted = tuple(missing)
    for name in unexpected:
        for end in wanted:
            if name.endswith("." + end):
                return name.removesuffix(end)
    return None


def _silently_missing(model: Any, stored: Mapping[str, Any]) -> Iterator[str]:
    """Weights that transformers leaves random without naming them as missing."""
    patterns = [re.compile(one) for one in model._keys_to_ignore_on_load_missing or ()]
    tied = model.all_tied_weights_keys
    for name, _ in model.named_parameters():
        if name not in stored and name not in tied and any(p.search(name) for p in patterns):
            yield name


def _sorted_out(
    unexpected: Iterable[str], config: Mapping[str, Any]
) -> tuple[Counter[str], set[str]]:
    """The known extras among the unexpected tensors, counted by kind, and the others."""
    extras: Counter[str] = Counter()
    others = set()
    for name in unexpected:
        if kind := _extra(name, config):
            extras[kind] += 1
        else:
            others.add(name)
    return extras, others


def _extra(name: str, config: Mapping[str, Any]) -> str | None:
    """The kind of known extra that a stored tensor belongs to."""
    if kind := next((kind for kind, names in EXTRAS.items() if names.search(name)), None):
        return kind
    settings = config.get("text_config") or config
    layers = next((settings[one] for one in LAYER_COUNTS if settings.get(one)), 0)
    further = next((settings[one] for one in _PREDICTION_LAYERS if settings.get(one)), 0)
    number = re.search(r"(^|\.)layers\.(\d+)\.", name)
    if number and isinstance(further, int) and layers <= int(number[2]) < layers + further:
        return _HEADS
    return None


def _set_aside(model: Any, stored: Mapping[str, Any]) -> Counter[str]:
    """Known extras that transformers itself leaves out of its report."""
    patterns = [re.compile(one) for one in model._keys_to_ignore_on_load_unexpected or ()]
    own = model.state_dict().keys()
    ignored = (n for n in stored if n not in own and any(p.search(n) for p in patterns))
    config = model.config.to_dict()
    return Counter(_extra(name, config) or "tensors of an older release" for name in ignored)


def _check_tied(folder: Path, model: Any, stored: Mapping[str, Any]) -> None:
    """Raise SpecError if two weights are declared as one, and stored with different values.

    transformers, lm-eval and vLLM each use another one of the two.
    """
    import torch

    values = dict(tensors(folder))
    for pair in model.all_tied_weights_keys.items():
        name, other = (_stored_name(one, stored) for one in pair)
        if name is None or other is None:
            continue
        one, two = values[name][...], values[other][...]
        if one.shape != two.shape or not torch.equal(one, two):
            raise SpecError(
                f"{folder} stores {shown(name)} and {shown(other)} with different values, and its "
                "config.json says that they are one: set tie_word_embeddings to false to use both, "
                f"or remove {shown(name)}"
            )


def _stored_name(name: str, stored: Iterable[str]) -> str | None:
    """The name under which a weight is stored: its own, or one with another prefix."""
    if name in stored:
        return name
    end = ".".join(name.split(".")[-2:])
    found = [one for one in stored if f".{one}".endswith(f".{end}")]
    return found[0] if len(found) == 1 else None


def _some(names: Collection[str]) -> str:
    """The first of some names, and how many more there are."""
    first = shown(min(names))
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more tensors"
