"""The identity of a compression, apart from model and text: settings, code, libraries."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from unicomp import distillation, methods, store
from unicomp.formats.software import installed_version as installed_version
from unicomp.spec import Method

_LIBRARIES = ("torch", "transformers", "llmcompressor", "compressed-tensors")
"""The distributions whose versions decide the result."""
_TRAINERS = ("distillation.py", "low_rank_clone.py", "minitron.py")
"""The modules of `unicomp.methods` that only students depend on."""


def method_identity(method: Method, file: str) -> dict[str, Any]:
    """The identity of a method as JSON values; `file` is the text of the file that declares it."""
    return {
        "parameters": dict(method.parameters),
        "guarantees": asdict(method.guarantees),
        "file": hashlib.sha256(file.encode()).hexdigest(),
        "code": code_digest(trains=method.corpus is not None),
        "versions": {name: installed_version(name) for name in _LIBRARIES},
    }


@cache
def code_digest(*, trains: bool) -> str:
    """SHA-256 of the modules that compress and inspect, and with `trains` of those that train."""
    paths = sorted(Path(methods.__path__[0]).glob("*.py"))
    if trains:
        paths += sorted(Path(distillation.__path__[0]).glob("*.py"))
    else:
        paths = [path for path in paths if path.name not in _TRAINERS]
    return store.code_digest(paths)
