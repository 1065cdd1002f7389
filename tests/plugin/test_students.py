"""Distillation is asked for: by name, or by `-m distillation`; a plain run does not train."""

from __future__ import annotations

import pytest

STUDENTS = ("minitron_width", "minitron_depth", "low_rank_clone")


@pytest.mark.parametrize(
    ("expression", "students"),
    [
        ("reasoning", 0),
        ("distillation and reasoning", 3),
        ("reasoning and (pruning or distillation)", 3),
    ],
)
def test_students_are_judged_where_the_markers_name_them(gate, expression, students):
    listed = gate.run("--collect-only", "-q", "-m", expression).lines
    for name in STUDENTS:
        assert sum(f"embedded-{name}-gsm8k" in line for line in listed) == (students > 0)
    assert any("wanda_50-gsm8k" in line for line in listed) == (
        expression != "distillation and reasoning"
    )


def test_a_student_alone_is_asked_for_by_name(gate):
    listed = gate.run(
        "--collect-only", "-q", "-m", "distillation", "--method", "minitron_depth"
    ).lines
    assert any("minitron_depth-gsm8k" in line for line in listed)
    assert not any("minitron_width" in line for line in listed)
