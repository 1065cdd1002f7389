"""A run takes from the upstream what another machine has pushed, and ends with the same results."""

from __future__ import annotations

import socket

import pytest

from unicomp import cli
from unicomp.store import RESPONSES, SCORES

from .conftest import SETTINGS

METHODS = ("--method=dense", "--method=wanda_50")
SELECTED = ("-k", "arc_easy", *METHODS, "--samples=8")


@pytest.fixture
def first(gate, tmp_path):
    """What a machine has measured and pushed, and the settings of another with that upstream.

    Its builds are those of the shared store, its answers are its own: the eight items alone.
    """
    for kind in (RESPONSES, SCORES):
        (gate.home / kind).unlink()
    url = f"file://{tmp_path}/upstream"
    outcome = gate.run(*SELECTED)
    assert outcome.card is not None, outcome.text
    chosen = (*METHODS, f"--unicomp-home={gate.home}", f"--upstream={url}")
    assert cli.main(["cache", "push", *chosen]) == 0
    return outcome, f'{SETTINGS}[store]\nupstream = "{url}"\n'


@pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.long)])
def test_another_machine_builds_and_asks_nothing(first, new_gate, tmp_path, workers):
    outcome, settings = first
    other = new_gate(tmp_path / "home", settings)
    found = other.run(*SELECTED, *workers)
    assert found.status == outcome.status, found.text
    assert found.card["scores"] == outcome.card["scores"]
    assert found.card["metrics"] == outcome.card["metrics"]
    assert all(piece["cached"] for piece in found.card["work"])
    assert not (other.home / "responses").exists()  # the records were enough
    assert (len(outcome.card["costs"]), found.card["costs"]) == (1, [])  # of the other machine


@pytest.mark.long
def test_more_items_elsewhere_are_a_second_look(first, new_gate, tmp_path):
    _, settings = first
    other = new_gate(tmp_path / "home", settings)
    more = other.run(*SELECTED[:-1], "--samples=12")
    assert "this is look 2" in more.text
    (dense, *_) = (piece for piece in more.card["work"] if piece["method"] == "dense")
    assert dense["items"] == 4  # the others were answered elsewhere


def test_a_run_does_not_begin_where_the_upstream_does_not_answer(gate, monkeypatch):
    pytest.importorskip("s3fs")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "job")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("UNICOMP_UPSTREAM", "s3://company/unicomp")
    found = gate.run(*SELECTED)
    assert found.status == 4
    (line,) = (line for line in found.lines if "upstream" in line)
    assert "Could not connect" in line
    assert "UNICOMP_UPSTREAM=off" in line
    assert "SECRET" not in found.text


@pytest.mark.long
def test_a_run_without_its_upstream_says_so(gate, monkeypatch):
    gate.write("unicomp.toml", '[store]\nupstream = "file:///no/such/folder"\n')
    refused = gate.run(*SELECTED)
    assert (refused.status, "there is no folder" in refused.text) == (4, True)
    monkeypatch.setenv("UNICOMP_UPSTREAM", "off")
    found = gate.run(*SELECTED)
    assert found.card is not None, found.text
    note = "UNICOMP_UPSTREAM=off: the upstream is not read, and looks there are not counted"
    assert note in found.lines
    assert note in found.card["environment"]["notes"]
