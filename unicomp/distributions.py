"""Next-token distributions on running text, compared as llama.cpp's `--kl-divergence` does.

llama.cpp reads chunks of 512 tokens, and compares the distributions of the tokens in the second
half of each, so that all have some context. So does this module, with two limits: at most `CHUNKS`
chunks, and at most `MOST_VALUES` probabilities for each checkpoint. For a vocabulary of 128,256
these are eight places in each chunk, 1,024 tokens in 251 MiB; up to 4,096 entries, all 256 places.
Every checkpoint keeps its own, beside its responses, so that any two can be compared without
loading either.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from unicomp.prompts.items import RenderedItem
from unicomp.store import content_key, write_atomically

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 512
"""Tokens that are read together; fewer if all windows are shorter."""
CHUNKS = 128
"""Chunks that are read, 65,536 tokens in all. Each counts as one cluster."""
MOST_VALUES = 2**27
"""Log-probabilities that are kept of a checkpoint: 256 MiB, as they have 16 bits."""


def chunks_of(windows: Sequence[RenderedItem]) -> list[tuple[int, ...]]:
    """The first chunks of equal length of some windows of running text."""
    texts = [window.requests[0].arguments[0] for window in windows]
    size = min(CHUNK, max(map(len, texts), default=0))
    if size < 2:
        return []
    chunks = (
        tuple(text[start : start + size])
        for text in texts
        for start in range(0, len(text) - size + 1, size)
    )
    return list(islice(chunks, CHUNKS))


class DistributionLog:
    """The stored distributions of one checkpoint, in the folder of its responses."""

    def __init__(self, folder: Path, items: Sequence[str]) -> None:
        """`items` are the windows in order, by their digests."""
        self.name = f"distributions-{content_key({'items': list(items[:CHUNKS])})}.npy"
        self._path = folder / self.name

    @property
    def exists(self) -> bool:
        """Whether they were stored."""
        return self._path.is_file()

    def write(self, log_probabilities: NDArray[np.float16]) -> None:
        """Store log-probabilities of shape (chunks, places, vocabulary), whole or not at all.

        Raises StoreError if the disk is full.
        """
        import numpy as np

        content = BytesIO()
        np.save(content, log_probabilities)
        write_atomically(self._path, content.getbuffer())

    def read(self) -> NDArray[np.float16] | None:
        """The stored log-probabilities, read from the disk where they are used; None without."""
        import numpy as np

        try:
            found: NDArray[np.float16] = np.load(self._path, mmap_mode="r")
        except (OSError, ValueError):
            return None
        return found
