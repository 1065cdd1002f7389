"""A seccomp filter: the system calls that a program in the sandbox may not make.

The filter is a short program for the kernel's packet filter (`man 2 seccomp`). It kills calls of
another architecture, answers the calls listed here with EPERM, and allows all others. So a program
is one process with one thread: it cannot fork, and there is nothing to trace, mount or connect.
"""

from __future__ import annotations

import errno
import platform
import struct

_ANY = {"clone3": 435, "memfd_secret": 447, "mount_setattr": 442, "open_tree": 428,
        "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
        "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "pidfd_getfd": 438}  # fmt: skip
"""System call → its number, where that is the same for all architectures."""

_OLD = {
    "clone": (56, 220), "fork": (57, None), "vfork": (58, None),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "personality": (135, 92),
    "socket": (41, 198),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    "memfd_create": (319, 279), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "quotactl": (179, 60),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "acct": (163, 89),
}  # fmt: skip
"""System call → its number on x86_64 and on aarch64; None: it does not exist there."""

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""Machine → its number in the kernel's audit records (AUDIT_ARCH_…)."""

_X32 = 0x40000000
"""Numbers from here on are calls of the 32-bit ABI of x86_64."""

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_KILL, _REFUSE, _ALLOW = 0x80000000, 0x00050000 | errno.EPERM, 0x7FFF0000
_NUMBER, _ARCHITECTURE = 0, 4
"""Offsets in `struct seccomp_data`."""


def supported() -> bool:
    """Whether there is a filter for this machine."""
    return platform.machine() in _ARCHITECTURES


def filter_program(machine: str | None = None) -> bytes:
    """The filter as an array of `struct sock_filter`; for this machine if none is named."""
    machine = machine or platform.machine()
    at = list(_ARCHITECTURES).index(machine)
    numbers = [*_ANY.values(), *(both[at] for both in _OLD.values())]
    denied = sorted(number for number in numbers if number is not None)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in denied:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
