"""Find the logs that `lm_eval run --output_path DIR --log_samples` wrote, and their settings.

A run writes `results_DATE.json`, and `samples_TASK_DATE.jsonl` for each task, in a folder of the
model's name below DIR. Of a task that was run several times the newest log counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unicomp.errors import SpecError

_DATE = r"(?P<date>\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}(?:\.\d+)?)"
_SAMPLES = re.compile(rf"samples_(?P<task>.+)_{_DATE}\.jsonl")
_RESULTS = re.compile(rf".+_{_DATE}\.json")
AGAIN = "run lm_eval again with --output_path DIR --log_samples"

_OF_RUN = (
    "chat_template_sha",
    "fewshot_as_multiturn",
    "system_instruction_sha",
)
_OF_COMMAND = ("limit", "gen_kwargs", "fewshot_seed")
_NOT_OF_TASK = ("metadata", "dataset_path", "dataset_kwargs")
"""Settings of a task that name places on a machine; the items are compared one by one."""


@dataclass(frozen=True, kw_only=True)
class TaskLog:
    """The log of one task."""

    task: str
    path: Path
    """The file of its items."""
    date: str = ""
    results: Path | None = None
    """The file of the run's results; None if it is not there."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """lm-eval's settings of the task."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """The content of `results`."""

    @property
    def metrics(self) -> list[str]:
        """The metrics of the task, in its order."""
        return [str(one.get("metric")) for one in self.settings.get("metric_list") or ()]

    @property
    def version(self) -> str | None:
        """The version of the task."""
        found = self.run.get("versions", {}).get(self.task)
        return None if found is None else str(found)


def find_logs(given: Path) -> tuple[list[TaskLog], list[str]]:
    """The logs in a folder, of a results file, or of one task; and notes for the user.

    Raises SpecError if there is none, or if they are of several models.
    """
    if given.is_dir():
        return _of_folder(given)
    if _RESULTS.fullmatch(given.name) and given.suffix == ".json":
        return _of_run(given), []
    named = _SAMPLES.fullmatch(given.name)
    task, date = (named["task"], named["date"]) if named else (given.stem, "")
    return [_log(task, given, date)], []


def _of_run(path: Path) -> list[TaskLog]:
    """The logs of one run, given by its results."""
    date = _RESULTS.fullmatch(path.name)["date"]  # type: ignore[index]
    logs = [
        _log(named["task"], file, date)
        for file in sorted(path.parent.iterdir())
        if (named := _SAMPLES.fullmatch(file.name)) and named["date"] == date
    ]
    if not logs:
        raise SpecError(f"{path} has no logs of its items beside it: {AGAIN}")
    _check_complete(logs)
    return logs


def _of_folder(folder: Path) -> tuple[list[TaskLog], list[str]]:
    found: dict[str, dict[str, Path]] = {}  # task → date → file
    homes: dict[Path, None] = {}
    for file in sorted(folder.rglob("samples_*.jsonl*")):
        named = _SAMPLES.fullmatch(file.name)
        if named is None:
            raise SpecError(
                f"{file} is not named samples_TASK_DATE.jsonl as lm-eval names it: unpack or "
                "rename it, or give the file itself"
            )
        homes[file.parent] = None
        found.setdefault(named["task"], {})[named["date"]] = file
    if not found:
        raise SpecError(f"{folder} holds no samples_TASK_DATE.jsonl of lm-eval: {AGAIN}")
    if len(homes) > 1:
        names = ", ".join(str(home.relative_to(folder)) for home in homes)
        raise SpecError(f"{folder} holds the logs of several models ({names}): give one of them")
    dates = {date for by_date in found.values() for date in by_date}
    runs = {date: _results_of(next(iter(homes)), date) for date in sorted(dates)}
    models = {str(run.get("model_name")): path for path, run in filter(None, runs.values())}
    if len(models) > 1:  # with --output_path FILE.json they lie in one folder
        names = ", ".join(path.name for path in models.values())
        raise SpecError(f"{folder} holds the results of several models ({names}): give one of them")
    logs, notes = [], []
    for task, by_date in found.items():
        date = max(by_date)
        logs.append(_log(task, by_date[date], date))
        if len(by_date) > 1:
            notes.append(f"{task}: of {len(by_date)} runs in {folder} the newest counts, of {date}")
    _check_complete(logs)
    return logs, notes


def _log(task: str, path: Path, date: str) -> TaskLog:
    """One log, with what the results of its run say about it."""
    found = _results_of(path.parent, date) if date else None
    if found is None:
        return TaskLog(task=task, path=path, date=date)
    results, run = found
    settings = run["configs"].get(task, {})
    return TaskLog(task=task, path=path, date=date, results=results, settings=settings, run=run)


def _results_of(folder: Path, date: str) -> tuple[Path, dict[str, Any]] | None:
    """The results of the run of a date, with their content; None if they are not there."""
    path = next(iter(sorted(folder.glob(f"*_{date}.json"))), None)
    return None if path is None else (path, _read(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SpecError(f"{path} is not JSON, or it is cut off: copy the file again") from None
    if not isinstance(content, dict) or not isinstance(content.get("configs"), dict):
        raise SpecError(f"{path} is not a results file of lm-eval: it has no configs")
    return content


def _check_complete(logs: Sequence[TaskLog]) -> None:
    """Raise SpecError if a run that counts has measured a task whose items are not there."""
    there = {log.task for log in logs}
    for log in logs:
        for task in log.run.get("configs", {}):
            if task not in there:
                raise SpecError(
                    f"{log.results} has the task {task}, but its log is missing beside it: {AGAIN}"
                )


# -- the settings of both sides --------------------------------------------------------------------


def paired_logs(
    baseline: Sequence[TaskLog], candidate: Sequence[TaskLog]
) -> list[tuple[TaskLog, TaskLog]]:
    """The logs of each task on both sides, in the baseline's order.

    Raises SpecError for a task on one side only, and for one that was measured differently.
    """
    if len(baseline) == len(candidate) == 1 and not all(
        log.results for log in (*baseline, *candidate)
    ):  # two files, however they are called
        return [(baseline[0], candidate[0])]
    sides = [{log.task: log for log in logs} for logs in (baseline, candidate)]
    for mine, other in (sides, sides[::-1]):
        for task, log in mine.items():
            if task not in other:
                where = next(iter(other.values())).path.parent
                raise SpecError(
                    f"the task {task} is in {log.path}, and not in {where}: measure it on both "
                    "sides, or move its log away"
                )
    pairs = [(log, sides[1][task]) for task, log in sides[0].items()]
    for first, second in pairs:
        _check_alike(first, second)
    return pairs


def _check_alike(baseline: TaskLog, candidate: TaskLog) -> None:
    """Raise SpecError unless a task has the same version and settings on both sides."""
    if baseline.results is None or candidate.results is None:
        return
    for (what, first), (_, second) in zip(_settings(baseline), _settings(candidate), strict=True):
        names = sorted({*first, *second})
        for name in names:
            one, other = first.get(name), second.get(name)
            if one != other:
                raise SpecError(
                    f"{baseline.task}: {what}{name} is {_short(one)} in {baseline.results} and "
                    f"{_short(other)} in {candidate.results}: measure both alike"
                )


def _settings(log: TaskLog) -> Iterable[tuple[str, Mapping[str, Any]]]:
    yield "the task's ", {"version": log.version}
    yield "", {"n-shot": log.run.get("n-shot", {}).get(log.task)}
    yield "the task's ", {k: v for k, v in log.settings.items() if k not in _NOT_OF_TASK}
    yield "the run's ", {name: log.run.get(name) for name in _OF_RUN}
    command = log.run.get("config", {})
    yield "the run's ", {name: command.get(name) for name in _OF_COMMAND}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
