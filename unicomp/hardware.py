"""Kinds of GPUs: what their makers publish of them, and a user's own in `unicomp.toml`.

A peak is that of dense products in bfloat16, without the zeros of 2:4 sparsity.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unicomp.errors import SpecError
from unicomp.spec import nearest
from unicomp.units import parse_amount


@dataclass(frozen=True, kw_only=True)
class GpuKind:
    """A kind of GPU."""

    name: str
    memory: int
    """Bytes of each."""
    flops: float
    """Operations a second at its peak."""
    bandwidth: float
    """Bytes a second from its memory, at its peak."""
    price: float | None = None
    """Of one GPU for an hour, in the user's currency; None if it is not known."""
    published: bool = True
    """Whether the figures are the maker's; else the user's."""


def _gpu(name: str, mebibytes: int, teraflops: float, terabytes_per_second: float) -> GpuKind:
    return GpuKind(
        name=name,
        memory=mebibytes * 2**20,
        flops=teraflops * 1e12,
        bandwidth=terabytes_per_second * 1e12,
    )


PUBLISHED: Mapping[str, GpuKind] = {
    gpu.name: gpu
    for gpu in (
        _gpu("A10", 23_028, 125, 0.600),
        _gpu("A100-40GB", 40_960, 312, 1.555),
        _gpu("A100-80GB", 81_920, 312, 2.039),
        _gpu("B200", 183_359, 2250, 8.0),
        _gpu("H100", 81_559, 989, 3.35),
        _gpu("H100-PCIe", 81_559, 756, 2.0),
        _gpu("H200", 143_771, 989, 4.8),
        _gpu("L4", 23_034, 121, 0.300),
        _gpu("L40S", 46_068, 362, 0.864),
        _gpu("MI300X", 196_592, 1307, 5.3),
    )
}
"""Speeds of the data sheets of NVIDIA and AMD, of the variant with SXM or OAM where there are
several; memory as the drivers report it, which differs from the round number on the sheet."""

_ALSO = {"a100": "A100-80GB"}
"""Another name → the published one."""
KEYS: Mapping[str, str] = {
    "memory": 'Of one GPU, such as `"80 GB"` (MB, MiB, GB, GiB).',
    "tflops": "Dense products in bfloat16 at its peak, in 10¹² operations a second.",
    "bandwidth": "Of its memory at its peak, in GB a second.",
    "price": "Of one GPU for an hour, in your currency; not shown without one.",
}
"""Key of `[hardware.NAME]` → what it sets. A published GPU needs none of them."""
_NEEDED = ("memory", "tflops", "bandwidth")


def find_gpu(name: str, own: Mapping[str, GpuKind]) -> GpuKind:
    """The GPU of this name, the user's before the published one. Raises SpecError."""
    known = {**PUBLISHED, **own}
    by_name = {known_name.lower(): gpu for known_name, gpu in known.items()}
    asked = name.lower()
    if (found := by_name.get(asked) or by_name.get(_ALSO.get(asked, "").lower())) is not None:
        return found
    raise SpecError(
        f"unknown GPU {name!r}: {nearest(name, sorted(known))} (one that is not published gets a "
        f"table [hardware.{name}] in unicomp.toml, with memory, tflops and bandwidth)"
    )


def parse_gpu(name: str, table: Mapping[str, Any]) -> GpuKind:
    """The GPU that `[hardware.NAME]` of `unicomp.toml` describes. Raises SpecError.

    A published one needs only what differs, such as the price.
    """
    where = f"hardware.{name}"
    for key in table:
        if key not in KEYS:
            raise SpecError(f"there is no setting {where}.{key}; {nearest(key, KEYS)}")
    base = PUBLISHED.get(name)
    missing = [key for key in _NEEDED if key not in table]
    if base is None and missing:
        raise SpecError(f"the table [{where}] needs {', '.join(missing)}")
    price = _number(where, "price", table) if "price" in table else None
    if base is not None and missing == [*_NEEDED]:
        return GpuKind(**{**vars(base), "price": price})
    try:
        memory = parse_amount(table["memory"], "bytes") if "memory" in table else None
    except ValueError as error:
        raise SpecError(f"{where}.memory: {error}") from None
    flops = _number(where, "tflops", table) * 1e12 if "tflops" in table else None
    bandwidth = _number(where, "bandwidth", table) * 1e9 if "bandwidth" in table else None
    return GpuKind(
        name=name,
        memory=int(memory or (base.memory if base else 0)),
        flops=flops or (base.flops if base else 0.0),
        bandwidth=bandwidth or (base.bandwidth if base else 0.0),
        price=price,
        published=False,
    )


def _number(where: str, key: str, table: Mapping[str, Any]) -> float:
    value = table[key]
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise SpecError(f"{where}.{key} must be a positive number, not {value!r}")
    return float(value)


def kind_of_product(product: str) -> str:
    """The published kind that a driver's name of a GPU means; the name itself if there is none.

    >>> kind_of_product("NVIDIA H100 80GB HBM3")
    'H100'
    """
    words = set(re.split(r"[\s-]+", product.lower()))
    fitting = [name for name in PUBLISHED if words.issuperset(name.lower().split("-"))]
    return max(fitting, key=len, default=product)
