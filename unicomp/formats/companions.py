"""The small files of a model folder that do not depend on its weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from unicomp.formats.method import CONFIGS

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
"""The files that make a tokenizer."""

_SUFFIXES = (".json", ".jinja", ".model", ".txt", ".py")
_OF_WEIGHTS = frozenset(
    {"config.json", "adapter_config.json", "quantization_config.json", *CONFIGS}
)
"""Settings that belong to the weights of a folder."""


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a tokenizer."""
    return any((folder / name).is_file() for name in TOKENIZERS)


def copy_companions(source: Path, target: Path) -> None:
    """Copy tokenizer, chat template and generation settings, byte for byte."""
    for path in sorted(source.iterdir()):
        of_weights = path.name in _OF_WEIGHTS or path.name.endswith(".index.json")
        if path.is_file() and path.suffix in _SUFFIXES and not of_weights:
            shutil.copyfile(path, target / path.name)
