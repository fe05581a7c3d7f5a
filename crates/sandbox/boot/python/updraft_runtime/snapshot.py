"""What a function with SnapStart does between its init and its first event.

Its before-snapshot hooks run, then it says `S` and sleeps: it is the snapshot. Told `R`, much later, it makes new what must
not be the same in two environments, and runs its after-restore hooks. Hooks are those of AWS's module `snapshot_restore_py`,
in the runtime pack; a function that never imported it has none.
"""

import os
import random
import sys

from . import channel as frames
from . import faults

_MODULE = "snapshot_restore_py"


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
    channel.receive()


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
