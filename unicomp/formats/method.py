"""The quantization that a folder declares, and which engine runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def quantization_of(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The quantization settings of a folder; empty if its weights are not quantized.

    They are in its configuration, or in a file of their own as some exporters write them.
    """
    for name in ("quantization_config", "compression_config"):
        found = config.get(name)
        if isinstance(found, dict) and found:
            return {"quant_method": "", **found}
    return {}
