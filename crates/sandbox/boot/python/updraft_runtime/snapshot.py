"""What a function with SnapStart does between its init and its first event.

Its before-snapshot hooks run, then it says `S` and sleeps: it is the snapshot. Told `R`, much later, it makes new what must
not be the same in two environments, and runs its after-restore hooks. Hooks are those of AWS's module `snapshot_restore_py`,
in the runtime pack; a function that never imported it has none.

Asked (`M`) while it sleeps, it writes an image of its memory down, of which others become copies (`L`, instead of settings):
see the zygote's helper library. A copy wakes up in `_save`, and sleeps on.
"""

import os
import random
import sys

from . import channel as frames
from . import faults

_MODULE = "snapshot_restore_py"
_TMP = "/tmp"
# What is in /tmp goes into the image, up to so much.
_TMP_BYTES_MAX = 16 << 20
# The descriptors of a sandbox; all others are the function's.
_OWN_DESCRIPTORS = 5
# Files at the same place in every sandbox of the function.
_SHARED_PLACES = ("/var/", "/opt/", "/usr/", "/tmp/", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")

# The zygote's helper library; a process that was started otherwise cannot have or become an image.
library = None


def is_wanted():
    """Whether this environment is to become a snapshot."""
    return os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"


def before():
    """Runs the hooks before the snapshot, the last first; nothing, or the error document."""
    hooks = _hooks("get_before_snapshot")

    def run():
        while hooks:
            function, args, kwargs = hooks.pop()
            function(*args, **kwargs)

    return _guarded(run)


def sleep(channel):
    """Is the snapshot, until it is restored."""
    channel.send(frames.SNAPSHOT_READY)
    while True:
        kind, _ = channel.receive()
        if kind == frames.RESTORE:
            return
        channel.send(_save())


def load(channel):
    """Becomes a copy of an image's process, which then sleeps in its `sleep`; comes back if that cannot be."""
    if library is not None:
        library.updraft_image_load()
    channel.send(frames.NO_IMAGE)


def _save():
    """Writes the image; the frame that says what came of it, and in a copy, that it is a snapshot."""
    if library is None or _has_threads_or_children():
        return frames.NO_IMAGE
    files, descriptors = _tmp_files(), _descriptors()
    if files is None or descriptors is None:
        return frames.NO_IMAGE
    directory = os.getcwd()
    done = library.updraft_image_save()
    if done < 0:
        return frames.NO_IMAGE
    if done == 0:
        return frames.IMAGE_DONE
    _restore_tmp(files)
    _restore_descriptors(descriptors)
    os.chdir(directory)
    return frames.SNAPSHOT_READY


def _has_threads_or_children():
    if len(os.listdir("/proc/self/task")) > 1:
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return True
    except ChildProcessError:
        return False


def _descriptors():
    """The function's descriptors: files by path, flags and position, connections by number alone; `None` if there are others."""
    found = []
    for number in map(int, os.listdir("/proc/self/fd")):
        if number < _OWN_DESCRIPTORS:
            continue
        try:
            place = os.readlink("/proc/self/fd/%d" % number)
            with open("/proc/self/fdinfo/%d" % number) as info:
                position, flags = (line.split()[1] for line in info.read().splitlines()[:2])
        except FileNotFoundError:
            continue  # the one that listed them
        if place.startswith(_SHARED_PLACES) and os.path.exists(place) and not os.path.isdir(place):
            found.append((number, place, int(flags, 8), int(position)))
        elif place.startswith("socket:") and _is_connection(number):
            found.append((number, None, 0, 0))
        else:
            return None
    return found


def _is_connection(number):
    import socket

    with socket.socket(fileno=os.dup(number)) as copy:
        try:
            copy.getpeername()
        except OSError:
            return False
        return copy.family in (socket.AF_INET, socket.AF_INET6) and copy.type == socket.SOCK_STREAM


def _restore_descriptors(descriptors):
    """Opens files again; connections are as if the other side had closed them, as after every restore on AWS."""
    import socket

    for number, place, flags, position in descriptors:
        if place is None:
            here, there = socket.socketpair()
            there.close()
            opened = here.detach()
        else:
            opened = os.open(place, flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC))
            if position:
                os.lseek(opened, position, os.SEEK_SET)
        if opened != number:
            os.dup2(opened, number, inheritable=not flags & os.O_CLOEXEC and place is not None)
            os.close(opened)


def _tmp_files():
    """All of /tmp, in an order in which it can be made again; `None` if it is too much or has what is no file."""
    found, size = [], 0
    for directory, names, files in os.walk(_TMP):
        for name in names + files:
            path = os.path.join(directory, name)
            if os.path.islink(path):
                found.append((path, None, os.readlink(path)))
                continue
            mode = os.stat(path).st_mode & 0o7777
            if os.path.isdir(path):
                found.append((path, mode, None))
                continue
            size += os.path.getsize(path)
            if not os.path.isfile(path) or size > _TMP_BYTES_MAX:
                return None
            with open(path, "rb") as file:
                found.append((path, mode, file.read()))
    return found


def _restore_tmp(files):
    for path, mode, content in files:
        if mode is None:
            os.symlink(content, path)
        elif content is None:
            os.mkdir(path, mode)
        else:
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, mode)


def after():
    """Makes new what must be, and runs the hooks after a restore; nothing, or the error document."""
    reseed()

    def run():
        for function, args, kwargs in _hooks("get_after_restore"):
            function(*args, **kwargs)

    return _guarded(run)


def reseed():
    """Gives the random generators of this process states of their own."""
    random.seed()
    if "ssl" in sys.modules:
        # OpenSSL notices a fork by the process id, and all sandboxes have the same.
        sys.modules["ssl"].RAND_add(os.urandom(48), 48.0)


def _hooks(getter):
    module = sys.modules.get(_MODULE)
    return getattr(module, getter)() if hasattr(module, getter) else []


def _guarded(run):
    try:
        run()
        return None
    except BaseException as raised:  # AWS's client catches exits, too
        return faults.of_exception(raised)
