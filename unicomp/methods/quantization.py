"""Weight-only quantization by llmcompressor: GPTQ (arXiv 2210.17323), AWQ (arXiv 2306.00978).

Both are symmetric integers with one scale for each group of consecutive input weights; the
activations keep their precision, so W4A16 is `bits=4`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from unicomp.errors import SpecError
from unicomp.methods import oneshot
from unicomp.methods.refusal import Needs
from unicomp.spec import Claims, Method

UNREADABLE = frozenset({"falcon", "gpt_oss", "granitemoe", "mixtral"})
"""Architectures whose weights transformers 5.17 does not find again after llmcompressor 0.14."""
UNSMOOTHED = frozenset(
    {"bloom", "deepseek_v3", "glm4", "gptj", "gpt_neox", "olmo2", "opt", "phi", "starcoder2"}
)
"""Architectures in which AWQ of llmcompressor 0.14 does not find the layers to scale."""


def gptq(name: str, *, bits: int = 4, group_size: int = 128) -> Method:
    """Round column by column; the columns not yet rounded make up for the error.

    `bits` a weight (2 to 8), one scale for each `group_size` input weights.
    """
    return _quantization(name, "gptq", bits, group_size)


def awq(name: str, *, bits: int = 4, group_size: int = 128) -> Method:
    """Scale up the channels with large activations before rounding to the nearest.

    `bits` a weight (2 to 8), one scale for each `group_size` input weights.
    """
    return _quantization(name, "awq", bits, group_size)


def _quantization(name: str, technique: str, bits: int, group_size: int) -> Method:
    if not 2 <= bits <= 8:
        raise SpecError(f"method {name}: {bits} bits are not between 2 and 8")
    if group_size < 1:
        raise SpecError(f"method {name}: a group of {group_size} weights is none")
    failing = UNREADABLE | UNSMOOTHED if technique == "awq" else UNREADABLE
    return Method(
        name=name,
        family="quantization",
        compress=partial(
            oneshot.compress, modifiers=partial(_modifiers, technique, bits, group_size)
        ),
        claims=Claims(bits=bits, group_size=group_size),
        parameters={"technique": technique, "bits": bits, "group_size": group_size},
        refuse=Needs(divisor=group_size, not_for=failing),
    )


def _modifiers(technique: str, bits: int, group_size: int, ignore: list[str]) -> Sequence[Any]:
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier

    weights = {
        "num_bits": bits,
        "type": "int",
        "symmetric": True,
        "strategy": "group",
        "group_size": group_size,
    }
    groups = {"group_0": {"targets": ["Linear"], "weights": weights}}
    if technique == "gptq":
        return [GPTQModifier(config_groups=groups, ignore=ignore)]
    return [
        AWQModifier(),
        QuantizationModifier(config_groups=groups, ignore=ignore),
    ]
