"""`unicomp`: the store is listed, verified and pruned; floors follow from a scorecard."""

from __future__ import annotations

import json
import os
import time

import pytest

from unicomp.cli import main, supported_floors
from unicomp.gate import parse_floor
from unicomp.store import CHECKPOINTS, SCORES, Store


def make(folder):
    (folder / "weights").write_text("w" * 1000)
    return {"label": "tiny/wanda_50"}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNICOMP_HOME", raising=False)
    return Store(tmp_path / "home")


def run(capsys, *arguments):
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_the_store_is_listed_with_what_is_in_it(store, capsys):
    store.build(CHECKPOINTS, {"a": 1}, make)
    store.remember(SCORES, "key", {"benchmark": "gsm8k"})
    status, text = run(capsys, "cache", "--unicomp-home", str(store.home))
    assert status == 0
    assert "tiny/wanda_50" in text
    assert "gsm8k" in text


def test_a_changed_weight_is_found_by_verify(store, capsys):
    built = store.build(CHECKPOINTS, {"a": 1}, make)
    arguments = ("cache", "verify", "--unicomp-home", str(store.home))
    assert run(capsys, *arguments)[0] == 0
    (built.path / "weights").write_text("x" * 1000)
    status, text = run(capsys, *arguments)
    assert status == 1
    assert built.key in text
    (built.path / "weights").write_text("cut")
    assert run(capsys, *arguments)[0] == 1


def test_pruning_removes_the_old_and_keeps_the_new_and_the_locked(store, capsys):
    old, new, busy = (store.build(CHECKPOINTS, {"number": n}, make) for n in range(3))
    long_ago = time.time() - 100 * 86400
    for artifact in (old, busy):
        for path in artifact.path.rglob("*"):
            os.utime(path, (long_ago, long_ago))
    with store.lock(f"{CHECKPOINTS}-{busy.key}"):
        status, text = run(capsys, "cache", "prune", "--unicomp-home", str(store.home))
    assert (status, "removed 1 entries" in text) == (0, True)
    assert store.find(CHECKPOINTS, old.key) is None
    assert store.find(CHECKPOINTS, new.key)
    assert store.find(CHECKPOINTS, busy.key)


def test_a_broken_off_build_is_pruned(store, capsys):
    partial = store.home / CHECKPOINTS / ".partial-abc"
    partial.mkdir(parents=True)
    run(capsys, "cache", "prune", "--unicomp-home", str(store.home))
    assert not partial.exists()


def test_the_store_of_the_settings_file_is_used(store, capsys, tmp_path):
    (tmp_path / "unicomp.toml").write_text('[paths]\nhome = "elsewhere"\n')
    run(capsys, "cache")
    assert (tmp_path / "elsewhere").is_dir()


def row(method, metric, low, **more):
    return {"model": "tiny", "method": method, "metric": metric, "low": low, **more}


CARD = {
    "schema": "unicomp/scorecard/1",
    "scores": [row("wanda_50", "safety", 40.0), row("wanda_50", "safety", 90.0)],
    "metrics": [
        row("wanda_50", "safety", 70.0),
        row("wanda_50", "reasoning", 4.5),
        row("wanda_50", "privacy", None),
        row("dense", "safety", 100.0),
    ],
}


def test_floors_lie_below_everything_that_was_measured():
    assert supported_floors(CARD, 3.0) == [
        '[models."tiny".floors]',
        '"safety@wanda_50" = 37',
        '"reasoning@wanda_50" = 0',  # 1 would look like a fraction
    ]


def test_printed_floors_are_accepted_as_settings():
    for line in supported_floors(CARD, 3.0)[1:]:
        name, _, floor = line.partition(" = ")
        parse_floor(name, int(floor))


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "other"}', None])
def test_what_is_no_scorecard_is_refused_in_one_line(capsys, tmp_path, text):
    path = tmp_path / "card.json"
    if text is not None:
        path.write_text(text)
    status, message = run(capsys, "floors", str(path))
    assert status == 4
    assert len(message.strip().splitlines()) == 1


def test_the_floors_of_a_scorecard_are_printed(capsys, tmp_path):
    path = tmp_path / "card.json"
    path.write_text(json.dumps(CARD))
    status, text = run(capsys, "floors", str(path), "--margin", "10")
    assert status == 0
    assert '"safety@wanda_50" = 30' in text
