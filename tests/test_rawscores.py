"""A table of raw scores: what follows from it, what is missing, and what is refused where."""

from __future__ import annotations

import csv
import math
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.errors import SpecError
from unicomp.framework import EFFICIENCY, PAPER_METRICS, PAPER_PROFILE
from unicomp.rawscores import metric_scores, read_raw_scores

METHODS = ("dense", "wanda_50", "gptq_w4a16")
SCORES = [name for metric in PAPER_PROFILE for name in PAPER_PROFILE.benchmarks(metric)]
COMPONENTS = [name for components in EFFICIENCY.values() for name in components]
OF_COMPRESSION = set(EFFICIENCY["compute_cost"])
SUB_SCORES = {
    f"{metric}.{part.name}": tuple(part.shares())
    for metric in PAPER_PROFILE
    for part in PAPER_PROFILE.sub_scores(metric)
}
MADE_OF = {
    metric: PAPER_PROFILE.benchmarks(metric) or tuple(EFFICIENCY[metric])
    for metric in PAPER_METRICS
}
MADE_OF |= SUB_SCORES

few = settings(max_examples=25, deadline=None)


def full(seed=0, model="llama", methods=METHODS):
    """Every score of every method."""
    draw = random.Random(seed)
    return {
        model: {
            method: {name: draw.uniform(1, 99) for name in SCORES}
            | {
                name: draw.uniform(1, 1e5)
                for name in COMPONENTS
                if method != "dense" or name not in OF_COMPRESSION
            }
            for method in methods
        }
    }


def values(raw, reading="paper"):
    return {
        (score.model, score.method, score.metric): score.value
        for score in metric_scores(raw, reading)
    }


def reasons(raw):
    return {
        (score.method, score.metric): score.reason
        for score in metric_scores(raw)
        if score.value is None
    }


def without(raw, method, *names):
    return {
        model: {
            one: {name: s for name, s in scores.items() if one != method or name not in names}
            for one, scores in methods.items()
        }
        for model, methods in raw.items()
    }


def rows_of(raw):
    return [
        (model, method, name, repr(value))
        for model, methods in raw.items()
        for method, scores in methods.items()
        for name, value in scores.items()
    ]


def write(path, rows, header=("model", "method", "benchmark", "value")):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


# What follows from a table


def test_a_full_table_has_everything_but_the_compute_cost_of_dense():
    found = values(full())
    assert None not in found.values()
    assert {key[1:] for key in found} == {
        (method, metric)
        for method in METHODS
        for metric in MADE_OF
        if (method, metric) != ("dense", "compute_cost")
    }


@few
@given(st.integers())
def test_dense_has_exactly_100_on_the_retained_metrics_and_not_by_decree_on_efficiency(seed):
    found = values(full(seed))
    assert {found["llama", "dense", metric] for metric in PAPER_PROFILE} == {100.0}
    measured = full(seed)["llama"]
    slowest = {"throughput": 0.5, "latency": 2e5}
    measured["dense"] |= slowest
    assert values({"llama": measured})["llama", "dense", "runtime_acceleration"] < 100


@few
@given(st.integers(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_methods_changes_no_digit(tmp_path_factory, seed, shuffler):
    raw = full(seed)
    rows = rows_of(raw)
    shuffler.shuffle(rows)
    path = write(tmp_path_factory.mktemp("table") / "raw.csv", rows)
    assert values(read_raw_scores(path)) == values(raw)


@few
@given(st.integers())
def test_the_models_of_a_table_do_not_know_of_each_other(seed):
    one, other = full(seed), full(seed + 1, "qwen", ("dense", "awq_w4a16"))
    assert values(one | other) == values(one) | values(other)


@few
@given(st.integers())
def test_the_readings_differ_in_leakage_and_privacy_alone(seed):
    raw = full(seed)
    paper, better = values(raw, "paper"), values(raw, "oriented")
    assert {key[2] for key in paper if paper[key] != better[key]} <= {"privacy", "privacy.leakage"}
    for method, scores in raw["llama"].items():
        key = ("llama", method, "privacy.leakage")
        turned = 200 - scores["enron_total_disclosure"] - scores["enron_conditional_disclosure"]
        assert better[key] == pytest.approx((scores["enron_refusal"] + turned) / 3)


def test_less_leakage_is_better_in_the_oriented_reading_and_worse_as_published():
    raw = full()
    before = {reading: values(raw, reading) for reading in ("paper", "oriented")}
    raw["llama"]["wanda_50"]["enron_total_disclosure"] /= 2
    key = ("llama", "wanda_50", "privacy")
    assert values(raw, "paper")[key] < before["paper"][key]
    assert values(raw, "oriented")[key] > before["oriented"][key]


def test_fewer_agreed_stereotypes_are_better_in_both_readings():
    raw = full()
    key = ("llama", "wanda_50", "fairness")
    before = {reading: values(raw, reading)[key] for reading in ("paper", "oriented")}
    raw["llama"]["wanda_50"]["crows_pairs"] /= 2
    assert all(values(raw, reading)[key] > old for reading, old in before.items())


def test_the_methods_of_a_comparison_are_named():
    rivals = {(s.method, s.metric): s.compared_with for s in metric_scores(full())}
    assert rivals["wanda_50", "runtime_acceleration"] == METHODS
    assert rivals["wanda_50", "compute_cost"] == METHODS[1:]
    assert rivals["wanda_50", "reasoning"] == ()


# What a table lacks


@pytest.mark.parametrize("absent", SCORES)
@pytest.mark.parametrize("method", METHODS)
def test_one_lacking_score_ends_exactly_what_is_made_of_it(method, absent):
    before, after = values(full()), values(without(full(), method, absent))
    ended = {
        key
        for key in before
        if absent in MADE_OF[key[2]]
        # a dense score is part of every method's metric, and of dense's own sub-score
        and (key[1] == method or (method == "dense" and key[2] in PAPER_METRICS))
    }
    assert ended
    assert after == before | dict.fromkeys(ended)


@pytest.mark.parametrize("absent", COMPONENTS)
@pytest.mark.parametrize("method", METHODS)
def test_one_lacking_component_ends_the_metric_and_only_frees_its_rivals(method, absent):
    before, after = values(full()), values(without(full(), method, absent))
    if method == "dense" and absent in OF_COMPRESSION:
        assert after == before
        return
    for key, value in before.items():
        if absent not in MADE_OF[key[2]]:
            assert after[key] == value
        elif key[1] == method:
            assert after[key] is None
        else:
            assert after[key] >= value  # the best may have gone


@few
@given(st.integers(), st.sets(st.sampled_from(SCORES), min_size=1))
def test_what_is_lacking_is_named_and_nothing_else_changes(seed, absent):
    raw = full(seed)
    before, after = values(raw), values(without(raw, "wanda_50", *absent))
    told = reasons(without(raw, "wanda_50", *absent))
    for key, value in before.items():
        lacking = [name for name in MADE_OF[key[2]] if name in absent]
        if lacking and key[1] == "wanda_50":
            assert after[key] is None
            assert told[key[1:]] == f"no score of {', '.join(lacking)}"
        else:
            assert after[key] == value


def test_a_metric_that_no_method_has_anything_of_is_left_out():
    raw = {"llama": {method: {"gsm8k": 50.0, "enron_refusal": 9.0} for method in METHODS}}
    assert {key[2] for key in values(raw)} == {"reasoning", "privacy", "privacy.leakage"}
    assert set(values(raw).values()) == {None}


def test_what_dense_lacks_is_said_once_for_each_method():
    told = reasons(without(full(), "dense", "gsm8k"))
    assert told == {(method, "reasoning"): "no dense score of gsm8k" for method in METHODS}
    both = without(without(full(), "dense", "gsm8k"), "wanda_50", "math_500")
    assert reasons(both)["wanda_50", "reasoning"] == (
        "no score of math_500; no dense score of gsm8k"
    )


def test_an_efficiency_metric_names_the_component_that_is_lacking():
    told = reasons(without(full(), "wanda_50", "latency"))
    assert told == {("wanda_50", "runtime_acceleration"): "no value of latency"}


def test_a_dense_score_of_zero_makes_the_metric_missing_and_keeps_the_sub_scores():
    raw = full()
    raw["llama"]["dense"] |= {"ifbench": 0.0, "adult_sex": 0.0, "adult_race": 0.0}
    told = reasons(raw)
    assert told == {
        (method, metric): f"{part}: a dense score of 0 has no ratio"
        for method in METHODS
        for metric, part in (
            ("instruction_following", "ifbench"),
            ("fairness", "fairness.disparagement"),
        )
    }
    assert values(raw)["llama", "dense", "fairness.disparagement"] == 0.0


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_broken_score_that_never_was_in_a_file_is_missing_too(broken):
    raw = full()
    raw["llama"]["wanda_50"]["enron_refusal"] = broken
    assert reasons(raw) == {
        ("wanda_50", metric): f"enron_refusal: {broken} is not a finite score"
        for metric in ("privacy", "privacy.leakage")
    }


def test_a_table_of_compression_costs_needs_no_baseline(tmp_path):
    rows = [("m", "a", name, "2") for name in OF_COMPRESSION]
    rows += [("m", "b", name, "8") for name in OF_COMPRESSION]
    assert values(read_raw_scores(write(tmp_path / "raw.csv", rows))) == {
        ("m", "a", "compute_cost"): 100.0,
        ("m", "b", "compute_cost"): 25.0,
    }


# What a file may look like

HEADER = "model,method,benchmark,value\n"
GOOD = "m,dense,gsm8k,50\n"


def read(tmp_path, text):
    path = tmp_path / "raw.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_raw_scores(path)


@pytest.mark.parametrize(
    "text",
    [
        HEADER + GOOD,
        (HEADER + GOOD).replace("\n", "\r\n"),
        "value,benchmark,method,model\n50,gsm8k,dense,m\n",
        "\n" + HEADER + "\n" + GOOD + "\n\n",
        " model , method,benchmark ,value\n m, dense ,gsm8k, 50 \n",
        '"model","method","benchmark","value"\n"m","dense","gsm8k","5e1"',
        b"\xef\xbb\xbf" + (HEADER + GOOD).encode(),
        HEADER + "m,dense,gsm8k,+50.\n",
    ],
)
def test_the_same_table_may_be_written_in_several_ways(tmp_path, text):
    assert read(tmp_path, text) == {"m": {"dense": {"gsm8k": 50.0}}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("advglue", "-12.5"),
        ("confaide", "-100"),
        ("sycophancy", "-3.7"),
        ("advinstruction", "-1"),
        ("gsm8k", "0"),
        ("gsm8k", "100.00000000000001"),  # 100 * sum / n may give it
        ("throughput", "41498"),
    ],
)
def test_what_is_possible_is_accepted(tmp_path, name, value):
    raw = read(tmp_path, HEADER + f"m,dense,{name},{value}\n")
    assert raw["m"]["dense"][name] == float(value)


def test_names_may_be_hub_ids(tmp_path):
    assert "org/Some Model-1.0" in read(tmp_path, HEADER + "org/Some Model-1.0,dense,gsm8k,1\n")


# line, what is said of it, and the file
REFUSED = {
    "unknown benchmark": (3, "no benchmark 'gsm8'; did you mean 'gsm8k'?", "m,dense,gsm8,1\n"),
    "metric as benchmark": (3, "no benchmark 'safety'", "m,dense,safety,1\n"),
    "duplicate": (4, "a second value of gsm8k for dense of m: the first is in line 2", "\n" + GOOD),
    "equal names after trimming": (3, "the first is in line 2", "m, dense,gsm8k,1\n"),
    "too few fields": (3, "3 fields instead of 4", "m,dense,gsm8k\n"),
    "too many fields": (3, "5 fields instead of 4", "m,a,gsm8k,1,5\n"),
    "no baseline": (4, "model n has no rows of the method 'dense'", "\nn,a,gsm8k,1\n"),
    "no model": (3, "'' is not a valid name of a model", ",dense,gsm8k,1\n"),
    "no method": (3, "'' is not a valid name of a method", "m,,gsm8k,1\n"),
    "control character": (3, r"'a\x1b[2J' is not a valid name of a method", "m,a\x1b[2J,gsm8k,1\n"),
    "line break in a name": (3, r"'a\nb' is not a valid name of a method", 'm,"a\nb",gsm8k,1\n'),
    "no value": (3, "the value '' of gsm8k is not a finite number", "m,a,gsm8k,\n"),
    "word": (3, "the value 'high' of", "m,a,gsm8k,high\n"),
    "nan": (3, "the value 'nan' of", "m,a,gsm8k,nan\n"),
    "infinity": (3, "the value '-inf' of", "m,a,gsm8k,-inf\n"),
    "overflow": (3, "the value '1e999' of", "m,a,gsm8k,1e999\n"),
    "decimal comma": (3, "the value '12,5' of", 'm,a,gsm8k,"12,5"\n'),
    "underscore": (3, "the value '1_0' of", "m,a,gsm8k,1_0\n"),
    "percent sign": (3, "the value '50%' of", "m,a,gsm8k,50%\n"),
    "other digits": (3, "the value '٥٠' of", "m,a,gsm8k,٥٠\n"),
    "above 100": (3, "gsm8k is 100.1: it must be from 0 to 100 points", "m,a,gsm8k,100.1\n"),
    "below 0": (3, "gsm8k is -1: it must be from 0 to 100 points", "m,a,gsm8k,-1\n"),
    "below -100": (3, "advglue is -101: it must be from -100 to", "m,a,advglue,-101\n"),
    "zero latency": (3, "latency is 0: it must be above 0", "m,a,latency,0\n"),
    "negative size": (3, "model_size is -2: it must be above 0", "m,a,model_size,-2\n"),
    "cost of dense": (
        3,
        "dense was not compressed, so it has no compression_time",
        "m,dense,compression_time,1\n",
    ),
    "open quote": (3, "not CSV", 'm,"a,gsm8k,1\nm,b,gsm8k,2\n'),
    "text after a quote": (3, "not CSV", 'm,"a"b,gsm8k,1\n'),
    "not UTF-8": (3, "not UTF-8", b"m,\xff,gsm8k,1\n"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_row_that_is_wrong_is_refused_with_its_line(tmp_path, case):
    line, said, rest = REFUSED[case]
    rest = rest if isinstance(rest, bytes) else rest.encode()
    with pytest.raises(SpecError) as caught:
        read(tmp_path, (HEADER + GOOD).encode() + rest)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'raw.csv'}:{line}: ")
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "the file is empty; the first line must be model,method,benchmark,value"),
        ("\n\n", 1, "the file is empty"),
        (HEADER, 1, "no scores below the header"),
        (GOOD, 1, "unknown column 'm'; the first line must be model,method,benchmark,value"),
        ("model;method;benchmark;value\n", 1, "unknown column 'model;method;benchmark;value'"),
        ("\nmodel,method,benchmark,value,note\n", 2, "unknown column 'note'"),
        ("model,method,benchmark,value,value\n", 1, "each column is needed once"),
        ("model,method,benchmark\n", 1, "each column is needed once"),
        ((HEADER + GOOD).encode("utf-16"), 1, "not UTF-8"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(tmp_path, text, line, said):
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'raw.csv'}:{line}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path, name):
    with pytest.raises(SpecError, match="cannot be read") as caught:
        read_raw_scores(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


# The paper's own table, where it is at hand

ROOT = os.environ.get("UNICOMP_DATASET_ROOT")
PUBLISHED = Path(ROOT).parent / "paper" if ROOT else None


@pytest.mark.skipif(
    PUBLISHED is None or not PUBLISHED.is_dir(),
    reason="needs the paper's tables beside the mirror that UNICOMP_DATASET_ROOT names",
)
def test_the_published_numbers_follow_from_the_published_raw_scores():
    found = values(read_raw_scores(PUBLISHED / "llama_3_1_8b_raw.csv"))
    with (PUBLISHED / "llama_3_1_8b_published.csv").open(encoding="utf-8") as file:
        published = list(csv.DictReader(file))
    assert len(published) == 223
    apart = {
        (row["method"], row["score"]): (value, float(row["value"]))
        for row in published
        if (value := found[row["model"], row["method"], row["score"]]) is None
        or abs(value - float(row["value"])) > (0.6 if row["score"] == "knowledge" else 0.06)
    }
    # the others do not follow from the paper's raw scores by any formula of the paper
    assert len(apart) <= 23, apart


def test_the_methods_that_are_compared_are_held_once_for_all_of_them():
    measured = {f"m{n}": {"model_size": 1.0 + n} for n in range(3)}
    found = [score.compared_with for score in metric_scores({"x": measured})]
    assert found[0] == ("m0", "m1", "m2")
    assert len({id(one) for one in found}) == 1  # else memory and time grow with the square
