"""Starts the process that Python sandboxes are forked from: `python3 -I -S zygote.py [common|boto3]`.

Imports and warms once, then forks for every order of the spawner, by the helper library that the environment variable
`UPDRAFT_ZYGOTE_LIBRARY` names. A child is a sandbox. One that is to be parked warms what forking made cold (copy-on-write pages); then it says `P` on
descriptor 3, and waits for its function. The parent never sees a function, a credential or a connection.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from updraft_runtime import channel, logs, loop, preload, snapshot, warmup  # noqa: E402

TELEMETRY_FD = 4


def main(arguments):
    import ctypes
    import gc

    library = ctypes.PyDLL(os.environ.pop("UPDRAFT_ZYGOTE_LIBRARY"))
    loop.prepare()
    sys.path.append(loop.pack_directory())
    preload.load(arguments[0] if arguments else "common")
    sys.path.pop()
    logs.unbuffer_stdio()
    warmup.run()
    gc.collect()
    gc.freeze()
    if library.updraft_zygote_ready() < 0:
        return 1
    while True:
        who = library.updraft_zygote_fork()
        if who < 0:
            os._exit(0)  # the spawner is gone
        if who:
            return child(library, awaited=who == 2)


def child(library, awaited):
    """A sandbox's runtime."""
    os.set_inheritable(TELEMETRY_FD, False)
    snapshot.library = library
    own_channel = channel.Channel()
    # It takes some milliseconds, and whoever waits is about to send the function's settings.
    if not awaited:
        warmup.run()
    return loop.serve(own_channel, TELEMETRY_FD)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
