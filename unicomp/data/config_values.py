"""Whether the settings in a `config.json` can be meant: their types and ranges, not their sense.

transformers takes many of them unseen, so that a wrong one would end in a traceback much later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unicomp.data.json_object import shown
from unicomp.errors import SpecError

EXPERT_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts")
"""The settings for the number of experts of a mixture; each architecture has one of them."""
LAYER_COUNTS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
"""The settings for the number of layers; each architecture has one of them."""

_MOST = 2**31
_MOST_PARTS = 10_000
"""Layers or experts: each is built in turn, so that a huge number would never end."""

Check = tuple[Callable[[Any], bool], str]


def _is_count(value: Any, least: int = 1, most: int = _MOST) -> bool:
    return type(value) is int and least <= value <= most


def _are_counts(value: Any) -> bool:
    """A count, or one for each layer, some of which may have none."""
    if isinstance(value, list):
        return all(one is None or _is_count(one, 0) for one in value)
    return _is_count(value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value > 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_WIDTH: Check = (_are_counts, "a whole number of at least 1")
_PARTS: Check = (lambda value: _is_count(value, 0, _MOST_PARTS), f"from 0 to {_MOST_PARTS:,}")
_NUMBER: Check = (_is_number, "a number above 0")
_FLAG: Check = (lambda value: isinstance(value, bool), "true or false")
_TABLE: Check = (lambda value: isinstance(value, dict), "a table")
_TEXT: Check = (_is_text, "a text")
_TEXTS: Check = (_are_texts, "a list of texts")

_SETTINGS: dict[str, Check] = {
    **dict.fromkeys(("hidden_size", "num_attention_heads", "num_key_value_heads"), _WIDTH),
    **dict.fromkeys(("vocab_size", "head_dim", "max_position_embeddings"), _WIDTH),
    **dict.fromkeys(("n_embd", "n_head", "n_positions"), _WIDTH),
    "intermediate_size": (lambda value: value == 0 or _are_counts(value), "a whole number"),
    **dict.fromkeys((*LAYER_COUNTS, *EXPERT_COUNTS), _PARTS),
    **dict.fromkeys(
        ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "rope_theta"), _NUMBER
    ),
    **dict.fromkeys(("tie_word_embeddings", "use_cache"), _FLAG),
    **dict.fromkeys(("quantization_config", "rope_scaling", "rope_parameters"), _TABLE),
    "text_config": _TABLE,
    "model_type": _TEXT,
    "architectures": _TEXTS,
}
"""What each setting has to be; any may be absent or null."""

_QUANTIZATION: dict[str, Check] = {
    **dict.fromkeys(("quant_method", "format"), _TEXT),
    **dict.fromkeys(("bits", "w_bit"), (lambda value: _is_count(value, 1, 32), "from 1 to 32")),
    **dict.fromkeys(
        ("group_size", "q_group_size"), (lambda value: _is_count(value, -1), "a whole number")
    ),
    **dict.fromkeys(("config_groups", "kv_cache_scheme", "sparsity_config"), _TABLE),
    **dict.fromkeys(("ignore", "modules_to_not_convert"), _TEXTS),
}
_GROUP: dict[str, Check] = {
    "targets": _TEXTS,
    **dict.fromkeys(("weights", "input_activations", "output_activations"), _TABLE),
}
_ARGUMENTS: dict[str, Check] = {
    "num_bits": (lambda value: _is_count(value, 1, 32), "from 1 to 32"),
    "group_size": (lambda value: _is_count(value, -1), "a whole number"),
}


def check_values(path: Path, config: Mapping[str, Any]) -> None:
    """Raise SpecError for the first setting of `config`, read from `path`, that cannot be meant."""
    _check(path, "", config, _SETTINGS)
    if text := config.get("text_config"):
        _check(path, "text_config.", text, _SETTINGS)
    quantization = config.get("quantization_config") or {}
    _check(path, "quantization_config.", quantization, _QUANTIZATION)
    for name, group in (quantization.get("config_groups") or {}).items():
        where = f"quantization_config.config_groups.{name}"
        if not isinstance(group, dict):
            raise SpecError(f"{path}: {shown(where)} is {shown(group)}, not a table")
        _check(path, f"{where}.", group, _GROUP)
        for part in ("weights", "input_activations", "output_activations"):
            _check(path, f"{where}.{part}.", group.get(part) or {}, _ARGUMENTS)


def _check(path: Path, where: str, table: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    for name, (is_meant, what) in checks.items():
        value = table.get(name)
        if value is not None and not is_meant(value):
            raise SpecError(f"{path}: {shown(where + name)} is {shown(value)}, not {what}")
