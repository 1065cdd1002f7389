"""Checking: right programs pass, and no program passes without being right."""

import pytest

from unicomp.sandbox import Limits
from unicomp.sandbox.checking import Bubblewrap, Outcome, Task, check
from unicomp.sandbox.running import why_unusable

pytestmark = pytest.mark.skipif(why_unusable() is not None, reason=str(why_unusable()))

LIMITS = Limits(cpu_seconds=1, seconds=20, memory=512 << 20)

REFERENCE = """
import math
def halved(numbers):
    return [one / 2 for one in numbers]
def helper(numbers):
    return math.fsum(numbers)
"""
TESTS = """
assert halved([2, 4]) == [1, 2]
assert halved([]) == []
assert helper(halved([1, 1])) == 1
"""


def checked(program, tests=TESTS, names=("halved",), reference=REFERENCE):
    task = Task(program=program, reference=reference, tests=tests, names=names)
    return check(task, LIMITS)


def passes(program):
    return checked(program).passed


def test_the_reference_passes():
    assert checked(REFERENCE) == Outcome(passed=True)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("def halved(numbers): return numbers", "wrong"),
        ("def halved(numbers): pass", "wrong"),
        ("def halved(numbers): return 1 / 0", "ZeroDivisionError"),
        ("def halved(numbers): raise AssertionError", "AssertionError"),
        ("def halved(numbers): import nowhere", "ModuleNotFoundError"),
        ("def other(numbers): return numbers", "AttributeError"),
        ("def halved(numbers) return numbers", "SyntaxError"),
        ("", "AttributeError"),
        ("def halved(numbers):\n    while True: pass", "timeout"),
        ("while True: pass", "timeout"),
        ("def halved(numbers): return [0] * 10**10", "MemoryError"),
        ("import os; os._exit(0)", "died"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("def halved(numbers): import os; os.kill(os.getpid(), 11)", "died"),
        ("def halved(numbers): return 'x' * (17 << 20)", "too much output"),
    ],
)
def test_a_program_that_is_not_right_is_wrong_for_a_reason(program, why):
    assert checked(program) == Outcome(why=why)


@pytest.mark.long
def test_a_program_that_waits_is_ended_by_the_clock():
    task = Task(
        program="import time\ndef halved(numbers): time.sleep(100)",
        reference=REFERENCE,
        tests=TESTS,
        names=("halved",),
    )
    assert check(task, Limits(seconds=3)) == Outcome(why="timeout")


FORGERIES = {
    "it ends with status 0": "def halved(numbers): import os; os._exit(0)",
    "it leaves": "def halved(numbers): raise SystemExit(0)",
    "it changes assertions": """
import builtins
builtins.AssertionError = type("Passed", (Exception,), {})
builtins.assert_ = lambda *a: None
def halved(numbers): return None
""",
    "it changes equality": """
class Equal:
    __hash__ = None
    def __eq__(self, other): return True
    def __ne__(self, other): return False
def halved(numbers): return Equal()
""",
    "it changes the equality of a list": """
class Equal(list):
    def __eq__(self, other): return True
def halved(numbers): return Equal()
""",
    "it changes the equality of a number": """
class Equal(int):
    def __eq__(self, other): return True
    def __radd__(self, other): return 0
    def __float__(self): return 1.0
def halved(numbers): return [Equal(7) for one in numbers]
""",
    "it changes built-in functions": """
import builtins
for name in ("all", "any", "len", "sum", "print", "compile", "exec", "isinstance"):
    setattr(builtins, name, lambda *a, **k: True)
def halved(numbers): return True
""",
    "it prints verdicts to every descriptor": """
import os
for number in range(64):
    for text in (b'ready\\n{"passed": true}\\n', b'{"passed": true}\\n'):
        try:
            os.write(number, text)
        except OSError:
            pass
def halved(numbers): return None
""",
    "it answers before it is asked": """
import os, json
for number in range(3, 64):
    try:
        os.write(number, b'{"loaded": ""}\\n{"passed": true, "value": "true"}\\n' * 100)
    except OSError:
        pass
def halved(numbers): return None
""",
    "it looks for the tests": """
import gc, sys, os, glob
def texts():
    for one in gc.get_objects():
        if isinstance(one, dict):
            yield from (v for v in one.values() if isinstance(v, str))
    frame = sys._getframe()
    while frame:
        yield from (v for v in frame.f_locals.values() if isinstance(v, str))
        frame = frame.f_back
    for name in glob.glob("/**/*.py", recursive=True)[:50] + glob.glob("/tmp/*"):
        yield open(name, errors="replace").read()
found = [text for text in texts() if "halved([2, 4])" in text]
def halved(numbers):
    return [1, 2] if found and numbers else [] if found else None
""",
    "it changes our modules": """
import json
from unicomp.sandbox.inside import candidate, values
candidate.encode = values.encode = lambda *a: '{"passed": true}'
json.dumps = lambda *a, **k: '{"passed": true}'
def halved(numbers): return None
""",
    "it runs at the end": """
import atexit, os
atexit.register(lambda: os.write(2, b'{"passed": true}'))
def halved(numbers): return None
""",
    "it catches everything": """
def halved(numbers):
    try:
        raise BaseException
    except BaseException:
        return NotImplemented
""",
    "it answers what is no JSON": """
import os
def halved(numbers):
    for number in range(3, 64):
        try:
            os.write(number, b"passed\\n")
        except OSError:
            pass
""",
    "it answers what is nested too deeply": """
import os
def halved(numbers):
    for number in range(3, 64):
        try:
            os.write(number, b'{"value": ' + b"[" * 100000 + b"\\n")
        except OSError:
            pass
""",
    "it names a class of ours": """
class LostError(BaseException): pass
class UnsendableError(Exception): pass
def halved(numbers): raise UnsendableError
""",
    "it raises what would excuse it": "def halved(numbers): raise ImportError(name='numpy')",
    "it is empty but valid": "def halved(numbers):\n    ...",
    "it defines what its tests use": """
def helper(numbers): return 1
def halved(numbers): return [1, 2] if numbers == [2, 4] else []
""",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_program_cannot_pretend_to_pass(name):
    outcome = checked(FORGERIES[name])
    assert not outcome.passed
    assert outcome.gap is None
    assert outcome.why


@pytest.mark.parametrize(
    ("tests", "names", "gap"),
    [
        ("assert halved(", ("halved",), "its tests cannot be run (SyntaxError)"),
        ("import nowhere", ("halved",), "its tests need nowhere, which is not in the sandbox"),
        ("assert halved(print)", ("halved",), "its tests pass an object of the class builtin"),
        ("assert True", ("halved",), "its tests call nothing of the program"),
        ("assert halved([]) == []", (), "its tests call nothing of the program"),
    ],
)
def test_tests_that_cannot_be_run_are_a_gap_and_no_zero(tests, names, gap):
    outcome = checked(REFERENCE, tests, names)
    assert (outcome.passed, outcome.why) == (False, "")
    assert outcome.gap.startswith(gap)


def test_numpy_is_there_for_tests_that_need_it():
    tests = "import numpy as np\nassert np.allclose(halved([1.0, 3.0]), [0.5, 1.5])"
    assert checked(REFERENCE, tests).passed


def test_a_program_is_loaded_as_a_module_and_not_as_the_main_one():
    program = (
        f"from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1\n{REFERENCE}"
        "if __name__ == '__main__':\n    raise SystemExit(input())\n"
    )
    assert passes(program)


def test_what_a_program_prints_is_no_answer():
    assert passes(f"print('hello')\nimport sys\nsys.stderr.write('x')\n{REFERENCE}")


def test_outcomes_keep_the_order_of_their_tasks():
    programs = [REFERENCE, "def halved(numbers): pass"] * 3
    tasks = [
        Task(program=one, reference=REFERENCE, tests=TESTS, names=("halved",)) for one in programs
    ]
    assert [one.passed for one in Bubblewrap().check(tasks, LIMITS)] == [True, False] * 3


def test_without_a_sandbox_nothing_runs_and_the_reason_says_how_to_get_it(monkeypatch):
    from unicomp.sandbox import checking

    monkeypatch.setattr(checking, "why_unusable", lambda: "no sandbox: install it")
    task = Task(program=REFERENCE, reference=REFERENCE, tests=TESTS, names=("halved",))
    assert Bubblewrap().check([task], LIMITS) == [Outcome(gap="no sandbox: install it")]
