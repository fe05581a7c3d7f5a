"""What Updraft runs inside a Python sandbox, in place of AWS's runtime client.

`boot.py` (one process per sandbox) and `zygote.py` (one process, forked per sandbox) are the two ways in; both end in
`loop.serve`. The order of a sandbox's life, and the module for each step:

    preload   import what functions are likely to need, before any function is known
    warmup    run a dummy function through the real path, then forget it: its pages are touched, its traces gone
    channel   frames to and from the server on descriptor 3
    loop      settings in, function loaded, events answered
    handler   "dir/file.name" to a callable, or AWS's error
    snapshot  SnapStart: hooks, and the sleep between init and the first event
    context   the handler's second argument
    marshal   JSON as AWS's client reads and writes it
    faults    error documents, and their log line
    logs      the root logger's handler, the telemetry descriptor, stdout

Nothing here opens a network connection or starts a thread. Everything is meant for Python 3.8 and later, since the host's
interpreter decides. The package's name is one that no function is likely to use for itself.
"""
