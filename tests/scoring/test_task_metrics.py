"""Task metrics: the values that lm-eval's task computes, and the answers that it could not read."""

import pytest

from unicomp.errors import ScoringError
from unicomp.scoring.task_metrics import TaskMetric
from unicomp.spec import Item


def item(doc=None, answers=None, results=None):
    return Item(
        doc=doc or {}, prompt="", responses=("",), answers=answers or {}, results=results or {}
    )


@pytest.mark.parametrize("value", [0.0, 1.0, True])
def test_the_value_of_the_task_is_taken(value):
    reading = TaskMetric("acc,none")(item(answers={"none": [1, 2]}, results={"acc,none": value}))
    assert reading.fields == {"correct": float(value)}
    assert reading.parsed


@pytest.mark.parametrize("answer", ["[invalid]", ["[invalid]"]])
def test_what_the_filter_could_not_read_is_unparsed(answer):
    results = {"exact_match,strict-match": 0.0}
    reading = TaskMetric("exact_match,strict-match")(
        item(answers={"strict-match": answer}, results=results)
    )
    assert reading.fields == {"correct": 0.0}
    assert not reading.parsed


def test_columns_are_kept_as_text():
    reading = TaskMetric("acc,none", keep=("config", "year"))(
        item(doc={"config": "de", "year": 3}, answers={"none": 1}, results={"acc,none": 1})
    )
    assert reading.fields == {"correct": 1.0, "config": "de", "year": "3"}


def test_a_metric_that_the_task_lacks_is_named_with_those_it_has():
    with pytest.raises(ScoringError, match=r"no metric 'acc,none'; it has a,x, b,y"):
        TaskMetric("acc,none")(item(results={"b,y": 1, "a,x": 0}))
