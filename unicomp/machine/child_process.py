"""Serve a request in a process of its own, so that its leaks, crashes and memory stay there.

The parent calls `run`; the module that it names calls `serve`. The child is a fork of a warm
process, which has imported what it needs, or a new process. The request goes to the child's
standard input as JSON. The child answers on its standard output, one JSON object a line:
`{"progress": TEXT}` as often as it likes, then `{"result": VALUE}` or `{"error": TEXT}`. Everything
else that the child or a library prints goes to a log. The child ends when its parent does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from unicomp.errors import UnicompError
from unicomp.machine import parent_watch, warm_process
from unicomp.machine.warm_process import WarmChild

Narrate = Callable[[str], None]
"""Called with a few words on what is being done, for a progress display."""

_FULL_DISK = ("No space left on device", "os error 28")


class ChildFailureError(Exception):
    """The child gave no result; the message is a predicate, such as "failed: the loss is nan"."""

    @property
    def disk_is_full(self) -> bool:
        """Whether it failed because a disk is full."""
        return any(sign in str(self) for sign in _FULL_DISK)


# -- in the parent ------------------------------------------------------------------------------


def run(
    module: str,
    request: Mapping[str, Any],
    *,
    log: Path,
    threads: int,
    environment: Mapping[str, str],
    preload: Sequence[str] = (),
    narrate: Narrate = lambda text: None,
) -> Any:
    """Let `python -m MODULE` serve the request; return its result, a JSON value.

    The child computes with `threads` CPU threads and sees `environment` in addition to this
    process's own. `preload` names modules whose `warm_up()` imports what the child needs: a warm
    process calls it once for all requests of this session (see `warm_process`). Without any the
    child is a new process. `log` is overwritten. Raises ChildFailureError.
    """
    last: dict[str, Any] = {}
    everything = {**os.environ, **_settings(threads), **environment}
    with log.open("wb") as errors, _started(module, preload, everything, errors) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(BrokenPipeError), child.stdin:  # a child that died has a status
            parent = child.parent if isinstance(child, WarmChild) else os.getpid()
            message = {"parent": parent, "path": sys.path, "request": request}
            json.dump(message, child.stdin, default=dict)
        for line in child.stdout:
            last = json.loads(line)
            if "progress" in last:
                narrate(last["progress"])
        status = child.wait()
    if "result" not in last:
        raise ChildFailureError(_reason(last.get("error"), status, log))
    return last["result"]


@contextmanager
def _started(
    module: str, preload: Sequence[str], environment: Mapping[str, str], errors: IO[bytes]
) -> Iterator[subprocess.Popen[str] | WarmChild]:
    """The child, which has ended afterwards."""
    with warm_process.borrow(module, preload, environment, errors) as warm:
        if warm is not None:
            yield warm
            return
    with subprocess.Popen(  # noqa: S603 (a module of ours)
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=dict(environment),
        start_new_session=True,  # the parent handles a Ctrl-C
        encoding="utf-8",
    ) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()


def _settings(threads: int) -> dict[str, str]:
    """The environment variables of every child."""
    package = str(Path(__file__).parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return {
        "PYTHONPATH": os.pathsep.join([package, inherited] if inherited else [package]),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
    }


def _reason(error: str | None, status: int, log: Path) -> str:
    if error is not None:
        return f"failed: {error}"
    if status < 0:
        hint = " (out of memory?)" if status == -signal.SIGKILL else ""
        return f"was killed by signal {-status}{hint}"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
    return f"failed with exit status {status}: {last}"


# -- in the child -------------------------------------------------------------------------------


def serve(handle: Callable[[Mapping[str, Any], Narrate], Any]) -> NoReturn:
    """Report the result of `handle(request, narrate)`, a JSON value, then end this process."""
    message = json.load(sys.stdin)
    parent_watch.end_with(message["parent"])
    sys.path.extend(path for path in message["path"] if path not in sys.path)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to the log

    def say(**message: Any) -> None:
        print(json.dumps(message), file=channel, flush=True)

    try:
        answer = {"result": handle(message["request"], lambda text: say(progress=text))}
    except BaseException as error:
        traceback.print_exc()
        answer = {"error": _first_line(error)}
    say(**answer)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit("error" in answer)  # tearing down the libraries takes seconds and serves nothing


def _first_line(error: BaseException) -> str:
    """The error in one line; our own messages do not need the name of the exception."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0][:400] if lines else "no message"
    return text if isinstance(error, UnicompError) else f"{type(error).__name__}: {text}"
