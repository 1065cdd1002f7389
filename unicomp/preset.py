"""Presets: settings that belong together, in one word, such as those of the paper.

A preset lies beneath `unicomp.toml` and the command line: what is set there outranks it, and the
run says so. What a preset needs and this machine lacks is left out, and the run says that, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from unicomp.engines.executable import find_vllm
from unicomp.errors import SpecError
from unicomp.instruments.refusal_models import LONGFORMER
from unicomp.spec import nearest

Tables = Mapping[str, Mapping[str, Any]]
"""Table of `unicomp.toml` → key → value."""

WHOLE = ("judge", "similarity", "refusals")
"""Tables that are taken whole from one place: a key must not be sent to another server."""

_SERVER = {"url": "https://api.openai.com/v1", "key_env": "OPENAI_API_KEY"}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings by one name."""

    name: str
    tables: Tables
    lacking: tuple[str, ...] = field(default=())
    """What of it is not available here, and what happens instead, a line each."""

    def beneath(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The tables of a file, with those of the preset where the file has none."""
        found = dict(given)
        for name, own in self.tables.items():
            if name not in given:
                found[name] = dict(own)
            elif name not in WHOLE and isinstance(given[name], Mapping):
                found[name] = {**own, **given[name]}
        return found

    def outranked(self, given: Mapping[str, Any]) -> Iterator[str]:
        """What a file sets to another value, as `TABLE.KEY = VALUE`, or as [TABLE] for a whole."""
        for name, own in self.tables.items():
            table = given.get(name)
            if not isinstance(table, Mapping) or table == own:
                continue
            if name in WHOLE:
                yield f"[{name}]"
                continue
            for key, value in own.items():
                if table.get(key, value) != value:
                    yield f"{name}.{key} = {table[key]!r}"

    def lines(self) -> Iterator[str]:
        """What the preset sets, and what of it is not available, for the head of a run."""
        parts = [
            f"{name}.{key} = {value}"
            for name, own in self.tables.items()
            for key, value in own.items()
            if key not in _SERVER
        ]
        yield f"UniComp preset {self.name}: {', '.join(parts)}"
        for line in self.lacking:
            yield f"UniComp preset {self.name}, not available: {line}"


PAPER = Preset(
    name="paper",
    tables={
        "scoring": {"mode": "compat", "reading": "paper"},
        "judge": {**_SERVER, "model": "gpt-4o-mini"},
        "similarity": {**_SERVER, "kind": "endpoint", "model": "text-embedding-ada-002"},
        "refusals": {"kind": "classifier"},
        "engine": {"name": "vllm", "sampling": "declared"},
    },
)
"""What the paper used. The embeddings and the classifier are those of TrustLLM, whose evaluation it
ran; sampling is at the temperatures that TrustLLM declares, and greedy where none is declared."""

PRESETS = {preset.name: preset for preset in (PAPER,)}


def available(name: str, given: Mapping[str, Any], vllm: str = "") -> Preset:
    """The preset with what this machine has of it. Raises SpecError for an unknown name.

    `given` are the tables of `unicomp.toml`: what stands there is not asked for. `vllm` is the
    executable that the user names.
    """
    if name not in PRESETS:
        raise SpecError(f"there is no preset {name!r}; {nearest(name, PRESETS)}")
    from huggingface_hub import constants

    preset = PRESETS[name]
    tables = {table: dict(own) for table, own in preset.tables.items()}
    lacking = []
    for table, instead in (
        ("judge", "scores that need a judge are not measured"),
        ("similarity", "texts are compared by their words instead"),
    ):
        key = tables[table].get("key_env", "")
        if table not in given and not os.environ.get(key):
            del tables[table]
            lacking.append(f"[{table}]: the variable {key} is not set; {instead}")
    if "refusals" not in given and not _has_classifier():
        where = f"the weights of {LONGFORMER} are not in the hub's cache"
        if constants.HF_HUB_OFFLINE:
            del tables["refusals"]
            lacking.append(f"[refusals]: {where}; refusals are found by rules instead")
        else:
            lacking.append(f"[refusals]: {where}; they are fetched when they are first needed")
    if "name" not in given.get("engine", {}):
        try:
            find_vllm(vllm)
        except SpecError as error:
            del tables["engine"]["name"]
            lacking.append(f"vLLM: {error}; the engine in process answers instead")
    return replace(preset, tables=tables, lacking=tuple(lacking))


def _has_classifier() -> bool:
    """Whether the published classifier of refusals is in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(LONGFORMER, "config.json"), str)
