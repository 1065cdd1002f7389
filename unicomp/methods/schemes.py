"""The quantization schemes of compressed-tensors 0.19, by the names of its presets.

A scheme says how weights and activations are rounded. The guarantees of a method follow from it,
so this table is a promise: the inspection compares it with what a build has stored. Formats are
those that `save_pretrained` was found to write. One disappoints: integers of less than 8 bits take
a byte each where activations are rounded, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unicomp.errors import SpecError
from unicomp.spec import NumberType, Rounding, nearest

PACKED_INTEGERS, INTEGERS, FLOATS = "pack-quantized", "int-quantized", "float-quantized"
NVFP4, MXFP4, MXFP8 = "nvfp4-pack-quantized", "mxfp4-pack-quantized", "mxfp8-quantized"


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How the weights of matrices and their inputs are rounded."""

    name: str
    bits: int
    """Of each weight."""
    type: NumberType
    format: str
    group_size: int | None = None
    """Input weights that share one scale; None: all of an output, or a block."""
    block: tuple[int, int] | None = None
    symmetric: bool = True
    """Whether the integers have no zero point."""
    activations: Rounding | None = None

    @property
    def calibrated(self) -> bool:
        """Whether the scales of activations are measured on calibration text."""
        return self.activations is not None and self.activations.dynamic is not True

    @property
    def preset(self) -> Any:
        """The preset of compressed-tensors, a `QuantizationScheme` without targets."""
        from compressed_tensors.quantization import preset_name_to_scheme

        return preset_name_to_scheme(self.name, [])


def scheme_named(name: str) -> Scheme:
    """The scheme of a preset. Raises SpecError with the nearest name."""
    if name not in SCHEMES:
        raise SpecError(f"unknown scheme {name!r}: {nearest(name, sorted(SCHEMES))}")
    return SCHEMES[name]


def _integers(bits: int, activations: int) -> Scheme:
    """Integers in groups of 128 inputs, and activations of 4, 8 or 16 bits.

    Packed densely only where the activations keep their precision. With rounded ones each weight
    takes a byte, however few bits it has.
    """
    rounded = Rounding(bits=activations) if activations < 16 else None
    return Scheme(
        name=f"W{bits}A{activations}",
        bits=bits,
        type="int",
        format=INTEGERS if rounded else PACKED_INTEGERS,
        group_size=128,
        activations=rounded,
    )


_FLOAT8 = Rounding(bits=8, type="float")

SCHEMES = {
    scheme.name: scheme
    for scheme in (
        *(_integers(bits, 16) for bits in range(2, 9)),
        *(_integers(bits, 8) for bits in range(2, 8)),
        *(_integers(bits, 4) for bits in range(2, 5)),
        Scheme(name="W8A8", bits=8, type="int", format=INTEGERS, activations=Rounding(bits=8)),
        Scheme(
            name="W4A16_ASYM",
            bits=4,
            type="int",
            format=PACKED_INTEGERS,
            group_size=128,
            symmetric=False,
        ),
        Scheme(
            name="W4AFP8",
            bits=4,
            type="int",
            format=INTEGERS,
            group_size=128,
            activations=_FLOAT8,
        ),
        Scheme(
            name="FP8",
            bits=8,
            type="float",
            format=FLOATS,
            activations=Rounding(bits=8, type="float", dynamic=False),
        ),
        Scheme(name="FP8_DYNAMIC", bits=8, type="float", format=FLOATS, activations=_FLOAT8),
        Scheme(
            name="FP8_BLOCK",
            bits=8,
            type="float",
            format=FLOATS,
            block=(128, 128),
            activations=_FLOAT8,
        ),
        Scheme(name="NVFP4A16", bits=4, type="float", format=NVFP4, group_size=16),
        Scheme(
            name="NVFP4",
            bits=4,
            type="float",
            format=NVFP4,
            group_size=16,
            activations=Rounding(bits=4, type="float", dynamic="local"),
        ),
        Scheme(name="MXFP4A16", bits=4, type="float", format=MXFP4, group_size=32),
        Scheme(
            name="MXFP4",
            bits=4,
            type="float",
            format=MXFP4,
            group_size=32,
            activations=Rounding(bits=4, type="float"),
        ),
        Scheme(name="MXFP8A16", bits=8, type="float", format=MXFP8, group_size=32),
        Scheme(
            name="MXFP8",
            bits=8,
            type="float",
            format=MXFP8,
            group_size=32,
            activations=_FLOAT8,
        ),
    )
}
"""Name of the preset → scheme."""
