"""`unicomp cache pull`: all that was pushed arrives as it was, and what is corrupted does not."""

import multiprocessing
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unicomp.looks import merge_looks
from unicomp.store import CHECKPOINTS, LOOKS, Store, content_key
from unicomp.upstream.objects import Objects

from .conftest import (
    DENSE_KEY,
    IDENTITY,
    VALUES,
    answer,
    corrupt,
    files_of,
    fill,
    log_of,
    look_at,
    make,
    manifest_of,
    object_of,
)

processes = multiprocessing.get_context("fork")
SHARED = ("responses", "scores", "items", *VALUES)
KEY = content_key(IDENTITY)


def test_everything_arrives_as_it_was(store, pushed, url, cache, tmp_path):
    other = tmp_path / "other"
    status, text = cache("pull", other, "--upstream", url)
    assert status == 0, text
    before = files_of(store.home, *SHARED)
    noted = [name for name in before if name.endswith("/records")]
    assert files_of(other, *SHARED) == {k: v for k, v in before.items() if k not in noted}
    found = Store(other).find(CHECKPOINTS, KEY)
    assert found.taken
    assert manifest_of(found.path) == manifest_of(store.home / CHECKPOINTS / KEY)
    for method in ("dense", "wanda_50"):
        assert log_of(Store(other), method).read() == log_of(store, method).read()
    assert cache("verify", other)[0] == 0


def test_a_second_pull_copies_nothing(store, pushed, url, cache, tmp_path):
    cache("pull", tmp_path / "other", "--upstream", url)
    status, text = cache("pull", tmp_path / "other", "--upstream", url)
    assert status == 0
    assert re.search(r"pulled: 0 of \d+ objects", text)


def test_a_dry_run_counts_what_a_pull_copies(pushed, url, cache, tmp_path):
    dry = cache("pull", tmp_path / "other", "--upstream", url, "--dry-run")[1]
    assert not files_of(tmp_path / "other", CHECKPOINTS, *SHARED, LOOKS)
    done = cache("pull", tmp_path / "other", "--upstream", url)[1]
    counts = [
        {line.split("│")[1].strip() + line.split("│")[2].strip() for line in text.splitlines()
         if line.startswith("│")}
        for text in (dry, done)
    ]  # fmt: skip
    assert counts[0] == counts[1] - {"looks"}


def test_only_what_belongs_to_the_method_is_pulled(pushed, url, cache, tmp_path):
    other = tmp_path / "other"
    assert cache("pull", other, "--upstream", url, "--method", "dense")[0] == 0
    assert len(log_of(Store(other)).read()) == 128
    assert log_of(Store(other), "wanda_50").read() == {}
    assert Store(other).find(CHECKPOINTS, KEY) is None
    assert len(list((other / "scores").iterdir())) == len(list((other / "items").iterdir())) == 1
    assert not any((other / kind).exists() for kind in VALUES)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "checkpoints/KEY", "batch", "identity", "scores", "judgements"]
)
def test_a_corrupted_object_is_refused_in_one_line_and_does_not_land(
    store, pushed, url, cache, tmp_path, name
):
    batch = next(path for path in (store.home / "responses" / log_of(store).key).glob("*.jsonl"))
    part = {
        "checkpoints/KEY": "manifest.json",
        "batch": batch.name,
        "identity": f"{log_of(store).key}/{DENSE_KEY}/identity.json",
        "scores": f"scores/{DENSE_KEY}",
    }.get(name, name)
    victim = object_of(tmp_path, part)
    corrupt(victim)
    other = tmp_path / "other"
    status, text = cache("pull", other, "--upstream", url)
    assert status == 1
    (line,) = (line for line in text.splitlines() if line.startswith("unicomp:"))
    assert "is corrupted: its content is not that of its checksum" in line
    assert victim.name in line
    arrived = files_of(other, CHECKPOINTS, *SHARED)
    assert victim.read_bytes() not in arrived.values()
    if part in ("model.safetensors", "manifest.json"):
        assert Store(other).find(CHECKPOINTS, KEY) is None
        assert log_of(Store(other), "wanda_50").read() == {}  # of a checkpoint that is not there
    victim.unlink()
    assert cache("push", store.home, "--upstream", url)[0] == 0
    assert cache("pull", other, "--upstream", url)[0] == 0
    assert log_of(Store(other), "wanda_50").read() == log_of(store, "wanda_50").read()


def test_the_answers_of_another_build_are_not_taken(store, pushed, url, cache, tmp_path):
    other = Store(tmp_path / "other")
    other.build(CHECKPOINTS, IDENTITY, lambda folder: make(folder, b"v" * 1000))
    assert cache("pull", other.home, "--upstream", url)[0] == 0
    assert log_of(other, "wanda_50").read() == {}
    assert len(log_of(other).read()) == 128
    assert not other.find(CHECKPOINTS, KEY).taken


def test_both_sides_keep_their_own_answers(store, pushed, url, cache, tmp_path):
    other = Store(tmp_path / "other")
    answer(other, "dense", 32)
    log_of(other).append({"mine": ["only here"]})
    cache("pull", other.home, "--upstream", url)
    assert len(log_of(other).read()) == 129
    cache("push", other.home, "--upstream", url)
    cache("pull", store.home, "--upstream", url)
    assert len(log_of(store).read()) == 129


def pull_until(home, url, copies):
    """Pull, and die after so many groups of objects were copied, the last one cut short."""
    from unicomp import cli

    copy, done = Objects._copy, [0]

    def counted(self, together, alone, sources, targets, on_progress, size):
        if done[0] == copies:
            Path(targets[0]).write_bytes(b"cut")
            os._exit(9)
        done[0] += 1
        copy(self, together, alone, sources, targets, on_progress, size)

    Objects._copy = counted
    cli.main(["cache", "pull", "--unicomp-home", str(home), "--upstream", url])


@pytest.mark.parametrize("copies", [0, 2, 5])
def test_a_pull_that_is_killed_leaves_nothing_half_written(
    store, pushed, url, cache, tmp_path, copies
):
    other = tmp_path / "other"
    process = processes.Process(target=pull_until, args=(other, url, copies))
    process.start()
    process.join()
    assert process.exitcode == 9
    there = Store(other)
    found = there.find(CHECKPOINTS, KEY)
    assert found is None or not Store.corrupt_files(found)
    whole = files_of(store.home, *SHARED)
    for name, content in files_of(other, *SHARED).items():
        assert Path(name).name.startswith(".") or content == whole[name]
    assert cache("pull", other, "--upstream", url)[0] == 0
    assert there.find(CHECKPOINTS, KEY)
    assert log_of(there, "wanda_50").read() == log_of(store, "wanda_50").read()


# -- looks ----------------------------------------------------------------------------------------


def items_of(store):
    content = store.recall(LOOKS, content_key({"candidate": KEY, "baseline": DENSE_KEY}))
    return [look["items"] for look in content["looks"]]


def test_looks_of_two_machines_become_one_list(store, pushed, url, cache, tmp_path):
    other = fill(tmp_path / "other")
    merge_looks(other, KEY, DENSE_KEY, [look_at("third", "2026-03-01")])
    merge_looks(store, KEY, DENSE_KEY, [look_at("second", "2026-02-01")])
    cache("push", store.home, "--upstream", url)
    cache("push", other.home, "--upstream", url)
    for home in (store.home, other.home):
        cache("pull", home, "--upstream", url)
    assert items_of(store) == items_of(other) == ["first", "second", "third"]


dates = st.dates().map(str)
some_looks = st.lists(st.builds(look_at, st.sampled_from("abcde"), dates), max_size=6)


@given(st.lists(some_looks, min_size=1, max_size=4), st.randoms())
@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_look_is_lost_or_counted_twice_in_whatever_order_they_arrive(
    tmp_path_factory, machines, order
):
    merged = []
    for _ in range(2):
        store = Store(tmp_path_factory.mktemp("merged"))
        for looks in machines:
            merge_looks(store, KEY, DENSE_KEY, looks)
        if any(machines):
            merged.append(items_of(store))
        order.shuffle(machines)
        machines = machines + machines[:1]
    every = [look.items for looks in machines for look in looks]
    assert all(sorted(found) == sorted(set(every)) for found in merged)
    assert merged[1:] == merged[:1]


def test_looks_that_cannot_be_read_are_refused(store, pushed, url, cache, tmp_path):
    corrupt(object_of(tmp_path, "/looks/"))
    status, text = cache("pull", tmp_path / "other", "--upstream", url)
    assert status == 4
    assert "corrupted" in text.splitlines()[-1]
