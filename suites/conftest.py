"""The suites measure with UniComp's own fixtures, whatever a user's conftest calls by their names.

Only `floor` and `budget` may be a user's own: functions of a benchmark or a probe.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from unicomp.plugin.fixtures import (  # noqa: F401 (nearer to the suites than a user's)
    calibration,
    checkpoint,
    cost,
    gain,
    method,
    model,
    retention,
)


@pytest.fixture
def floor(floor: object) -> object:
    """The floor of a benchmark or a probe, in percent: `floor(bench)`."""
    return _function("floor", floor)


@pytest.fixture
def budget(budget: object) -> object:
    """The budget of a probe: `budget(probe)`."""
    return _function("budget", budget)


def _function(name: str, value: object) -> Callable[..., object]:
    if not callable(value):
        pytest.fail(
            f"a fixture of your own is called {name!r} and gives {value!r}: rename it, or let it "
            f"return a function, {name}(bench)",
            pytrace=False,
        )
    return value
