"""Compress with two methods, one after the other: prune, then round the rest to few bits.

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

import json
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from unicomp.errors import SpecError, UnsupportedError
from unicomp.methods.oneshot import warm_up as warm_up  # the worker calls it before timing
from unicomp.spec import Calibration, Guarantees, Method

FILLS_ZEROS = {
    "gptq": "GPTQ adds the error of each rounded column to the columns after it, "
    "including pruned ones; AWQ keeps them"
}
"""Quantization techniques that fill the zeros of a pruned model again, and why."""


def combined(name: str, first: Method, second: Method) -> Method:
    """Compress with `first`, then compress the result with `second`, on the same calibration.

    Example: `combined("wanda_2_4_awq", wanda(...), awq(...))`. Raises SpecError if one method
    breaks a guarantee of the other.
    """
    for method in (first, second):
        if method.compress is None:
            raise SpecError(f"method {name}: {method} does not compress")
    if first.guarantees.bits is not None:
        raise SpecError(
            f"method {name}: {second} cannot follow {first}, whose weights are packed integers: "
            "quantize last"
        )
    reason = FILLS_ZEROS.get(str(second.parameters.get("technique")))
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
    first: Method, second: Method, source: Path, target: Path, calibration: Calibration
) -> None:
    assert first.compress is not None
    assert second.compress is not None
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        between = Path(folder) / "model"
        first.compress(source, between, calibration)
        config = json.loads((between / "config.json").read_text(encoding="utf-8"))
        if reason := second.why_unsupported(config):
            raise UnsupportedError(f"{second} cannot compress what {first} leaves: {reason}")
        second.compress(between, target, calibration)


def _why_unsupported(first: Method, second: Method, config: Mapping[str, Any]) -> str | None:
    """Why either method does not support such a model, or None.

    After a distillation, `_compress` asks the second method about the student, whose shape differs.
    """
    if (reason := first.why_unsupported(config)) or first.family == "distillation":
        return reason
    return second.why_unsupported(config)
