"""Fixtures for the tests of instruments that ask servers."""

import pytest

from tests.instruments.server import Server
from unicomp.instruments import endpoint
from unicomp.store import Store


@pytest.fixture(autouse=True)
def _direct_and_quick(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(endpoint, "LONGEST_WAIT", 0.1)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


@pytest.fixture
def serve():
    servers = []

    def start(behave):
        servers.append(Server(behave))
        return servers[-1]

    yield start
    for server in servers:
        if not server.dead:
            server.stop()
