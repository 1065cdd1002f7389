"""The one set of weights in a model's folder: which files count, and what they hold.

transformers reads `model.safetensors`, or else the shards that `model.safetensors.index.json`
names. Every other file of weights lies beside that set: it is neither loaded nor counted. Headers
are read without torch, and checked as the safetensors library would.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unicomp.data.json_object import check_file, read_object, shown
from unicomp.errors import SpecError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

_OTHERS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.pt", "*.pth", "*.gguf")
_PICKLES = (".bin", ".pt", ".pth")
_NOT_WEIGHTS = ("training_args.bin", "optimizer.bin", "scheduler.bin", "rng_state.pth")
"""Files of a training that are named like weights."""

BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Bits of an element, by the name of its type in a header."""
_LONGEST_HEADER = 100_000_000
"""Bytes of a header that the safetensors library reads."""

Headers = dict[str, dict[str, Any]]
"""Name → `dtype`, `shape` and `data_offsets` of each stored tensor."""


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files of the set that counts, in order of their names. Raises SpecError."""
    if (folder / SINGLE).exists():
        return (folder / SINGLE,)
    if not (folder / INDEX).exists():
        raise SpecError(_why_none(folder))
    return tuple(folder / name for name in sorted(set(_weight_map(folder).values())))


def headers(folder: Path) -> Headers:
    """The header of every stored tensor. Raises SpecError unless the set is whole.

    Each file has the length that its header gives, no tensor is stored twice, and each shard holds
    the tensors that the index puts there.
    """
    paths = weight_files(folder)
    found: Headers = {}
    holder: dict[str, str] = {}
    for path in paths:
        if not path.exists():
            raise SpecError(f"{folder} lacks {path.name}, which its index names")
        for name, entry in read_header(path).items():
            if name in found:
                raise SpecError(
                    f"{folder} stores {shown(name)} twice, in {holder[name]} and {path.name}: "
                    "keep one of them"
                )
            found[name], holder[name] = entry, path.name
    if paths != (folder / SINGLE,):
        for name, shard in _weight_map(folder).items():
            if holder.get(name) != shard:
                raise SpecError(
                    f"the index of {folder} puts {shown(name)} into {shard}, which does not hold it"
                )
    if not found:
        raise SpecError(f"{folder} stores no weights")
    return found


def beside(folder: Path) -> list[str]:
    """The names of weight files that lie beside the set that counts."""
    counted = {path.name for path in weight_files(folder)}
    if SINGLE not in counted:
        counted.add(INDEX)
    return [name for name in _all_weights(folder) if name not in counted]


def tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    """Name and lazily read slice of every stored tensor."""
    from safetensors import safe_open

    for path in weight_files(folder):
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 (not a mapping)
                yield name, weights.get_slice(name)


def parameters(folder: Path) -> int:
    """The number of weights of a full-precision model, zeros included."""
    return sum(math.prod(entry["shape"]) for entry in headers(folder).values())


def size(folder: Path) -> int:
    """The bytes of the weights on disk."""
    return sum(path.stat().st_size for path in weight_files(folder))


def _all_weights(folder: Path) -> list[str]:
    paths = {path.name for pattern in _OTHERS for path in folder.glob(pattern)}
    return sorted(paths - set(_NOT_WEIGHTS))


def _why_none(folder: Path) -> str:
    """Why no set of weights counts, and what to do."""
    names = _all_weights(folder)
    stored = [name for name in names if name.endswith(".safetensors")]
    if stored and "-of-" in stored[0]:
        return f"{folder} has shards such as {stored[0]}, but no {INDEX} that names them"
    if stored:
        return (
            f"{folder} has its weights as {stored[0]}, a name that transformers does not look for: "
            f"rename a single file to {SINGLE}, or give shards a {INDEX}"
        )
    if pickled := [name for name in names if name.endswith(_PICKLES)]:
        return (
            f"{folder} has its weights only as {pickled[0]}, a pickle that may run code: convert "
            "them to safetensors"
        )
    if names:
        return f"{folder} has its weights only as {names[0]}, and no {SINGLE}"
    return f"{folder} has no weights (*.safetensors)"


def _weight_map(folder: Path) -> Mapping[str, str]:
    """Name of a tensor → name of its shard, as the index says. Raises SpecError."""
    path = folder / INDEX
    found = read_object(path).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise SpecError(f"{path} is not an index of weights: it has no weight_map")
    for shard in found.values():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.isprintable():
            raise SpecError(f"{path} names {shown(shard)}, which is not a file of its folder")
        if not shard.endswith(".safetensors"):
            raise SpecError(f"{path} names {shown(shard)}, which is not a safetensors file")
    return found


# -- one file -----------------------------------------------------------------------------------


def read_header(path: Path) -> Headers:
    """The header of a safetensors file. Raises SpecError unless the file is whole."""
    check_file(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
                raise SpecError(f"{path} is not a safetensors file, or is cut off in its header")
            text = stream.read(length)
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    try:
        header = json.loads(text.decode(), object_pairs_hook=_once)
        if not isinstance(header, dict):
            raise ValueError("it is not a table")
        header.pop("__metadata__", None)
        end = _check_entries(header)
    except (ValueError, RecursionError) as error:
        reason = "not JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else ""
        raise SpecError(
            f"{path} has a damaged header: {reason or shown(error)}; fetch or save it again"
        ) from None
    if 8 + length + end != size:
        raise SpecError(f"{path} is cut off or damaged: {size} bytes, not {8 + length + end}")
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name stands there twice")
    return table


def _check_entries(header: Mapping[str, Any]) -> int:
    """The bytes of all tensors. Raises ValueError unless they fill the file without a gap."""
    ranges = []
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{name} has no dtype, shape and data_offsets")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in BITS:
            raise ValueError(f"{name} has the unknown type {dtype}")
        if not _are_counts(shape):
            raise ValueError(f"{name} has the shape {shape}")
        if not _are_counts(offsets) or len(offsets) != 2:
            raise ValueError(f"{name} has the offsets {offsets}")
        if 8 * (offsets[1] - offsets[0]) != math.prod(shape) * BITS[dtype]:
            raise ValueError(f"{name} has {offsets[1] - offsets[0]} bytes for its shape {shape}")
        ranges.append((offsets[0], offsets[1], name))
    end = 0
    for begin, next_end, name in sorted(ranges):
        if begin != end:
            raise ValueError(f"{name} begins at {begin}, not at {end}")
        end = next_end
    return end


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is int and 0 <= one < 2**63 for one in value)
