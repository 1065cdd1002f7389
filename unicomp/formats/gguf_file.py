"""The header of a GGUF file, read without torch or the package `gguf`.

The layout is llama.cpp's (versions 2 and 3, little endian): the magic bytes, the numbers of tensors
and of settings, the settings as typed values, then for each tensor its name, shape, type and place.
A model may be split into several files, `NAME-00001-of-00003.gguf`; each has a header of its own.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from unicomp.errors import SpecError

SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
"""The name of one file of several."""

TENSOR_TYPES: Mapping[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
"""Number → name, weights in a block, and bytes of a block."""

FLOATS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""The types that are floats → torch's names."""

_MAGIC = b"GGUF"
_ALIGNMENT = 32
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q",
            11: "<q", 12: "<d"}  # fmt: skip
_STRING, _ARRAY = 8, 9

_SETTINGS = {
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "expert_feed_forward_length": "moe_intermediate_size",
    "block_count": "num_hidden_layers",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "context_length": "max_position_embeddings",
    "vocab_size": "vocab_size",
    "expert_count": "num_experts",
}
"""Settings of a GGUF file → the names that transformers gives them."""


@dataclass(frozen=True)
class GgufTensor:
    """One tensor of a GGUF file."""

    name: str
    shape: tuple[int, ...]
    """In the order of the file, which is the reverse of torch's."""
    number: int
    """The number of its type; see `TENSOR_TYPES`."""
    bytes: int
    offset: int
    """From the start of the data."""

    @property
    def type(self) -> str:
        """The name of its type."""
        return TENSOR_TYPES[self.number][0]

    @property
    def weights(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class GgufHeader:
    """The settings and tensors of one GGUF file."""

    path: Path
    settings: Mapping[str, Any]
    tensors: tuple[GgufTensor, ...]
    tensors_start: int
    """Where the list of tensors starts, in bytes from the start of the file."""
    data_start: int
    """Where the data starts, in bytes."""

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture."""
        return str(self.settings.get("general.architecture", ""))

    @property
    def is_quantized(self) -> bool:
        """Whether a matrix has fewer bits than floats."""
        return any(one.type not in FLOATS for one in self.tensors if len(one.shape) > 1)

    @property
    def tokens(self) -> list[str]:
        """The vocabulary, by token id; empty if the file has none."""
        found = self.settings.get("tokenizer.ggml.tokens", [])
        return found if isinstance(found, list) else []

    @property
    def config(self) -> dict[str, Any]:
        """What is known of a `config.json`, under the names that transformers uses."""
        found = {
            name: self.settings[f"{self.architecture}.{key}"]
            for key, name in _SETTINGS.items()
            if f"{self.architecture}.{key}" in self.settings
        }
        names = {tensor.name for tensor in self.tensors}
        return {
            "model_type": self.architecture,
            "vocab_size": len(self.tokens),
            "tie_word_embeddings": "output.weight" not in names,
            **found,
        }


def read_header(path: Path) -> GgufHeader:
    """The header of a GGUF file. Raises SpecError for a file that is none, or is cut off."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            header = _read(path, stream, size)
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    except (struct.error, EOFError, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise SpecError(f"{path} is damaged: its GGUF header cannot be read ({error})") from None
    end = max((tensor.offset + tensor.bytes for tensor in header.tensors), default=0)
    if header.tensors and header.data_start + end > size:
        raise SpecError(
            f"{path} is cut off: {size} bytes, and its header promises {header.data_start + end}; "
            "fetch it again"
        )
    return header


def _read(path: Path, stream: BinaryIO, size: int) -> GgufHeader:
    magic = stream.read(4)
    if magic == b"vers":
        raise SpecError(f"{path} is a Git LFS pointer: fetch it with `git lfs pull`")
    if magic != _MAGIC:
        raise SpecError(f"{path} is not a GGUF file: it does not start with GGUF")
    version = _number(stream, "<I")
    if version not in (2, 3):
        raise SpecError(f"{path} is GGUF version {version}; versions 2 and 3 (little endian) are")
    tensor_count, setting_count = _number(stream, "<Q"), _number(stream, "<Q")
    settings: dict[str, Any] = {}
    for _ in range(setting_count):
        name = _text(stream, size)
        settings[name] = _value(stream, _number(stream, "<I"), size)
    tensors_start = stream.tell()
    tensors = tuple(_tensor(stream, size) for _ in range(tensor_count))
    alignment = settings.get("general.alignment", _ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"an alignment of {alignment}")
    start = -(-stream.tell() // alignment) * alignment
    return GgufHeader(path, settings, tensors, tensors_start, start)


def _tensor(stream: BinaryIO, size: int) -> GgufTensor:
    name = _text(stream, size)
    dimensions = _number(stream, "<I")
    if dimensions > 8:
        raise ValueError(f"{name!r} has {dimensions} dimensions")
    shape = tuple(_number(stream, "<Q") for _ in range(dimensions))
    number, offset = _number(stream, "<I"), _number(stream, "<Q")
    if number not in TENSOR_TYPES:
        raise ValueError(f"{name!r} has the type {number}, which is not known")
    _, block, block_bytes = TENSOR_TYPES[number]
    return GgufTensor(name, shape, number, math.prod(shape) // block * block_bytes, offset)


def _number(stream: BinaryIO, form: str) -> Any:
    content = stream.read(struct.calcsize(form))
    return struct.unpack(form, content)[0]


def _text(stream: BinaryIO, size: int) -> str:
    length = _number(stream, "<Q")
    if length > size:
        raise EOFError("it ends early")
    return bytes(stream.read(length)).decode("utf-8", errors="replace")


def _value(stream: BinaryIO, kind: int, size: int) -> Any:
    if kind == _STRING:
        return _text(stream, size)
    if kind == _ARRAY:
        inner, count = _number(stream, "<I"), _number(stream, "<Q")
        if count > size or inner == _ARRAY:
            raise EOFError("it ends early, or has nested lists")
        if inner in _SCALARS:  # at once, since a vocabulary has a score for each token
            form = f"<{count}{_SCALARS[inner][1]}"
            return list(struct.unpack(form, stream.read(struct.calcsize(form))))
        return [_value(stream, inner, size) for _ in range(count)]
    return _number(stream, _SCALARS[kind])


# -- models of several files ---------------------------------------------------------------------


def gguf_files(path: Path) -> list[Path]:
    """The GGUF files of one model, given one of them or the folder that holds them.

    The file of a vision tower (`mmproj`) is not counted. Raises SpecError if there are several
    models or none, or if a file of a split model is missing.
    """
    folder = path if path.is_dir() else path.parent
    found = [path]
    if path.is_dir():
        everything = sorted(folder.glob("*.gguf"))
        found = [one for one in everything if not one.name.lower().startswith("mmproj")]
    if not found:
        raise SpecError(f"{path} holds no GGUF file of a language model")
    models = sorted({SPLIT.sub(r"\g<stem>", one.name) for one in found})
    if len(models) > 1:
        raise SpecError(f"{path} holds several models ({', '.join(models)}): give the file")
    split = SPLIT.fullmatch(found[0].name)
    if split is None:
        return found
    count = int(split["count"])
    names = [f"{split['stem']}-{n:05d}-of-{count:05d}.gguf" for n in range(1, count + 1)]
    lacking = [name for name in names if not (folder / name).is_file()]
    if lacking or not names:
        raise SpecError(f"{folder} lacks {(lacking or ['every file'])[0]} of a split model")
    return [folder / name for name in names]


def read_headers(files: Sequence[Path]) -> GgufHeader:
    """The header of a model of one or more files: the first file's settings, all tensors."""
    headers = [read_header(path) for path in files]
    first = headers[0]
    if not first.architecture:
        raise SpecError(f"{first.path} names no architecture (general.architecture)")
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    if not tensors:
        raise SpecError(f"{first.path} holds no weights")
    return replace(first, tensors=tensors)
