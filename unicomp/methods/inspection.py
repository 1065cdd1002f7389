"""What a finished checkpoint really is, measured after reading it back from disk.

A compression can be a silent no-op, and a mask can be lost on the way to disk; so nothing here
trusts the call that made the checkpoint. Zeros and patterns are counted in the stored tensors,
one at a time, and where those are packed in what transformers unpacks from them; the bits of each
matrix in the configuration, in the shape of the packed tensor, and in the unpacked weights: how
many different ones a group has, and how wide an integer the largest is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.distillation.shape import Shape
from unicomp.errors import BuildError
from unicomp.spec import Guarantees

if TYPE_CHECKING:
    import torch

TOLERANCE = 0.01
"""How far the share of zeros in a matrix may be off the claim; at least one column's worth."""

PROBE = 32
"""Tokens of a sample that the reloaded model is asked about."""


def inspect(
    source: Path,
    target: Path,
    guarantees: Guarantees,
    samples: Sequence[Sequence[int]],
    *,
    trust_remote_code: bool = False,
) -> dict[str, Any]:
    """Measure the checkpoint in `target` and hold it to `claims`.

    `source` is the folder it was made from; `samples` are rows of token ids. Returns, as JSON
    values: `matrices`, how many were checked; `parameters`, of the source, or of a student; `bytes`
    on disk and `ideal_bytes`, what a format that stored no zeros would need; `sparsity`,
    `sparsity_least` and `sparsity_most`, shares of zeros over all and in single matrices; `bits`
    and `group_size` of quantized weights, or None, and `mean_bits` over all of them where bits were
    claimed. Raises BuildError that names the matrix and the numbers where a claim does not hold, or
    where the model does not load or does not answer with finite numbers.
    """
    if not list(target.glob("*.safetensors")):
        raise BuildError("it has no weights in safetensors format")
    _check_stored(target)
    model = _reload(target, trust_remote_code)
    _check_logits(model, samples)
    linear = _linear_weights(model)
    facts: dict[str, Any] = {"parameters": parameters(source)}
    if guarantees.shape is not None:
        facts["parameters"] = _check_shape(source, target, guarantees.shape)
    facts.update(_zeros(source, target, guarantees, linear))
    facts.update(_quantization(target, guarantees, linear))
    if guarantees.shape is None and guarantees != Guarantees():
        _check_head(source, target, model)
    return facts


def tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    """Name and lazily read slice of every tensor in a folder's safetensors files."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 (not a mapping)
                yield name, weights.get_slice(name)


def headers(folder: Path) -> dict[str, dict[str, Any]]:
    """Name → `dtype`, `shape` and `data_offsets` of every tensor, read without torch."""
    entries: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        entries.update(header)
    return entries


def parameters(folder: Path) -> int:
    """How many weights a model of full precision has, zeros included."""
    return sum(math.prod(entry["shape"]) for entry in headers(folder).values())


def size(folder: Path) -> int:
    """Bytes of the weights on disk."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


# -- reading it back ----------------------------------------------------------------------------


def _reload(target: Path, trust_remote_code: bool) -> Any:
    from transformers import AutoModelForCausalLM

    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            target, dtype="auto", trust_remote_code=trust_remote_code, output_loading_info=True
        )
    except Exception as error:
        raise BuildError(f"it does not load again: {type(error).__name__}: {error}") from error
    if missing := sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"])):
        raise BuildError(f"it lacks weights, or has them in another shape: {missing[0]}")
    return model.eval()


def _check_stored(target: Path) -> None:
    """No stored weight is NaN or infinite; attention can hide those from the logits."""
    for name, entry in tensors(target):
        weight = entry[:]
        if weight.is_floating_point() and not weight.isfinite().all():
            bad = int((~weight.isfinite()).sum())
            raise BuildError(
                f"{name} has {bad} of {weight.numel()} weights that are NaN or infinite"
            )


def _check_logits(model: Any, samples: Sequence[Sequence[int]]) -> None:
    """Also makes transformers unpack packed weights, which happens in the first forward pass."""
    import torch

    for sample in samples or [[0]]:
        with torch.no_grad():
            logits = model(torch.tensor([list(sample[:PROBE])])).logits
        if not torch.isfinite(logits).all():
            bad = int((~torch.isfinite(logits)).sum())
            raise BuildError(f"{bad} of {logits.numel()} logits are not finite after reloading")


def _linear_weights(model: Any) -> dict[str, torch.Tensor]:
    """Weights, (outputs, inputs), of the linear modules but the head: module name → tensor."""
    import torch

    head = model.get_output_embeddings()
    return {
        name: module.weight
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }


def _is_matrix(name: str, shape: Sequence[int], linear: Mapping[str, Any]) -> bool:
    """Whether a stored tensor is one that a matrix-wise method compresses."""
    module, _, kind = name.rpartition(".")
    return kind == "weight" and len(shape) == 2 and (module in linear or ".experts." in module)


# -- shapes -------------------------------------------------------------------------------------


def _check_shape(source: Path, target: Path, claimed: Mapping[str, Any]) -> int:
    """Holds a student to its claimed shape; returns how many weights it has.

    That each tensor is of the shape that the configuration says was seen when it was loaded.
    """
    wanted = Shape.of(_config(source)).scaled(**claimed)
    found = Shape.of(_config(target))
    for name, value in vars(wanted).items():
        if getattr(found, name) != value:
            raise BuildError(f"its {name} is {getattr(found, name)}, not {value}")
    count = parameters(target)
    if count != wanted.parameters():
        raise BuildError(f"it has {count:,} weights, not {wanted.parameters():,}")
    return count


def _config(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return content


# -- zeros --------------------------------------------------------------------------------------


def _zeros(
    source: Path, target: Path, guarantees: Guarantees, linear: Mapping[str, Any]
) -> dict[str, Any]:
    """Counts zeros in the matrices; in packed ones only if zeros are claimed.

    Rounding to few bits makes zeros of small weights, so that quantized matrices may have more
    than were claimed, and not fewer.
    """
    sparse = guarantees.sparsity is not None or guarantees.pattern is not None
    before = _shares_of_zeros(source, linear) if guarantees.sparsity is not None else {}
    total = zeros = matrices = saved_bits = 0
    least, most = 1.0, 0.0
    for name, weight, bits in _matrices(target, linear, guarantees):
        count = int((weight == 0).sum())
        share = count / weight.numel()
        if guarantees.sparsity is not None:
            most_zeros = before.get(name, 0.0) if guarantees.bits is None else 1.0
            _check_share(name, share, most_zeros, weight.shape[1], guarantees.sparsity)
        if guarantees.pattern is not None:
            _check_pattern(name, weight, *guarantees.pattern)
        total, zeros, matrices = total + weight.numel(), zeros + count, matrices + 1
        least, most = min(least, share), max(most, share)
        n, m = guarantees.pattern or (count, weight.numel())
        left_out = weight.numel() * n // m
        saved_bits += max(0, int(left_out * bits) - _mask_bits(weight.numel(), guarantees))
    if not matrices and sparse:
        raise BuildError("no matrix was found that could be checked for its zeros")
    on_disk = size(target)
    return {
        "bytes": on_disk,
        "ideal_bytes": on_disk - saved_bits // 8 if guarantees.sparsity is not None else on_disk,
        "matrices": matrices,
        "sparsity": zeros / total if total else 0.0,
        "sparsity_least": least if matrices else 0.0,
        "sparsity_most": most,
    }


def _matrices(
    target: Path, linear: Mapping[str, torch.Tensor], guarantees: Guarantees
) -> Iterator[tuple[str, torch.Tensor, float]]:
    """Name, weights, and bits that each takes on disk, of the matrices that methods compress.

    Packed ones are unpacked only if zeros are claimed of them.
    """
    sparse = guarantees.sparsity is not None or guarantees.pattern is not None
    packed = _packed(target, linear, guarantees) if sparse else {}
    for name, entry in tensors(target):
        module, _, kind = name.rpartition(".")
        if _is_matrix(name, entry.get_shape(), linear):
            weight = entry[:]
            yield name, weight, weight.itemsize * 8
        elif kind == "weight_packed" and module in packed:
            weight = packed[module]()
            yield f"{module}.weight", weight, 32 * entry.get_shape()[1] / weight.shape[1]


def _packed(
    target: Path, linear: Mapping[str, torch.Tensor], guarantees: Guarantees
) -> dict[str, Callable[[], torch.Tensor]]:
    """Module name → what gives its weights, (outputs, inputs), for each matrix that is packed.

    Those that transformers unpacked; of experts, which it fuses, the integers that are stored.
    """
    stored = dict(tensors(target))

    def integers(module: str) -> torch.Tensor:
        import torch
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32

        shape = torch.Size(stored[f"{module}.weight_shape"][:].tolist())
        packed = stored[f"{module}.weight_packed"][:]
        return unpack_from_int32(packed, guarantees.bits_of(module) or 32, shape)  # type: ignore[no-any-return]

    modules = [
        name.removesuffix(".weight_packed") for name in stored if name.endswith(".weight_packed")
    ]
    return {
        module: linear[module].detach if module in linear else partial(integers, module)
        for module in modules
    }


def _shares_of_zeros(folder: Path, linear: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float((entry[:] == 0).float().mean())
        for name, entry in tensors(folder)
        if _is_matrix(name, entry.get_shape(), linear)
    }


def _check_share(name: str, share: float, before: float, columns: int, claimed: float) -> None:
    tolerance = max(TOLERANCE, 1 / columns)
    if not claimed - tolerance <= share <= max(claimed, before) + tolerance:
        raise BuildError(f"{name} has {share:.2%} zeros, not {claimed:.2%}")


def _check_pattern(name: str, weight: torch.Tensor, n: int, m: int) -> None:
    broken = broken_groups(weight, n, m)
    if broken:
        groups = weight.numel() // m
        raise BuildError(f"{name} breaks the {n}:{m} pattern in {broken} of {groups} groups")


def broken_groups(weight: torch.Tensor, n: int, m: int) -> int:
    """How many groups of `m` consecutive inputs have more than `m` - `n` non-zero weights.

    `weight` is (outputs, inputs). Inputs that do not fill a group are one broken group a row.
    """
    rows, columns = weight.shape
    whole = columns - columns % m
    nonzero = (weight[:, :whole] != 0).reshape(-1, m).sum(dim=1)
    return int((nonzero > m - n).sum()) + (rows if columns % m else 0)


def _mask_bits(weights: int, guarantees: Guarantees) -> int:
    """Bits that say where the stored weights are: a bitmap, or an index for each kept one."""
    if guarantees.pattern is None:
        return weights
    n, m = guarantees.pattern
    return weights // m * (m - n) * math.ceil(math.log2(m))


# -- bits ---------------------------------------------------------------------------------------


def _quantization(
    target: Path, guarantees: Guarantees, linear: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    config = _config(target)
    bits, group_size = declared_precision(config)
    if guarantees.bits is None:
        return {"bits": bits, "group_size": group_size}
    if bits is None:
        raise BuildError(
            f"its config.json has no quantization_config, so no {guarantees.bits} bits"
        )
    if bits != guarantees.bits:
        raise BuildError(f"its config.json says {bits} bits, not {guarantees.bits}")
    if group_size != guarantees.group_size:
        raise BuildError(
            f"its config.json says groups of {group_size}, not {guarantees.group_size}"
        )
    found = _check_packing(target, guarantees, linear)
    modules = {name: weight.detach for name, weight in linear.items()}
    modules |= _packed(target, linear, guarantees)
    _check_exceptions(guarantees, modules)
    scales = _scales(target)
    weights = total_bits = 0
    for module, read in modules.items():
        weight = read()
        wanted = guarantees.bits_of(module) or bits
        if (declared := declared_bits(config, module)) != wanted:
            raise BuildError(f"its config.json says {declared} bits for {module}, not {wanted}")
        levels = most_levels(weight, guarantees.group_size)
        if levels > 2**wanted:
            raise BuildError(
                f"{module} has a group with {levels} distinct weights; {wanted} bits make "
                f"{2**wanted}"
            )
        if module in scales and bool(weight.any()):
            used = bits_used(weight, scales[module][:] if weight.is_floating_point() else None)
            if used != wanted:
                raise BuildError(f"{module} has weights that take {used} bits, not {wanted}")
        weights, total_bits = weights + weight.numel(), total_bits + weight.numel() * wanted
    return {
        "bits": bits,
        "group_size": group_size,
        "mean_bits": total_bits / weights if weights else bits,
        "matrices": found or len(linear),
    }


def _check_exceptions(guarantees: Guarantees, modules: Collection[str]) -> None:
    for name in guarantees.exceptions:
        if not any(f".{name}." in f".{module}." for module in modules):
            raise BuildError(f"no matrix is called {name}, so none has other bits")


def declared_precision(config: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Bits and group size of the weights that a `config.json` declares, or None.

    Where layers differ, those of the layers that are not named.
    """
    quantization = config.get("quantization_config") or {}
    groups = list((quantization.get("config_groups") or {}).values())
    for group in sorted(groups, key=lambda group: _CLASS not in (group.get("targets") or ())):
        weights = group.get("weights") or {}
        return weights.get("num_bits"), weights.get("group_size")
    bits = quantization.get("bits") or quantization.get("w_bit")
    return bits, quantization.get("group_size") or quantization.get("q_group_size")


_CLASS = "Linear"
"""The target that stands for all matrices, when none fits that is a name or a pattern."""


def declared_bits(config: Mapping[str, Any], module: str) -> int | None:
    """Bits of the weights of one module that a `config.json` declares, or None."""
    quantization = config.get("quantization_config") or {}
    groups = list((quantization.get("config_groups") or {}).values())
    if not groups:
        return declared_precision(config)[0]
    ranks: tuple[Callable[[str], object], ...] = (
        lambda target: target == module,
        lambda target: target.startswith("re:") and re.match(target[3:], module),
        lambda target: target == _CLASS,
    )
    for fits in ranks:
        for group in groups:
            if any(fits(target) for target in group.get("targets") or ()):
                bits: int | None = (group.get("weights") or {}).get("num_bits")
                return bits
    return None


def _check_packing(target: Path, guarantees: Guarantees, linear: Mapping[str, Any]) -> int:
    """Checks the shapes of the packed tensors; returns how many there are."""
    shapes = {name: entry["shape"] for name, entry in headers(target).items()}
    group_size = guarantees.group_size
    for name in shapes:
        if _is_matrix(name, shapes[name], linear):
            bits = guarantees.bits_of(name.removesuffix(".weight"))
            raise BuildError(f"{name} is stored in full precision, not in {bits} bits")
    packed = [name for name in shapes if name.endswith(".weight_packed")]
    unpacked = {
        name: entry[:].tolist() for name, entry in tensors(target) if name.endswith(".weight_shape")
    }
    for name in packed:
        module = name.removesuffix(".weight_packed")
        if f"{module}.weight_scale" not in shapes or f"{module}.weight_shape" not in unpacked:
            raise BuildError(f"{module} has packed weights, but not their scales and shape")
        bits = guarantees.bits_of(module) or 32
        rows, words = shapes[name]
        groups = shapes[f"{module}.weight_scale"][-1]
        columns = unpacked[f"{module}.weight_shape"][-1]
        if words not in (math.ceil(columns / (32 // bits)), math.ceil(columns * bits / 32)):
            raise BuildError(
                f"{module} packs {columns} inputs in {words} words, which are not {bits} bits each"
            )
        if group_size and (groups != math.ceil(columns / group_size) or rows < 1):
            raise BuildError(
                f"{module} has {groups} scales for {columns} inputs, not one for each {group_size}"
            )
    return len(packed)


def _scales(target: Path) -> dict[str, Any]:
    """Lazily read scales, (outputs, groups), of symmetrically quantized modules, by name."""
    stored = dict(tensors(target))
    return {
        module: entry
        for name, entry in stored.items()
        if (module := name.removesuffix(".weight_scale")) != name
        and f"{module}.weight_zero_point" not in stored
    }


def bits_used(weight: torch.Tensor, scale: torch.Tensor | None = None) -> int:
    """The bits of the widest signed integer among weights.

    `weight` is (outputs, inputs): integers, or integers times their `scale`, which is (outputs,
    groups of inputs).
    """
    whole = weight.detach()
    if scale is not None:
        rows, groups = scale.shape
        steps = whole.reshape(rows, groups, -1).float() / scale.float().unsqueeze(-1)
        whole = steps.nan_to_num(0.0).round()
    low, high = int(whole.min()), int(whole.max())
    return 1 + max(high, -low - 1).bit_length()


def most_levels(weight: torch.Tensor, group_size: int | None) -> int:
    """The largest number of distinct values in any group of consecutive inputs of any output.

    `weight` is (outputs, inputs), unpacked; without a group size each row is one group.
    """
    group = group_size or weight.shape[1]
    whole = weight.shape[1] - weight.shape[1] % group
    if not whole:
        return 0
    ordered = weight.detach()[:, :whole].reshape(-1, group).sort(dim=1).values
    return int((ordered[:, 1:] != ordered[:, :-1]).sum(dim=1).max()) + 1


# -- what is left alone -------------------------------------------------------------------------


def _check_head(source: Path, target: Path, model: Any) -> None:
    """The head, if it is stored, is the one of the source, bit for bit in its precision."""
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
            raise BuildError(f"{name} was changed, and a head must be left alone")
