"""The checkpoints that a session has open; each is loaded once and unloaded at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from unicomp.checkpoint import Checkpoint
from unicomp.engines import Engine, EngineSettings
from unicomp.engines.placement import Seat
from unicomp.errors import EngineError
from unicomp.machine import turns
from unicomp.machine.waiting import Say, silent, waiting


class Slot(NamedTuple):
    """The place of an open checkpoint; a copy of the dense one has a slot of its own."""

    model: str
    is_dense: bool
    key: str


@dataclass
class _Loaded:
    engine: Engine
    context: AbstractContextManager[Engine]
    tokens: int
    seat: Seat | None
    """Its GPUs; None if the engine finds its device by itself."""


class Pool:
    """At most two open checkpoints: the dense one of a model, and one that is compared with it.

    Opening a checkpoint closes the other model's, and the one whose place it takes. It also closes
    one on the same GPUs, if their memory is too small for both shares.
    """

    def __init__(self) -> None:
        self._loaded: dict[Slot, _Loaded] = {}
        self._failed: dict[Slot, EngineError] = {}
        self._ended: set[Slot] = set()

    @contextmanager
    def borrowed(
        self,
        checkpoint: Checkpoint,
        settings: EngineSettings,
        tokens: int,
        *,
        keep: bool,
        on_wait: Say = silent,
    ) -> Iterator[Engine]:
        """Borrow the checkpoint, loaded for requests of at most `tokens`.

        It stays open with `keep`, or if it was open before. If its engine ended, it is opened once
        more. If it could not be opened, or ended twice, it is not tried again. Raises EngineError.
        """
        slot = Slot(checkpoint.model.name, checkpoint.is_dense, checkpoint.key)
        self._close_ended(slot, checkpoint)
        if failure := self._failed.get(slot):
            raise failure
        loaded = self._loaded.get(slot)
        if loaded is not None and loaded.tokens >= tokens:
            yield loaded.engine
            return
        self.close_others(slot.model)
        for other in [known for known in self._loaded if known.is_dense == slot.is_dense]:
            self._close(other)
        seat = None if settings.placement is None else settings.placement.seat
        self._make_room(seat)
        context = settings.open(checkpoint.path, checkpoint.asked, tokens)
        try:
            # loading must not disturb a measurement
            with turns.shared(waiting(on_wait, "end its timings", f"{checkpoint}")):
                engine = context.__enter__()
        except EngineError as error:
            self._failed[slot] = error
            raise
        self._loaded[slot] = _Loaded(engine, context, tokens, seat)
        try:
            yield engine
        finally:
            if not keep:
                self._close(slot)

    def close_others(self, model: str) -> None:
        """Unload the checkpoints of all other models."""
        for other in [known for known in self._loaded if known.model != model]:
            self._close(other)

    def close(self) -> None:
        """Unload everything, the last one first, even if one of them fails."""
        with ExitStack() as leaving:
            for loaded in self._loaded.values():
                leaving.push(loaded.context)
            self._loaded.clear()

    def _make_room(self, seat: Seat | None) -> None:
        """Unload what takes too much of the GPUs of a seat."""
        for slot, loaded in [*self._loaded.items()]:
            if seat and loaded.seat and not seat.leaves_room_for(loaded.seat):
                self._close(slot)

    def _close_ended(self, slot: Slot, checkpoint: Checkpoint) -> None:
        """Unload the checkpoint if its engine ended by itself, such as a killed server."""
        loaded = self._loaded.get(slot)
        if loaded is None or loaded.engine.alive:
            return
        self._close(slot)
        if slot in self._ended:
            self._failed[slot] = EngineError(
                f"the server of {checkpoint} ended twice: see its logs for the reason"
            )
        self._ended.add(slot)

    def _close(self, slot: Slot) -> None:
        self._loaded.pop(slot).context.__exit__(None, None, None)
