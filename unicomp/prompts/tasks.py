"""Tasks: the definition of a benchmark on a source, read from its task file without lm-eval.

A task is a YAML file in lm-eval's format: one of lm-eval's own, or one in the suite's folder. Its
`dataset_path` names a data set of the hub; the source decides where its rows are read, so one task
serves the hub, a mirror and the embedded rows. If it starts with `./`, it is a folder beside the
task file, whatever the source: a benchmark that brings its own rows. The embedded model knows only
prompts of its own world: `fixtures/embedded/tasks/TASK.yaml` changes a task's prompts to them.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from unicomp.answering import UNDECLARED, Answering
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.errors import AbsentError, SpecError, first_line
from unicomp.instruments import Mode
from unicomp.prompts.wordings import is_shipped
from unicomp.spec import Benchmark

SAMPLING_SEED = 42
"""Seed of the permutation that `--samples N` takes the first N items of, and of sampled answers."""

FEWSHOT_SEED = 1234
"""Seed of the choice of examples: lm-eval's default."""

EMBEDDED_TOKENS = 128
"""Most new tokens for an embedded row, so that a model that never stops costs little."""

TASK_TOKENS = 256
"""Most new tokens of a task that sets no limit: lm-eval's default."""

WINDOW = 4096
"""Tokens of a perplexity window, as in the paper; fewer if the model's context is shorter."""


BESIDE = "./"
"""A `dataset_path` that starts so is relative to the folder of its task file."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads task files; a function in them is read as its name, not imported."""


_Loader.add_constructor("!function", lambda loader, node: str(node.value))


def task_file(benchmark: Benchmark, mode: Mode = "strict") -> Path:
    """The YAML file of a benchmark's task in a mode; SpecError if there is none."""
    task = benchmark.task
    if mode == "compat" and benchmark.published_task is not None:
        task = benchmark.published_task
    if isinstance(task, Path):
        path = task
    else:
        spec = importlib.util.find_spec("lm_eval")
        if spec is None or spec.origin is None:
            raise SpecError("lm-eval is not installed: install it with `pip install unicomp`")
        path = Path(spec.origin).parent / "tasks" / task
    if not path.is_file():
        raise SpecError(f"benchmark {benchmark.name}: there is no task file {path}")
    return path


def _files(path: Path, within: tuple[Path, ...] = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A task file after the files it includes; `within` are the files that include this one."""
    if path.resolve() in within:
        raise SpecError(f"the task file {path} includes itself")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"the task file {path} cannot be read: {first_line(error)}") from None
    if not isinstance(content, dict):
        raise SpecError(f"the task file {path} is not a table of settings")
    included = content.get("include", [])
    names = [included] if isinstance(included, str) else included
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SpecError(f"the task file {path}: include must name a file, or a list of files")
    for name in names:
        yield from _files(path.parent / name, (*within, path.resolve()))
    yield path, content


def _functions(path: Path) -> list[Path]:
    """The modules in a task file's folder whose functions it names."""
    names = re.findall(r"!function\s+([\w.]+)\.\w+", path.read_text(encoding="utf-8"))
    modules = {path.parent / f"{name.replace('.', '/')}.py" for name in names}
    return sorted(module for module in modules if module.is_file())


@dataclass(frozen=True)
class Definition:
    """A benchmark on a source, known without importing lm-eval."""

    benchmark: Benchmark
    source: Source
    mode: Mode = "strict"
    sampling: str = "greedy"
    answering: Answering = UNDECLARED

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The merged content of the task's files; a later file wins, functions are names."""
        merged: dict[str, Any] = {}
        for _, content in self._contents:
            merged |= content
        return merged

    @property
    def generates(self) -> bool:
        """Whether its answers are generated text."""
        return self.settings.get("output_type") == "generate_until"

    @property
    def files(self) -> list[Path]:
        """The task's files: included ones first, the embedded world's changes last."""
        return [path for path, _ in self._contents]

    @cached_property
    def _contents(self) -> list[tuple[Path, dict[str, Any]]]:
        contents = list(_files(task_file(self.benchmark, self.mode)))
        if self.source.is_embedded:
            name = f"{contents[-1][1].get('task')}.yaml"
            changes = shipped_fixtures() / "embedded" / "tasks" / name
            if changes.is_file():
                contents += _files(changes)
        return contents

    @property
    def dataset(self) -> str:
        """The data set's id on the hub, or the path of its folder below that of `rows`.

        Of a benchmark that makes its rows, the text that names them.
        """
        if self.benchmark.rows is not None:
            return repr(self.benchmark.rows)
        if "dataset_path" not in self.settings:
            raise SpecError(f"benchmark {self.benchmark.name}: its task names no dataset_path")
        return str(self.settings["dataset_path"]).removeprefix(BESIDE)

    @cached_property
    def rows(self) -> Source:
        """The source of the rows: the folder of the task file if they lie there, else `source`."""
        if not self.brings_rows:
            return self.source
        naming = [path for path, content in self._contents if "dataset_path" in content]
        folder = naming[-1].parent
        if not (folder / self.dataset).is_dir():
            raise SpecError(
                f"benchmark {self.benchmark.name}: {naming[-1]} names the rows "
                f"{BESIDE}{self.dataset}, and there is no folder {folder / self.dataset}"
            )
        return Source(str(folder))

    @property
    def brings_rows(self) -> bool:
        """Whether the rows lie beside the task file, so that no source has to have them."""
        return str(self.settings.get("dataset_path", "")).startswith(BESIDE)

    @property
    def declared_configs(self) -> tuple[str | None, ...]:
        """The data set's configurations that the benchmark consists of on this source."""
        if not self.benchmark.configs:
            return (self.settings.get("dataset_name"),)
        return self.rows.configs(self.dataset, self.benchmark.configs)

    @cached_property
    def configs(self) -> tuple[str | None, ...]:
        """The declared configurations that the source has; (None,) for the task's own."""
        if not self.benchmark.configs:
            return (None,)
        return tuple(name for name in self.declared_configs if name not in self._lacking)

    @cached_property
    def _lacking(self) -> dict[str | None, str]:
        """Configuration → the rows that the source lacks; empty if the task names files."""
        if self.named_files or self.benchmark.rows is not None:
            return {}
        return self.rows.lacks(self.dataset, self.declared_configs, self.splits)

    @property
    def named_files(self) -> dict[str, tuple[str, ...]]:
        """Split → files or patterns, if the task names them in place of a configuration."""
        files = (self.settings.get("dataset_kwargs") or {}).get("data_files") or {}
        splits = files if isinstance(files, dict) else {"train": files}
        return {
            str(split): (paths,) if isinstance(paths, str) else tuple(paths)
            for split, paths in splits.items()
        }

    @property
    def nested_as_text(self) -> bool:
        """Whether nested values of the rows stay JSON text; see `unicomp.data.json_lines`."""
        return self._reading.get("nested") == "text"

    @property
    def joined_by(self) -> str | None:
        """The column by which the rows of all named splits are joined; None: they are not."""
        name = self._reading.get("join")
        return None if name is None else str(name)

    @property
    def _reading(self) -> dict[str, Any]:
        """How the rows are read, where lm-eval has no setting for it."""
        metadata = self.settings.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def fault(self) -> str | None:
        """The missing configurations, without which this is not the benchmark; or None."""
        absent = [str(name) for name in self.declared_configs if name not in self.configs]
        if not self.benchmark.configs or not absent:
            return None
        return (
            f"the dataset root {self.rows.name} lacks {len(absent)} of the "
            f"{len(self.declared_configs)} configurations of {self.dataset}: {', '.join(absent)}"
        )

    @property
    def shots(self) -> int:
        """Examples in the prompt; 0 for the embedded model, which was trained without any."""
        return 0 if self.source.is_embedded else self.benchmark.shots

    @property
    def chat(self) -> bool:
        """Prompts get a chat template; always for the embedded model, trained with one."""
        return self.benchmark.chat or self.source.is_embedded

    @property
    def max_new_tokens(self) -> int | None:
        """Most tokens of an answer with its thoughts; None: as many as the task allows.

        The embedded world's tasks have lower limits of their own.
        """
        limit, budget = self.benchmark.max_new_tokens, self.answering.thinking_budget
        decoding = self.settings.get("generation_kwargs") or {}
        if self.source.is_embedded and limit is not None:
            limit = min(limit, int(decoding.get("max_gen_toks", EMBEDDED_TOKENS)))
        if not budget or not self.generates:
            return limit
        if limit is None:
            limit = int(decoding.get("max_gen_toks", TASK_TOKENS))
        return limit + budget

    @property
    def decoding(self) -> dict[str, float]:
        """The settings of sampling by the names that engines know; empty for greedy decoding.

        What the model declares outranks the benchmark's temperature.
        """
        if self.sampling != "declared":
            return {}
        if self.answering.declares_sampling:
            return self.answering.decoding
        temperature = self.benchmark.temperature
        return {"temperature": temperature} if temperature else {}

    @property
    def split(self) -> str:
        """The split whose rows are the items."""
        named = self.settings.get("test_split") or self.settings.get("validation_split")
        return str(named or "test")

    @property
    def fewshot_split(self) -> str | None:
        """The split of the examples; None if there are none, or the task contains them."""
        settings = self.settings
        config = settings.get("fewshot_config") or {}
        if not self.shots or config.get("samples"):
            return None
        named = settings.get("fewshot_split") or config.get("split")
        return str(named or settings.get("training_split") or self.split)

    @property
    def splits(self) -> frozenset[str]:
        """The splits that are read."""
        joined = self.named_files if self.joined_by else ()
        return frozenset({self.split, self.fewshot_split or self.split, *joined})

    @property
    def rows_key(self) -> str:
        """A text that two benchmarks on one source share if they ask the same rows."""
        named = sorted(self.named_files.items())
        where = sorted(self.benchmark.where.items())
        return repr((self.dataset, self.declared_configs, self.split, named, where))

    def check(self) -> None:
        """Raise AbsentError if a local source has none of the rows, or only a part of a split.

        Embedded files are read, since the embedded world has only a part of a file's rows.
        """
        declared, lacking = self.declared_configs, self._lacking
        if len(lacking) == len(declared):
            lacks = f"the dataset root {self.rows.name} lacks {self.dataset}"
            raise AbsentError(next(iter(lacking.values()), lacks))
        for pattern in chain.from_iterable(self.named_files.values()):
            self.rows.check_file(self.dataset, pattern)
            if self.rows.is_embedded and self.benchmark.where:
                self.rows.check_rows(self.dataset, pattern, self.benchmark.where)

    def identity(self, digest: Callable[[Path], str]) -> dict[str, Any] | None:
        """Everything that decides the items, as JSON values; None if that is not known.

        So it is for unpinned rows of the hub, and for a user's own wordings and made rows. `digest`
        gives the SHA-256 of a file.
        """
        made = self.benchmark.rows
        if made is None:
            rows: Any = self.rows.identity(self.dataset, digest)
        else:
            rows = repr(made) if type(made).__module__.startswith("unicomp.") else None
        if rows is None:
            return None
        code = [path for text in self.files for path in _functions(text)]
        wordings = self.benchmark.wordings
        if not all(is_shipped(one) for one in wordings):
            return None
        found = {
            "task": [digest(path) for path in (*self.files, *code)],
            "rows": rows,
            "configs": self.configs,
            "declared": self.declared_configs,
            "shots": self.shots,
            "max_new_tokens": self.max_new_tokens,
            "where": dict(self.benchmark.where),
            "cluster": self.benchmark.cluster,
            "parallel": self.benchmark.parallel,
            "chat": self.chat,
            "tools": self.benchmark.tools,
            "temperature": self.decoding.get("temperature", 0.0),
            "seed": SAMPLING_SEED,
            **self._answered,
        }
        if wordings:
            found["wordings"] = [one.name for one in wordings]
        return found

    @property
    def _answered(self) -> dict[str, Any]:
        """What the model declares beyond limit and temperature; empty if that is nothing."""
        found: dict[str, Any] = {}
        if self.chat and self.answering.template:
            found["template"] = dict(self.answering.template)
        if rest := {key: one for key, one in self.decoding.items() if key != "temperature"}:
            found["decoding"] = rest
        return found
