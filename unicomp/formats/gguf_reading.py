"""Read a GGUF file into a folder of transformers; runs in a process of its own.

Transformers unpacks the weights. What it builds counts as quantized and is not saved, and its
tokenizer has other special tokens than the file names. So the weights go into a plain model of the
same configuration, and the special tokens are read from the file.

Two things are lost in transformers 5.17: the scaling of positions, and any weight that its mapping
does not know. The first is taken from a configuration of the base, where there is one; both are
refused otherwise.
"""

from __future__ import annotations

import math
import struct
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unicomp.errors import SpecError, first_line
from unicomp.formats.companions import copy_companions, has_tokenizer
from unicomp.formats.description import describe_gguf
from unicomp.formats.gguf_file import FLOATS, GgufHeader, read_header, read_headers
from unicomp.machine.child_process import Narrate

if TYPE_CHECKING:
    import torch

_POSITIONS = ("rope_freqs", "rope_factors")
"""Tensors that scale positions."""
SAME_TOKENS = 0.99
"""The share of tokens that a tokenizer must share with a file: some special ones may be spelt
differently, and the file may pad its vocabulary."""


def read_gguf(request: Mapping[str, Any], narrate: Narrate) -> dict[str, Any]:
    """Write the model in `files` to the folder `target`, and return what it was read from.

    `beside` and `base` are folders that may hold a tokenizer and a configuration of the same model;
    `base` may be None. Raises SpecError.
    """
    files = [Path(one) for one in request["files"]]
    target = Path(request["target"])
    likely = [Path(one) for one in (request["beside"], request["base"]) if one]
    header = read_headers(files)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        alone = Path(scratch) / "model.gguf"  # what lies beside the file is not for the reader
        if len(files) == 1:
            alone.symlink_to(files[0])
        else:
            narrate(f"joining {len(files)} files")
            join(files, alone)
        narrate("unpacking the weights")
        config = _write_model(alone, header, likely, target)
        narrate("writing the tokenizer")
        tokenizer = _write_tokenizer(alone, header, likely, target)
    return {
        "description": describe_gguf(header, f"gguf:{_main_type(header)}").as_json(),
        "file": files[0].name,
        "bytes": sum(tensor.bytes for tensor in header.tensors),
        "config": config,
        "tokenizer": tokenizer,
    }


def _main_type(header: GgufHeader) -> str:
    """The type of most of the weights."""
    counts: Counter[str] = Counter()
    for tensor in header.tensors:
        counts[tensor.type] += tensor.weights
    return counts.most_common(1)[0][0]


# -- weights -------------------------------------------------------------------------------------


def _write_model(alone: Path, header: GgufHeader, likely: Sequence[Path], target: Path) -> str:
    """Write weights and configuration; return where the configuration is from."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    dtype: torch.dtype = getattr(torch, _precision(header))
    try:
        packed, report = AutoModelForCausalLM.from_pretrained(
            alone.parent,
            gguf_file=alone.name,
            dtype=dtype,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
        )
    except Exception as error:
        raise SpecError(
            f"{header.path} cannot be read by transformers: {first_line(error)}"
        ) from None
    for kind in ("missing_keys", "mismatched_keys", "unexpected_keys", "error_msgs"):
        if found := sorted(map(str, report.get(kind, ()))):
            raise SpecError(f"{header.path}: {found[0]} is {kind.partition('_')[0]} in the weights")
    state = packed.state_dict()
    _check_all_read(header, packed, state)
    config, origin = _configuration(header, packed, likely)
    with torch.device("meta"):
        plain = type(packed)(config)
    plain.load_state_dict(state, strict=True, assign=True)
    plain.tie_weights()
    plain.to(dtype)
    if len(ends := _ends(header)) > 1:
        plain.generation_config.eos_token_id = ends
    plain.save_pretrained(target)
    return origin


def _ends(header: GgufHeader) -> list[int]:
    """The tokens that end an answer: those of a text and of a turn."""
    named = (header.settings.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot"))
    return list(dict.fromkeys(number for number in named if isinstance(number, int)))


def _precision(header: GgufHeader) -> str:
    """The precision of the file's matrices if they are floats, else that of the field's models."""
    kinds = {tensor.type for tensor in header.tensors if len(tensor.shape) > 1}
    return FLOATS[kinds.pop()] if len(kinds) == 1 and kinds <= FLOATS.keys() else "bfloat16"


def _check_all_read(header: GgufHeader, model: Any, state: Mapping[str, torch.Tensor]) -> None:
    """Refuse a file with weights that the reader left out without a word."""
    tied = bool(model.config.tie_word_embeddings)
    stored = sum(
        tensor.weights
        for tensor in header.tensors
        if not tensor.name.startswith(_POSITIONS) and not (tied and tensor.name == "output.weight")
    )
    unique = {tensor.data_ptr(): tensor.numel() for tensor in state.values() if tensor.numel()}
    if stored != (read := sum(unique.values())):
        raise SpecError(
            f"{header.path} holds {stored:,} weights, and transformers reads {read:,} of them: its "
            f"reader of {header.architecture} is not complete; give the original model"
        )


def _configuration(header: GgufHeader, packed: Any, likely: Sequence[Path]) -> tuple[Any, str]:
    """The configuration of the base if it is of the same shape, else the reader's own."""
    from transformers import AutoConfig

    own = packed.config
    for folder in likely:
        if not (folder / "config.json").is_file():
            continue
        config = AutoConfig.from_pretrained(folder)
        shape = ("model_type", *sorted(header.config.keys() - {"model_type", "vocab_size"}))
        if all(getattr(config, name, None) == getattr(own, name, None) for name in shape):
            return _plain(config), folder.name
    scaling = header.settings.get(f"{header.architecture}.rope.scaling.type", "none")
    if scaling != "none" or any(one.name.startswith(_POSITIONS) for one in header.tensors):
        raise SpecError(
            f"{header.path} scales its positions (rope), which transformers' GGUF reader drops: "
            "put the config.json of its base model beside it, or name the base with --model"
        )
    return _plain(own), "the GGUF file"


def _plain(config: Any) -> Any:
    """A configuration without quantization."""
    for name in ("quantization_config", "_model_name_or_path"):
        if hasattr(config, name):
            delattr(config, name)
    return config


# -- tokenizer -----------------------------------------------------------------------------------


def _write_tokenizer(alone: Path, header: GgufHeader, likely: Sequence[Path], target: Path) -> str:
    """Write the tokenizer of the base if it has the file's tokens, else the file's own.

    Returns where it is from. Raises SpecError if there is none.
    """
    beside = likely[0]
    if has_tokenizer(beside) and not _fits(beside, header):
        raise SpecError(
            f"{header.path} has other tokens than the tokenizer beside it: put it into a folder of "
            "its own, or give it the tokenizer of its base model"
        )
    for folder in likely:
        if has_tokenizer(folder) and _fits(folder, header):
            copy_companions(folder, target)
            return folder.name
    if not header.tokens:
        raise SpecError(
            f"{header.path} holds no tokenizer: put its base model's tokenizer.json and "
            "tokenizer_config.json beside it"
        )
    _own_tokenizer(alone, header).save_pretrained(target)
    return "the GGUF file"


def _fits(folder: Path, header: GgufHeader) -> bool:
    """Whether a tokenizer gives each token of the file the same id; true if the file has none."""
    from transformers import AutoTokenizer

    vocabulary: dict[str, int] = AutoTokenizer.from_pretrained(folder).get_vocab()
    by_id = {number: token for token, number in vocabulary.items()}
    named = list(enumerate(header.tokens))
    same = sum(by_id.get(number) == token for number, token in named if number in by_id)
    return same >= SAME_TOKENS * min(len(named), len(by_id))


def _own_tokenizer(alone: Path, header: GgufHeader) -> Any:
    """The tokenizer of the file, with the special tokens that the file names."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        own = AutoTokenizer.from_pretrained(alone.parent, gguf_file=alone.name)
        backend = own.backend_tokenizer
    except Exception as error:
        raise SpecError(
            f"{header.path}: transformers cannot read its tokenizer ({first_line(error)}): put its "
            "base model's tokenizer.json and tokenizer_config.json beside it"
        ) from None

    def token(name: str) -> str | None:
        number = header.settings.get(f"tokenizer.ggml.{name}_token_id")
        known = isinstance(number, int) and 0 <= number < len(header.tokens)
        return header.tokens[number] if known else None  # type: ignore[index]

    bos, eos = token("bos"), token("eos")
    of_words = header.settings.get("tokenizer.ggml.model") == "llama"
    starts = header.settings.get(
        "tokenizer.ggml.add_bos_token",
        of_words or header.settings.get("tokenizer.ggml.pre") == "llama-bpe",
    )
    if bos and starts:
        backend.post_processor = TemplateProcessing(
            single=f"{bos} $A",
            pair=f"{bos} $A {bos} $B",
            special_tokens=[(bos, header.settings["tokenizer.ggml.bos_token_id"])],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=bos,
        eos_token=eos,
        pad_token=token("padding") or eos,
        unk_token=token("unknown"),
        chat_template=header.settings.get("tokenizer.chat_template"),
        clean_up_tokenization_spaces=False,
        model_max_length=header.config.get("max_position_embeddings"),
    )


# -- several files -------------------------------------------------------------------------------


def join(files: Sequence[Path], target: Path) -> None:
    """Write the files of a split model as one: the first one's settings, and all tensors."""
    headers = [read_header(path) for path in files]
    settings_start = 24  # magic, version and two counts
    with files[0].open("rb") as first, target.open("wb") as joined:
        count = sum(len(header.tensors) for header in headers)
        start = first.read(settings_start)
        joined.write(start[:8] + struct.pack("<Q", count) + start[16:])
        joined.write(first.read(headers[0].tensors_start - settings_start))
        alignment = headers[0].settings.get("general.alignment", 32)
        offset = 0
        for header in headers:
            for tensor in header.tensors:
                name = tensor.name.encode()
                joined.write(struct.pack("<Q", len(name)) + name)
                joined.write(struct.pack("<I", len(tensor.shape)))
                joined.write(struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape))
                joined.write(struct.pack("<IQ", tensor.number, offset))
                offset += math.ceil(tensor.bytes / alignment) * alignment
        for header in headers:
            with header.path.open("rb") as stream:
                for tensor in header.tensors:
                    joined.write(b"\0" * (-joined.tell() % alignment))
                    stream.seek(header.data_start + tensor.offset)
                    joined.write(stream.read(tensor.bytes))
