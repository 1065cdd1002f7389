"""Quantization by llmcompressor: a scheme, which says what is stored, and an algorithm.

`quantized` joins the two; `gptq` (arXiv 2210.17323) and `awq` (arXiv 2306.00978) are its short
forms for integer weights in groups. Weights of any number of bits are packed densely, 32 of 3 bits
into three 32-bit words. Transformers reads them all; a server may only have kernels for 4 and 8
bits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_args

from unicomp.data.model_folder import kind_of
from unicomp.errors import SpecError
from unicomp.methods import oneshot, support
from unicomp.methods.schemes import PACKED_INTEGERS, Scheme, scheme_named
from unicomp.spec import Guarantees, Method, Rounding, nearest

Algorithm = Literal["rtn", "gptq", "awq", "autoround"]

CACHES = {"fp8": Rounding(bits=8, type="float", dynamic=False)}
"""Name of a precision of the cache → its rounding; one scale for all keys of a layer, and one for
its values."""

_MODULE = re.compile(r"\w+(\.\w+)*")


def quantized(
    name: str,
    *,
    scheme: str,
    algorithm: Algorithm = "rtn",
    smooth: float | None = None,
    cache: str | None = None,
    group_size: int | None = None,
    exceptions: Mapping[str, int] | None = None,
) -> Method:
    """Declare a method that rounds weights, and with some schemes also activations.

    `scheme` is a preset of compressed-tensors, such as `FP8_DYNAMIC` or `W4A16`. The algorithms:

    - `rtn` rounds each weight to the nearest value, without calibration text where no activation
      needs it
    - `gptq` rounds column by column; the columns not yet rounded compensate for the error
    - `awq` first scales up the channels with large activations
    - `autoround` learns rounding and clipping layer by layer (arXiv 2309.05516)

    `smooth`, in (0, 1], moves that share of large activations into the weights first (SmoothQuant,
    arXiv 2211.10438). `cache="fp8"` also rounds keys and values. `group_size` replaces the scheme's
    groups of integers. `exceptions` give layers other bits by name: `{"down_proj": 8}` or
    `{"layers.0": 8}`; the first that fits counts. Raises SpecError.
    """
    try:
        recipe = _Recipe(
            scheme=scheme_named(scheme),
            algorithm=algorithm,
            smooth=smooth,
            cache=cache,
            group_size=group_size,
            exceptions=exceptions or {},
        )
    except SpecError as error:
        raise SpecError(f"method {name}: {error}") from None
    return Method(
        name=name,
        family="quantization",
        compress=partial(oneshot.compress, modifiers=recipe.modifiers),
        guarantees=recipe.guarantees,
        parameters={
            "scheme": scheme,
            "algorithm": algorithm,
            "smooth": smooth,
            "cache": cache,
            "group_size": recipe.groups,
            "exceptions": list(recipe.exceptions.items()),
        },
        calibrated=recipe.calibrated,
        why_unsupported=recipe.why_unsupported,
    )


def gptq(
    name: str, *, bits: int = 4, group_size: int = 128, exceptions: Mapping[str, int] | None = None
) -> Method:
    """Round integer weights column by column; activations keep their precision.

    `bits` a weight (2 to 8), one scale for each `group_size` input weights. `exceptions` are those
    of `quantized`.
    """
    return _integers(name, "gptq", bits, group_size, exceptions)


def awq(
    name: str, *, bits: int = 4, group_size: int = 128, exceptions: Mapping[str, int] | None = None
) -> Method:
    """Scale up the channels with large activations, then round integer weights to the nearest.

    The settings are those of `gptq`.
    """
    return _integers(name, "awq", bits, group_size, exceptions)


def _integers(
    name: str,
    algorithm: Algorithm,
    bits: int,
    group_size: int,
    exceptions: Mapping[str, int] | None,
) -> Method:
    _check_bits(f"method {name}: ", bits)
    return quantized(
        name,
        scheme=f"W{bits}A16",
        algorithm=algorithm,
        group_size=group_size,
        exceptions=exceptions,
    )


def _check_bits(where: str, bits: int) -> None:
    if not 2 <= bits <= 8:
        raise SpecError(f"{where}{bits} bits are not between 2 and 8")


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """The settings of a quantization, checked. Raises SpecError."""

    scheme: Scheme
    algorithm: str
    smooth: float | None
    cache: str | None
    group_size: int | None
    exceptions: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.algorithm not in get_args(Algorithm):
            known = nearest(self.algorithm, get_args(Algorithm))
            raise SpecError(f"unknown algorithm {self.algorithm!r}: {known}")
        if self.cache is not None and self.cache not in CACHES:
            raise SpecError(f"unknown cache {self.cache!r}: {nearest(self.cache, sorted(CACHES))}")
        if self.smooth is not None and not 0 < self.smooth <= 1:
            raise SpecError(f"smooth is {self.smooth}, and must be in (0, 1]")
        in_groups = self.scheme.type == "int" and self.scheme.group_size is not None
        for setting in ("group_size", "exceptions"):
            if getattr(self, setting) and not in_groups:
                raise SpecError(f"the scheme {self.scheme.name} has no {setting} to set")
        if self.group_size is not None and self.group_size < 1:
            raise SpecError(f"group_size is {self.group_size}, and must be at least 1")
        if self.algorithm == "awq" and not in_groups:
            raise SpecError(f"AWQ rounds integers in groups, which {self.scheme.name} has not")
        if self.algorithm != "rtn" and self.cache is not None:
            raise SpecError(f"a cache in {self.cache} goes with the algorithm rtn only")
        for layers, bits in self.exceptions.items():
            _check_bits("", bits)
            if not _MODULE.fullmatch(layers):
                raise SpecError(f"{layers!r} is not a module's name, or part of one")

    @property
    def groups(self) -> int | None:
        """Input weights that share one scale, if groups are used."""
        return self.group_size or self.scheme.group_size

    @property
    def guarantees(self) -> Guarantees:
        """What the inspection holds a build to."""
        return Guarantees(
            bits=self.scheme.bits,
            type=self.scheme.type,
            group_size=self.groups,
            block=self.scheme.block,
            exceptions=dict(self.exceptions),
            activations=self.scheme.activations,
            cache=CACHES[self.cache] if self.cache else None,
            format=self.scheme.format,
        )

    @property
    def calibrated(self) -> bool:
        """Whether calibration text changes the result."""
        learns = self.algorithm != "rtn" or self.smooth is not None
        return learns or self.cache is not None or self.scheme.calibrated

    def why_unsupported(self, config: Mapping[str, Any]) -> str | None:
        """Why a model with this configuration cannot be quantized so, or None."""
        packed = self.scheme.format == PACKED_INTEGERS and self.scheme.symmetric
        if kind_of(config) == "moe" and not packed:
            return (
                f"transformers does not compute experts in {self.scheme.name} as they will be "
                "served; packed symmetric integers, such as W4A16, work"
            )
        return support.why_unsupported(
            config,
            divisor=self.groups or 1,
            not_for=support.failing(
                self.algorithm, smooth=bool(self.smooth), cache=bool(self.cache)
            ),
        )

    def modifiers(self, ignore: list[str]) -> Sequence[Any]:
        """The modifiers of llmcompressor, which leave the modules in `ignore` as they are."""
        from llmcompressor.modifiers.autoround import AutoRoundModifier
        from llmcompressor.modifiers.gptq import GPTQModifier
        from llmcompressor.modifiers.quantization import QuantizationModifier
        from llmcompressor.modifiers.transform.awq import AWQModifier
        from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier

        settings: dict[str, Any] = {"config_groups": self._config_groups(), "ignore": ignore}
        found: list[Any] = []
        if self.smooth is not None:
            found.append(SmoothQuantModifier(smoothing_strength=self.smooth))
        if self.algorithm == "gptq":
            found.append(GPTQModifier(**settings))
        elif self.algorithm == "autoround":
            found.append(AutoRoundModifier(**settings, enable_torch_compile=False))
        else:
            if self.algorithm == "awq":
                found.append(AWQModifier())
            if self.cache:
                settings["kv_cache_scheme"] = {
                    "num_bits": CACHES[self.cache].bits,
                    "type": CACHES[self.cache].type,
                    "dynamic": CACHES[self.cache].dynamic,
                    "strategy": "tensor",
                    "symmetric": True,
                }
            found.append(QuantizationModifier(**settings))
        return found

    def _config_groups(self) -> dict[str, Any]:
        """The scheme for all matrices, after those for the exceptions."""
        groups: dict[str, Any] = {}
        # a pattern outranks the class; each pattern leaves out what an earlier one fits
        for layers, bits in (*self.exceptions.items(), ("", self.scheme.bits)):
            before = "|".join(re.escape(name) for name in list(self.exceptions)[: len(groups)])
            unless = rf"(?!(.*\.)?({before})(\.|$))" if before else ""
            scheme = self.scheme.preset
            scheme.targets = [
                rf"re:{unless}(.*\.)?{re.escape(layers)}(\.|$)" if layers else "Linear"
            ]
            if self.groups and self.scheme.type == "int":
                scheme.weights = scheme.weights.model_copy(
                    update={"num_bits": bits, "group_size": self.groups}
                )
            groups[f"group_{len(groups)}"] = scheme
        return groups
