"""What a model folder says about decoding: its stop tokens count, all else is set aside.

Decoding is the project's own, the same for a candidate and its baseline: greedy, or what a
benchmark declares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unicomp.errors import SpecError

GENERATION = "generation_config.json"

_KEPT = ("eos_token_id", "pad_token_id", "bos_token_id", "decoder_start_token_id")
_NEUTRAL: Mapping[str, Any] = {
    "num_beams": 1,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 50,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "use_cache": True,
}
"""Settings with the values that change nothing; of all others these are null, false, 0 or empty."""
_LEGACY = (
    *("num_beams", "num_beam_groups", "temperature", "top_p", "top_k", "typical_p", "do_sample"),
    *("repetition_penalty", "encoder_repetition_penalty", "length_penalty", "diversity_penalty"),
    *("max_length", "min_length", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size"),
    *("bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id"),
    *("forced_eos_token_id", "exponential_decay_length_penalty", "early_stopping"),
)
"""Settings of decoding that old models keep in `config.json`."""
_SILENT = ("output_", "return_dict", "_", "transformers_version")
"""Starts of settings that decide no token."""


@dataclass(frozen=True)
class DecodingFiles:
    """The settings of a folder for decoding."""

    stops: tuple[int, ...] = ()
    """The ids that end an answer; without that of the tokenizer's own end token."""
    set_aside: Mapping[str, Any] = field(default_factory=dict)
    """Settings that would change which tokens are generated, and do not apply."""
    source: str = GENERATION
    """The file that they are from."""


def read_decoding(folder: Path) -> DecodingFiles:
    """The settings in `generation_config.json`, or in `config.json` without one.

    Raises SpecError if the file is not a JSON object, or names no usable end token.
    """
    own, config = _object(folder / GENERATION), _object(folder / "config.json") or {}
    nested = config.get("text_config")
    old = {**(nested if isinstance(nested, dict) else {}), **config}
    if own is None:
        legacy = {name: old[name] for name in _LEGACY if name in old}
        return DecodingFiles(_stops(old, folder / "config.json"), _effective(legacy), "config.json")
    stops = _stops(own if "eos_token_id" in own else old, folder / GENERATION)
    return DecodingFiles(stops, _effective(own))


def _object(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        raise SpecError(
            f"{path} is not JSON: replace it by that of the base model, or delete it"
        ) from None
    if not isinstance(content, dict):
        raise SpecError(f"{path} is not a JSON object: replace it by that of the base model")
    return content


def _stops(settings: Mapping[str, Any], path: Path) -> tuple[int, ...]:
    """The end tokens; negative ones stand for none."""
    found = settings.get("eos_token_id")
    ids = [] if found is None else found if isinstance(found, list) else [found]
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in ids):
        raise SpecError(f"{path}: eos_token_id is {found!r}, not a token id or a list of them")
    return tuple(dict.fromkeys(one for one in ids if one >= 0))


def _effective(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that would change which tokens are generated."""
    return {
        name: value
        for name, value in sorted(settings.items())
        if name not in _KEPT and not name.startswith(_SILENT) and not _neutral(name, value)
    }


def _neutral(name: str, value: Any) -> bool:
    if value is None or (name in _NEUTRAL and value == _NEUTRAL[name]):
        return True
    return name not in ("temperature", "top_p", "use_cache") and not value
