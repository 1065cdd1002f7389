"""Before a run: the chance of a lossless candidate; after it: what would decide."""

FEW = ("-m", "knowledge", "--samples=40", "--method=dense", "--method=wanda_50")
LINE = "knowledge: a lossless candidate passes at floor 95 with a chance of"


def test_the_chance_stands_before_the_run_and_the_remedy_after_it(gate):
    run = gate.run("-n2", *FEW, "--floor=performance=95")
    lines = [line for line in run.lines if line.startswith(LINE)]
    assert len(lines) == 1, run.text
    assert "(40 items)" in lines[0]
    assert run.card["environment"]["there"]["embedded"]["arc_easy"] == 1000
    for one in run.card["undecided"]:
        assert f"; it would take {one['words']}" in run.text


def test_a_list_of_tests_has_no_chance(gate):
    run = gate.run("--collect-only", "-q", *FEW)
    assert LINE not in run.text


def test_what_runs_in_full_is_named_before_the_run_and_in_the_scorecard(gate):
    run = gate.run("-n2", "--early", "suites", *FEW)
    place = run.lines.index("--early: 0 of 1 benchmarks may stop early")
    assert run.lines[place + 1] == "  in full: arc_easy (there are fewer than 200 items)"
    assert place < next(i for i, line in enumerate(run.lines) if "passed" in line)
    environment = run.card["environment"]
    assert environment["early"] == "on"
    (note,) = [line for line in environment["notes"] if line.startswith("--early")]
    assert note == "; ".join(line.strip() for line in run.lines[place : place + 2])
