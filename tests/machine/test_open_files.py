"""A thousand requests at a time need as many connections, and most shells allow fewer."""

import resource

import pytest

from unicomp.machine.open_files import OTHERS, allow_open_files


def soft_limit():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@pytest.mark.usefixtures("few_files")
def test_a_process_may_open_as_many_files_as_it_asks_for_where_the_system_allows_it():
    allow_open_files(44)
    assert soft_limit() == 300
    allow_open_files(100)
    assert soft_limit() == 100 + OTHERS


@pytest.mark.usefixtures("few_files")
def test_a_system_that_allows_fewer_gives_what_it_has(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (300, 310))
    set_to = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: set_to.append(limits))
    allow_open_files(1000)
    assert set_to == [(310, 310)]
