"""Starts one Python sandbox: `python3 -I -S boot.py [common|boto3|none] [--exec]`.

Expects descriptor 3 to be the frames channel and, by `_LAMBDA_TELEMETRY_LOG_FD`, the log pipe (4). Imports the named set of
modules, warms itself, says `P`, and waits for its function. With `--exec` (the function is known and waits for us)
nothing is imported or warmed in advance. `-E` must not be given when the function sets PYTHON* variables.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from updraft_runtime import channel, logs, loop  # noqa: E402


def main(arguments):
    import_set = arguments[0] if arguments else "common"
    loop.prepare()
    logs.unbuffer_stdio()
    telemetry_fd = loop.take_telemetry_fd()
    own_channel = channel.Channel()
    if "--exec" not in arguments and import_set != "none":
        import gc

        from updraft_runtime import preload, warmup

        sys.path.append(loop.pack_directory())
        preload.load(import_set)
        sys.path.pop()
        warmup.run()
        gc.collect()
        gc.freeze()
    return loop.serve(own_channel, telemetry_fd)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
