"""Compress with two methods, one after the other: prune or distil, then round to few bits.

The second method reads the folder that the first one wrote, and the result is held to the
guarantees of both. Not every pair is worth building. Measured on the embedded model (24 calibration
texts of 256 tokens, groups of 128, 319,488 groups of four weights):

| first | second | zeros | broken 2:4 groups |
|---|---|---|---|
| Wanda 2:4 | AWQ, 4 bits | 50.5 % | none |
| Wanda 2:4 | AWQ, 8 bits | 50.0 % | none |
| Wanda 2:4 | AWQ, 3 bits | 53.7 % | none |
| SparseGPT 2:4 | AWQ, 4 bits | 50.5 % | none |
| SparseGPT 2:4 | round to nearest, 4 bits | 50.4 % | none |
| Wanda 2:4 | GPTQ, 4 bits | 47.4 %, 40 % in one matrix | 36,757 |
| SparseGPT 2:4 | GPTQ, 4 bits | 47.4 %, 40 % in one matrix | 36,547 |
| SparseGPT 2:4 | GPTQ, 8 bits | 46.7 %, 39 % in one matrix | 38,380 |
| Wanda 50 % | AWQ, 4 bits | 50.1 % | |
| SparseGPT 50 % | AWQ, 4 bits | 50.5 % | |
| Wanda 50 % | GPTQ, 4 bits | 46.5 %, 38 % in one matrix | |
| SparseGPT 50 % | GPTQ, 4 bits | 47.0 %, 37 % in one matrix | |

AWQ multiplies columns and rounds to a grid that has an exact zero, so zeros stay zeros. GPTQ adds
the error of each rounded column to the columns after it, including pruned ones.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from unicomp.data.model_folder import read_config
from unicomp.distillation.loop import CURVE
from unicomp.distillation.shape import Shape, student_config
from unicomp.errors import SpecError, UnsupportedError
from unicomp.methods.oneshot import warm_up as warm_up  # the worker calls it before timing
from unicomp.spec import Calibration, Guarantees, Method

FILLS_ZEROS = {
    "gptq": "GPTQ adds the error of each rounded column to the columns after it, "
    "including pruned ones; AWQ keeps them"
}
"""Algorithms of quantization that fill the zeros of a pruned model again, and why."""


def combined(name: str, first: Method, second: Method) -> Method:
    """Compress with `first`, then compress the result with `second`, on the same calibration.

    Example: `combined("wanda_2_4_awq", wanda(...), awq(...))`. The first method may train a
    student. Raises SpecError if one method breaks a guarantee of the other.
    """
    for method in (first, second):
        if method.compress is None:
            raise SpecError(f"method {name}: {method} does not compress")
    if first.guarantees.bits is not None:
        raise SpecError(
            f"method {name}: {second} cannot follow {first}, whose weights are packed integers: "
            "quantize last"
        )
    if second.corpus is not None:
        raise SpecError(f"method {name}: {second} trains, so it cannot come second: distil first")
    reason = FILLS_ZEROS.get(str(second.parameters.get("algorithm")))
    if reason and (first.guarantees.sparsity is not None or first.guarantees.pattern is not None):
        raise SpecError(f"method {name}: {second} would undo {first}: {reason}")
    return Method(
        name=name,
        family=first.family,
        also=second.family,
        compress=partial(_compress, first, second),
        guarantees=_both(name, first, second),
        parameters={"first": dict(first.parameters), "second": dict(second.parameters)},
        why_unsupported=partial(_why_unsupported, first, second),
        calibrated=first.calibrated or second.calibrated,
        corpus=first.corpus,
    )


def _both(name: str, first: Method, second: Method) -> Guarantees:
    """The guarantees of both. Raises SpecError if both guarantee the same thing."""
    default = vars(Guarantees())
    ours, theirs = (
        {field: value for field, value in vars(given).items() if value != default[field]}
        for given in (first.guarantees, second.guarantees)
    )
    for field in ours:
        if field in theirs:
            raise SpecError(f"method {name}: {first} and {second} both set the {field}")
    return Guarantees(**ours, **theirs)


def _compress(
    first: Method,
    second: Method,
    source: Path,
    target: Path,
    calibration: Calibration,
    *workshop: Any,
) -> dict[str, Any]:
    """Apply both methods, and return the facts of both; `workshop` is for a first that trains."""
    assert first.compress is not None
    assert second.compress is not None
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        between = Path(folder) / "model"
        facts = dict(first.compress(source, between, calibration, *workshop) or {})
        if reason := second.why_unsupported(read_config(between)):
            raise UnsupportedError(f"{second} cannot compress what {first} leaves: {reason}")
        facts |= second.compress(between, target, calibration) or {}
        if (curve := between.parent / CURVE).is_file():
            shutil.move(curve, target.parent / CURVE)
    return facts


def _why_unsupported(first: Method, second: Method, config: Mapping[str, Any]) -> str | None:
    """Why either method does not support such a model, or None.

    The second method is asked about the student where there is one. If its shape is not known
    before the first method has run, `_compress` asks.
    """
    if reason := first.why_unsupported(config):
        return reason
    shape: Mapping[str, Any] | None = first.guarantees.shape
    if shape is not None:
        student = Shape.of(config).scaled(**shape)
        reason = second.why_unsupported(student_config(config, student))
        return f"of its student, {reason}" if reason else None
    return None if first.family == "distillation" else second.why_unsupported(config)
