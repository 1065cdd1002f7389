"""The effect of a lock on a session: unpinned rows are reported, changed rows are refused."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest

from unicomp.agenda import Agenda
from unicomp.catalogue import load_benchmarks
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.plugin.collection import _check_rows, pytest_report_collectionfinish
from unicomp.plugin.grid import GRID, Grid
from unicomp.spec import CheckpointId
from unicomp.store import file_digest

ARC, GSM8K = "allenai/ai2_arc", "openai/gsm8k"
SELECTED = ("-k", "arc_easy", "--method=dense", "--samples=4")


@pytest.fixture
def mirror(gate):
    """The embedded rows as if they were a mirror of real ones."""
    rows = gate.folder / "rows"
    shutil.copytree(shipped_fixtures() / "embedded/rows", rows)
    return rows


@pytest.fixture
def locked(gate, mirror):
    """The same with a lock of two of its data sets."""
    lock = {}
    for dataset in (ARC, GSM8K):
        files = Source(str(mirror)).identity(dataset, file_digest)
        lock[dataset] = {"revision": "0" * 40, "files": files, "rows": {}}
    gate.write("unicomp.lock", json.dumps(lock))
    return mirror


def unpinned(run):
    assert run.card is not None, run.text
    return run.card["environment"]["unpinned"]


def test_rows_of_a_mirror_without_a_lock_are_unpinned(gate, mirror):
    assert unpinned(gate.run(*SELECTED, f"--dataset-root={mirror}")) == [ARC]


def test_pinned_rows_are_not(gate, locked):
    assert unpinned(gate.run(*SELECTED, f"--dataset-root={locked}")) == []


def test_workers_say_so_too(gate, mirror):
    assert unpinned(gate.run(*SELECTED, f"--dataset-root={mirror}", "-n1")) == [ARC]


def test_embedded_rows_are_never_unpinned(gate):
    assert unpinned(gate.run(*SELECTED)) == []


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_mirror_that_differs_from_the_lock_is_refused_by_the_name_of_the_file(
    gate, locked, workers
):
    path = locked / ARC / "ARC-Easy/test.jsonl"
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[1:]))
    run = gate.run_plain(*SELECTED, f"--dataset-root={locked}", *workers)
    assert run.status == 4, run.text
    (line,) = [line for line in run.lines if "unicomp.lock" in line]
    assert str(path) in line
    assert "Traceback" not in run.text


def test_rows_that_are_not_read_are_not_checked(gate, locked):
    (locked / GSM8K / "main/test.jsonl").write_text("changed")
    assert unpinned(gate.run(*SELECTED, f"--dataset-root={locked}")) == []


def test_what_one_model_lacks_another_still_reads(mirror, tmp_path):
    (bench,) = (
        bench
        for bench in load_benchmarks([mirror.parent / "suites/performance"])
        if bench.name == "gsm8k"
    )
    (tmp_path / "nothing").mkdir()
    sources = {"poor": Source(str(tmp_path / "nothing")), "rich": Source(str(mirror))}
    asked = {CheckpointId(model, "dense", "none"): [bench] for model in sources}
    grid = Grid(agenda=Agenda(benchmarks=asked))
    _check_rows(SimpleNamespace(sources=sources), grid)
    present = grid.present()
    assert present == {("poor", "dense", "none"): [], ("rich", "dense", "none"): [bench]}
    assert Grid.from_json(grid.to_json()).lacking == grid.lacking
    (line,) = pytest_report_collectionfinish(SimpleNamespace(stash={GRID: grid}))
    assert line.startswith(f"gsm8k will be missing: the dataset root {tmp_path / 'nothing'} lacks")


def test_a_pinned_mirror_that_lost_a_file_is_refused(gate, locked):
    path = locked / ARC / "README.md"
    path.write_text(path.read_text().replace("ARC-Easy/test.jsonl", '"ARC-Easy/test*.jsonl"'))
    lock = json.loads((gate.folder / "unicomp.lock").read_text())
    lock[ARC]["files"]["README.md"] = file_digest(path)
    lock[ARC]["files"]["ARC-Easy/test-more.jsonl"] = "0" * 64
    gate.write("unicomp.lock", json.dumps(lock))
    run = gate.run_plain(*SELECTED, f"--dataset-root={locked}")
    assert run.status == 4, run.text
    assert f"{locked / ARC / 'ARC-Easy/test-more.jsonl'} is not there, but unicomp" in run.text


def test_a_damaged_lock_is_refused_in_one_line(gate):
    gate.write("unicomp.lock", "{")
    run = gate.run_plain(*SELECTED)
    assert run.status == 4
    assert any("unicomp.lock is not JSON" in line for line in run.lines)
    assert "Traceback" not in run.text
