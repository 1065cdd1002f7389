"""The system call filter, run as the kernel runs it: by a small interpreter."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.sandbox.seccomp import filter_program

KILL, ALLOW, REFUSE = 0x80000000, 0x7FFF0000, 0x00050000 | errno.EPERM
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def verdict(machine, number, architecture=None):
    """What the filter of a machine answers to a system call."""
    found = filter_program(machine)
    steps = [struct.unpack_from("=HBBI", found, at) for at in range(0, len(found), 8)]
    data = struct.pack("=II", number, architecture or MACHINES[machine])
    at = loaded = 0
    while True:
        code, true, false, value = steps[at]
        at += 1
        if code == 0x20:
            (loaded,) = struct.unpack_from("=I", data, value)
        elif code == 0x15:
            at += true if loaded == value else false
        elif code == 0x35:
            at += true if loaded >= value else false
        else:
            assert code == 0x06
            return value


REFUSED = {
    "x86_64": {"clone": 56, "fork": 57, "vfork": 58, "ptrace": 101, "mount": 165, "socket": 41,
               "unshare": 272, "bpf": 321, "clone3": 435, "io_uring_setup": 425},
    "aarch64": {"clone": 220, "ptrace": 117, "mount": 40, "socket": 198, "unshare": 97,
                "bpf": 280, "clone3": 435, "io_uring_setup": 425},
}  # fmt: skip
ALLOWED = {
    "x86_64": {"read": 0, "write": 1, "mmap": 9, "brk": 12, "execve": 59, "exit_group": 231,
               "openat": 257, "prlimit64": 302, "getrandom": 318},
    "aarch64": {"read": 63, "write": 64, "mmap": 222, "brk": 214, "execve": 221,
                "exit_group": 94, "openat": 56, "prlimit64": 261, "getrandom": 278},
}  # fmt: skip


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_lead_out_are_refused_and_what_python_needs_is_allowed(machine):
    assert {verdict(machine, number) for number in REFUSED[machine].values()} == {REFUSE}
    assert {verdict(machine, number) for number in ALLOWED[machine].values()} == {ALLOW}


@pytest.mark.parametrize("machine", MACHINES)
@given(number=st.integers(0, 2**32 - 1), architecture=st.integers(1, 2**32 - 1))
def test_calls_of_another_architecture_kill(machine, number, architecture):
    if architecture != MACHINES[machine]:
        assert verdict(machine, number, architecture) == KILL
    if number >= 0x40000000:
        assert verdict(machine, number) == KILL


def test_a_filter_fits_into_a_pipe_at_once():
    assert all(len(filter_program(machine)) < 4096 for machine in MACHINES)
