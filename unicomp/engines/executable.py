"""Finds the executable of vLLM and its version.

vLLM lives in an environment of its own, since its pins do not fit ours (compressed-tensors, for
one). It is never imported: it runs as a program, and its version is read from its environment's
files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from unicomp.errors import SpecError

ANSWER_WITHIN = 300.0
"""Seconds for `vllm --version`, which imports most of vLLM, on a machine that never ran it."""


def find_vllm(named: str = "") -> Path:
    """The named executable if it exists, or else the one on PATH. Raises SpecError."""
    if named and (path := Path(named)).is_file():
        if not os.access(path, os.X_OK):
            raise SpecError(f"{path} cannot be executed: name vLLM's executable, ENV/bin/vllm")
        return path.absolute()
    if on_path := shutil.which("vllm"):
        return Path(on_path).absolute()
    raise SpecError(
        f"there is no vllm {f'at {named} or ' if named else ''}on PATH: run `make vllm` in a "
        "clone, or install it with `pip install vllm` in an environment of its own, and name it "
        'under [engine] in unicomp.toml: vllm = "ENV/bin/vllm"'
    )


def version_of(executable: Path) -> str:
    """The version of an executable's vLLM, such as `0.32.0+cpu`. Raises SpecError.

    It is read from the name of the metadata near the executable, which takes no time. Without
    metadata the executable is asked.
    """
    try:
        return _version(executable, executable.stat().st_mtime_ns)
    except OSError as error:
        raise SpecError(f"{executable} cannot be executed: {error.strerror}") from None


@lru_cache(maxsize=8)
def _version(executable: Path, mtime: int) -> str:
    environment = executable.resolve().parent.parent
    found = sorted(environment.glob("lib/python3*/site-packages/vllm-*.dist-info/METADATA"))
    if len(found) == 1:
        return found[0].parent.name.removeprefix("vllm-").removesuffix(".dist-info")
    try:
        asked = subprocess.run(  # noqa: S603
            [executable, "--version"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=ANSWER_WITHIN,
            stdin=subprocess.DEVNULL,
            env=outside(os.environ),
        )
    except subprocess.TimeoutExpired:
        raise SpecError(f"{executable} --version did not end in {ANSWER_WITHIN:.0f} s") from None
    lines = asked.stdout.split("\n") if asked.returncode == 0 else []
    versions = [line.strip() for line in lines if line.strip()[:1].isdigit()]
    if not versions:
        last = (asked.stderr or asked.stdout).strip().splitlines()[-1:] or ["nothing"]
        raise SpecError(f"{executable} is not usable: --version prints {last[0]}")
    return versions[-1]


def outside(environment: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """The variables of this process, without those of its own Python.

    `TQDM_DISABLE` goes as well: vLLM reads the state of its progress bars.
    """
    ours = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "TQDM_DISABLE")
    return {name: value for name, value in environment.items() if name not in ours}
