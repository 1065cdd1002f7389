"""A PEFT adapter: checked by its files, and merged into its base in a process of its own.

The base is the model of the run if there is one, and the adapter must not name another. An adapter
that is itself the model names its base: a folder, or a hub id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.data.json_object import read_object
from unicomp.data.model_folder import read_config
from unicomp.data.model_source import locate
from unicomp.data.weight_files import read_header, weight_files
from unicomp.errors import SpecError, first_line
from unicomp.formats.companions import copy_companions, has_tokenizer
from unicomp.machine.child_process import Narrate
from unicomp.spec import Model
from unicomp.store import file_digest

if TYPE_CHECKING:
    import torch

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

_ADAPTER = "default"
"""The name under which PEFT holds the adapter."""
_HUB_ID = re.compile(r"[\w.\-]+/[\w.\-]+")
_BASE = "base_model_name_or_path"
_NOT_MERGED = frozenset(
    {"ADAPTION_PROMPT", "CARTRIDGE", "CPT", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING",
     "PROMPT_TUNING", "XLORA"}
)  # fmt: skip
"""The kinds of adapters that are no change of weights."""


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """The `adapter_config.json` of a folder. Raises SpecError."""
    config = read_object(folder / CONFIG)
    if not isinstance(config.get("peft_type"), str):
        raise SpecError(
            f"{folder / CONFIG} is not the configuration of an adapter: it has no peft_type"
        )
    return config


def check(folder: Path) -> None:
    """Raise SpecError unless the folder holds an adapter that can be merged."""
    config = read_adapter_config(folder)
    kind, task = config["peft_type"], config.get("task_type")
    if kind in _NOT_MERGED:
        raise SpecError(f"{folder} is an adapter of kind {kind}, which cannot be merged")
    if task not in (None, "CAUSAL_LM"):
        raise SpecError(f"{folder} is an adapter for the task {task}, not for a language model")
    if config.get("alora_invocation_tokens"):
        raise SpecError(
            f"{folder} is an activated LoRA, which cannot be merged: it depends on text"
        )
    if not (folder / WEIGHTS).is_file():
        pickled = sorted(folder.glob("adapter_model.*"))
        raise SpecError(
            f"{folder} has its adapter as {pickled[0].name}, a pickle that may run code: convert "
            f"it to {WEIGHTS}"
            if pickled
            else f"{folder} lacks {WEIGHTS}"
        )
    read_header(folder / WEIGHTS)
    if find_spec("peft") is None:
        raise SpecError(
            f"{folder} is an adapter, and peft is not here: pip install 'unicomp[adapters]'"
        )


def base_of(folder: Path, given: Path | None = None, given_id: str | None = None) -> Path:
    """The folder of the adapter's base: `given`, or the one that the adapter names.

    `given_id` is the hub id of `given`, if it is known. Raises SpecError if the adapter names
    another base than the given one, or if it names none that can be found.
    """
    config = read_adapter_config(folder)
    named = config.get(_BASE) or ""
    if not isinstance(named, str):
        raise SpecError(f"{folder / CONFIG}: {_BASE} is {named!r}, and must be a folder or hub id")
    place = _folder(named, folder)
    if given is None:
        return _named_base(folder, named, place, config.get("revision"))
    mismatch = (
        not _same_model(place, given)
        if place is not None
        else bool(_HUB_ID.fullmatch(named) and given_id) and named.lower() != str(given_id).lower()
    )
    if mismatch:
        raise SpecError(
            f"{folder} is an adapter of {named}, not of the given {given_id or given}: give its "
            f"base with --model, or correct {_BASE} in {CONFIG}"
        )
    return given


def _named_base(folder: Path, named: str, place: Path | None, revision: object) -> Path:
    if place is not None:
        return place
    if not _HUB_ID.fullmatch(named):
        lacking = f"its base {named}, which is not here" if named else "no base"
        raise SpecError(
            f"{folder} is an adapter and names {lacking}: give it as --checkpoint, and its base as "
            "--model"
        )
    commit = revision if isinstance(revision, str) else None
    return locate(Model(name="base", source=named, revision=commit))


def _folder(named: str, adapter: Path) -> Path | None:
    """The folder that an adapter names: seen from here, or from the adapter."""
    places = (Path(named).expanduser(), adapter / named) if named.strip("./") else ()
    try:
        return next((place.resolve() for place in places if place.is_dir()), None)
    except (OSError, ValueError):
        return None


def _same_model(named: Path, given: Path) -> bool:
    """Whether two folders hold the same weights."""

    def each(folder: Path, say: Callable[[Path], object]) -> list[object]:
        return [(one.name, say(one)) for one in weight_files(folder)]

    if named.samefile(given):
        return True
    return all(
        each(named, say) == each(given, say)
        for say in (lambda one: one.stat().st_size, file_digest)
    )


# -- in the child --------------------------------------------------------------------------------


def merge(request: Mapping[str, Any], narrate: Narrate) -> dict[str, Any]:
    """Merge the adapter in the folder `beside` into `base`, write `target`, and return the facts.

    It is computed in float32 and stored in the precision of the base. Raises SpecError.
    """
    import torch
    from transformers import AutoModelForCausalLM

    folder, base, target = (Path(request[name]) for name in ("beside", "base", "target"))
    config = read_config(base)
    if config.get("quantization_config"):
        raise SpecError(
            f"{folder} cannot be merged into {base}, whose weights are quantized: give the "
            "full-precision model with --model"
        )
    narrate("loading its base")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, use_safetensors=True)
    stored = AutoModelForCausalLM.from_pretrained(base, dtype="auto", device_map="meta").dtype
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    narrate("merging")
    merged = _merged(folder, model)
    merged.to(stored)
    changed = _changed(before, merged.state_dict(), stored)
    merged.save_pretrained(target)
    copy_companions(base, target)
    if has_tokenizer(folder):
        copy_companions(folder, target)
    adapter = read_adapter_config(folder)
    return {
        "adapter": adapter["peft_type"],
        "file": folder.name,
        "base": base.name,
        "named_base": adapter.get(_BASE),
        "changed_matrices": changed,
    }


def _merged(folder: Path, model: Any) -> Any:
    """The model with the adapter in its weights. Raises SpecError for whatever does not fit."""
    from peft import PeftConfig, PeftModelForCausalLM, load_peft_weights, set_peft_model_state_dict

    try:
        weights = load_peft_weights(str(folder), device="cpu")
        config = PeftConfig.from_pretrained(str(folder))
        _make_room(model, weights)
        _untie(model, config, weights)
        adapted = PeftModelForCausalLM(model, config, adapter_name=_ADAPTER)
        result = set_peft_model_state_dict(adapted, weights, adapter_name=_ADAPTER)
        lacking = [name for name in result.missing_keys if f".{_ADAPTER}" in name]
        for names, problem in (
            (lacking, "lacks"),
            (result.unexpected_keys, "does not fit its base"),
        ):
            if names:
                raise SpecError(f"{folder} {problem}: {sorted(names)[0]} (of {len(names)} tensors)")
        return adapted.merge_and_unload(safe_merge=True)
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(f"{folder} does not fit its base: {first_line(error)}") from None


def _make_room(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Add rows to the embeddings if the adapter brings embeddings with more tokens."""
    rows = model.get_input_embeddings().weight.shape[0]
    wanted = [
        weight.shape[0]
        for name, weight in weights.items()
        if re.search(
            r"(embed_tokens|wte|embed_in|lm_head)\.(weight|modules_to_save\.weight)$", name
        )
    ]
    if wanted and max(wanted) > rows:
        model.resize_token_embeddings(max(wanted), mean_resizing=False)


def _untie(model: Any, config: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Give the head weights of its own if the adapter changes it or the embeddings alone."""
    import torch

    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None or head.weight is not embeddings.weight or config.ensure_weight_tying:
        return
    names = [name for name, module in model.named_modules() if module in (head, embeddings)]
    if any(f".{name}." in key for name in names for key in weights):
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
        model.config.tie_word_embeddings = False
        model.config.get_text_config().tie_word_embeddings = False


def _changed(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], stored: torch.dtype
) -> int:
    """How many tensors of the base the adapter changed, in the precision that is stored."""
    return sum(
        name not in before
        or before[name].shape != weight.shape
        or not bool((before[name].to(stored) == weight).all())
        for name, weight in after.items()
    )
