"""The cost of a training is arithmetic, and agrees with the published figures."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp import catalogue
from unicomp.distillation.estimate import PlannedTraining, estimate, hours
from unicomp.distillation.shape import Shape
from unicomp.distillation.training import Training
from unicomp.report.plan import print_plan

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
}
ROOTS = catalogue.roots(Path("/nowhere"))


def published(name):
    return PlannedTraining.of(LLAMA, catalogue.load_method(name, ROOTS).parameters)


@pytest.mark.parametrize(
    ("name", "reported"),
    [("minitron_width_llama_3_1_8b", 120), ("minitron_depth_llama_3_1_8b", 140)],
)
def test_the_recipes_of_the_paper_take_the_time_that_it_reports(name, reported):
    """Appendix A.4: 194 B tokens at 0.3-1.0 M a second are 2.3-7.5 days; given: 120 and 140 h."""
    made = published(name)
    assert made.training.tokens + made.correction == 194e9
    expected = estimate(made, devices=256)
    assert expected.hours_least / 24 == pytest.approx(2.25, abs=0.1)
    assert expected.hours_most / 24 == pytest.approx(7.5, abs=0.2)
    assert expected.hours_least < reported < expected.hours_most
    assert not expected.measured


def test_without_the_correction_of_the_teacher_it_takes_less_than_half():
    made = published("minitron_width_llama_3_1_8b")
    alone = estimate(replace(made, correction=0), devices=256)
    assert 0.4 < alone.hours_most / estimate(made, devices=256).hours_most < 0.5


def test_the_memory_of_the_paper_is_more_than_what_one_copy_of_everything_takes():
    """20,480 GB are 256 devices of 80 GB, over which the weights of one copy are spread."""
    made = published("minitron_width_llama_3_1_8b")
    of_one = made.memory(narrow=True) / 1e9
    assert 128 < of_one < 20_480, "16 bytes for each of the teacher's 8 B weights, and more"
    lesson = replace(made, correction=0).memory(narrow=True) / 1e9
    assert 4.5 * 16 + 8 * 2 < lesson < of_one


def test_a_clone_trains_fewer_weights_than_it_ends_with():
    qwen = LLAMA | {
        "model_type": "qwen2",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152_064,
    }
    made = PlannedTraining.of(
        qwen, catalogue.load_method("low_rank_clone_qwen2_5_7b", ROOTS).parameters
    )
    assert 4.1e9 < made.student.parameters() < 4.4e9
    assert made.trained == (7 * 28 + 2) * 3584 * 2048 + (2 * 28 + 1) * 2048
    assert made.memory(narrow=True) < replace(made, objective="logits").memory(narrow=True)
    assert made.flops > replace(made, objective="logits").flops, "it makes its matrices anew"


TINY = Shape(
    kind="llama",
    hidden=64,
    intermediate=128,
    heads=4,
    key_value_heads=2,
    head_dim=16,
    layers=4,
    vocabulary=1000,
    tied=False,
)


def planned(tokens=10_000, rows=8, **settings):
    training = Training(tokens=tokens, sequence=32, batch=rows, learning_rate=1e-3, **settings)
    return PlannedTraining(
        objective="logits", teacher=TINY, student=TINY.scaled(layers=2), training=training
    )


@given(st.integers(1, 10**9), st.integers(1, 512))
def test_time_is_operations_by_speed(tokens, devices):
    expected = estimate(planned(tokens), devices=devices, flops_per_second=1e9)
    flops = tokens * (6 * planned().student.parameters() + 2 * TINY.parameters())
    assert expected.hours_least == expected.hours_most
    assert expected.hours_most == pytest.approx(flops / 1e9 / devices / 3600)
    assert expected.measured


def test_memory_falls_with_rows_at_once_and_with_activations_that_are_not_kept():
    whole = planned().memory(narrow=False)
    fewer = planned(at_once=1).memory(narrow=False)
    least = planned(at_once=1, checkpointing=True).memory(narrow=False)
    assert whole > fewer > least > 16 * planned().student.parameters()


def test_it_is_printed_in_a_line_and_as_json():
    expected = estimate(replace(planned(), correction=5_000), devices=2)
    assert str(expected).startswith("a student of ")
    assert "10 k tokens and 5 k for its teacher: " in str(expected)
    assert "on 2 × H100, as published" in str(expected)
    assert json.loads(json.dumps(expected.as_json()))["tokens"] == 10_000


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [(54.1, 179.6, "54.1 h to 180 h"), (0.2, 0.2, "12 min"), (1.5, 2.25, "1.5 h to 2.25 h")],
)
def test_times_are_said_as_people_say_them(least, most, said):
    assert hours(replace(estimate(planned()), hours_least=least, hours_most=most)) == said


def test_a_plan_fits_a_terminal():
    from rich.console import Console

    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    made = published("minitron_width_llama_3_1_8b")
    print_plan(console, "a plan", made, estimate(made, devices=256))
    lines = console.export_text().splitlines()
    assert lines[0] == "a plan"
    assert "94 B from generic, after 100 B that correct the teacher" in lines[3]
    assert "14,941 of 768 rows of 8,192 tokens" in lines[4]
    assert "54.1 h to 180 h on 256 × H100, as published" in lines[5]
    assert all(len(line) <= 100 for line in lines)
