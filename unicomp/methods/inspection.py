"""Measure what a finished checkpoint is, after reading it back from disk.

A compression can silently do nothing, and a mask can be lost on the way to disk. So nothing here
trusts the call that made the checkpoint: `zeros` and `precision` read the stored tensors, and
`fidelity` compares them, and the reloaded model, with what was compressed in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.admission.weights import check_finite, load
from unicomp.data.model_folder import read_config
from unicomp.distillation.shape import Shape
from unicomp.errors import BuildError, SpecError
from unicomp.methods.fidelity import CHECKED_TOKENS, check_expected
from unicomp.methods.layerwise import LayerByLayer
from unicomp.methods.precision import check_precision
from unicomp.methods.stored_weights import (
    headers,
    parameters,
    quantized_modules,
    stored_dtype,
    stored_matrices,
    tensors,
)
from unicomp.methods.zeros import check_zeros
from unicomp.spec import Guarantees

if TYPE_CHECKING:
    import torch


def inspect_checkpoint(
    source: Path,
    target: Path,
    guarantees: Guarantees,
    samples: Sequence[Sequence[int]],
    *,
    trust_remote_code: bool = False,
) -> dict[str, Any]:
    """Measure the checkpoint in `target`, made from `source`, and hold it to the guarantees.

    `samples` are rows of token ids. Returns JSON values:

    - `matrices`: how many were checked; `parameters`: of the source, or of a student
    - `bytes` on disk, and `ideal_bytes` of a format that stores no zeros and wastes no bits
    - `sparsity`, `sparsity_least`, `sparsity_most`: shares of zeros, over all and in one matrix
    - `bits` and `group_size` or None; where bits are guaranteed, `mean_bits` over all weights, and
      `stored_bits`, which are more if the format wastes some
    - `weight_error` and `logit_error` after saving, of methods that note what they compressed

    Raises BuildError, with the matrix and the numbers, if a guarantee is broken; also if the model
    does not load, is not what was compressed, or its logits are not finite.
    """
    try:
        check_finite(target)
        model, _ = load(target, trust_remote_code=trust_remote_code)
    except SpecError as error:
        raise BuildError(str(error)) from error
    dtype = stored_dtype(target, read_config(target))
    facts: dict[str, Any] = {"parameters": parameters(source)}
    facts |= check_expected(target, model.eval(), dtype)
    with LayerByLayer(model, dtype, precision=dtype, reads=True):
        _check_logits(model, samples)
    linear = _linear_modules(model)
    if guarantees.shape is not None:
        facts["parameters"] = _check_shape(source, target, guarantees.shape)
    facts |= check_zeros(source, target, guarantees, linear)
    facts |= check_precision(target, guarantees, linear)
    facts["ideal_bytes"] -= facts.pop("wasted_bytes", 0)
    if guarantees.shape is None and guarantees != Guarantees():
        _check_head(source, target, model)
    return facts


def _check_logits(model: Any, samples: Sequence[Sequence[int]]) -> None:
    """Compute some logits in the stored precision, which may overflow."""
    import torch

    for sample in samples or [[0]]:
        with torch.no_grad():
            logits = model(torch.tensor([list(sample[:CHECKED_TOKENS])])).logits
        if not torch.isfinite(logits).all():
            bad = int((~torch.isfinite(logits)).sum())
            raise BuildError(f"{bad} of {logits.numel()} logits are not finite after reloading")


def _linear_modules(model: Any) -> dict[str, torch.nn.Linear]:
    """Module name → module, of the linear modules without the head; its weights may be packed."""
    import torch

    head = model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }


def _check_shape(source: Path, target: Path, shape: Mapping[str, Any]) -> int:
    """Hold a student to its guaranteed shape; return its number of weights.

    Loading has already checked that each tensor has the shape which the configuration gives it.
    """
    wanted = Shape.of(read_config(source)).scaled(**shape)
    found = Shape.of(read_config(target))
    for name, value in vars(wanted).items():
        if getattr(found, name) != value:
            raise BuildError(f"its {name} is {getattr(found, name)}, not {value}")
    if quantized_modules(target):
        count = sum(read().numel() for read in stored_matrices(target).values())
    else:
        count = parameters(target)
    if count != wanted.parameters():
        raise BuildError(f"it has {count:,} weights, not {wanted.parameters():,}")
    return count


def _check_head(source: Path, target: Path, model: Any) -> None:
    """Check that a stored head equals the source's, bit for bit in its precision."""
    head = model.get_output_embeddings()
    names = {f"{name}.weight" for name, module in model.named_modules() if module is head}
    before, after = (
        {name: entry[:] for name, entry in tensors(folder) if name in names}
        for folder in (source, target)
    )
    for name, weight in before.items():
        if name in after:
            same = bool((weight.to(after[name].dtype) == after[name]).all())
        else:
            same = not any(other.startswith(name) for other in headers(target))
        if not same:
            raise BuildError(f"{name} was changed, and the heads must stay unchanged")
