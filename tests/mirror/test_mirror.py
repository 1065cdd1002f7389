"""Mirrors: filled from a hub, verified without one, and refused where they differ from the lock.

The hub is an HTTP server of this file that speaks as much of the protocol as is needed.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unicomp import Benchmark, Mean, TaskMetric, catalogue, cli
from unicomp.commands import mirror as mirror_command
from unicomp.data.calibration import Part, Recipe
from unicomp.data.layout import Layout, layout_of, matching, read_layout
from unicomp.data.lock import LOCK_FILE, load_lock
from unicomp.data.sources import PARTIAL, Source
from unicomp.errors import SpecError
from unicomp.mirror.fetch import fill
from unicomp.mirror.needs import NeededRows, benchmark_needs, by_dataset, files_of, recipe_needs
from unicomp.mirror.survey import check_pinned, survey_dataset
from unicomp.prompts.tasks import Definition
from unicomp.store import file_digest

ROOT = os.environ.get("UNICOMP_DATASET_ROOT")


# -- a hub ----------------------------------------------------------------------------------------


def blob_of(content):
    """The id that git gives a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub(ThreadingHTTPServer):
    """Data sets in memory, each with its history, behind the hub's interface."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.heads = {}
        self.commits = {}
        self.gated = set()
        self.broken = set()  # only the first half of these files is sent
        self.sent = []  # the paths of files that were sent

    def put(self, dataset, files):
        """A new commit of a data set."""
        content = {
            name: text if isinstance(text, bytes) else text.encode() for name, text in files.items()
        }
        digest = hashlib.sha1(repr((dataset, sorted(content.items()))).encode()).hexdigest()
        self.commits[dataset, digest] = content
        self.heads[dataset] = digest
        return digest

    def find(self, dataset, revision):
        """The files of a commit; None where there is no such commit."""
        commit = self.heads.get(dataset) if revision == "main" else revision
        return commit, self.commits.get((dataset, commit))


def is_lfs(name):
    return name.endswith((".parquet", ".gz"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = unquote(urlsplit(self.path).path)
        api = re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        file = re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        found = api or file
        dataset, revision = (
            (found[1], (api[3] if api else file[2]) or "main") if found else ("", "")
        )
        commit, files = self.server.find(dataset, revision)
        if dataset not in self.server.heads:
            self.refuse(404, "RepoNotFound")
        elif files is None:
            self.refuse(404, "RevisionNotFound")
        elif api:
            listed = [self.entry(name, content, api[2]) for name, content in files.items()]
            info = {"id": dataset, "sha": commit, "siblings": listed}
            self.send(json.dumps(listed if api[2] == "tree" else info).encode())
        elif dataset in self.server.gated:
            self.refuse(403, "GatedRepo")
        elif file[3] not in files:
            self.refuse(404, "EntryNotFound")
        else:
            self.send_file(file[3], files[file[3]], commit)

    @staticmethod
    def entry(name, content, kind):
        digest, size = hashlib.sha256(content).hexdigest(), len(content)
        if kind == "tree":
            lfs = {"lfs": {"oid": digest, "size": size, "pointerSize": 100}} if is_lfs(name) else {}
            return {"type": "file", "path": name, "oid": blob_of(content), "size": size, **lfs}
        lfs = {"lfs": {"sha256": digest, "size": size, "pointerSize": 100}} if is_lfs(name) else {}
        return {"rfilename": name, "blobId": blob_of(content), "size": size, **lfs}

    def send_file(self, name, content, commit):
        etag = hashlib.sha256(content).hexdigest() if is_lfs(name) else blob_of(content)
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if start := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            content = content[int(start[1]) :]
        if self.command == "GET":
            self.server.sent.append(name)
        half = content[: len(content) // 2] if name in self.server.broken else content
        self.send(content, headers, status=206 if start else 200, really=half)
        self.close_connection = self.close_connection or half is not content

    def refuse(self, status, code):
        self.send(b"{}", {"X-Error-Code": code}, status=status)

    def send(self, content, headers=(), status=200, really=None):
        self.send_response(status)
        for name, value in {**dict(headers), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content if really is None else really)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that the library believes to be the real one."""
    from huggingface_hub import constants

    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        server.url + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between two tries of a download
    yield server
    server.shutdown()
    server.server_close()


# -- data sets on it ------------------------------------------------------------------------------


def jsonl(count, start=0):
    return "".join(
        json.dumps({"q": f"question {n}", "a": n}) + "\n" for n in range(start, start + count)
    )


def parquet(count):
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa.table({"q": [f"question {n}" for n in range(count)]}), stream)
    return stream.getvalue()


def readme(configs):
    """A README that declares {configuration: {split: pattern}}."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, pattern in splits.items():
            lines += [f"  - split: {split}", f"    path: {pattern}"]
    return "\n".join([*lines, "---", "# Tiny", ""])


QUIZ = {
    "README.md": readme(
        {name: {s: f"{name}/{s}-*" for s in ("train", "test")} for name in ("aa", "de", "fr")}
    ),
    ".gitattributes": "*.parquet filter=lfs\n",
    **{f"{name}/train-00000-of-00001.jsonl": jsonl(4) for name in ("aa", "de", "fr")},
    **{f"{name}/test-0000{n}-of-00002.jsonl": jsonl(3, n) for name in ("de", "fr") for n in (0, 1)},
    "aa/test-00000-of-00001.jsonl": jsonl(1),
}
QUIZ_NEEDS = [
    NeededRows(dataset="tiny/quiz", config=name, splits=frozenset({"test"}))
    for name in ("de", "fr")
]
SUMS = {"test.parquet": parquet(7), "notes.md": "not a row"}
SUMS_NEED = NeededRows(dataset="tiny/sums", splits=frozenset({"test"}))
WEB = {
    "README.md": readme({"en": {"train": "en/train.*.gz", "validation": "en/validation.*.gz"}}),
    **{
        f"en/{split}.0000{n}-of-00003.json.gz": gzip.compress(jsonl(5 + n).encode(), mtime=0)
        for split in ("train", "validation")
        for n in range(3)
    },
}
WEB_NEED = NeededRows(dataset="tiny/web", config="en", splits=frozenset({"train"}), large=True)


class Told(list):
    """The errors of a run, one line each."""

    def __call__(self, error):
        assert "\n" not in str(error)
        self.append(str(error))


def run(mirror, needs, lock_to=None):
    """Fill a mirror: what is found then, and the errors."""
    told = Told()
    lock = load_lock(lock_to) if lock_to else {}
    found = fill(mirror, by_dataset(needs), lock=lock, lock_to=lock_to, on_error=told)
    return found, told


def visible(mirror, dataset):
    return {
        path.relative_to(mirror / dataset).as_posix() for path in Source(str(mirror)).files(dataset)
    }


# -- filling --------------------------------------------------------------------------------------


def test_an_empty_mirror_is_filled_with_what_is_needed_and_no_more(hub, tmp_path):
    hub.put("tiny/quiz", QUIZ)
    hub.put("tiny/web", WEB)
    found, told = run(tmp_path / "new/mirror", [QUIZ_NEEDS[0], WEB_NEED])
    assert told == []
    assert all(one.complete for one in found)
    assert [dict(one.rows) for one in found] == [{"test": 6}, {"train": 5}]
    assert visible(tmp_path / "new/mirror", "tiny/quiz") == {
        "README.md",
        "aa/test-00000-of-00001.jsonl",  # `datasets` opens nothing without the first one
        "aa/train-00000-of-00001.jsonl",
        "de/test-00000-of-00002.jsonl",
        "de/test-00001-of-00002.jsonl",
        "de/train-00000-of-00001.jsonl",  # nor a configuration that lacks a split
    }
    assert visible(tmp_path / "new/mirror", "tiny/web") == {
        "README.md",
        "en/train.00000-of-00003.json.gz",
        "en/validation.00000-of-00003.json.gz",
    }


def test_a_data_set_that_declares_nothing_is_taken_whole(hub, tmp_path):
    hub.put("tiny/sums", SUMS)
    (found,), told = run(tmp_path, [SUMS_NEED])
    assert (found.complete, dict(found.rows), told) == (True, {"test": 7}, [])
    assert survey_dataset(tmp_path / "tiny/sums", [replace(SUMS_NEED, config="default")], {})[
        0
    ].complete


def test_a_complete_mirror_is_left_alone(hub, tmp_path):
    hub.put("tiny/quiz", QUIZ)
    run(tmp_path, QUIZ_NEEDS)
    hub.put("tiny/quiz", {**QUIZ, "de/test-00000-of-00002.jsonl": jsonl(9)})
    hub.sent.clear()
    found, _ = run(tmp_path, QUIZ_NEEDS)
    assert all(one.complete for one in found)
    assert hub.sent == []
    assert found[0].rows == {"test": 6}


def test_only_what_is_missing_is_fetched(hub, tmp_path):
    hub.put("tiny/quiz", QUIZ)
    run(tmp_path, QUIZ_NEEDS)
    gone = "de/test-00001-of-00002.jsonl"
    (tmp_path / "tiny/quiz" / gone).unlink()
    hub.sent.clear()
    found, told = run(tmp_path, QUIZ_NEEDS)
    assert hub.sent == [gone]
    assert (all(one.complete for one in found), told) == (True, [])


def test_a_file_that_someone_copied_is_recognised(hub, tmp_path):
    hub.put("tiny/sums", {**SUMS, "README.md": readme({"default": {"test": "test.parquet"}})})
    (tmp_path / "tiny/sums").mkdir(parents=True)
    (tmp_path / "tiny/sums/test.parquet").write_bytes(SUMS["test.parquet"])
    run(tmp_path, [replace(SUMS_NEED, splits=frozenset({"test", "train"}))])  # asks the hub
    assert hub.sent == ["README.md"]


def test_a_broken_download_goes_on_where_it_stopped(hub, tmp_path):
    hub.put("tiny/sums", SUMS)
    hub.put("tiny/quiz", QUIZ)
    hub.broken.add("de/test-00001-of-00002.jsonl")
    found, told = run(tmp_path, [*QUIZ_NEEDS, SUMS_NEED])
    assert len(told) == 1
    assert "tiny/quiz" in told[0]
    assert [one.complete for one in found] == [False, False, True]  # the other set is not stopped
    assert found[0].problems == ("its download was broken off",)
    with pytest.raises(SpecError, match="go on with `unicomp mirror"):
        Source(str(tmp_path)).path("tiny/quiz")

    hub.broken.clear()
    hub.sent.clear()
    found, told = run(tmp_path, [*QUIZ_NEEDS, SUMS_NEED])
    assert (all(one.complete for one in found), told) == (True, [])
    assert "README.md" not in hub.sent
    assert not (tmp_path / "tiny/quiz" / PARTIAL).exists()


def test_a_set_that_is_broken_off_between_two_files_is_not_complete(hub, tmp_path):
    files = {"test-a.jsonl": jsonl(2), "test-b.jsonl": jsonl(2)}
    hub.put("tiny/plain", files)
    hub.broken.add("test-b.jsonl")
    need = NeededRows(dataset="tiny/plain", splits=frozenset({"test"}))
    run(tmp_path, [need])
    hub.broken.clear()
    (found,), _ = run(tmp_path, [need])
    assert found.rows == {"test": 4}


# -- what goes wrong ------------------------------------------------------------------------------


def test_a_gated_set_says_how_to_get_it_and_does_not_stop_the_others(hub, tmp_path):
    hub.put("tiny/quiz", QUIZ)
    hub.put("tiny/sums", SUMS)
    hub.gated.add("tiny/quiz")
    found, told = run(tmp_path, [*QUIZ_NEEDS, SUMS_NEED])
    (line,) = told
    assert f"tiny/quiz is gated: accept its conditions at {hub.url}/datasets/tiny/quiz" in line
    assert "hf auth login" in line
    assert "HF_TOKEN" in line
    assert [one.absent for one in found] == [True, True, False]
    assert not (tmp_path / "tiny/quiz").exists()


def test_a_gated_set_that_someone_copied_is_left_as_it_was(hub, tmp_path):
    hub.put("tiny/sums", SUMS)
    hub.gated.add("tiny/sums")
    copy = tmp_path / "tiny/sums/test.parquet"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(parquet(2))
    (found,), told = run(tmp_path, [replace(SUMS_NEED, splits=frozenset({"test", "train"}))])
    assert len(told) == 1
    assert not (copy.parent / PARTIAL).exists()
    assert not found.complete
    assert survey_dataset(copy.parent, [SUMS_NEED], {})[0].rows == {"test": 2}


def test_a_set_that_the_hub_has_not_is_one_line(hub, tmp_path):
    (found,), told = run(tmp_path, [SUMS_NEED])
    assert told == [
        "there is no data set tiny/sums on the hub; if it is private, log in with "
        "`hf auth login`, or set HF_TOKEN"
    ]
    assert found.absent


def test_a_revision_that_is_gone_is_one_line(hub, tmp_path):
    hub.put("tiny/sums", SUMS)
    run(tmp_path / "mirror", [SUMS_NEED], tmp_path)
    hub.commits.clear()
    hub.put("tiny/sums", {"test.parquet": parquet(1)})
    _, told = run(tmp_path / "other", [SUMS_NEED], tmp_path)
    assert "has no revision" in told[0]
    assert LOCK_FILE in told[0]


def test_a_configuration_that_the_hub_has_not_is_named(hub, tmp_path):
    hub.put("tiny/quiz", QUIZ)
    needs = [*QUIZ_NEEDS, replace(QUIZ_NEEDS[0], config="yo")]
    found, told = run(tmp_path, needs)
    assert told == []
    assert [one.complete for one in found] == [True, True, False]
    assert found[2].absent


def test_no_way_to_the_hub_is_said_once(hub, tmp_path):
    hub.shutdown()
    hub.server_close()
    found, told = run(tmp_path, [*QUIZ_NEEDS, SUMS_NEED, WEB_NEED])
    (line,) = told
    assert f"the hub at {hub.url} cannot be reached" in line
    assert "--verify" in line
    assert all(one.absent for one in found)
    assert not list(tmp_path.iterdir())


def test_the_offline_switch_is_obeyed(hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    hub.put("tiny/sums", SUMS)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    _, told = run(tmp_path, [SUMS_NEED])
    assert "HF_HUB_OFFLINE is set" in told[0]


# -- verifying ------------------------------------------------------------------------------------


def problems(mirror, need, lock=None):
    (found,) = survey_dataset(mirror / need.dataset, [need], lock or {})
    assert found.complete == (not found.problems and not found.absent)
    return found.problems


def test_a_damaged_file_is_found(hub, tmp_path):
    hub.put("tiny/sums", SUMS)
    run(tmp_path, [SUMS_NEED])
    assert problems(tmp_path, SUMS_NEED) == ()
    path = tmp_path / "tiny/sums/test.parquet"
    path.write_bytes(SUMS["test.parquet"][:-9])
    (problem,) = problems(tmp_path, SUMS_NEED)
    assert "cannot be read" in problem
    run(tmp_path, [SUMS_NEED])
    assert path.read_bytes() == SUMS["test.parquet"]


def test_a_missing_shard_is_named(hub, tmp_path):
    hub.put("tiny/quiz", QUIZ)
    run(tmp_path, QUIZ_NEEDS)
    (tmp_path / "tiny/quiz/de/test-00000-of-00002.jsonl").unlink()
    assert problems(tmp_path, QUIZ_NEEDS[0]) == ("lacks de/test-00000-of-00002.jsonl",)
    assert problems(tmp_path, QUIZ_NEEDS[1]) == ()


def test_rows_are_counted_anew_where_a_file_was_replaced(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "tiny/sums"
    replace_a_known_file(folder)
    assert survey_dataset(folder, [SUMS_NEED], {})[0].rows == {"test": 3}


def replace_a_known_file(folder):
    """A file that the cache of `datasets` knows, replaced by one of the same name and age."""
    import datasets

    path = folder / "test.jsonl"
    for text in ('{"q": "old"}\n', '{"other": 1}\n' * 3):
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (1, 1))
        if "old" in text:
            datasets.load_dataset(str(folder))


def test_a_split_that_is_not_there_is_named(hub, tmp_path):
    hub.put("tiny/sums", SUMS)
    run(tmp_path, [SUMS_NEED])
    need = replace(SUMS_NEED, splits=frozenset({"dev"}))
    assert problems(tmp_path, need) == ("default has no split dev, only test",)


def test_a_split_without_rows_is_not_complete(tmp_path):
    path = tmp_path / "tiny/sums/test.csv"
    path.parent.mkdir(parents=True)
    path.write_text("q,a\n")
    assert problems(tmp_path, SUMS_NEED) == ("default has no rows in test",)


# -- the lock -------------------------------------------------------------------------------------


def test_what_is_fetched_is_locked_with_what_is_in_it(hub, tmp_path):
    commit = hub.put("tiny/quiz", QUIZ)
    found, _ = run(tmp_path / "mirror", QUIZ_NEEDS, tmp_path)
    pin = load_lock(tmp_path)["tiny/quiz"]
    assert pin.revision == commit
    assert pin.rows == {"de": {"test": 6}, "fr": {"test": 6}}
    assert pin.files == {
        name: hashlib.sha256(QUIZ[name].encode()).hexdigest()
        for name in visible(tmp_path / "mirror", "tiny/quiz")
    }
    assert all(one.complete for one in found)
    assert all(
        problems(tmp_path / "mirror", need, load_lock(tmp_path)) == () for need in QUIZ_NEEDS
    )


def test_a_copy_is_locked_only_as_what_the_hub_has(hub, tmp_path):
    hub.put("tiny/sums", SUMS)
    copy = tmp_path / "mirror/tiny/sums/test.parquet"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(parquet(2))
    run(tmp_path / "mirror", [SUMS_NEED], tmp_path)
    assert copy.read_bytes() == SUMS["test.parquet"]
    assert load_lock(tmp_path)["tiny/sums"].rows == {"default": {"test": 7}}


def test_what_cannot_be_fetched_is_not_locked(hub, tmp_path):
    hub.put("tiny/sums", SUMS)
    hub.gated.add("tiny/sums")
    copy = tmp_path / "mirror/tiny/sums/test.parquet"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(SUMS["test.parquet"])
    run(tmp_path / "mirror", [SUMS_NEED], tmp_path)
    assert load_lock(tmp_path) == {}


def test_another_mirror_gets_the_locked_revision(hub, tmp_path):
    hub.put("tiny/sums", SUMS)
    run(tmp_path / "mirror", [SUMS_NEED], tmp_path)
    hub.put("tiny/sums", {"test.parquet": parquet(99)})
    before = (tmp_path / LOCK_FILE).read_text()
    (found,), told = run(tmp_path / "other", [SUMS_NEED], tmp_path)
    assert (found.rows, told) == ({"test": 7}, [])
    assert (tmp_path / LOCK_FILE).read_text() == before


def test_more_of_a_locked_set_is_locked_at_the_same_revision(hub, tmp_path):
    commit = hub.put("tiny/quiz", QUIZ)
    run(tmp_path / "mirror", QUIZ_NEEDS[:1], tmp_path)
    hub.put("tiny/quiz", {**QUIZ, "fr/test-00000-of-00002.jsonl": jsonl(50)})
    run(tmp_path / "mirror", QUIZ_NEEDS, tmp_path)
    pin = load_lock(tmp_path)["tiny/quiz"]
    assert (pin.revision, pin.rows["fr"]) == (commit, {"test": 6})


def test_a_file_changed_after_locking_is_found_refused_and_mended(hub, tmp_path):
    hub.put("tiny/quiz", QUIZ)
    mirror, need = tmp_path / "mirror", QUIZ_NEEDS[0]
    run(mirror, [need], tmp_path)
    path = mirror / "tiny/quiz/de/test-00000-of-00002.jsonl"
    stat = path.stat()
    path.write_text(path.read_text().replace("question", "Question"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as old and as long as before
    lock = load_lock(tmp_path)
    assert problems(mirror, need) == ()  # it can be read, and nothing else is known of it
    (problem,) = problems(mirror, need, lock)
    assert problem == "de/test-00000-of-00002.jsonl differs from the lock"
    with pytest.raises(SpecError, match=r"de/test-00000-of-00002\.jsonl is not the file"):
        check_pinned(Source(str(mirror), lock), [need], file_digest)
    fill(mirror, by_dataset([need]), lock=lock)
    assert path.read_text() == QUIZ["de/test-00000-of-00002.jsonl"]
    check_pinned(Source(str(mirror), lock), [need], file_digest)


def test_a_lock_that_was_edited_is_not_made_to_fit(hub, tmp_path):
    hub.put("tiny/sums", SUMS)
    run(tmp_path / "mirror", [SUMS_NEED], tmp_path)
    path = tmp_path / LOCK_FILE
    path.write_text(
        path.read_text().replace(hashlib.sha256(SUMS["test.parquet"]).hexdigest(), "0" * 64)
    )
    (found,), _ = run(tmp_path / "mirror", [SUMS_NEED], tmp_path)
    assert found.problems == ("test.parquet differs from the lock",)
    assert "0" * 64 in path.read_text()


# -- what another commit left ---------------------------------------------------------------------

SHARDS = {"README.md": readme({"main": {"test": "main/test-*"}})}
OLD = SHARDS | {"main/test-00000-of-00001.jsonl": jsonl(4)}
NEW = SHARDS | {f"main/test-0000{n}-of-00002.jsonl": jsonl(2, 2 * n) for n in (0, 1)}
SHARDS_NEED = NeededRows(dataset="tiny/shards", config="main", splits=frozenset({"test"}))


def test_shards_of_an_older_commit_are_not_read_beside_the_new_ones(hub, tmp_path):
    hub.put("tiny/shards", OLD)
    run(tmp_path / "mirror", [SHARDS_NEED])
    hub.put("tiny/shards", NEW)
    (found,), told = run(tmp_path / "mirror", [SHARDS_NEED], tmp_path)
    assert (found.complete, found.rows, told) == (True, {"test": 4}, [])
    assert visible(tmp_path / "mirror", "tiny/shards") == set(NEW)
    assert load_lock(tmp_path)["tiny/shards"].files.keys() == set(NEW)
    assert load_lock(tmp_path)["tiny/shards"].rows == {"main": {"test": 4}}


def test_nor_are_new_ones_beside_those_that_are_pinned(hub, tmp_path):
    hub.put("tiny/shards", OLD)
    run(tmp_path / "pinned", [SHARDS_NEED], tmp_path)
    hub.put("tiny/shards", NEW)
    run(tmp_path / "newer", [SHARDS_NEED])
    (found,), told = run(tmp_path / "newer", [SHARDS_NEED], tmp_path)
    assert (found.complete, found.rows, told) == (True, {"test": 4}, [])
    assert visible(tmp_path / "newer", "tiny/shards") == set(OLD)


def test_a_file_of_unknown_origin_is_not_removed_and_nothing_is_pinned(hub, tmp_path):
    hub.put("tiny/shards", NEW)
    run(tmp_path / "mirror", [SHARDS_NEED])
    own = tmp_path / "mirror/tiny/shards/main/test-own.jsonl"
    own.write_text(jsonl(1))
    _, told = run(tmp_path / "mirror", [SHARDS_NEED], tmp_path)
    assert told == [
        f"tiny/shards: {own} would be read together with the rows of the hub, which does not "
        "have it: move it out of the mirror"
    ]
    assert own.exists()
    assert not (tmp_path / "mirror/tiny/shards" / PARTIAL).exists()
    assert load_lock(tmp_path) == {}


def test_a_file_that_nothing_reads_is_left_alone(hub, tmp_path):
    hub.put("tiny/shards", NEW)
    run(tmp_path / "mirror", [SHARDS_NEED])
    own = tmp_path / "mirror/tiny/shards/notes.txt"
    own.write_text("mine")
    _, told = run(tmp_path / "mirror", [SHARDS_NEED], tmp_path)
    assert (own.exists(), told) == (True, [])
    assert load_lock(tmp_path)["tiny/shards"].files.keys() == set(NEW)


def test_a_pattern_that_is_malformed_is_one_line_and_does_not_stop_the_others(hub, tmp_path):
    hub.put("tiny/shards", {**NEW, "README.md": readme({"main": {"test": '"main/[z-a]"'}})})
    hub.put("tiny/sums", SUMS)
    found, told = run(tmp_path, [SHARDS_NEED, SUMS_NEED])
    reason = "the pattern 'main/[z-a]' is malformed: bad character range z-a"
    assert told == [f"tiny/shards: {reason}"]
    assert [one.complete for one in found] == [False, True]
    (tmp_path / "tiny/shards").mkdir(exist_ok=True)
    (tmp_path / "tiny/shards/README.md").write_text(readme({"main": {"test": '"main/[z-a]"'}}))
    (tmp_path / "tiny/shards" / PARTIAL).unlink(missing_ok=True)
    assert problems(tmp_path, SHARDS_NEED) == (reason,)


# -- what is needed -------------------------------------------------------------------------------


def bench(folder, text, **about):
    path = folder / "task.yaml"
    path.write_text(text)
    settings = {"scorer": TaskMetric("acc,none"), "aggregate": Mean("correct"), **about}
    return Benchmark(name="tiny", metric="knowledge", task=path, **settings)


SPLITS = "task: t\ndataset_path: tiny/quiz\ntraining_split: train\n"


@pytest.mark.parametrize(
    ("text", "shots", "splits"),
    [
        ("test_split: test\n", 0, {"test"}),
        ("validation_split: validation\n", 0, {"validation"}),
        ("test_split: null\nvalidation_split: dev\n", 0, {"dev"}),
        ("test_split: test\nfewshot_split: dev\n", 0, {"test"}),
        ("test_split: test\nfewshot_split: dev\n", 5, {"test", "dev"}),
        ("test_split: test\n", 5, {"test", "train"}),
        ("test_split: test\nfewshot_config: {samples: [{q: 1}]}\n", 5, {"test"}),
    ],
)
def test_a_benchmark_needs_the_split_of_its_items_and_that_of_its_examples(
    tmp_path, text, shots, splits
):
    tiny = bench(tmp_path, SPLITS + text, shots=shots, configs=("de", "fr"))
    needs = benchmark_needs(Definition(tiny, Source("hub")))
    assert [(need.config, need.splits) for need in needs] == [("de", splits), ("fr", splits)]


def test_a_task_that_names_files_needs_them(tmp_path):
    text = SPLITS + "test_split: test\ndataset_kwargs:\n  data_files:\n    test: a/b.json\n"
    (need,) = benchmark_needs(Definition(bench(tmp_path, text), Source("hub")))
    assert need.files == (("test", ("a/b.json",)),)
    files = files_of(need, Layout({}), {"a/b.json", "a/c.json", "README.md"})
    assert files.required == ("README.md", "a/b.json")


def test_the_needs_of_one_configuration_are_one():
    part = Part(dataset="tiny/quiz", configs=("de",), render=str, large=True)
    recipe = Recipe(name="some", parts=(part,))
    both = [*recipe_needs(recipe, Source("hub")), *QUIZ_NEEDS]
    (one, _) = by_dataset(both)["tiny/quiz"]
    assert one.splits == {"train", "test"}
    assert not one.large  # the benchmark reads all of it


def test_the_shipped_suites_and_calibrations_say_what_they_need():
    from pathlib import Path

    wanted = mirror_command.needed(Path(__file__).parents[1])
    assert {"openai/gsm8k", "allenai/c4", "TrustLLM/TrustLLM-dataset"} <= wanted.keys()
    c4 = wanted["allenai/c4"]
    assert {"en", "de", "yo"} <= {need.config for need in c4}
    assert all(need.large and need.splits == {"train"} for need in c4)
    assert {"wikimedia/wikipedia", "allenai/tulu-3-sft-personas-instruction-following"} <= set(
        wanted
    )
    (gsm8k,) = wanted["openai/gsm8k"]
    assert gsm8k.splits == {"test", "train"}
    assert len(wanted["CohereLabs/Global-MMLU-Lite"]) == 15


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*.json", {"a.json"}),
        ("**", {"a.json", "d/a.json", "d/e/b[1].json"}),
        ("**/*.json", {"a.json", "d/a.json", "d/e/b[1].json"}),
        ("d/**", {"d/a.json", "d/e/b[1].json"}),
        ("d/*", {"d/a.json"}),
        ("?.json", {"a.json"}),
        ("[!b].json", {"a.json"}),
        ("d/e/b[[]1].json", {"d/e/b[1].json"}),
        ("d/[a-c].json", {"d/a.json"}),
        ("A.json", set()),
    ],
)
def test_patterns_match_as_on_the_hub(pattern, matched):
    assert set(matching([pattern], ["a.json", "d/a.json", "d/e/b[1].json"])) == matched


@pytest.mark.parametrize("pattern", ["main/train-**", "data/**.jsonl", "[z-a]", "[!]"])
def test_a_pattern_that_the_hub_does_not_take_is_named(pattern):
    with pytest.raises(SpecError, match=r"^the pattern '.*' is malformed: .") as refusal:
        matching([pattern], ["main/train-1.jsonl"])
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("pattern", ["/main/a.jsonl", "", "../main/a.jsonl"])
def test_a_pattern_that_leads_elsewhere_matches_nothing(pattern):
    assert matching([pattern], ["main/a.jsonl"]) == []


def test_a_declaration_of_some_shards_needs_no_others():
    need = NeededRows(dataset="tiny/part", config="some", splits=frozenset({"test"}))
    layout = Layout({"some": {"test": ("test-0000[01]-of-00004.jsonl",)}})
    paths = {f"test-0000{n}-of-00004.jsonl" for n in range(2)}
    files = files_of(need, layout, paths)
    assert (set(files.required), files.lacking) == (paths, ())


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        ("x.csv", {"train": ("x.csv",)}),
        ("[x.csv, y.csv]", {"train": ("x.csv", "y.csv")}),
        ("{test: x.csv}", {"test": ("x.csv",)}),
        ("[{split: test, path: [x.csv, y.csv]}]", {"test": ("x.csv", "y.csv")}),
    ],
)
def test_every_way_to_declare_files_is_understood(files, splits):
    layout = read_layout(f"---\nconfigs:\n- config_name: one\n  data_files: {files}\n---\n")
    assert layout.splits("one") == layout.splits(None) == splits
    assert layout.splits("two") is None


def test_a_folder_is_a_declaration_too():
    layout = read_layout(
        "---\nconfigs:\n- {config_name: a, data_dir: x}\n- {config_name: b}\n---\n"
    )
    assert layout.patterns("a") == ("x/**",)
    assert layout.patterns(None) is None  # neither is meant more than the other


@pytest.mark.parametrize(
    "text",
    ["", "# Tiny", "---\n", "---\nconfigs: 3\n---\n", "---\nconfigs: [a]\n---\n", "---\n[\n---\n"],
)
def test_a_readme_that_declares_nothing_usable_declares_nothing(text):
    assert read_layout(text) == Layout({})


def test_a_large_set_that_declares_nothing_is_told_apart_by_names():
    need = NeededRows(dataset="tiny/web", splits=frozenset({"test"}), large=True)
    paths = {"a/contest-1.json", "a/test-1.json", "a/test-2.json", "a/train.json"}
    assert files_of(need, Layout({}), paths).required == ("a/test-1.json",)
    paths = {"a/1.json", "a/2.json"}
    assert files_of(need, Layout({}), paths).required == ("a/1.json", "a/2.json")


def test_a_readme_that_is_no_text_declares_nothing(tmp_path):
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    assert layout_of(tmp_path) == Layout({})


# -- what is filled can be read -------------------------------------------------------------------


def test_a_filled_mirror_is_read_by_benchmarks_and_calibrations(hub, tmp_path):
    from unicomp.prompts.loading import load_task

    hub.put("tiny/quiz", QUIZ)
    hub.put("tiny/web", WEB)
    text = (
        "task: t\ndataset_path: tiny/quiz\noutput_type: multiple_choice\ntest_split: test\n"
        'training_split: train\ndoc_to_text: "{{q}}"\ndoc_to_choice: ["a", "b"]\ndoc_to_target: 0\n'
        "metric_list:\n- metric: acc\n"
    )
    tiny = bench(tmp_path, text, configs=("de", "fr"), shots=2)
    part = Part(dataset="tiny/web", configs=("en",), render=lambda row: row["q"], large=True)
    recipe = Recipe(name="some", parts=(part,), samples=3)
    needs = benchmark_needs(Definition(tiny, Source("hub"))) + recipe_needs(recipe, Source("hub"))
    _, told = run(tmp_path / "mirror", needs, tmp_path)
    assert told == []

    source = Source(str(tmp_path / "mirror"), load_lock(tmp_path))
    definition = Definition(tiny, source)
    definition.check()
    assert definition.fault is None
    assert definition.identity(file_digest)["rows"] == source.pin("tiny/quiz").files
    assert [len(load_task(definition, config).eval_docs) for config in ("de", "fr")] == [6, 6]
    assert len(recipe.load(source).samples) == 3


def test_a_pinned_benchmark_asks_the_hub_for_its_revision(hub, tmp_path, monkeypatch):
    import datasets

    from unicomp.errors import EngineError
    from unicomp.prompts.loading import load_task

    commit = hub.put("tiny/sums", SUMS)
    run(tmp_path / "mirror", [SUMS_NEED], tmp_path)
    asked = []

    def load_dataset(**options):
        asked.append(options)
        raise OSError("stop")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    tiny = bench(tmp_path, "task: t\ndataset_path: tiny/sums\ntest_split: test\n")
    for lock in (load_lock(tmp_path), {}):
        with pytest.raises(EngineError):
            load_task(Definition(tiny, Source("hub", lock)), None)
    assert [options.get("revision") for options in asked] == [commit, None]
    pinned = Definition(tiny, Source("hub", load_lock(tmp_path)))
    assert pinned.identity(file_digest)["rows"] == {"revision": commit}


@st.composite
def repositories(draw):
    """A data set in one of the usual layouts, and needs that it can meet."""
    form = draw(st.sampled_from(["jsonl", "csv", "parquet"]))
    configs = draw(st.lists(st.sampled_from(["aa", "b-b", "c_2"]), min_size=1, unique=True))
    splits = draw(
        st.lists(st.sampled_from(["train", "validation", "test"]), min_size=1, unique=True)
    )
    content = {
        "jsonl": lambda n: jsonl(n).encode(),
        "csv": lambda n: b"q,a\n" + b"x,1\n" * n,
        "parquet": parquet,
    }[form]
    declared = draw(st.booleans())
    files = {}
    for config in configs if declared else [""]:
        for split in splits:
            shards = draw(st.integers(1, 3))
            for shard in range(shards):
                name = f"{split}-{shard:05d}-of-{shards:05d}.{form}"
                files[f"{config or 'data'}/{name}"] = content(draw(st.integers(1, 4)))
    if declared:
        files["README.md"] = readme({c: {s: f"{c}/{s}-*" for s in splits} for c in configs})
    chosen = (
        draw(st.lists(st.sampled_from(configs), min_size=1, unique=True)) if declared else [None]
    )
    wanted = frozenset(draw(st.lists(st.sampled_from(splits), min_size=1)))
    large = draw(st.booleans())
    return files, [
        NeededRows(dataset="tiny/any", config=config, splits=wanted, large=large)
        for config in chosen
    ]


@pytest.mark.long
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(repository=repositories())
def test_a_mirror_that_was_just_filled_is_complete(hub, tmp_path_factory, repository):
    files, needs = repository
    root = tmp_path_factory.mktemp("any")
    hub.put("tiny/any", files)
    found, told = run(root / "mirror", needs, root)
    assert told == []
    assert all(one.complete for one in found)
    hub.sent.clear()
    for lock in ({}, load_lock(root)):
        for one in survey_dataset(root / "mirror/tiny/any", needs, lock):
            assert one.complete, one.problems
            assert one.rows.keys() == one.need.splits
    source = Source(str(root / "mirror"), load_lock(root))
    check_pinned(source, needs, file_digest)
    for need in needs:
        assert not source.lacks(need.dataset, [need.config], () if need.large else need.splits)
    run(root / "mirror", needs, root)
    assert hub.sent == []


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose suite needs one data set; the shipped suites are left out."""
    root = tmp_path / "project"
    (root / "suites").mkdir(parents=True)
    (root / "unicomp.toml").touch()
    (root / "suites/tiny.yaml").write_text("task: t\ndataset_path: tiny/quiz\ntest_split: test\n")
    (root / "suites/test_tiny.py").write_text(
        "from pathlib import Path\n"
        "from unicomp import Benchmark, Mean, TaskMetric\n"
        "here = Path(__file__).parent\n"
        'tiny = Benchmark(name="tiny", metric=None, task=here / "tiny.yaml",\n'
        '    configs=("de", "fr"), scorer=TaskMetric("acc,none"), aggregate=Mean("correct"))\n'
    )
    monkeypatch.chdir(root)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(catalogue, "suite_folders", lambda rootdir: (rootdir / "suites",))
    monkeypatch.setattr(catalogue, "calibration_names", lambda roots: [])
    return root


@pytest.fixture
def command(project, capsys):
    def run(*arguments):
        status = cli.main(("mirror", *arguments))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_the_command_fills_pins_and_verifies(hub, project, command):
    hub.put("tiny/quiz", QUIZ)
    status, out, err = command("rows")
    assert status == 0
    assert "unicomp: fetching tiny/quiz: 8 of 9 files, 700 B\n" in err
    assert re.search(r"tiny/quiz +2 +test 12 +complete", out)
    assert "Not pinned, see --lock: tiny/quiz" in out

    status, out, _ = command("rows", "--lock")
    assert status == 0
    assert re.search(r"tiny/quiz +2 +test 12 +as pinned", out)
    assert "Not pinned" not in out

    sent = len(hub.sent)
    (project / "rows/tiny/quiz/de/test-00000-of-00002.jsonl").write_text(jsonl(3, 7))
    status, out, _ = command("rows", "--verify")
    assert status == 1
    assert re.search(r"tiny/quiz +2 +test 12 +differs", out)
    assert "tiny/quiz: de/test-00000-of-00002.jsonl differs from the lock" in out
    assert len(hub.sent) == sent
    assert command("rows")[0] == 0


def test_the_settings_above_say_where_the_project_is(hub, project, command, monkeypatch):
    hub.put("tiny/quiz", QUIZ)
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    assert command("rows", "--lock")[0] == 0
    assert (project / LOCK_FILE).is_file()
    assert (project / "below/rows/tiny/quiz").is_dir()


def test_ci_is_told_what_is_wrong_and_no_more(hub, command, monkeypatch):
    monkeypatch.setenv("CI", "1")
    hub.put("tiny/quiz", {name: text for name, text in QUIZ.items() if not name.startswith("fr/")})
    status, out, err = command("rows")
    assert status == 1
    assert err == ""
    assert out.splitlines()[0].startswith("tiny/quiz: lacks fr/")
    assert "0 of 1 data sets are complete in rows" in out
    assert "─" not in out


def test_the_command_says_in_one_line_that_there_is_no_hub(hub, command):
    hub.shutdown()
    hub.server_close()
    status, out, err = command("rows")
    assert status == 1
    assert len(err.splitlines()) == 1
    assert "tiny/quiz: it is not there" in out


def test_verify_stays_offline(hub, command, project):
    (project / "rows").mkdir()
    hub.put("tiny/quiz", QUIZ)
    assert command("rows", "--verify")[0] == 1
    assert hub.sent == []


@pytest.mark.parametrize("arguments", [("nowhere", "--verify"), ("unicomp.toml",)])
def test_what_is_no_mirror_is_refused_in_one_line(command, arguments):
    status, _, err = command(*arguments)
    assert (status, len(err.splitlines())) == (4, 1)
    assert arguments[0] in err


def test_a_damaged_lock_is_refused_before_anything_is_fetched(hub, command, project):
    hub.put("tiny/quiz", QUIZ)
    (project / LOCK_FILE).write_text("{")
    status, _, err = command("rows")
    assert (status, len(err.splitlines())) == (4, 1)
    assert hub.sent == []


def test_a_suite_that_cannot_be_read_is_named(command, project):
    (project / "suites/test_broken.py").write_text("1 / 0\n")
    status, _, err = command("rows")
    assert status == 4
    assert "test_broken.py cannot be read: ZeroDivisionError" in err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("from .shared import rows\n", "ImportError: attempted relative import"),
        ("import a_package_of_the_project\n", "ModuleNotFoundError: No module named"),
        ('import pytest\npytest.importorskip("nothing_of_that_name")\n', "Skipped: could not"),
    ],
)
def test_a_suite_that_pytest_may_take_does_not_stop_the_others(hub, command, project, text, reason):
    hub.put("tiny/quiz", QUIZ)
    (project / "suites/test_packaged.py").write_text(text)
    status, out, err = command("rows")
    (line,) = (one for one in err.splitlines() if "fetching" not in one)
    path = project / "suites/test_packaged.py"
    assert line.startswith(f"unicomp: left out: {path} cannot be read: {reason}")
    assert status == 0
    assert re.search(r"tiny/quiz +2 +test 12 +complete", out)


def test_suites_in_other_folders_are_read_when_they_are_named(hub, command, project):
    (project / "suites").rename(project / "checks")
    (project / "suites").mkdir()
    hub.put("tiny/quiz", QUIZ)
    assert "0 of 0 data sets" in command("rows")[1]
    status, out, _ = command("rows", "--suites", "checks", "--suites", "suites")
    assert status == 0
    assert re.search(r"tiny/quiz +2 +test 12 +complete", out)
    status, _, err = command("rows", "--suites", "nowhere")
    assert (status, err) == (4, "unicomp: --suites nowhere is not a folder\n")


def test_what_cannot_be_pinned_is_told_by_the_status(hub, command, project):
    hub.put("tiny/quiz", QUIZ)
    assert command("rows")[0] == 0
    hub.heads.clear()
    assert command("rows")[0] == 0
    assert command("rows", "--lock")[0] == 1


def test_benchmarks_are_found_wherever_a_suite_keeps_them(project):
    (project / "suites/test_more.py").write_text(
        "import pytest\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from unicomp import Benchmark, Mean, TaskMetric\n"
        'one = Benchmark(name="one", metric=None, task=Path("x.yaml"),\n'
        '    scorer=TaskMetric("acc,none"), aggregate=Mean("correct"))\n'
        'many = {"two": replace(one, name="two"), "others": [replace(one, name="three")]}\n'
        '@pytest.mark.parametrize("b", [pytest.param(replace(one, name="four"), id="x"), one])\n'
        "def test_it(b): ...\n"
    )
    names = [one.name for one in catalogue.load_benchmarks([project / "suites"])]
    assert sorted(names) == ["four", "one", "three", "tiny", "two"]


@pytest.mark.long
def test_the_real_command_asks_the_hub_of_its_environment(hub, tmp_path):
    """In a process of its own: nothing is patched, and every shipped data set is asked for."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("HF_")}
    start = "from unicomp.cli import main"
    done = subprocess.run(
        [sys.executable, "-c", f"{start}; raise SystemExit(main())", "mirror", "rows", "--lock"],
        cwd=tmp_path,
        env={**environment, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if "looking up" not in line]
    assert len(lines) > 5
    assert all(line.startswith("unicomp: there is no data set ") for line in lines), done.stderr
    assert not (tmp_path / LOCK_FILE).exists()  # no revision is invented


# -- the development mirror -----------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.skipif(not ROOT, reason="needs a mirror of real rows: set UNICOMP_DATASET_ROOT")
def test_a_mirror_of_real_rows_lacks_what_it_lacks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("CI", raising=False)
    assert cli.main(("mirror", str(ROOT), "--verify")) == 1
    out = capsys.readouterr().out
    assert (
        "CohereLabs/Global-MMLU-Lite: lacks the configurations "
        "ar, bn, de, es, fr, hi, id, it, ko, pt, sw, yo, zh" in out
    )
    assert re.search(r"openai/gsm8k +main +test 1,319, train 500 +complete", out)
