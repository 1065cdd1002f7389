"""The pytest plugin: this package is the only part of UniComp that imports pytest.

The entry point runs in every pytest session of the environment, so this module does very little:
it checks whether the session belongs to UniComp. It does if the folder in which pytest is started,
or one above, holds a `unicomp.toml`, which may be empty, or if the installed suites are named. Only
then are options, markers and fixtures registered; any other project is left as it was. Only the
hook for reports is known everywhere, since pytest refuses a conftest with a hook that it does not
know.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from unicomp.settings import FILE, has_settings, project_root

_WORKER = "PYTEST_XDIST_WORKER"
_MORE = "PYTEST_ADDOPTS"


def is_active(config: pytest.Config, args: list[str]) -> bool:
    """Whether a session belongs to UniComp."""
    named = any(arg == "unicomp.suites" or arg.startswith("unicomp.suites.") for arg in args)
    has_file = has_settings(project_root(config.invocation_params.dir))
    return has_file or ("--pyargs" in args and named)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hook for reports, which is never called where the plugin is silent."""
    from unicomp.plugin import hooks

    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    """Register the rest of the plugin, in time to add options.

    This is the outermost wrapper, so that it runs before output is captured.
    """
    if is_active(early_config, args):
        from unicomp.plugin import progress

        if _WORKER not in os.environ:
            progress.start(early_config)
        from unicomp.plugin import (
            admitting,
            arguments,
            clustering,
            collection,
            conducting,
            distribution,
            fixtures,
            foresight,
            intake,
            options,
            outcome,
            placing,
        )

        if _WORKER not in os.environ:
            _restart_if_moved(early_config, options.OPTIONS)
        args[:] = arguments.spelled_out(args, options.OPTIONS)
        modules = (
            *(options, clustering, intake, collection, foresight, placing, admitting, fixtures),
            *(conducting, outcome, distribution, progress),
        )
        with _one_line_for_a_taken_option():
            for module in modules:
                early_config.pluginmanager.register(module, module.__name__)
            return (yield)
    if has_settings(early_config.rootpath):
        raise pytest.UsageError(
            f"{early_config.rootpath / FILE} does not count where pytest was started, "
            f"{early_config.invocation_params.dir}: start it in {early_config.rootpath}"
        )
    return (yield)


def _restart_if_moved(config: pytest.Config, options: dict[str, dict[str, object]]) -> None:
    """Start the session again with `--model=FOLDER` where it was `--model FOLDER`.

    pytest looks for its root directory, with its own settings and conftest files, before it knows
    our options, and takes the folder for a test path.
    """
    from unicomp.plugin import progress
    from unicomp.plugin.arguments import attached

    typed = [str(argument) for argument in config.invocation_params.args]
    more = shlex.split(os.environ.get(_MORE, ""))
    now, then = (attached(typed, options), attached(more, options)), (typed, more)
    if now != then:
        os.environ[_MORE] = shlex.join(now[1])
        progress.stop(config)
        quiet = ["-W", "ignore:Module already imported so cannot be rewritten; unicomp"]
        raise SystemExit(pytest.main([*quiet, *now[0]], config.invocation_params.plugins))


@contextmanager
def _one_line_for_a_taken_option() -> Iterator[None]:
    """Name the file whose option has the name of one of ours; pytest would show a traceback."""
    try:
        yield
    except ValueError as error:
        if not re.search("already (added|used)", str(error)):
            raise
        where, trace = "another plugin", error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_name == "pytest_addoption":
                where = trace.tb_frame.f_code.co_filename
            trace = trace.tb_next
        if where == _options_file():
            where = "another plugin, loaded before UniComp,"
        names = ", ".join(sorted(set(re.findall(r"--[\w-]+", str(error)))))
        raise pytest.UsageError(
            f"{where} adds the option {names}, which UniComp has: rename it"
        ) from None


def _options_file() -> str:
    from unicomp.plugin import options

    return options.__file__
