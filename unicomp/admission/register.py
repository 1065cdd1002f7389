"""The folders that may be measured, checked once for each content and kept in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unicomp.data import libraries
from unicomp.data.model_source import locate, weights_identity
from unicomp.data.weight_files import beside
from unicomp.errors import SpecError
from unicomp.machine import child_process
from unicomp.machine.child_process import ChildFailureError, Narrate
from unicomp.machine.waiting import Say, silent, waiting
from unicomp.spec import Model
from unicomp.store import ADMISSIONS, Store, code_digest, content_key

_FOLDER = "{folder}"
"""Stands for the folder's path in a stored text, since a copy elsewhere has the same content."""


@dataclass(frozen=True)
class Applicant:
    """A model whose folder is to be measured, and the model that it is compared with."""

    model: Model
    baseline: Model | None = None

    @cached_property
    def folder(self) -> Path:
        """The folder; fetched from the hub if necessary."""
        return locate(self.model)

    def request(self) -> dict[str, Any]:
        """Its entry in a request to the worker."""
        return {
            "folder": str(self.folder),
            "baseline": None if self.baseline is None else str(locate(self.baseline)),
            "trust_remote_code": self.model.trust_remote_code,
        }

    def key(self, store: Store, *, serves: bool) -> str:
        """The key of its content, of its baseline's, and of what checks it."""
        package = Path(__file__).parents[1]
        code = [path for part in _CODE for path in sorted((package / part).glob("*.py"))]
        return content_key(
            {
                "folder": weights_identity(self.model, store),
                "baseline": self.baseline and weights_identity(self.baseline, store),
                "trust_remote_code": self.model.trust_remote_code,
                "serves": serves,
                "code": code_digest(code),
                "libraries": {name: version(name) for name in _LIBRARIES},
            }
        )


_CODE = ("admission", "data")
_LIBRARIES = ("transformers", "compressed-tensors", "safetensors")


def admit(
    applicants: Sequence[Applicant],
    store: Store,
    *,
    serves: bool = False,
    threads: int = 1,
    narrate: Narrate = lambda text: None,
    on_wait: Say = silent,
) -> list[str]:
    """Notes on the folders, each with the name of its model.

    With `serves` a server will load them, which may know formats that transformers cannot load
    here. What was checked before is not checked again; of several processes one checks, and the
    others wait. Raises SpecError for the first folder that may not be measured.
    """
    keys: dict[str, Applicant] = {}
    for applicant in applicants:
        if applicant.model.folder is None:
            narrate(f"{applicant.model}: fetching {applicant.model.source} from the hub")
        keys[applicant.key(store, serves=serves)] = applicant

    def unchecked() -> dict[str, Applicant]:
        return {key: one for key, one in keys.items() if store.recall(ADMISSIONS, key) is None}

    if unchecked():
        with store.lock(ADMISSIONS, waiting(on_wait, "check models' folders")):
            if new := unchecked():
                outcomes = _check(list(new.values()), store, serves, threads, narrate)
                for key, outcome in zip(new, outcomes, strict=True):
                    store.remember(ADMISSIONS, key, outcome)
    notes = []
    for key, applicant in keys.items():
        found = store.recall(ADMISSIONS, key) or {}
        if "refused" in found:
            raise SpecError(found["refused"].replace(_FOLDER, str(applicant.folder)))
        own = _beside(applicant, serves)
        notes += [f"{applicant.model}: {note}" for note in (*own, *found["notes"])]
    return notes


def _beside(applicant: Applicant, serves: bool) -> list[str]:
    """A note on weight files that are not read; they are no part of the folder's identity.

    Raises SpecError for those that a server would read, too.
    """
    others = beside(applicant.folder)
    if serves and (read := [name for name in others if name.endswith(".safetensors")]):
        raise SpecError(
            f"{applicant.folder} has a second set of weights, {read[0]}, which vLLM would read "
            "over the first one: move it elsewhere"
        )
    return [f"has other weights, which are not read: {', '.join(others)}"] if others else []


def _check(
    applicants: Sequence[Applicant], store: Store, serves: bool, threads: int, narrate: Narrate
) -> list[dict[str, Any]]:
    """The outcome for each folder, from a process of its own."""
    doing = [""]

    def tell(text: str) -> None:
        doing[0] = text
        narrate(text)

    log = store.home / "logs" / "admission.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    request = {"folders": [one.request() for one in applicants], "serves": serves}
    tell("starting to check the models' folders")
    try:
        outcomes = child_process.run(
            "unicomp.admission.worker",
            request,
            log=log,
            threads=threads,
            environment={},
            preload=(libraries.__name__,),
            narrate=tell,
        )
    except ChildFailureError as failure:
        raise SpecError(f"{doing[0]}: the process {failure} (log: {log})") from None
    finally:
        narrate("")
    return [
        {name: _anywhere(value, applicant.folder) for name, value in found.items()}
        for applicant, found in zip(applicants, outcomes, strict=True)
    ]


def _anywhere(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_anywhere(one, folder) for one in value]
    return value.replace(str(folder), _FOLDER)
