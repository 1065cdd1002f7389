"""The widths and the depth of a decoder: read from a `config.json`, scaled, and written back.

Only arithmetic on the settings; no weights and no torch. Supported are the dense decoders of the
Llama lineage, `llama`, `qwen2` and `qwen3`, whose modules have the same names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from unicomp.data.model_folder import EXPERT_COUNTS
from unicomp.errors import SpecError

ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""The architectures (`model_type`) that can be cut and distilled."""

PER_LAYER = ("layer_types", "mlp_layer_types")
"""Settings with one entry for each layer."""

MULTIPLE = 128
"""A student's widths are multiples of this by default, as groups of quantized weights and tiles of
matrix units need."""


def why_unsupported(config: Mapping[str, Any]) -> str | None:
    """Why a model of this architecture cannot be cut and distilled, or None.

    Reasons beyond the architecture, such as quantized weights, are not checked here.
    """
    kind = config.get("model_type")
    if any(config.get(name) for name in EXPERT_COUNTS):
        return "its feed-forward layers are mixtures of experts; only dense ones can be cut"
    if kind not in ARCHITECTURES:
        return f"the architecture {kind} cannot be cut, only {', '.join(ARCHITECTURES)}"
    try:
        Shape.of(config)
    except SpecError as error:
        return str(error)
    return None


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The widths and the depth of a decoder, and its biases and norms."""

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
    """Whether the embedding also serves as head."""
    query_key_value_bias: bool = False
    output_bias: bool = False
    """Whether the output projection of attention has a bias."""
    feed_forward_bias: bool = False
    query_key_norms: bool = False
    """Whether queries and keys are normalised, with weights of `head_dim`."""

    def __post_init__(self) -> None:
        widths = ("hidden", "intermediate", "heads", "key_value_heads", "head_dim")
        for name in (*widths, "layers", "vocabulary"):
            if getattr(self, name) < 1:
                raise SpecError(f"a decoder needs {name} of at least 1, not {getattr(self, name)}")
        if self.heads % self.key_value_heads:
            raise SpecError(
                f"{self.heads} heads cannot share {self.key_value_heads} key-value heads evenly"
            )
        if self.kind == "llama" and self.hidden % self.heads:
            # transformers requires this even if head_dim is given
            raise SpecError(
                f"the hidden size {self.hidden} of a llama must be a multiple of "
                f"its {self.heads} heads"
            )

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """The shape of the model with this `config.json`. Raises SpecError.

        Absent settings have the defaults of the model's configuration in transformers.
        """
        kind = config.get("model_type")
        if kind not in ARCHITECTURES:
            raise SpecError(f"the shape of {kind} models is unknown")
        try:
            hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
            intermediate = int(config["intermediate_size"])
            layers, vocabulary = int(config["num_hidden_layers"]), int(config["vocab_size"])
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
        """The number of weights; a tied head is not counted again."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * self.layer_parameters() + self.hidden

    def layer_parameters(self) -> int:
        """The number of weights of one layer."""
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
        """A student's shape: each width as a share of this one's (a float) or a number (an int).

        A share in (0, 1] is rounded to the nearest multiple of `multiple` channels or neurons, or
        of the number of key-value heads, but never beyond the teacher's width. 1.0 keeps a
        width. A number is not rounded. Raises SpecError for a student that is larger than its
        teacher or that cannot be built.
        """
        if multiple < 1:
            raise SpecError(f"a width cannot be a multiple of {multiple}: give 1 or more")
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
    """The student's width where the teacher's is `own`."""
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

    `kept` are the numbers of the teacher's layers that the student has; by default the first ones.
    `head_dim` is written, since it may differ from hidden size / heads. Settings with one entry for
    each layer are cut with the layers. Raises SpecError if `kept` does not fit the shape.
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
        # which layers attend to a window only depends on their number in the teacher
        first = config.get("max_window_layers", 28)
        student["layer_types"] = [
            "sliding_attention" if layer >= first else "full_attention" for layer in layers
        ]
    if config.get("max_window_layers") is not None:
        student["max_window_layers"] = sum(layer < config["max_window_layers"] for layer in layers)
    return student
