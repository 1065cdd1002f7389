"""The checkpoints that a session has open: each is loaded once, and unloaded in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from unicomp import device
from unicomp.checkpoint import Checkpoint
from unicomp.engines import Engine, EngineSettings
from unicomp.errors import EngineError
from unicomp.spec import DENSE


@dataclass
class _Loaded:
    engine: Engine
    context: AbstractContextManager[Engine]
    tokens: int
    model: str
    is_dense: bool


class Pool:
    """At most two open checkpoints: the dense one of a model, and one that is compared with it.

    Opening another one closes what is not needed beside it.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, _Loaded] = {}
        self._failed: dict[str, EngineError] = {}

    @contextmanager
    def lent(
        self, checkpoint: Checkpoint, settings: EngineSettings, tokens: int, *, keep: bool
    ) -> Iterator[Engine]:
        """The checkpoint, loaded for requests of at most `tokens`; with `keep` it stays open.

        One that is open stays open, and one that could not be opened is not tried again. Raises
        EngineError.
        """
        if failure := self._failed.get(checkpoint.key):
            raise failure
        loaded = self._loaded.get(checkpoint.key)
        if loaded is not None and loaded.tokens < tokens:
            self._close(checkpoint.key)
            loaded = None
        if loaded is not None:
            yield loaded.engine
            return
        dense = checkpoint.method.name == DENSE.name
        for key, other in list(self._loaded.items()):
            if other.model != checkpoint.model.name or other.is_dense == dense:
                self._close(key)
        context = settings.open(checkpoint.path, checkpoint.model, tokens)
        try:
            with device.shared():  # a measurement is not to be disturbed by it
                engine = context.__enter__()
        except EngineError as error:
            self._failed[checkpoint.key] = error
            raise
        model = checkpoint.model.name
        self._loaded[checkpoint.key] = _Loaded(engine, context, tokens, model, dense)
        try:
            yield engine
        finally:
            if not keep:
                self._close(checkpoint.key)

    def close(self) -> None:
        """Unload everything; one that cannot be does not keep the others."""
        with ExitStack() as leaving:
            while self._loaded:
                _, loaded = self._loaded.popitem()
                leaving.push(loaded.context)

    def _close(self, key: str) -> None:
        self._loaded.pop(key).context.__exit__(None, None, None)
