"""Programs that try to leave the sandbox, or to use more than they may.

A program that succeeds prints ESCAPED. `{secret}` is a file, `{port}` a listener, `{socket}` a
socket and `{abstract}` an abstract one of the machine outside; all of them exist and answer there.
"""

SECRET = "the word that only the outside knows"

_CALL = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
def call(x86_64, aarch64, *arguments):
    number = x86_64 if platform.machine() == "x86_64" else aarch64
    return libc.syscall(number, *arguments) != -1
"""

NETWORK = {
    "tcp": """
import socket
socket.create_connection(("127.0.0.1", {port}), 1)
print("ESCAPED")
""",
    "udp": """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {port}))
print("ESCAPED")
""",
    "http": """
import urllib.request
urllib.request.urlopen("http://127.0.0.1:{port}/", timeout=1)
print("ESCAPED")
""",
    "names": """
import socket
socket.getaddrinfo("localhost", 80)
socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
print("ESCAPED")
""",
    "a socket in a folder": """
import socket
socket.socket(socket.AF_UNIX).connect({socket!r})
print("ESCAPED")
""",
    "an abstract socket": """
import socket
socket.socket(socket.AF_UNIX).connect({abstract!r})
print("ESCAPED")
""",
    "a raw socket": """
import socket
socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
print("ESCAPED")
""",
    "a netlink socket": """
import socket
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
print("ESCAPED")
""",
}

READING = {
    "passwords": """
for name in ("/etc/shadow", "/etc/passwd", "/etc/hostname"):
    try:
        print("ESCAPED", open(name).read())
    except OSError:
        pass
""",
    "a secret by its path": 'print("ESCAPED", open({secret!r}).read())',
    "a secret by a relative path": """
import os
print("ESCAPED", open(os.path.join(*[".."] * 20, {secret!r}.lstrip("/"))).read())
""",
    "a secret by a symbolic link": """
import os
os.symlink({secret!r}, "link")
print("ESCAPED", open("link").read())
""",
    "a secret by a hard link": """
import os
os.link({secret!r}, "link")
print("ESCAPED", open("link").read())
""",
    "the home, the project and the store": """
import os
for name in ("~", "/root", "/home", "/var", "/opt", "/mnt", "/srv", {project!r}, {store!r}):
    try:
        print("ESCAPED", os.listdir(os.path.expanduser(name)))
    except OSError:
        pass
""",
    "other processes": """
import glob
for name in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + ["/proc/1/environ"]:
    try:
        print("ESCAPED", open(name).read())
    except OSError:
        pass
""",
    "the environment": """
import os
print("ESCAPED" if "UNICOMP_SECRET" in os.environ else sorted(os.environ))
""",
    "inherited descriptors": """
import os
for number in range(3, 1024):
    try:
        print("ESCAPED", number, os.read(number, 100))
    except OSError:
        pass
""",
    "descriptors by their paths": """
import os
for number in range(1024):
    for name in (f"/proc/self/fd/{{number}}", f"/dev/fd/{{number}}"):
        try:
            os.open(name, os.O_RDONLY)
            print("ESCAPED", name)
        except OSError:
            pass
""",
    "devices and kernel files": """
import os
for name in ("/dev/mem", "/dev/kmem", "/dev/sda", "/dev/vda", "/dev/kvm", "/dev/tty", "/dev/shm",
             "/sys/kernel", "/sys/fs/cgroup", "/proc/kcore", "/proc/sys/kernel/core_pattern"):
    if os.path.exists(name):
        print("ESCAPED", name)
""",
    "a file by its handle": _CALL.replace("{", "{{").replace("}", "}}")
    + """
handle = ctypes.create_string_buffer(128)
if call(303, 264, -100, b"/usr", handle, ctypes.byref(ctypes.c_int()), 0):
    print("ESCAPED")
if call(304, 265, -100, handle, 0):
    print("ESCAPED")
""",
}

WRITING = {
    "system folders": """
for folder in ("/", "/usr", "/usr/lib", "/etc", "/dev", "/python", "/python/lib", "/ours",
               "/packages", "/python/lib/python3.11/site-packages"):
    try:
        open(folder + "/new", "w")
        print("ESCAPED", folder)
    except OSError:
        pass
""",
    "our own modules": """
import unicomp.sandbox.inside.limiting as ours
open(ours.__file__, "a")
print("ESCAPED")
""",
    "a secret": """
open({secret!r}, "w").write("changed")
print("ESCAPED")
""",
    "a disk in many files": """
written = 0
try:
    for number in range(10000):
        with open(f"/tmp/{{number}}", "wb") as file:
            written += file.write(bytes(1 << 20))
except OSError:
    pass
print("ESCAPED" if written > 16 << 20 else written)
""",
    "a disk in one file": """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open("/tmp/one", "wb", buffering=0) as file:
    written = 0
    try:
        while written < 1 << 30:
            written += file.write(bytes(1 << 20))
    except OSError:
        pass
print("ESCAPED" if written > 16 << 20 else written)
""",
}

PROCESSES = {
    "a fork bomb": """
import os
while True:
    if os.fork() == 0:
        print("ESCAPED")
""",
    "a thread bomb": """
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(100,)).start()
    print("ESCAPED")
""",
    "a shell": """
import subprocess
print("ESCAPED", subprocess.run(["/bin/sh", "-c", "id"], capture_output=True))
""",
    "a spawned process": """
import os, sys
print("ESCAPED", os.posix_spawn("/python/bin/python", ["python", "-c", "1"], {{}}))
""",
    "a daemon": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("ESCAPED", flush=True)
        time.sleep(1000)
os._exit(0)
""",
    "a pool": """
import multiprocessing
print("ESCAPED", multiprocessing.Pool(2).map(abs, [1]))
""",
    "signals to all": """
import os, signal
for number in (os.getppid(), 1, -1, 0, {pid}):
    for kind in (signal.SIGTERM, signal.SIGKILL):
        if number not in (-1, 0):
            try:
                os.kill(number, kind)
            except OSError:
                pass
try:
    os.kill({pid}, 0)
    print("ESCAPED")
except OSError:
    print("nobody there")
""",
    "tracing": _CALL.replace("{", "{{").replace("}", "}}")
    + 'print("ESCAPED" if call(101, 117, 0, 0, 0, 0) or call(310, 270, 1, 0, 0, 0, 0, 0) else "")',
}

RIGHTS = {
    "mount": _CALL + 'print("ESCAPED" if call(165, 40, b"x", b"/tmp", b"tmpfs", 0, 0) else "")',
    "unmount": _CALL + 'print("ESCAPED" if call(166, 39, b"/usr/lib", 2) else "")',
    "a root of its own": """
import os
os.chroot("/tmp")
print("ESCAPED")
""",
    "a namespace of its own": _CALL
    + 'print("ESCAPED" if any(call(272, 97, flag) for flag in (0x10000000, 0x20000)) else "")',
    "another user": """
import os
for change in (os.setuid, os.setgid, os.seteuid):
    try:
        change(0)
        print("ESCAPED", change)
    except OSError:
        pass
""",
    "higher limits": """
import resource
for what in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
    try:
        resource.setrlimit(what, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("ESCAPED", what)
    except (OSError, ValueError):
        pass
""",
    "kernel interfaces": _CALL
    + """
for numbers in ((321, 280), (298, 241), (250, 219), (323, 282), (425, 425), (319, 279), (29, 194)):
    if call(*numbers, 0, 4096, 0, 0, 0):
        print("ESCAPED", numbers)
""",
    "calls of another kind": _CALL
    + """
call(0x40000000 + 39, 39)
print("ESCAPED" if platform.machine() == "x86_64" else "")
""",
}

USING_MORE = {
    "memory": """
held = []
while True:
    held.append(bytearray(64 << 20))
    if len(held) > 64:
        print("ESCAPED")
""",
    "memory by one number": 'x = 1 << (1 << 40)\nprint("ESCAPED")',
    "memory by a pickle": """
import pickle
pickle.loads(b"\\x80\\x04" + b"\\x8e" + (1 << 40).to_bytes(8, "little") + b"x.")
print("ESCAPED")
""",
    "a deep recursion": """
import sys
sys.setrecursionlimit(10**9)
def deeper(n):
    return repr([deeper(n + 1)])
deeper(0)
print("ESCAPED")
""",
    "endless time": "while True: pass",
    "endless time in one call": "10 ** 10 ** 9",
    "endless sleep": "import time; time.sleep(1000)",
    "deaf to signals": """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        while True: pass
    except BaseException: pass
""",
    "endless time without streams": """
import os, time
for number in range(3):
    os.close(number)
while True:
    time.sleep(1)
""",
    "itself again and again": """
import os, sys
again = "import os, sys; os.execv('/python/bin/python', ['python', '-c', sys.argv[1], sys.argv[1]])"
os.execv("/python/bin/python", ["python", "-c", again, again])
""",
    "output": "while True: print('x' * 1000)",
    "errors": "import os\nwhile True: os.write(2, b'x' * 1000)",
}


def _plain(programs: dict[str, str]) -> dict[str, str]:
    """Programs without places for values, as templates."""
    return {name: text.replace("{", "{{").replace("}", "}}") for name, text in programs.items()}


HOSTILE = {
    **NETWORK,
    **READING,
    **WRITING,
    **PROCESSES,
    **_plain(RIGHTS),
    **_plain(USING_MORE),
}
"""Name → the template of a program."""
