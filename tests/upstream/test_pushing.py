"""`unicomp cache push`: what is shared, named by its content, and never half visible."""

import multiprocessing
import os
import re
import shutil
from pathlib import Path

import pytest

from unicomp.store import CHECKPOINTS, MANIFEST, Store, file_digest
from unicomp.upstream.objects import Objects

from .conftest import IDENTITY, OF_THE_MACHINE, VALUES, fill, make

processes = multiprocessing.get_context("fork")


def objects_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_each_object_is_named_by_its_content(pushed, tmp_path):
    found = objects_in(tmp_path / "upstream")
    assert len(found) > 20
    for path in found:
        assert path.name.endswith(f".{file_digest(path)}")


def test_what_belongs_to_the_machine_stays_there(pushed):
    assert all(pushed.below(kind) for kind in ("checkpoints", "responses", "scores", "items"))
    assert all(pushed.below(kind) for kind in (*VALUES, "looks"))
    assert not any(pushed.below(kind) for kind in (*OF_THE_MACHINE, "locks", "logs", "training"))


def test_a_second_push_writes_nothing(store, pushed, url, cache, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in objects_in(tmp_path / "upstream")}
    status, text = cache("push", store.home, "--upstream", url)
    assert status == 0
    assert re.search(r"pushed: 0 of \d+ objects", text)
    assert {path: path.stat().st_mtime_ns for path in objects_in(tmp_path / "upstream")} == before


def test_a_dry_run_prints_the_sizes_and_writes_nothing(store, url, cache, tmp_path):
    status, text = cache("push", store.home, "--upstream", url, "--dry-run")
    assert status == 0
    assert "tiny/wanda_50" in text
    count = int(re.search(r"to push: (\d+) of", text)[1])
    assert not (tmp_path / "upstream").exists()
    assert f"pushed: {count} of {count}" in cache("push", store.home, "--upstream", url)[1]


def test_only_what_belongs_to_the_method_is_pushed(store, url, cache):
    status, text = cache("push", store.home, "--upstream", url, "--method", "dense")
    assert status == 0
    assert "wanda_50" not in text
    objects = Objects(url)
    assert not objects.below(CHECKPOINTS)
    assert len(objects.below("responses")) == 6  # four batches, distributions, identity
    assert len(objects.below("scores")) == 1
    assert len(objects.below("items")) == 1
    assert not any(objects.below(kind) for kind in (*VALUES, "looks"))


def test_the_looks_at_a_candidate_go_with_its_method(store, url, cache):
    cache("push", store.home, "--upstream", url, "--method", "wanda_50")
    assert len(Objects(url).below("looks")) == 1


@pytest.mark.parametrize(
    ("option", "name", "hint"),
    [("--method", "wanda_5", "did you mean 'wanda_50'"), ("--model", "large", "tiny")],
)
def test_a_name_with_nothing_in_the_store_is_refused(store, url, cache, option, name, hint):
    status, text = cache("push", store.home, "--upstream", url, option, name)
    assert status == 4
    assert f"{option} {name}" in text
    assert hint in text
    assert text.count("\n") == 1


def test_damaged_files_are_not_pushed(store, url, cache):
    (checkpoint,) = (store.home / CHECKPOINTS).iterdir()
    (checkpoint / "model" / "model.safetensors").write_bytes(b"x")
    batch = next((store.home / "responses").rglob("*.jsonl"))
    batch.write_text("{}\n")
    (store.home / "judgements" / "cut.json").write_text('{"verdict"')
    assert cache("push", store.home, "--upstream", url)[0] == 0
    objects = Objects(url)
    assert not objects.below(CHECKPOINTS)
    names = [one.name for one in (*objects.below("responses"), *objects.below("judgements"))]
    assert not any(batch.name in name or "cut" in name for name in names)


def test_two_builds_of_a_checkpoint_lie_side_by_side(store, pushed, url, cache, tmp_path):
    other = Store(tmp_path / "other")
    other.build(CHECKPOINTS, IDENTITY, lambda folder: make(folder, b"v" * 1000))
    assert cache("push", other.home, "--upstream", url)[0] == 0
    manifests = [one for one in pushed.below(CHECKPOINTS) if one.name.endswith(MANIFEST)]
    assert len({one.name.split("/")[1] for one in manifests}) == 2


def push_until(home, url, copies):
    """Push, and die without a word after so many groups of objects were copied."""
    from unicomp import cli

    copy, done = Objects._copy, [0]

    def counted(self, together, alone, sources, targets, on_progress, size):
        if done[0] == copies:
            Path(targets[0]).parent.mkdir(parents=True, exist_ok=True)
            Path(targets[0]).write_bytes(Path(sources[0]).read_bytes()[:-1])  # cut short
            os._exit(9)
        done[0] += 1
        copy(self, together, alone, sources, targets, on_progress, size)

    Objects._copy = counted
    cli.main(["cache", "push", "--unicomp-home", str(home), "--upstream", url])


@pytest.mark.parametrize("copies", [0, 3, 6, 9])
def test_a_push_that_is_killed_leaves_nothing_half_visible(store, url, cache, tmp_path, copies):
    process = processes.Process(target=push_until, args=(store.home, url, copies))
    process.start()
    process.join()
    assert process.exitcode == 9
    objects = Objects(url)
    for kind in (CHECKPOINTS, "responses", "scores", "items", *VALUES, "looks"):
        for one in objects.below(kind):
            objects.read(kind, one)  # raises CorruptedError
    assert cache("pull", tmp_path / "other", "--upstream", url)[0] == 0
    seen = Store(tmp_path / "other")
    finished = (seen.home / CHECKPOINTS).is_dir()
    assert not finished or all(
        seen.find(CHECKPOINTS, path.name) for path in (seen.home / CHECKPOINTS).iterdir()
    )
    assert cache("push", store.home, "--upstream", url)[0] == 0  # and the next one completes it
    shutil.rmtree(seen.home)
    assert cache("pull", seen.home, "--upstream", url)[0] == 0
    assert Store(seen.home).find(CHECKPOINTS, next((store.home / CHECKPOINTS).iterdir()).name)


def test_two_jobs_that_push_the_same_end_with_the_same(tmp_path, url, cache):
    homes = [fill(tmp_path / name).home for name in ("one", "two")]
    running = [processes.Process(target=push_until, args=(home, url, -1)) for home in homes]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0, 0]
    assert cache("pull", tmp_path / "other", "--upstream", url)[0] == 0
    leftover = [path for path in objects_in(tmp_path / "upstream") if len(path.suffix) != 65]
    assert leftover == []
