"""Workers take the dense model first, then what takes longest to build."""

from pathlib import Path

import pytest

from unicomp import catalogue
from unicomp.plugin.distribution import in_turn, takes_long
from unicomp.plugin.grid import Grid
from unicomp.verdict import Row

ROOTS = catalogue.roots(Path("/nowhere"))


def unit(model, method):
    return f"test_it[{model}-{method}]"


def order(names, methods, models=("m",)):
    """The order of the checkpoints MODEL/METHOD of these names, each with one test."""
    rows = {}
    for name in names:
        model, method = name.split("/")
        row = Row(model=model, method=method, calibration="generic", benchmark="arc_easy")
        rows[unit(model, method)] = [row]
    units = {name: [unit(*name.split("/"))] for name in names}
    return in_turn(
        units, Grid(rows=rows), models, [catalogue.load_method(one, ROOTS) for one in methods]
    )


def test_the_slowest_builds_come_after_the_dense_model_and_before_the_others():
    methods = ["wanda_50", "gptq_w4a16", "awq_w4a16"]
    found = order(["m/wanda_50", "m/gptq_w4a16", "m/awq_w4a16", "m/dense"], methods)
    assert found == ["m/dense", "m/awq_w4a16", "m/wanda_50", "m/gptq_w4a16"]


def test_the_checkpoints_of_a_model_follow_each_other():
    names = ["b/awq_w4a16", "b/dense", "a/wanda_50", "a/dense"]
    found = order(names, ["wanda_50", "awq_w4a16"], models=("a", "b"))
    assert found == ["a/dense", "a/wanda_50", "b/dense", "b/awq_w4a16"]


def test_tests_of_no_checkpoint_go_last():
    units = {"test_own.py": ["test_own.py::test_it"], "m/dense": [unit("m", "dense")]}
    row = Row(model="m", method="dense", calibration="none", benchmark="arc_easy")
    assert in_turn(units, Grid(rows={unit("m", "dense"): [row]}), ["m"], []) == [
        "m/dense",
        "test_own.py",
    ]


@pytest.mark.parametrize(
    ("name", "long"),
    [
        ("awq_w4a16", True),
        ("w4a16_autoround", True),
        ("minitron_width", True),
        ("gptq_w4a16", False),
        ("wanda_50", False),
        ("dense", False),
    ],
)
def test_what_searches_or_trains_takes_long(name, long):
    assert takes_long(catalogue.load_method(name, ROOTS)) == long
