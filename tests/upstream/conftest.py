"""A small store with something of every kind, and an upstream for it."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from unicomp import cli
from unicomp.checkpoint import Checkpoint
from unicomp.engines import EngineSettings
from unicomp.item_texts import ItemTexts, texts_key
from unicomp.looks import Look, merge_looks
from unicomp.responses import ResponseLog
from unicomp.scores import Records
from unicomp.spec import DENSE, Model
from unicomp.store import CHECKPOINTS, ITEMS, SCORES, Store, content_key
from unicomp.upstream import open_store
from unicomp.upstream.objects import Objects

ENGINE = EngineSettings(device="cpu")
DENSE_KEY = content_key({"model": "tiny"})
IDENTITY = {"model": "tiny", "method": "wanda_50"}
VALUES = ("calibrations", "admissions", "judgements", "similarities")
OF_THE_MACHINE = ("measurements", "figures", "churn", "digests")


def make(folder, weights=b"w" * 1000):
    """A checkpoint, as a build makes one."""
    (folder / "model").mkdir()
    (folder / "model" / "model.safetensors").write_bytes(weights)
    (folder / "build.log").write_text("done\n")
    return {"label": "tiny/wanda_50", "seconds": 1.5, "parameters": 10}


def checkpoint_of(method, key):
    return Checkpoint(
        model=Model(name="tiny", source="org/tiny", dtype="float32"),
        method=method,
        calibration=None,
        path=None,
        key=key,
        facts={},
        fresh=False,
    )


def log_of(store, method="dense"):
    """The log of the dense checkpoint, or of the compressed one."""
    if method == "dense":
        return ResponseLog(store, checkpoint_of(DENSE, DENSE_KEY), ENGINE)
    named = SimpleNamespace(name=method, endpoint=None)
    return ResponseLog(store, checkpoint_of(named, content_key(IDENTITY)), ENGINE)


def records_of(method):
    return Records(
        benchmark="gsm8k",
        items=["a", "b"],
        clusters=["a", "b"],
        fields={"correct": [1.0, float(method == "dense")]},
        parsed=[True, True],
        gaps=[None, None],
        prompts=["x", "y"],
    )


def look_at(items, date):
    return Look(
        kind="metric",
        name="reasoning",
        items=items,
        n=10,
        judged=True,
        tier="critical",
        floor=90.0,
        allowed=None,
        policy="p",
        date=date,
    )


def answer(store, method, count=100):
    """Keep a checkpoint's answers, distributions and records."""
    log = log_of(store, method)
    for start in range(0, count, 32):
        log.append({f"{n}": [f"{method} says {n} → é"] for n in range(start, start + 32)})
    (store.home / "responses" / log.key / "distributions-0.npy").write_bytes(b"numbers")
    records = records_of(method)
    key = content_key({"records": method})
    store.remember(SCORES, key, asdict(records))
    log.note_records(key)
    texts = ItemTexts(
        benchmark="gsm8k", items=["a", "b"], prompts=["?", "?"], characters=[1, 1],
        options=[[], []], right=["1", "2"],
    )  # fmt: skip
    store.remember(ITEMS, texts_key(records), asdict(texts))
    return key


def fill(home):
    """A store with something of every kind."""
    store = Store(home)
    store.build(CHECKPOINTS, IDENTITY, make)
    for method in ("dense", "wanda_50"):
        answer(store, method)
    for kind in (*VALUES, *OF_THE_MACHINE):
        store.remember(kind, content_key({"kind": kind}), {"of": kind})
    merge_looks(store, content_key(IDENTITY), DENSE_KEY, [look_at("first", "2026-01-01")])
    return store


def files_of(home, *kinds):
    """Path → content of the files of some kinds."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for kind in kinds
        for path in (home / kind).rglob("*")
        if path.is_file()
    }


@pytest.fixture
def store(tmp_path):
    return fill(tmp_path / "home")


@pytest.fixture
def url(tmp_path):
    return f"file://{tmp_path}/upstream"


@pytest.fixture
def cache(capsys, monkeypatch, tmp_path):
    """Run `unicomp cache` on a home; returns the status and what was printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNICOMP_HOME", raising=False)
    monkeypatch.delenv("UNICOMP_UPSTREAM", raising=False)

    def run(action, home, *more):
        status = cli.main(["cache", action, "--unicomp-home", str(home), *more])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


@pytest.fixture
def pushed(store, url, cache):
    """The upstream, to which the whole store was pushed."""
    status, text = cache("push", store.home, "--upstream", url)
    assert status == 0, text
    return Objects(url)


@pytest.fixture
def empty(tmp_path, url):
    """A store that has nothing yet, with the upstream."""
    return open_store(tmp_path / "empty", url)


def object_of(tmp_path, name):
    """The only object of the folder `upstream` whose path contains a text."""
    (found,) = (path for path in (tmp_path / "upstream").rglob("*") if name in str(path)
                and path.is_file())  # fmt: skip
    return found


def corrupt(path):
    """Change one byte; the size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())
