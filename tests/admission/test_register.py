"""A folder is checked once for each content; the result is kept in the store."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.families import EMBEDDED
from unicomp.admission import register
from unicomp.admission.register import Applicant, admit
from unicomp.errors import SpecError
from unicomp.machine.child_process import ChildFailureError
from unicomp.spec import Model
from unicomp.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Model(name="mine", source=str(shutil.copytree(EMBEDDED, tmp_path / "mine")))


class Worker:
    """Answers requests in place of the process that checks, and keeps them."""

    def __init__(self, outcome: dict[str, Any] | ChildFailureError) -> None:
        self.outcome = outcome
        self.requests: list[Any] = []

    def __call__(self, module: str, request: Any, *, narrate: Any, **settings: Any) -> Any:
        self.requests.append(request)
        narrate("checking the weights of mine")
        if isinstance(self.outcome, ChildFailureError):
            raise self.outcome
        return [self.outcome] * len(request["folders"])


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    found = Worker({"notes": ["is odd"]})
    monkeypatch.setattr(register.child_process, "run", found)
    return found


def test_a_folder_is_checked_once(store: Store, model: Model, worker: Worker) -> None:
    said: list[str] = []
    assert admit([Applicant(model)], store, narrate=said.append) == ["mine: is odd"]
    assert "checking the weights of mine" in said
    assert said[-1] == ""  # the line of progress is taken away
    assert admit([Applicant(model)], store) == ["mine: is odd"]
    assert len(worker.requests) == 1


def test_a_changed_file_is_checked_again(store: Store, model: Model, worker: Worker) -> None:
    admit([Applicant(model)], store)
    path = Path(model.source) / "tokenizer_config.json"
    path.write_text(path.read_text() + "\n")
    admit([Applicant(model)], store)
    assert len(worker.requests) == 2


def test_several_folders_share_a_process(
    store: Store, model: Model, worker: Worker, tmp_path: Path
) -> None:
    folder = shutil.copytree(EMBEDDED, tmp_path / "other")
    (folder / "README.md").unlink()
    other = Model(name="other", source=str(folder))
    applicants = [Applicant(model), Applicant(other, baseline=model)]
    assert admit(applicants, store) == ["mine: is odd", "other: is odd"]
    ((one, two),) = (request["folders"] for request in worker.requests)
    assert (one["baseline"], two["baseline"]) == (None, model.source)


def test_a_refusal_is_kept_and_names_the_folder_that_is_asked_for(
    store: Store, model: Model, worker: Worker, tmp_path: Path
) -> None:
    worker.outcome = {"refused": f"{model.source} lacks a weight"}
    with pytest.raises(SpecError, match=f"^{model.source} lacks a weight$"):
        admit([Applicant(model)], store)
    copy = Model(name="copy", source=str(shutil.copytree(model.source, tmp_path / "copy")))
    with pytest.raises(SpecError, match=f"^{copy.source} lacks a weight$"):
        admit([Applicant(copy)], store)
    assert len(worker.requests) == 1


def test_a_check_that_dies_is_one_line_and_is_not_kept(
    store: Store, model: Model, worker: Worker
) -> None:
    worker.outcome = ChildFailureError("was killed by signal 9 (out of memory?)")
    with pytest.raises(SpecError, match="checking the weights of mine: the process was killed by"):
        admit([Applicant(model)], store)
    worker.outcome = {"notes": []}
    assert admit([Applicant(model)], store) == []


def test_other_weights_are_named_though_they_are_no_part_of_the_content(
    store: Store, model: Model, worker: Worker
) -> None:
    admit([Applicant(model)], store)
    (Path(model.source) / "pytorch_model.bin").write_bytes(b"pickle")
    notes = admit([Applicant(model)], store)
    assert notes[0] == "mine: has other weights, which are not read: pytorch_model.bin"
    assert len(worker.requests) == 1


def test_a_second_set_that_a_server_would_read_is_refused(
    store: Store, model: Model, worker: Worker
) -> None:
    second = Path(model.source) / "consolidated.safetensors"
    shutil.copyfile(Path(model.source) / "model.safetensors", second)
    admit([Applicant(model)], store)
    with pytest.raises(SpecError, match=r"consolidated\.safetensors, which vLLM would read"):
        admit([Applicant(model)], store, serves=True)
