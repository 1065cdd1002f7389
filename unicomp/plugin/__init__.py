"""The pytest plugin: this package is the only part of UniComp that imports pytest.

The entry point runs in every pytest session of the environment, so this module does next to
nothing: it looks whether the session is one of ours. It is where the root directory holds a
`unicomp.toml`, which may be empty, or where the installed suites are named. Only then are options,
markers and fixtures registered; any other project is left as it was.
"""

from __future__ import annotations

import pytest

from unicomp.settings import FILE


def is_active(config: pytest.Config, args: list[str]) -> bool:
    """Whether a session belongs to UniComp."""
    named = any(arg == "unicomp.suites" or arg.startswith("unicomp.suites.") for arg in args)
    return (config.rootpath / FILE).is_file() or ("--pyargs" in args and named)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    """Register the rest of the plugin, in time to add options."""
    if not is_active(early_config, args):
        return
    from unicomp.plugin import collection, distribution, fixtures, options, outcome, progress

    for module in (options, collection, fixtures, outcome, distribution, progress):
        early_config.pluginmanager.register(module, module.__name__)
