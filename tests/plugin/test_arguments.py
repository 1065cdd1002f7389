"""Our options mean the same however they are written, and none takes the place of another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.errors import SpecError
from unicomp.plugin.arguments import Given, attached, spelled_out
from unicomp.plugin.options import OPTIONS

VALUED = [name for name in OPTIONS if name != "--pick"]


def test_a_value_that_exists_is_attached_and_others_stay(tmp_path):
    before = ["-m", "reasoning", "--model", str(tmp_path), "--pick", "suites", "--samples", "3"]
    after = [*before[:2], f"--model={tmp_path}", "--pick", "suites", "--samples=3"]
    assert attached(before, OPTIONS) == after


def test_nothing_changes_where_no_value_is_a_path():
    arguments = ["--model", "no/such", "--samples", "3", "--model=/"]
    assert attached(arguments, OPTIONS) == arguments


def test_options_in_a_file_of_arguments_are_attached_too(tmp_path):
    (tmp_path / "more").write_text(f"--model\n{tmp_path}\n-q\n", encoding="utf-8")
    given = ["--samples=3", f"@{tmp_path / 'more'}"]
    assert attached(given, OPTIONS) == ["--samples=3", f"--model={tmp_path}", "-q"]


def test_what_follows_two_dashes_is_no_option(tmp_path):
    arguments = ["--", "--model", str(tmp_path)]
    assert attached(arguments, OPTIONS) == arguments


EARLY_SPELLINGS = [
    (["--early", "suites"], ["--early=on", "suites"]),
    (["suites", "--early"], ["suites", "--early=on"]),
    (["--early=shut", "suites"], ["--early=shut", "suites"]),
    (["--early", "-m", "reasoning"], ["--early=on", "-m", "reasoning"]),
    (["-q", "--", "--early"], ["-q", "--", "--early"]),
    (["--early", "--", "--early"], ["--early=on", "--", "--early"]),
]


@pytest.mark.parametrize(("typed", "meant"), EARLY_SPELLINGS)
def test_an_option_that_may_stand_alone_never_takes_a_test_path(typed, meant):
    assert spelled_out(typed, OPTIONS) == meant
    assert spelled_out(meant, OPTIONS) == meant


def test_it_stands_alone_in_a_file_of_arguments_too(tmp_path):
    (tmp_path / "more").write_text("--early\nsuites\n", encoding="utf-8")
    assert spelled_out([f"@{tmp_path / 'more'}"], OPTIONS) == ["--early=on", "suites"]
    (tmp_path / "more").write_text("-q\n", encoding="utf-8")
    assert spelled_out([f"@{tmp_path / 'more'}"], OPTIONS) == [f"@{tmp_path / 'more'}"]


def test_what_stands_behind_it_is_not_attached(tmp_path):
    arguments = ["--early", str(tmp_path)]
    assert attached(arguments, OPTIONS) == arguments


def given_by(name, in_addopts, typed):
    everything = {key: [] for key in VALUED} | {name: [*in_addopts, *typed]}
    return Given(everything, ["-q", *(f"{name}={value}" for value in typed)])


SINGLE = (
    "--seeds",
    "--samples",
    "--engine",
    "--dataset-root",
    "--unicomp-home",
    "--scorecard",
    "--baseline",
)


@pytest.mark.parametrize("name", SINGLE)
def test_a_second_value_is_refused_rather_than_taking_the_place_of_the_first(name):
    with pytest.raises(SpecError, match=f"{name} is given twice, 1 and 2"):
        given_by(name, [], ["1", "2"]).one(name)


def test_the_command_line_outranks_addopts():
    assert given_by("--samples", ["100"], ["400"]).one("--samples") == "400"
    assert given_by("--samples", ["100"], []).one("--samples") == "100"
    assert given_by("--floor", ["a=9"], ["a=8"]).in_ranks("--floor") == (["a=9"], ["a=8"])


@pytest.mark.parametrize("name", VALUED)
def test_an_empty_value_is_refused(name):
    with pytest.raises(SpecError, match=f"{name} has an empty value"):
        given_by(name, [], [" "])


@given(st.lists(st.text(min_size=1).filter(str.strip)))
def test_every_value_of_a_repeatable_option_is_there_once(values):
    assert given_by("--checkpoint", values, []).all("--checkpoint") == list(dict.fromkeys(values))
