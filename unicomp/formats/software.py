"""The software that decides what a model looks like once it is read: part of its identity."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

READERS = ("torch", "transformers", "gguf", "peft", "compressed-tensors")
"""The distributions that read weights."""


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
