//! The zygote's helper library: the half of `fork` that Python cannot do.
//!
//! A zygote is a Python process that the spawner started inside the mount template: root, single-threaded, no network,
//! its control socket on descriptor 3. It imports what functions are likely to need and then loads this library:
//!
//! ```python
//! library = ctypes.PyDLL(os.environ["UPDRAFT_ZYGOTE_LIBRARY"])   # PyDLL: calls keep the interpreter's lock
//! library.updraft_zygote_ready()                                  # after imports and gc.freeze(); 0, or -errno
//! while (who := library.updraft_zygote_fork()) == 0:              # waits for an order, forks, answers the spawner
//!     pass
//! if who < 0:                                                     # the spawner is gone: end
//!     os._exit(0)
//! # who == 1: a sandbox's first process. Confined: own namespaces, user, seccomp; cwd "/".
//! # descriptor 0 /dev/null, 1 and 2 the output pipe, 3 the frames channel, 4 the telemetry log. Nothing else is open.
//! ```
//!
//! `updraft_zygote_fork` calls `PyOS_BeforeFork`, clones, and `PyOS_AfterFork_Parent` or `PyOS_AfterFork_Child`, so hooks
//! registered with `os.register_at_fork` run (in the child after it is confined). The zygote must not own threads and must
//! not use descriptors 3-15 for itself.
