"""Workers in this process that stand for those of a cluster: two nodes, and a store for each.

What travels is pickled, as between machines. Nothing runs until outcomes are asked for.
"""

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from unicomp.cluster.unit import Node, Outcome
from unicomp.errors import EngineError, SpecError, UnicompError

_EXISTS = Path.exists
NODES = tuple(Node(name=name, cpus=1, memory=2**33) for name in ("first", "second"))


@dataclass
class StandIn:
    """Runs units one after the other, on the nodes in turn."""

    make: object
    nodes: tuple = NODES
    homes: dict = field(default_factory=dict)
    """Node → the folder of its store; without one the runner's own."""
    lose: object = lambda unit: False
    """Whether a unit loses its worker, each time that it is begun."""
    gone: tuple = ()
    """Ends of the folders that the nodes lack."""
    queue: list = field(default_factory=list)
    log: list = field(default_factory=list)
    """(unit, node) of what has run."""
    runners: dict = field(default_factory=dict)
    closed: bool = False

    def submit(self, unit, payload):
        if not any(node.has(unit.needs) for node in self.nodes):
            raise SpecError(f"no node has {unit.needs.cpus} CPUs")
        assert unit.name not in [other.name for other, _ in self.queue]
        self.queue.append((unit, pickle.dumps(payload)))

    def outcomes(self, timeout=None):
        if not self.queue:
            return []
        unit, payload = self.queue.pop(0)
        node = self.nodes[len(self.log) % len(self.nodes)]
        self.log.append((unit, node.name))
        if self.lose(unit):
            error = EngineError(f"{unit.name}: its worker was lost three times")
            return [Outcome(unit=unit, error=error, node=node.name, seconds=0.5)]
        try:
            with mock.patch.object(Path, "exists", self._exists):
                result = self._runner(node).run(unit, pickle.loads(payload))
        except UnicompError as error:
            return [Outcome(unit=unit, error=pickle.loads(pickle.dumps(error)), node=node.name)]
        result = pickle.loads(pickle.dumps(result))
        return [Outcome(unit=unit, result=result, node=node.name, seconds=0.5)]

    def cancel(self, names):
        self.queue = [(unit, payload) for unit, payload in self.queue if unit.name not in names]

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
