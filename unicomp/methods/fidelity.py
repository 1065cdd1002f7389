"""Compare a stored checkpoint with the model that llmcompressor had in memory before saving.

Saving can lose what a method did: a scale that is rounded away, a tensor under another name, a
format that the library reads otherwise. So a build notes, before it saves, what the model in memory
answers with its weights rounded as they will be stored, and a checksum of each weight. Afterwards
the stored tensors and the reloaded model must give the same.

A checksum is the sum of each row with random signs. Changing one weight by its own size, in a row
of n weights, changes the checksum by 1 / √n of the row's norm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.errors import BuildError
from unicomp.methods.layerwise import LayerByLayer, on_its_grid
from unicomp.methods.stored_weights import stored_matrices

if TYPE_CHECKING:
    import torch

EXPECTED = "expected.safetensors"
"""The file next to the checkpoint's folder with what was noted; a finished build has none."""
CHECKED_SAMPLES, CHECKED_TOKENS = 4, 32
"""Calibration samples that are computed before saving and after reloading, and tokens of each."""
MOST_WEIGHT_ERROR = 0.001
"""The most that a row's checksum may be off, as a share of the row's norm. Measured on every
shipped method of the embedded model: 0."""
MOST_LOGIT_ERROR = 0.02
"""The most that logits may be off (root mean square), as a share of their standard deviation.
Measured: 0. A sum in another order can flip the rounding of an activation, so it need not be."""
_SEED = 20260101
_ROWS_AT_ONCE = 4096
"""Rows that are held in float32 for their checksums; an embedding has many."""


def note_expected(
    model: Any, samples: Sequence[Sequence[int]], target: Path, dtype: torch.dtype
) -> None:
    """Note next to `target`, which is not saved yet, what a model in memory is.

    `model` is as compressed, with its weights in `dtype`, as they will be stored.
    """
    import torch
    from safetensors.torch import save_file

    noted: dict[str, torch.Tensor] = {}
    for name, weight in _rounded_weights(model):
        noted[f"sums.{name}"], noted[f"norms.{name}"] = _checksum(weight)
    rows = [torch.tensor([list(one[:CHECKED_TOKENS])]) for one in samples[:CHECKED_SAMPLES]]
    with LayerByLayer(model, dtype, reads=True):
        for number, ids in enumerate(rows):
            noted[f"ids.{number}"] = ids
            noted[f"logits.{number}"] = _logits(model, ids)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(noted, target.parent / EXPECTED)


def check_expected(target: Path, model: Any, dtype: torch.dtype) -> dict[str, Any]:
    """Hold a saved checkpoint and its reloaded `model` to what was noted, and forget that.

    `model` is in `dtype`, the stored precision, and may be packed. Returns the facts
    `weight_error` and `logit_error`, the largest differences found, which are shares as in the
    limits; no facts if nothing was noted. Raises BuildError, with the tensor, where a difference
    is too large.
    """
    from safetensors.torch import load_file

    path = target.parent / EXPECTED
    if not path.is_file():
        return {}
    noted = load_file(path)
    path.unlink()
    worst = 0.0
    compared = 0
    for name, read in stored_matrices(target).items():
        if f"sums.{name}" in noted:
            error = _weight_error(read(), noted[f"sums.{name}"], noted[f"norms.{name}"])
            if not error <= MOST_WEIGHT_ERROR:
                raise BuildError(
                    f"{name} is not what was compressed: its weights are off by {error:.1%}"
                )
            worst, compared = max(worst, error), compared + 1
    if not compared:
        raise BuildError("no stored tensor has a name that the compressed model had")
    with LayerByLayer(model, dtype, reads=True):
        off = _logit_error(model, noted)
    if not off <= MOST_LOGIT_ERROR:
        raise BuildError(
            f"it does not answer like the compressed model in memory: its logits are off by "
            f"{off:.1%} of their spread"
        )
    return {"weight_error": worst, "logit_error": off}


def _rounded_weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and value of each weight of a model in memory, rounded as its scheme says."""
    for module_name, module in model.named_modules():
        for name, weight in module.named_parameters(recurse=False):
            if name not in ("weight", "bias"):
                continue  # a scale, or a parameter that others may fuse or rename
            grid = on_its_grid(module) if name == "weight" else None
            yield f"{module_name}.{name}", weight.detach() if grid is None else grid


def _checksum(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum with random signs, and the norm, of each row in float32; a vector is rows of one."""
    import torch

    rows = weight.reshape(weight.shape[0], -1) if weight.dim() else weight.reshape(1, 1)
    random = torch.Generator().manual_seed(_SEED)
    signs = torch.randint(0, 2, (rows.shape[1],), generator=random).float() * 2 - 1
    found = [
        (part.cpu() @ signs, part.norm(dim=1).cpu())
        for part in (some.float() for some in torch.split(rows, _ROWS_AT_ONCE))
    ]
    sums, norms = zip(*found, strict=True)
    return torch.cat(sums), torch.cat(norms)


def _weight_error(weight: torch.Tensor, sums: torch.Tensor, norms: torch.Tensor) -> float:
    found, _ = _checksum(weight)
    if found.shape != sums.shape:
        return float("inf")
    least = norms.mean() * 1e-3  # a row of zeros has no norm to compare with
    return float(((found - sums).abs() / norms.clamp(min=least).clamp(min=1e-12)).max())


def _logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    import torch

    with torch.no_grad():
        return model(ids.to(model.device)).logits.float().cpu()  # type: ignore[no-any-return]


def _logit_error(model: Any, noted: dict[str, torch.Tensor]) -> float:
    """The root mean square difference of logits as a share of their standard deviation."""
    import torch

    wanted = {name: value for name, value in noted.items() if name.startswith("logits.")}
    found = [_logits(model, noted[name.replace("logits", "ids")]) for name in wanted]
    if not found:
        return 0.0
    before = torch.cat([value.flatten(end_dim=-2) for value in wanted.values()])
    after = torch.cat([value.flatten(end_dim=-2) for value in found])
    spread = float(before.std(dim=-1).mean())
    return float((before - after).pow(2).mean().sqrt()) / spread
