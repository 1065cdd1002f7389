"""Weight-only quantization by llmcompressor: GPTQ (arXiv 2210.17323), AWQ (arXiv 2306.00978)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from unicomp.methods import oneshot
from unicomp.spec import Claims, Method

IGNORE = ["re:.*lm_head"]
