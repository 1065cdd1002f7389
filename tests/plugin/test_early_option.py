"""The option --early: how it is written, and what outranks what."""

import pytest

HEAD = "UniComp early decisions: asking stops"


def head(gate, *arguments):
    """The line at the head of a run that may stop early, if there is one."""
    run = gate.run_plain("--collect-only", "--method=dense", "-m", "knowledge", *arguments)
    assert run.status == 0, run.text
    assert "test_knowledge_is_retained" in run.text
    return next((line for line in run.lines if line.startswith(HEAD)), None)


@pytest.mark.parametrize("arguments", [("--early", "suites"), ("suites", "--early")])
def test_a_test_path_behind_the_option_is_a_test_path(new_gate, tmp_path, arguments):
    assert head(new_gate(tmp_path / "home"), *arguments) is not None


def test_options_of_the_folder_that_end_with_it_take_no_test_path(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home")
    gate.write("pytest.ini", "[pytest]\naddopts = --import-mode=importlib --early\n")
    assert head(gate, "suites") is not None


def test_the_command_line_outranks_the_settings(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home", "[gate]\nearly = 'shut'\n")
    assert "cannot be released any more" in head(gate)
    assert "cannot be released any more" not in head(gate, "--early")
    assert head(gate, "--early=off") is None
