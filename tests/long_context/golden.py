"""The smallest prompt of each task of RULER as a readable text: `prompts/TASK.txt`.

python -m tests.long_context.golden    # in the top folder: write the files again after a change
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from unicomp.long_context.tasks import TASKS, Task

FOLDER = Path(__file__).with_name("prompts")


def shown(task: Task) -> str:
    """A text of as few units as the task needs, in its smaller form, with what is right."""
    text = task.forms[-1](Random(task.name), task.least)
    return (
        f"--- prompt\n{text.prompt}\n--- the answer begins\n{text.prefix}\n"
        f"--- it names, in at most {task.new_tokens} tokens\n{', '.join(text.outputs)}\n"
        f"--- and none of\n{', '.join(text.wrong)}\n"
    )


def main() -> None:
    """Write the golden files."""
    for name, task in TASKS.items():
        (FOLDER / f"{name}.txt").write_text(shown(task), encoding="utf-8")


if __name__ == "__main__":
    main()
