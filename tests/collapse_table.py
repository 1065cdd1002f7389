"""Write the README's table of broken engines: `python -m tests.collapse_table`, with
UNICOMP_DATASET_ROOT at a mirror of the hub's rows."""

from pathlib import Path

from tests.test_collapse import BROKEN, METRICS, kept

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- collapse:begin -->\n", "<!-- collapse:end -->"


def table() -> str:
    """What each broken engine keeps of each metric, in percent of the honest one's."""
    rows = [
        f"| {engine} | {' | '.join(f'{kept(metric, engine):.0f}' for metric in METRICS)} |"
        for engine in BROKEN
    ]
    head = f"| engine | {' | '.join(METRICS)} |", f"|---|{'---:|' * len(METRICS)}"
    return "\n".join([*head, *rows]) + "\n"


if __name__ == "__main__":
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(before + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")
