"""How similar two texts are: by their words, or by embeddings."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from unicomp.errors import SpecError
from unicomp.instruments.endpoint import Endpoint, EndpointSettings, UnansweredError
from unicomp.machine.waiting import Say, silent
from unicomp.store import Store, content_key, file_digest

SIMILARITIES = "similarities"
_BATCH = 16
"""Pairs in one request to a server."""


@dataclass(frozen=True)
class LexicalSimilarity:
    """The cosine of word counts, word pair counts and letter triple counts.

    It needs no model and no network, learns nothing from the texts, and reads any script. It does
    not see meaning.
    """

    @property
    def identity(self) -> dict[str, Any]:
        """Name and version; the version of Unicode matters only for rare characters."""
        return {"kind": "lexical", "version": 1}

    def cosine(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The cosine of each pair, in [0, 1]; 0 if a text has no letter, digit or symbol."""
        known = {text: _features(text) for pair in pairs for text in pair}
        return [_cosine_of_counts(known[a], known[b]) for a, b in pairs]


def _features(text: str) -> dict[tuple[str, str], float]:
    """The parts of a text, each with a weight that grows slower than its count."""
    words = list(_tokens(text))
    counts = Counter(("word", word) for word in words)
    counts.update(("pair", f"{a} {b}") for a, b in pairwise(words))
    for word in words:
        padded = f" {word} "
        counts.update(("letters", padded[at : at + 3]) for at in range(len(padded) - 2))
    return {name: 1.0 + math.log(count) for name, count in counts.items()}


def _tokens(text: str) -> Iterator[str]:
    """Runs of letters, marks and digits; a symbol or an ideograph stands alone."""
    word = ""
    for character in unicodedata.normalize("NFKC", text).casefold():
        kind = unicodedata.category(character)[0]
        alone = kind == "S" or unicodedata.name(character, "").startswith("CJK UNIFIED")
        if kind in "LMN" and not alone:
            word += character
            continue
        if word:
            yield word
        word = ""
        if alone:
            yield character
    if word:
        yield word


def _cosine_of_counts(
    a: Mapping[tuple[str, str], float], b: Mapping[tuple[str, str], float]
) -> float:
    # fsum does not depend on the order of its terms
    product = math.fsum(weight * b[name] for name, weight in a.items() if name in b)
    squares = (math.fsum(weight * weight for weight in c.values()) for c in (a, b))
    length = math.sqrt(math.prod(squares))
    return min(1.0, product / length) if length else 0.0


@dataclass(frozen=True)
class SentenceTransformerSimilarity:
    """The cosine of embeddings by a sentence-transformers model, from the hub or a folder.

    The model is loaded when it is first needed. Code in its repository never runs.
    """

    model: str

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The model's name; for a folder, its own name and the digest of its files."""
        name: dict[str, Any] = {"kind": "sentence-transformers", "model": self.model}
        if (folder := Path(self.model).expanduser()).is_dir():
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            digests = {str(path.relative_to(folder)): file_digest(path) for path in files}
            name |= {"model": folder.name, "files": content_key(digests)}
        return name

    def cosine(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The cosine of each pair, in [-1, 1]; 0 if one of the texts is empty."""
        texts = sorted({text for pair in pairs if _comparable(pair) for text in pair})
        if not texts:
            return [0.0] * len(pairs)
        encoded = self._encoder.encode(texts, show_progress_bar=False, convert_to_numpy=True)
        vectors = {text: row.tolist() for text, row in zip(texts, encoded, strict=True)}
        return [
            _cosine_of_vectors(vectors[pair[0]], vectors[pair[1]]) if _comparable(pair) else 0.0
            for pair in pairs
        ]

    @cached_property
    def _encoder(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise SpecError(
                "similarity by sentence-transformers needs a package: "
                "pip install 'unicomp[similarity]'"
            ) from None
        try:
            return SentenceTransformer(str(Path(self.model).expanduser()))
        except (OSError, ValueError) as error:
            cause = str(error).partition("\n")[0]
            raise SpecError(f"the similarity model {self.model} does not load: {cause}") from None


class EndpointSimilarity:
    """The cosine of embeddings by an OpenAI-compatible server; the store keeps the values."""

    def __init__(
        self,
        settings: EndpointSettings,
        store: Store,
        on_wait: Say = silent,
    ) -> None:
        """`on_wait` gets a message, from any thread, if the server does not answer for a while."""
        self.settings = settings
        self.store = store
        self._endpoint = Endpoint(settings, on_wait)

    @property
    def identity(self) -> dict[str, Any]:
        """Host, path and model of the server."""
        return {"kind": "endpoint", **self.settings.identity}

    def cosine(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The cosine of each pair, in [-1, 1]; 0 if one of the texts is empty.

        Each value is stored when it arrives. Raises JudgeError if one is missing.
        """
        wanted = [_encodable(pair) for pair in pairs]
        values = {pair: 0.0 for pair in wanted if not _comparable(pair)}
        left = [pair for pair in dict.fromkeys(wanted) if pair not in values]
        starts = range(0, len(left), _BATCH)
        batches = [_CosineRequest(self, left[start : start + _BATCH]) for start in starts]
        waiting = [batch for batch in batches if not batch.is_answered()]
        if waiting:
            self._endpoint.run("embeddings", waiting)
        for batch in batches:
            values |= batch.values
        return [values[pair] for pair in wanted]


class _CosineRequest:
    """Pairs on their way to their cosines."""

    def __init__(self, similarity: EndpointSimilarity, pairs: Sequence[tuple[str, str]]) -> None:
        self.model = similarity.settings.model
        self.store = similarity.store
        self.keys = {
            pair: content_key({"similarity": similarity.identity, "pair": sorted(pair)})
            for pair in pairs
        }
        self.values: dict[tuple[str, str], float] = {}

    def is_answered(self) -> bool:
        for pair, key in self.keys.items():
            if pair not in self.values:
                kept = self.store.recall(SIMILARITIES, key)
                if isinstance(kept, float) and -1.0 <= kept <= 1.0:
                    self.values[pair] = kept
        return len(self.values) == len(self.keys)

    def _texts(self) -> list[str]:
        left = (pair for pair in self.keys if pair not in self.values)
        return list(dict.fromkeys(text for pair in left for text in pair))

    def body(self, unusable: int) -> Mapping[str, Any]:
        return {"model": self.model, "input": self._texts()}

    def simplify(self) -> bool:
        return False

    def accept(self, answer: Any) -> None:
        texts = self._texts()
        vectors = dict(zip(texts, _read_vectors(answer, len(texts)), strict=True))
        for pair, key in self.keys.items():
            if pair not in self.values:
                value = _cosine_of_vectors(vectors[pair[0]], vectors[pair[1]])
                self.store.remember(SIMILARITIES, key, value)
                self.values[pair] = value


def _read_vectors(answer: Any, count: int) -> list[list[float]]:
    """The embeddings in an answer, in order. Raises UnansweredError if one is missing."""
    try:
        rows = sorted(answer["data"], key=lambda row: int(row["index"]))
        vectors = [[float(value) for value in row["embedding"]] for row in rows]
    except (LookupError, TypeError, ValueError):
        raise UnansweredError("its JSON holds no embeddings") from None
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1:
        raise UnansweredError("its embeddings are not one for each text, all of one size")
    if not all(math.isfinite(value) for vector in vectors for value in vector):
        raise UnansweredError("its embeddings are not finite")
    return vectors


def _cosine_of_vectors(a: Sequence[float], b: Sequence[float]) -> float:
    length = math.hypot(*a) * math.hypot(*b)
    product = math.fsum(x * y for x, y in zip(a, b, strict=True))
    return max(-1.0, min(1.0, product / length)) if length else 0.0


def _comparable(pair: tuple[str, str]) -> bool:
    """Whether neither text is empty."""
    return all(text.strip() for text in pair)


def _encodable(pair: tuple[str, str]) -> tuple[str, str]:
    # responses can hold half of a surrogate pair, which cannot be sent
    a, b = (text.encode("utf-8", "replace").decode() for text in pair)
    return a, b
