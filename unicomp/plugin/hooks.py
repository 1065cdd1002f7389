"""The hook of UniComp that a conftest may implement; pytest calls it by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from unicomp.findings import Findings
    from unicomp.scorecard import Scorecard


@pytest.hookspec
def pytest_unicomp_report(scorecard: Scorecard, findings: Findings, config: pytest.Config) -> None:
    """Report the result of a session in a format of your own.

    Called once, on the process that reports, when the gate is decided and the files of
    `--scorecard` are written; not where nothing was measured. `scorecard.decision` is `open`,
    `shut` or `undecided`. A parameter that is not needed may be left out. An exception is shown in
    one line and shuts the gate; the scorecard is printed in any case.
    """
