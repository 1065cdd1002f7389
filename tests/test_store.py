"""The store: one builder for each artifact, and nothing half finished, however a process ends."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.errors import StoreError
from unicomp.store import MANIFEST, Store, content_key, file_digest, write_atomically

KIND = "checkpoints"
IDENTITY = {"model": "m", "method": "wanda_50"}
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, a disk that is full")

processes = multiprocessing.get_context("fork")


def finished(store):
    """The keys of what a reader would find."""
    folder = store.home / KIND
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [name for name in names if not name.startswith(".") and store.find(KIND, name)]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


def make_model(folder):
    (folder / "model").mkdir()
    (folder / "model" / "weights").write_bytes(b"w" * 1000)
    (folder / "build.log").write_text("done\n")
    return {"seconds": 1.5}


def must_not_be_called(folder):
    raise AssertionError("it was built already")


# -- keys -----------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
identities = st.dictionaries(st.text(max_size=5), values, max_size=4)


@given(identities)
@settings(deadline=None)
def test_the_order_of_an_identity_does_not_matter(identity):
    assert content_key(dict(reversed(identity.items()))) == content_key(identity)


@given(identities, identities)
@settings(deadline=None)
def test_different_identities_have_different_keys(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (content_key(one) == content_key(other)) == same


# -- building -------------------------------------------------------------------------------------


def test_what_is_built_is_found_again(store):
    built = store.build(KIND, IDENTITY, make_model)
    found = store.build(KIND, IDENTITY, must_not_be_called)
    assert (built.fresh, found.fresh) == (True, False)
    assert built.path == found.path == store.home / KIND / content_key(IDENTITY)
    assert found.facts == {"seconds": 1.5}
    assert found.identity == IDENTITY
    assert store.find(KIND, built.key) == found
    assert finished(store) == [found.key]
    assert store.corrupt_files(found) == []


def test_another_identity_is_another_artifact(store):
    one = store.build(KIND, IDENTITY, make_model)
    other = store.build(KIND, {**IDENTITY, "method": "wanda_2_4"}, make_model)
    assert other.fresh
    assert one.path != other.path
    assert len(finished(store)) == 2


def test_a_failure_leaves_nothing_and_the_next_build_works(store):
    def fail(folder):
        make_model(folder)
        raise RuntimeError("the method failed")

    with pytest.raises(RuntimeError, match="the method failed"):
        store.build(KIND, IDENTITY, fail)
    assert list((store.home / KIND).iterdir()) == []
    assert store.build(KIND, IDENTITY, make_model).fresh


def build_and_count(home, log, delay):
    def make(folder):
        with log.open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        time.sleep(delay)
        return make_model(folder)

    assert Store(home).build(KIND, IDENTITY, make).facts == {"seconds": 1.5}


def test_many_processes_build_once(store, tmp_path):
    log = tmp_path / "log"
    workers = [
        processes.Process(target=build_and_count, args=(store.home, log, 0.3)) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len(log.read_text().splitlines()) == 1


def test_who_waits_says_so_once_and_says_when_it_is_over(store):
    waited = []
    started = processes.Event()
    proceed = processes.Event()

    def slowly(folder):
        started.set()
        proceed.wait(60)
        return make_model(folder)

    other = processes.Process(target=lambda: store.build(KIND, IDENTITY, slowly))
    other.start()
    assert started.wait(60)

    def on_wait(holder):
        waited.append(bool(holder))
        proceed.set()

    assert not store.build(KIND, IDENTITY, must_not_be_called, on_wait=on_wait).fresh
    other.join(60)
    assert waited == [True, False]


def test_a_killed_build_leaves_nothing_that_looks_finished(store):
    started = processes.Event()

    def hang(folder):
        make_model(folder)
        (folder / MANIFEST).write_text('{"identity": {}, "facts": {}, "files": {}}')
        started.set()
        time.sleep(600)

    victim = processes.Process(target=lambda: store.build(KIND, IDENTITY, hang))
    victim.start()
    assert started.wait(60)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(60)
    assert victim.exitcode == -signal.SIGKILL
    assert store.find(KIND, content_key(IDENTITY)) is None
    assert finished(store) == []
    built = store.build(KIND, IDENTITY, make_model)
    assert built.fresh
    assert [path.name for path in (store.home / KIND).iterdir()] == [built.key]
    assert store.corrupt_files(built) == []


# -- damage ---------------------------------------------------------------------------------------


def change_one_byte(path):
    (path / "model" / "weights").write_bytes(b"v" + b"w" * 999)


def test_a_file_that_keeps_its_size_and_time_is_found_by_its_checksum(store):
    built = store.build(KIND, IDENTITY, make_model)
    weights = built.path / "model" / "weights"
    before = weights.stat()
    change_one_byte(built.path)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.find(KIND, built.key) is not None
    assert store.corrupt_files(built) == ["model/weights"]


def test_an_artifact_that_moved_with_its_store_is_found(store, tmp_path):
    built = store.build(KIND, IDENTITY, make_model)
    shutil.copytree(store.home, tmp_path / "elsewhere")
    assert Store(tmp_path / "elsewhere").find(KIND, built.key) is not None


def test_finding_what_was_just_built_reads_no_file_again(store, monkeypatch):
    built = store.build(KIND, IDENTITY, make_model)
    monkeypatch.setattr("unicomp.store.file_digest", must_not_be_called)
    assert store.find(KIND, built.key) is not None


def test_only_what_was_finished_and_has_changed_is_damaged(store):
    built = store.build(KIND, IDENTITY, make_model)
    assert not store.is_damaged(KIND, built.key)
    assert not store.is_damaged(KIND, "0" * 32)
    change_one_byte(built.path)
    assert store.is_damaged(KIND, built.key)


@pytest.mark.parametrize(
    "damage",
    [
        change_one_byte,
        lambda path: os.truncate(path / "model" / "weights", 999),
        lambda path: (path / "model" / "weights").unlink(),
        lambda path: shutil.rmtree(path / "model"),
        lambda path: (path / MANIFEST).unlink(),
        lambda path: os.truncate(path / MANIFEST, 100),
        lambda path: (path / MANIFEST).write_text("[]"),
        lambda path: (path / MANIFEST).write_text('{"files": {}}'),
        lambda path: (path / MANIFEST).write_bytes(b"\xff\xfe"),
    ],
    ids=[
        "changed",
        "truncated",
        "deleted",
        "emptied",
        "no-manifest",
        "cut-manifest",
        "list",
        "incomplete",
        "binary",
    ],
)
def test_a_damaged_artifact_is_not_found_and_is_built_again(store, damage):
    built = store.build(KIND, IDENTITY, make_model)
    damage(built.path)
    assert store.find(KIND, built.key) is None
    assert finished(store) == []
    again = store.build(KIND, IDENTITY, make_model)
    assert again.fresh
    assert store.corrupt_files(again) == []


def test_a_deleted_file_is_corrupt(store):
    built = store.build(KIND, IDENTITY, make_model)
    (built.path / "build.log").unlink()
    assert store.corrupt_files(built) == ["build.log"]


def test_what_is_no_artifact_is_passed_over(store):
    store.build(KIND, IDENTITY, make_model)
    (store.home / KIND / "notes.txt").write_text("mine")
    (store.home / KIND / "empty").mkdir()
    assert store.find("nothing", "key") is None


# -- a disk that is full --------------------------------------------------------------------------


def fill(folder):
    (folder / "model").mkdir()
    with FULL.open("w") as stream:
        stream.write("w" * 100)
    return {}


@needs_full
def test_a_full_disk_says_so_and_keeps_what_was_finished(store):
    built = store.build(KIND, IDENTITY, make_model)
    other = {**IDENTITY, "method": "wanda_2_4"}
    with pytest.raises(
        StoreError, match=r"is full: free some space, or prune .*finished work is kept"
    ):
        store.build(KIND, other, fill)
    assert [path.name for path in (store.home / KIND).iterdir()] == [built.key]
    assert store.build(KIND, other, make_model).fresh


@needs_full
def test_a_value_that_does_not_fit_says_so_and_leaves_the_old_one(store, monkeypatch):
    store.remember("scores", "key", "old")
    folder = store.home / "scores"
    monkeypatch.setattr("secrets.token_hex", lambda size: "same")
    (folder / f".key.json.{os.getpid()}-same").symlink_to(FULL)
    with pytest.raises(StoreError, match="is full"):
        store.remember("scores", "key", "new" * 1000)
    assert store.recall("scores", "key") == "old"
    assert [path.name for path in folder.iterdir()] == ["key.json"]


def test_other_errors_of_a_build_are_not_mistaken_for_a_full_disk(store):
    def fail(folder):
        raise FileNotFoundError("no such weights")

    with pytest.raises(FileNotFoundError, match="no such weights"):
        store.build(KIND, IDENTITY, fail)


def test_a_home_that_cannot_be_written_names_the_option(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="--unicomp-home DIR"):
        Store(tmp_path / "file" / "home")


# -- files and values -----------------------------------------------------------------------------


def test_a_digest_is_computed_once_and_again_when_the_file_changes(store, tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    first = store.digest_of(path)
    assert first == store.digest_of(path) == file_digest(path)
    stamp = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert store.digest_of(path) == file_digest(path) != first
    path.write_bytes(b"three")
    assert store.digest_of(path) == file_digest(path)


def test_a_remembered_digest_is_not_read_again(store, tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    first, stamp = store.digest_of(path), path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert store.digest_of(path) == first


def test_a_damaged_memory_of_a_digest_is_only_forgotten(store, tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    digest = store.digest_of(path)
    for memo in (store.home / "digests").iterdir():
        memo.write_bytes(b"\xff{")
    assert store.digest_of(path) == digest


def test_equal_files_in_two_places_have_one_digest(store, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"same")
    assert store.digest_of(tmp_path / "a") == store.digest_of(tmp_path / "b")


@given(values)
@settings(deadline=None)
def test_what_is_remembered_is_recalled(value):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.remember("scores", "key", value)
        assert store.recall("scores", "key") == value


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe"])
def test_a_damaged_value_is_not_recalled(store, damage):
    assert store.recall("scores", "key") is None
    store.remember("scores", "key", [1])
    (store.home / "scores" / "key.json").write_bytes(damage)
    assert store.recall("scores", "key") is None


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "old")

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_lock_vanishes_with_the_process_that_held_it(store):
    held = processes.Event()

    def hold():
        with store.lock("one"):
            held.set()
            time.sleep(600)

    victim = processes.Process(target=hold)
    victim.start()
    assert held.wait(60)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(60)
    with store.lock("one"):
        pass


def test_locks_of_other_names_do_not_wait(store):
    with store.lock("one"), store.lock("two", on_wait=pytest.fail):
        pass
