"""How wide and deep a decoder is: read from a `config.json`, scaled, and written back.

Only arithmetic on the settings; no weights and no torch. What is known here are the dense decoders
of the Llama lineage: `llama`, `qwen2` and `qwen3`, whose modules go by the same names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from unicomp.errors import SpecError

KINDS = ("llama", "qwen2", "qwen3")
"""The architectures (`model_type`) that can be cut and distilled."""

EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
"""Settings that say how many experts a mixture has."""

PER_LAYER = ("layer_types", "mlp_layer_types")
"""Settings with one entry for each layer."""

MULTIPLE = 128
"""Weights that the width of a student is a multiple of, unless told otherwise: what groups of
quantized weights and tiles of matrix units ask for."""


def why_unsupported(config: Mapping[str, Any]) -> str | None:
    """Why a model of this architecture cannot be cut and distilled, or None.

    Says nothing of what does not depend on the architecture, such as weights that are quantized.
    """
    kind = config.get("model_type")
    if any(config.get(name) for name in EXPERTS):
        return "its feed-forward layers are mixtures of experts; only dense ones can be cut"
    if kind not in KINDS:
        return f"{kind} is none of the architectures that can be cut: {', '.join(KINDS)}"
    try:
        Shape.of(config)
    except SpecError as error:
        return str(error)
    return None


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The widths and the depth of a decoder, and which of its matrices have a bias."""

    kind: str
    """The architecture (`model_type`)."""
    hidden: int
    """Channels of the residual stream."""
    intermediate: int
    """Neurons of a feed-forward layer."""
    heads: int
    """Query heads of a layer."""
    key_value_heads: int
    """Pairs of a key and a value head, each shared by `heads / key_value_heads` query heads."""
    head_dim: int
    layers: int
    vocabulary: int
    """Rows of the embedding."""
    tied: bool
    """Whether the embedding is the head, too."""
    query_key_value_bias: bool = False
    output_bias: bool = False
    """Whether the output projection of attention has a bias."""
    feed_forward_bias: bool = False
    query_key_norms: bool = False
    """Whether queries and keys are normalised, with weights of `head_dim`."""

    def __post_init__(self) -> None:
        for name in (
            *("hidden", "intermediate", "heads", "key_value_heads"),
            *("head_dim", "layers", "vocabulary"),
        ):
            if getattr(self, name) < 1:
                raise SpecError(f"a decoder with {name} = {getattr(self, name)} is none")
        if self.heads % self.key_value_heads:
            raise SpecError(
                f"{self.heads} heads cannot share {self.key_value_heads} key-value heads evenly"
            )
        if self.kind == "llama" and self.hidden % self.heads:
            # transformers insists on it even where head_dim is given
            raise SpecError(
                f"the hidden size {self.hidden} of a llama must be a multiple of "
                f"its {self.heads} heads"
            )

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """The shape of the model with this `config.json`; SpecError if it does not say one.

        Settings that are absent have the defaults of the model's configuration in transformers.
        """
        kind = config.get("model_type")
        if kind not in KINDS:
            raise SpecError(f"the shape of {kind} models is not known")
        try:
            hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
            intermediate, layers = (
                int(config["intermediate_size"]),
                int(config["num_hidden_layers"]),
            )
            vocabulary = int(config["vocab_size"])
        except KeyError as error:
            raise SpecError(f"the configuration has no {error.args[0]}") from None
        head_dim = config.get("head_dim") or (128 if kind == "qwen3" else hidden // max(heads, 1))
        attention_bias = bool(config.get("attention_bias")) and kind != "qwen2"
        return cls(
            kind=kind,
            hidden=hidden,
            intermediate=intermediate,
            heads=heads,
            key_value_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(head_dim),
            layers=layers,
            vocabulary=vocabulary,
            tied=bool(config.get("tie_word_embeddings", False)),
            query_key_value_bias=attention_bias or kind == "qwen2",
            output_bias=attention_bias,
            feed_forward_bias=bool(config.get("mlp_bias")) and kind == "llama",
            query_key_norms=kind == "qwen3",
        )

    def parameters(self) -> int:
        """How many weights such a model has; a tied head is not counted again."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * self.layer_parameters() + self.hidden

    def layer_parameters(self) -> int:
        """How many weights one layer has."""
        queries = self.heads * self.head_dim
        pairs = 2 * self.key_value_heads * self.head_dim
        attention = self.hidden * (2 * queries + pairs)
        attention += (queries + pairs) * self.query_key_value_bias
        attention += self.hidden * self.output_bias
        attention += 2 * self.head_dim * self.query_key_norms
        feed_forward = 3 * self.hidden * self.intermediate
        feed_forward += (2 * self.intermediate + self.hidden) * self.feed_forward_bias
        return attention + feed_forward + 2 * self.hidden

    def scaled(
        self,
        *,
        hidden: float | int | None = None,
        intermediate: float | int | None = None,
        heads: float | int | None = None,
        layers: float | int | None = None,
        multiple: int = MULTIPLE,
    ) -> Shape:
        """A student's shape: each width a share of this one's (a float), or a target (an int).

        A share in (0, 1] is rounded to the nearest multiple of `multiple` channels or neurons, or
        of the number of key-value heads, never to more than there is; 1.0 leaves a width as it is.
        A target is taken as it stands. Raises SpecError for a student that is larger than its
        teacher or that cannot be built.
        """
        if multiple < 1:
            raise SpecError(f"a width cannot be a multiple of {multiple}")
        new_heads = _width("heads", self.heads, heads, self.key_value_heads)
        # a llama's hidden size must be a multiple of its heads as well
        channels = math.lcm(multiple, new_heads) if self.kind == "llama" else multiple
        return replace(
            self,
            hidden=_width("hidden", self.hidden, hidden, channels),
            intermediate=_width("intermediate", self.intermediate, intermediate, multiple),
            heads=new_heads,
            layers=_width("layers", self.layers, layers, 1),
        )


def _width(name: str, own: int, wanted: float | int | None, multiple: int) -> int:
    """What a width of `own` becomes."""
    if wanted is None or wanted == own:
        return own
    if isinstance(wanted, float):
        if not 0.0 < wanted <= 1.0:
            raise SpecError(f"{name}: a share of {wanted} is not in (0, 1]; 0.75 keeps 75 %")
        if wanted == 1.0:
            return own
        return min(own, max(multiple, math.floor(wanted * own / multiple + 0.5) * multiple))
    if not 1 <= wanted <= own:
        raise SpecError(f"{name}: a student of {wanted} cannot be cut from a teacher of {own}")
    return wanted


def student_config(
    config: Mapping[str, Any], shape: Shape, kept: Sequence[int] | None = None
) -> dict[str, Any]:
    """The `config.json` of a student of that shape, cut from the model with `config`.

    `kept` are the teacher's layers, by number, that the student has; without it, the first ones.
    `head_dim` is written out, since it no longer is hidden size / heads. Settings with an entry
    for each layer are cut with the layers.
    """
    own = Shape.of(config)
    layers = tuple(range(shape.layers)) if kept is None else tuple(kept)
    if len(layers) != shape.layers or not all(0 <= layer < own.layers for layer in layers):
        raise SpecError(
            f"{len(layers)} layers are kept of {own.layers}, for a student of {shape.layers}"
        )
    student = dict(config)
    student.update(
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_dim,
        num_hidden_layers=shape.layers,
        tie_word_embeddings=shape.tied,
    )
    for name in PER_LAYER:
        if config.get(name) is not None:
            student[name] = [config[name][layer] for layer in layers]
    if config.get("use_sliding_window") and config.get("layer_types") is None:
        # which layers look back over a window only follows from their number in the teacher
        first = config.get("max_window_layers", 28)
        student["layer_types"] = [
            "sliding_attention" if layer >= first else "full_attention" for layer in layers
        ]
    if config.get("max_window_layers") is not None:
        student["max_window_layers"] = sum(layer < config["max_window_layers"] for layer in layers)
    return student
