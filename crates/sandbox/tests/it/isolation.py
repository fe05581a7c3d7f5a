"""Tries, from inside of wherever it runs, what a sandbox must not be able to do; prints one JSON object of outcomes.

Every attempt runs in a child of its own. Its outcome is `ok`, the name of an error number, or `killed`. Arguments are
chosen so that an attempt that *is* allowed does no harm: most are nonsense and fail with EFAULT or EINVAL then, which
differs from the refusals of a sandbox. System-call numbers come from the caller, as `name=number` arguments.
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import sys
import tempfile

libc = ctypes.CDLL(None, use_errno=True)
numbers = {name: int(number) for name, number in (word.split("=") for word in sys.argv[1:])}


def call(name, *arguments):
    result = libc.syscall(numbers[name], *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def clone_with(flags):
    # The child of a clone that was allowed ends at once.
    if call("clone", flags | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


def i386():
    """A system call of the 32-bit architecture: getpid by interrupt 0x80."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()


def device():
    with tempfile.TemporaryDirectory() as directory:
        os.mknod(directory + "/null", 0o600 | 0o020000, os.makedev(1, 3))


def raise_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 1))


NEWNS, NEWUTS, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x10000000, 0x20000000, 0x40000000

ATTEMPTS = {
    "unshare user": lambda: call("unshare", NEWUSER),
    "unshare mount": lambda: call("unshare", NEWNS),
    "unshare network": lambda: call("unshare", NEWNET),
    "clone user": lambda: clone_with(NEWUSER),
    "clone pid": lambda: clone_with(NEWPID),
    "clone3": lambda: call("clone3", None, 0),
    "setns": lambda: call("setns", -1, 0),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "umount": lambda: call("umount2", b"/proc", 2),
    "open_tree": lambda: call("open_tree", -1, None, 0),
    "move_mount": lambda: call("move_mount", -1, None, -1, None, 0),
    "fsopen": lambda: call("fsopen", None, 0),
    "mount_setattr": lambda: call("mount_setattr", -1, None, 0, None, 0),
    "pivot_root": lambda: call("pivot_root", None, None),
    "chroot": lambda: os.chroot("/"),
    "ptrace": lambda: call("ptrace", 0, 0, None, None),
    "process_vm_readv": lambda: call("process_vm_readv", os.getpid(), None, 0, None, 0, 0),
    "process_vm_writev": lambda: call("process_vm_writev", os.getpid(), None, 0, None, 0, 0),
    "pidfd_getfd": lambda: call("pidfd_getfd", -1, 0, 0),
    "bpf": lambda: call("bpf", 0, None, 0),
    "perf_event_open": lambda: call("perf_event_open", None, 0, -1, -1, 0),
    "io_uring_setup": lambda: call("io_uring_setup", 1, None),
    "userfaultfd": lambda: call("userfaultfd", 0),
    "keyctl": lambda: call("keyctl", 0, -3, 0, 0, 0),
    "add_key": lambda: call("add_key", None, None, None, 0, 0),
    "request_key": lambda: call("request_key", None, None, None, 0),
    "open_by_handle_at": lambda: call("open_by_handle_at", -1, None, 0),
    "kexec_load": lambda: call("kexec_load", 0, 0, None, 0xFFF0),
    "init_module": lambda: call("init_module", None, 0, None),
    "finit_module": lambda: call("finit_module", -1, None, 0),
    "delete_module": lambda: call("delete_module", None, 0),
    "reboot": lambda: call("reboot", 0, 0, 0, None),
    "swapon": lambda: call("swapon", None, 0),
    "sethostname": lambda: call("sethostname", b"x", 1),
    "settimeofday": lambda: call("settimeofday", None, None),
    "syslog": lambda: call("syslog", 10, None, 0),
    "fanotify_init": lambda: call("fanotify_init", 0, 0),
    "quotactl": lambda: call("quotactl", 0xFFFF, None, 0, None),
    "personality": lambda: call("personality", 0x40000),
    "push into terminal": lambda: call("ioctl", 0, 0x5412, None),
    "become root": lambda: os.setuid(0),
    "set groups": lambda: os.setgroups([0]),
    "make a device": device,
    "raise a limit": raise_limit,
    "packet socket": lambda: socket.socket(17, socket.SOCK_RAW, 0),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "crypto socket": lambda: socket.socket(38, socket.SOCK_SEQPACKET, 0),
    "vsock": lambda: socket.socket(40, socket.SOCK_STREAM, 0),
    "netfilter socket": lambda: socket.socket(16, socket.SOCK_RAW, 12),
    "write core_pattern": lambda: os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)),
    "write sysrq": lambda: os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY)),
    "x32 call": lambda: call("x32_getpid"),
    "i386 call": i386,
}

# What must go on working: an ordinary program needs it.
ORDINARY = {
    "route socket": lambda: socket.socket(16, socket.SOCK_RAW, 0),
    "tcp socket": lambda: socket.socket(),
    "fork": lambda: os.waitpid(os.fork() or os._exit(0), 0),
    "personality query": lambda: call("personality", 0xFFFFFFFF),
    "file in /tmp": lambda: tempfile.TemporaryFile().write(b"x"),
}


def outcome(attempt):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Left over by an attempt that was allowed: nothing.
        try:
            attempt()
            said = "ok"
        except OSError as error:
            said = errno.errorcode.get(error.errno, str(error.errno))
        except ValueError:
            said = "EPERM"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    said = os.read(reader, 100).decode()
    os.close(reader)
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) and not said else said


if __name__ == "__main__":
    # Otherwise every killed attempt would cost a dump.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    attempts = {name: outcome(attempt) for name, attempt in ATTEMPTS.items()}
    ordinary = {name: outcome(attempt) for name, attempt in ORDINARY.items()}
    print(json.dumps({"attempts": attempts, "ordinary": ordinary}))
