"""Write the published table of broken engines: `python -m tests.collapse_table`, with
UNICOMP_DATASET_ROOT at a mirror of the hub's rows."""

from collections.abc import Iterator

from fixtures.embedded.blocks import RESULTS, rewrite
from tests.test_collapse import BROKEN, METRICS, kept

PAGE = RESULTS / "collapse.md"
MARKER = "collapse"


def lines() -> Iterator[str]:
    """What each broken engine keeps of each metric, in percent of the honest one's."""
    yield f"| engine | {' | '.join(METRICS)} |"
    yield f"|---|{'---:|' * len(METRICS)}"
    for engine in BROKEN:
        yield f"| {engine} | {' | '.join(f'{kept(metric, engine):.0f}' for metric in METRICS)} |"


if __name__ == "__main__":
    rewrite([(PAGE, MARKER, list(lines()))])
