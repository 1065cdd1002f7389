"""The short page at the terminal: one table of 100 columns, fifteen lines of reasons."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_report import METHODS, card_of, full_card, gap, lines_of, row
from unicomp.framework import EFFICIENCY, EMBEDDED_PROFILE, PAPER_METRICS
from unicomp.report.summary import MOST_LINES, WIDTH


def page(card, width=WIDTH, **about):
    return [line.rstrip() for line in lines_of(card, (), width, everything=False, **about)]


def probes(methods=METHODS):
    """A row for each component of the efficiency metrics."""
    return [
        row(name, metric, method=method, unit="s", tier="advisory")
        for method in methods
        for metric, parts in EFFICIENCY.items()
        for name in parts
    ]


def whole_card(methods=METHODS, **about):
    """All thirteen metrics of some methods."""
    retained = [
        row(name, metric, **{"method": method, **about})
        for method in methods
        for metric in EMBEDDED_PROFILE
        for name in EMBEDDED_PROFILE.benchmarks(metric)
    ]
    return card_of(*retained, *probes(methods))


def table_of(lines):
    start = next(number for number, line in enumerate(lines) if line.startswith("method"))
    rule = next(number for number, line in enumerate(lines) if set(line) == {"─"})
    end = next(number for number in range(rule + 1, len(lines)) if lines[number][:1] in "*…D")
    return lines[start - 1 : end]


def test_all_metrics_of_all_methods_are_one_table_of_100_columns():
    lines = page(whole_card())
    table = table_of(lines)
    assert max(map(len, table)) <= 100
    assert sum(line.startswith("method") for line in lines) == 1
    (dense,) = [line for line in table if line.startswith("dense")]
    assert len(dense.split()) == 1 + len(PAPER_METRICS)


def test_a_long_name_keeps_the_table_within_100_columns():
    name = "llama_3_1_minitron_4b_width_and_more"
    assert max(map(len, table_of(page(whole_card(("dense", name)))))) <= 100


def test_the_heading_of_the_names_is_whole_if_all_names_are_shorter():
    assert sum(line.startswith("method ") for line in page(whole_card(("dense",)), width=60)) > 1


def test_a_narrow_terminal_gets_several_tables():
    lines = page(whole_card(), width=80)
    assert sum(line.startswith("method") for line in lines) > 1
    assert max(len(line) for line in lines if line.startswith(("dense", "wanda"))) <= 80


def test_the_first_and_the_last_line_say_how_the_gate_stands():
    lines = page(whole_card())
    assert lines[0].startswith("the gate is open: ")
    assert lines[-1] == "the gate is open"
    assert page(card_of(gap()))[-1] == "the gate is shut"


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 20))
@settings(max_examples=25)
def test_there_are_never_more_than_fifteen_lines_of_reasons(failed, allowed, notes):
    rows = [gap(f"bad{i}", None, tier="critical") for i in range(failed)]
    rows += [gap(f"known{i}", None, tier="critical") for i in range(allowed)]
    card = card_of(
        row("arc_easy", "knowledge"),
        *rows,
        environment={"notes": [f"note {i}" for i in range(notes)], "unpinned": ["a/b"]},
        allow={f"known{i}": "a reason" for i in range(allowed)},
    )
    lines = page(card)
    table = table_of(lines)
    last = lines.index(table[-1])
    assert len(lines) - last - 2 <= MOST_LINES + 1  # the words of the table may need a line
    if failed:
        assert any(line.startswith("missing: embedded/wanda_50 bad0") for line in lines)
    assert any("unpinned" in line for line in lines)


def test_what_was_left_out_is_counted():
    rows = [gap(f"bad{i}", None, tier="critical") for i in range(40)]
    (line,) = [line for line in page(card_of(row(), *rows)) if "-v" in line]
    assert "more in the way" in line


def test_an_undecided_result_says_what_would_decide_it():
    card = card_of(row(low=85.0, high=99.0, tier="critical"), command_line={"reasoning": 95.0})
    lines = page(card)
    assert any(line.startswith("undecided: ") and "reasoning" in line for line in lines)


def test_a_benchmark_of_no_metric_has_a_column():
    card = card_of(row("stock_count", None, tier="critical", retention=91.5))
    lines = page(card)
    assert any("91.5" in line for line in table_of(lines))
    assert {"stock", "count"} <= {line.strip().removeprefix("method").strip() for line in lines}


def test_few_metrics_have_their_whole_names():
    head = table_of(page(card_of(row(), row("ifbench", "instruction_following"))))
    assert "reasoning" in "".join(head)
    assert "instruction" in "".join(head)


def test_a_benchmark_beside_a_metric_is_named_if_there_is_no_room():
    beside = row("pets", "knowledge", tier="critical", retention=91.5)
    few = page(card_of(row("arc_easy", "knowledge"), beside))
    assert any("91.5" in line for line in table_of(few))
    rows = [*whole_card().rows, *(replace(beside, benchmark=f"pets{i}") for i in range(9))]
    assert any("beside: pets0, pets1" in line for line in page(card_of(*rows)))


def test_several_models_are_one_table():
    cards = [row(model=name) for name in ("llama", "qwen")]
    lines = page(card_of(*cards))
    assert sum(line.startswith("method") for line in lines) == 1
    assert {"llama", "qwen"} <= set(lines)


def test_calibrations_are_named():
    card = card_of(row(calibration="generic"), row(calibration="reasoning"))
    lines = page(card)
    assert {"  generic", "  reasoning"} <= {line[:11].rstrip() for line in lines}


@pytest.mark.parametrize("text", ["[bold]x[/]", "\x1b]0;title\x07", "one\ntwo"])
def test_what_a_model_said_is_only_text(text):
    clean = page(card_of(row(), gap("mine", None, reason="fine")))
    spoiled = page(card_of(row(), gap("mine", None, reason=text)))
    assert len(clean) == len(spoiled)
    assert not set("".join(spoiled)) & set("\x1b\x07")


def test_differing_prompts_are_one_line():
    differing = {"differ": 3, "of": 40, "why": {"another template": 3}}
    rows = [row(method=name, prompts=differing) for name in ("a", "b")]
    (line,) = [line for line in page(card_of(*rows)) if "prompts differ" in line]
    assert line.endswith("(and 1 more of this kind)")


def test_a_build_beside_other_work_is_a_warning_where_its_time_is_measured():
    spent = row(
        *("compression_time", "compute_cost"),
        **dict.fromkeys(("dense", "retention", "low", "high", "floor"), None),
        score=38.0,
        unit="s",
        details={"other_load": 0.45},
    )
    assert any(line.startswith("built beside other work") for line in page(card_of(spent)))
    assert not any("other work" in line for line in page(card_of(row())))


def test_the_full_card_of_the_other_tests_is_short_too():
    card = replace(full_card(), work=())
    assert len(page(card)) <= 2 + 3 + len(METHODS) + MOST_LINES + 2


def test_gains_have_columns_where_their_metric_has_no_value():
    size = row("model_size", "inference_efficiency", unit="bytes", retention=257.0)
    lines = page(card_of(size))
    assert any("257.0" in line for line in table_of(lines))
