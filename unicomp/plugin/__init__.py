"""The pytest plugin: this package is the only part of UniComp that imports pytest.

The entry point runs in every pytest session of the environment, so this module does very little:
it checks whether the session belongs to UniComp. It does if the root directory holds a
`unicomp.toml`, which may be empty, or if the installed suites are named. Only then are options,
markers and fixtures registered; any other project is left as it was.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from unicomp.settings import FILE


def is_active(config: pytest.Config, args: list[str]) -> bool:
    """Whether a session belongs to UniComp."""
    named = any(arg == "unicomp.suites" or arg.startswith("unicomp.suites.") for arg in args)
    return (config.rootpath / FILE).is_file() or ("--pyargs" in args and named)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    """Register the rest of the plugin, in time to add options.

    pytest looks for the root directory before it knows our options, and takes the folder in
    `--model FOLDER` for a test path. If it finds a wrong root directory that way, the session is
    started again with `--model=FOLDER`. This is the outermost wrapper, so that it runs before
    output is captured.
    """
    if is_active(early_config, args):
        from unicomp.plugin import (
            admitting,
            collection,
            conducting,
            distribution,
            fixtures,
            foresight,
            options,
            outcome,
            progress,
        )

        modules = (
            *(options, collection, foresight, admitting, fixtures, conducting, outcome),
            *(distribution, progress),
        )
        for module in modules:
            early_config.pluginmanager.register(module, module.__name__)
    elif _belongs_to_unicomp(early_config.invocation_params.dir):
        from unicomp.plugin.options import attach_values

        given = [str(arg) for arg in early_config.invocation_params.args]
        attached = attach_values(given)
        if attached != given:
            raise SystemExit(pytest.main(attached))
    return (yield)


def _belongs_to_unicomp(folder: Path) -> bool:
    return any((parent / FILE).is_file() for parent in (folder, *folder.parents))
