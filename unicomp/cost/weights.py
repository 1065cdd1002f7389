"""The weights of a model by arithmetic on its `config.json`, without torch where that is possible.

Of the models in `fixtures/models` the configuration is in `configs.csv` beside this module, as
their makers publish it, so that a plan needs no network.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from unicomp.distillation.shape import ARCHITECTURES, Shape
from unicomp.efficiency.flops import linear_flops
from unicomp.errors import SpecError
from unicomp.formats.intake import config_of
from unicomp.methods.footprint import Counts, weights_of
from unicomp.spec import Model

_MIXTURE = "qwen3_moe"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What decides the cost of a model."""

    config: Mapping[str, Any]
    weights: Counts
    active: float
    """Weights that a token meets, in matrices and the head: those that are multiplied."""

    @property
    def operations(self) -> float:
        """Floating-point operations for a token that is read or written."""
        return 2.0 * self.active


def sizes_of(model: Model) -> Sizes:
    """The sizes of a model, from its published configuration or its own. Raises SpecError."""
    config = _published().get(model.source) if model.folder is None else None
    if config is None:
        config = dict(config_of(model))
    weights = _weights(config)
    return Sizes(config=config, weights=weights, active=_active(config, weights))


@cache
def _published() -> dict[str, dict[str, Any]]:
    """Hub id → configuration."""
    text = resources.files("unicomp.cost").joinpath("configs.csv").read_text(encoding="utf-8")
    configs = {}
    for row in csv.DictReader(text.splitlines()):
        source, kind = row.pop("source"), row.pop("model_type")
        numbers = {name: int(value) for name, value in row.items() if value}
        tied = bool(numbers.pop("tie_word_embeddings"))
        configs[source] = {
            "model_type": kind,
            **numbers,
            "tie_word_embeddings": tied,
            "dtype": "bfloat16",
        }
    return configs


def _weights(config: Mapping[str, Any]) -> Counts:
    kind = config.get("model_type")
    if kind in ARCHITECTURES:
        shape = Shape.of(config)
        ends = shape.vocabulary * shape.hidden * (1 if shape.tied else 2)
        vectors = shape.hidden + shape.layers * (
            shape.layer_parameters() - _matrices_of_layer(shape)
        )
        every = shape.parameters()
        return Counts(all=every, matrices=every - ends - vectors)
    if kind == _MIXTURE:
        ends = config["vocab_size"] * config["hidden_size"]
        ends *= 1 if config.get("tie_word_embeddings") else 2
        everywhere = {**config, "num_experts_per_tok": config["num_experts"], "vocab_size": 0}
        matrices = linear_flops(everywhere, 1) // 2
        return Counts(all=matrices + ends, matrices=matrices)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return weights_of(Path(folder))


def _matrices_of_layer(shape: Shape) -> int:
    heads = shape.head_dim * (shape.heads + shape.key_value_heads)
    return 2 * shape.hidden * heads + 3 * shape.hidden * shape.intermediate


def _active(config: Mapping[str, Any], weights: Counts) -> float:
    try:
        return linear_flops(config, 1) / 2
    except SpecError:  # an architecture that is not known: all of its weights
        return float(weights.all)
