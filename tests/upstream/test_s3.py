"""Against a server that speaks S3, run here: push, pull, and what it refuses."""

import logging
import re

import pytest

from unicomp.store import CHECKPOINTS, Store
from unicomp.upstream import open_store
from unicomp.upstream.objects import Objects

from .conftest import IDENTITY, VALUES, files_of, log_of

pytest.importorskip("s3fs")
server_of = pytest.importorskip("moto.server")

URL = "s3://company/teams/unicomp"
SECRET = "SECRET-KEY-OF-THE-JOB"


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    started = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*started.get_host_and_port()))
        patch.setenv("AWS_ACCESS_KEY_ID", "job")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield started
    started.stop()


@pytest.fixture
def s3(server):
    """The file system of the server, with an empty bucket."""
    fs = Objects(URL)._fs
    fs.invalidate_cache()
    if fs.exists("company"):
        fs.rm("company", recursive=True)
    fs.mkdir("company")
    return fs


def must_not_build(folder):
    raise AssertionError("it is upstream")


def test_what_is_pushed_arrives_and_a_corrupted_object_is_refused(s3, store, cache, tmp_path):
    dry = cache("push", store.home, "--upstream", URL, "--dry-run")[1]
    assert s3.find("company") == []
    status, text = cache("push", store.home, "--upstream", URL)
    assert status == 0, text
    assert re.search(r"(\d+) of", dry)[1] == re.search(r"pushed: (\d+) of", text)[1]
    assert "pushed: 0 of" in cache("push", store.home, "--upstream", URL)[1]
    assert cache("pull", tmp_path / "other", "--upstream", URL)[0] == 0
    other = Store(tmp_path / "other")
    assert log_of(other).read() == log_of(store).read()
    before = files_of(store.home, "scores", "items", *VALUES)
    assert files_of(other.home, "scores", "items", *VALUES) == before
    assert open_store(tmp_path / "run", URL).build(CHECKPOINTS, IDENTITY, must_not_build).taken

    (victim,) = (path for path in s3.find("company") if "model.safetensors" in path)
    s3.pipe_file(victim, b"v" * 1000)
    status, text = cache("pull", tmp_path / "third", "--upstream", URL)
    assert status == 1
    (line,) = (line for line in text.splitlines() if line.startswith("unicomp:"))
    assert victim.rpartition("/")[2] in line
    assert not (tmp_path / "third" / CHECKPOINTS / "model").exists()
    assert log_of(Store(tmp_path / "third")).read() == log_of(store).read()


def test_a_large_object_is_copied_in_parts_with_progress(s3, tmp_path, monkeypatch):
    from unicomp.upstream.objects import Stored, file_digest

    given = tmp_path / "large"
    given.write_bytes(bytes(range(256)) * 2**16)  # 16 MiB
    one = Stored("large", file_digest(given), given.stat().st_size)
    objects, seen = Objects(URL), []
    objects.put("checkpoints", [(given, one)], seen.append)
    assert objects.below("checkpoints") == [one]
    assert sum(seen) == one.size
    seen.clear()
    assert objects.fetch("checkpoints", [(one, tmp_path / "back")], seen.append) == []
    assert (tmp_path / "back").read_bytes() == given.read_bytes()
    assert sum(seen) == one.size
    assert len(seen) > 1


def test_a_bucket_that_is_not_there_is_refused(s3, store, cache):
    status, text = cache("push", store.home, "--upstream", "s3://nobody/folder")
    assert status == 4
    assert "bucket does not exist" in text
    assert text.count("\n") == 1


def test_a_job_without_rights_is_refused_without_its_key(s3, store, cache, monkeypatch):
    from moto import settings
    from moto.core.responses import ActionAuthenticatorMixin

    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    monkeypatch.setattr(ActionAuthenticatorMixin, "request_count", 0)
    for action in ("push", "pull"):
        status, text = cache(action, store.home, "--upstream", URL)
        assert status == 4
        assert "PermissionError" in text
        assert SECRET not in text
        assert text.count("\n") == 1


def test_a_server_that_does_not_answer_is_named(server, store, cache, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    try:
        status, text = cache("pull", store.home, "--upstream", URL)
    finally:
        S3FileSystem.clear_instance_cache()
    assert status == 4
    assert "Could not connect" in text
    assert SECRET not in text
