"""Weight-only quantization by llmcompressor: GPTQ (arXiv 2210.17323), AWQ (arXiv 2306.00978).

Both store symmetric integers with one scale for each group of consecutive input weights. The
activations keep their precision, so W4A16 is `bits=4`. Weights of any number of bits are packed
densely, 32 of 3 bits into three 32-bit words. Transformers reads them all; a server may only have
kernels for 4 and 8 bits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from unicomp.errors import SpecError
from unicomp.methods import oneshot, support
from unicomp.spec import Guarantees, Method

_MODULE = re.compile(r"\w+(\.\w+)*")

UNREADABLE_PACKED = support.UNREADABLE | {"falcon"}
"""Architectures whose packed weights transformers 5.17 does not find again."""
UNSMOOTHED = frozenset(
    {"bloom", "deepseek_v3", "glm4", "gptj", "gpt_neox", "olmo2", "opt", "phi", "starcoder2"}
)
"""Architectures in which AWQ of llmcompressor 0.14 does not find the layers to scale."""


def gptq(
    name: str, *, bits: int = 4, group_size: int = 128, exceptions: Mapping[str, int] | None = None
) -> Method:
    """Round column by column; the columns not yet rounded compensate for the error.

    `bits` a weight (2 to 8), one scale for each `group_size` input weights. `exceptions` give
    layers other bits by name: `{"down_proj": 8}` or `{"layers.0": 8}`. The first that fits counts.
    """
    return _quantization(name, "gptq", bits, group_size, exceptions or {})


def awq(
    name: str, *, bits: int = 4, group_size: int = 128, exceptions: Mapping[str, int] | None = None
) -> Method:
    """Scale up the channels with large activations, then round to the nearest.

    The settings are those of `gptq`.
    """
    return _quantization(name, "awq", bits, group_size, exceptions or {})


def _quantization(
    name: str, technique: str, bits: int, group_size: int, exceptions: Mapping[str, int]
) -> Method:
    for width in (bits, *exceptions.values()):
        if not 2 <= width <= 8:
            raise SpecError(f"method {name}: {width} bits are not between 2 and 8")
    for layers in exceptions:
        if not _MODULE.fullmatch(layers):
            raise SpecError(f"method {name}: {layers!r} is not a module's name, or part of one")
    if group_size < 1:
        raise SpecError(f"method {name}: group_size is {group_size}, and must be at least 1")
    failing = UNREADABLE_PACKED | (UNSMOOTHED if technique == "awq" else frozenset())
    return Method(
        name=name,
        family="quantization",
        compress=partial(
            oneshot.compress,
            modifiers=partial(_modifiers, technique, bits, group_size, tuple(exceptions.items())),
        ),
        guarantees=Guarantees(bits=bits, group_size=group_size, exceptions=dict(exceptions)),
        parameters={
            "technique": technique,
            "bits": bits,
            "group_size": group_size,
            "exceptions": list(exceptions.items()),
        },
        why_unsupported=partial(support.why_unsupported, divisor=group_size, not_for=failing),
    )


def _modifiers(
    technique: str,
    bits: int,
    group_size: int,
    exceptions: Sequence[tuple[str, int]],
    ignore: list[str],
) -> Sequence[Any]:
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier

    groups: dict[str, dict[str, Any]] = {}
    # a pattern outranks the class; each pattern leaves out what an earlier one fits
    for layers, width in (*exceptions, ("", bits)):
        before = "|".join(re.escape(name) for name, _ in exceptions[: len(groups)])
        unless = rf"(?!(.*\.)?({before})(\.|$))" if before else ""
        groups[f"group_{len(groups)}"] = {
            "targets": [rf"re:{unless}(.*\.)?{re.escape(layers)}(\.|$)" if layers else "Linear"],
            "weights": {
                "num_bits": width,
                "type": "int",
                "symmetric": True,
                "strategy": "group",
                "group_size": group_size,
            },
        }
    if technique == "gptq":
        return [GPTQModifier(config_groups=groups, ignore=ignore)]
    return [
        AWQModifier(),
        QuantizationModifier(config_groups=groups, ignore=ignore),
    ]
