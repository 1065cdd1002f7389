"""Workers in this process that stand for those of a cluster: two nodes, and a store for each.

What travels is pickled, as between machines. The dispatcher of real workers says where a unit runs.
Nothing runs until outcomes are asked for.
"""

import pickle
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

from unicomp.cluster.dispatch import Dispatcher
from unicomp.cluster.ray_actor import stored_checkpoints
from unicomp.cluster.unit import Node, Outcome
from unicomp.errors import EngineError, UnicompError

_EXISTS = Path.exists
NODES = tuple(Node(name=name, cpus=1, memory=2**33) for name in ("first", "second"))


@dataclass
class StandIn:
    """Runs units one after the other, where a cluster would run them side by side."""

    make: object
    nodes: tuple = NODES
    homes: dict = field(default_factory=dict)
    """Node → the folder of its store; without one the runner's own."""
    lose: object = lambda unit: False
    """Whether a unit loses its worker, each time that it is begun."""
    gone: tuple = ()
    """Ends of the folders that the nodes lack."""
    ended: list = field(default_factory=list)
    payloads: dict = field(default_factory=dict)
    begun: list = field(default_factory=list)
    log: list = field(default_factory=list)
    """(unit, node) of what has run."""
    runners: dict = field(default_factory=dict)
    closed: bool = False

    def __post_init__(self):
        self.nodes = tuple(
            replace(node, store=str(home), checkpoints=stored_checkpoints(home))
            for node in self.nodes
            for home in [self.homes.get(node.name, self.make.home)]
        )
        self.dispatcher = Dispatcher(self.nodes)

    def submit(self, unit, payload):
        self.report(self.dispatcher.add(unit))
        self.payloads[unit.name] = pickle.dumps(payload)

    def expect(self, checkpoint, seconds):
        self.dispatcher.expect(checkpoint, seconds)

    def report(self, ended, **more):
        self.ended += [Outcome(unit=unit, error=error, **more) for unit, error in ended]

    def outcomes(self, timeout=None):
        while not self.ended and self.dispatcher.left:
            while start := self.dispatcher.start():
                self.begun.append(start)
            self.run(self.begun.pop(0))
        found, self.ended = self.ended, []
        return found

    def run(self, start):
        unit, (node,) = start.unit, [n for n in self.nodes if n.name == start.worker.node]
        self.log.append((unit, node.name))
        about = {"node": node.name, "seconds": 0.5}
        try:
            if self.lose(unit):
                raise EngineError(f"{unit.name}: its worker was lost three times")
            with mock.patch.object(Path, "exists", self._exists):
                payload = pickle.loads(self.payloads[start.origin])
                result = self._runner(node).run(unit, payload)
        except UnicompError as error:
            error = pickle.loads(pickle.dumps(error))
            self.report(self.dispatcher.failed(unit.name, error), **about)
        else:
            result = pickle.loads(pickle.dumps(result))
            self.report(self.dispatcher.done(unit.name), result=result, **about)

    def cancel(self, names):
        self.dispatcher.cancel(names)

    def close(self):
        for runner in self.runners.values():
            runner.close()
        self.closed = True

    def _runner(self, node):
        if node.name not in self.runners:
            make = pickle.loads(pickle.dumps(self.make))
            if home := self.homes.get(node.name):
                make = type(make)(home=home, upstream=make.upstream)
            self.runners[node.name] = make(node)
        return self.runners[node.name]

    @property
    def _exists(self):
        """`Path.exists` as a node sees it."""
        return lambda path: not str(path).endswith(self.gone) and _EXISTS(path)

    def units(self, kind):
        return [unit for unit, _ in self.log if unit.kind == kind]
