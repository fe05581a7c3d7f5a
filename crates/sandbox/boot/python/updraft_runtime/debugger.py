"""debugpy in a function's process, for one debugger of its developer's."""

import os
import sys

_PACK = "debugpy"
_SILENCE = "PYDEVD_DISABLE_FILE_VALIDATION"


def listen(settings, packs):
    """Listens where the server leads debuggers to. Without debugpy the function runs as it is, and says what is missing."""
    sys.path.append(os.path.join(packs, _PACK))
    # Standard modules that are frozen into the interpreter have no lines to stop at; nobody needs to be told.
    os.environ[_SILENCE] = "1"
    try:
        import debugpy

        debugpy.listen(("127.0.0.1", settings["port"]))
    except ImportError as error:
        return _say(
            "no debugpy (%s); run `updraft runtimes install debugpy`, or bring it with the code" % error
        )
    except Exception as error:
        return _say("debugpy does not listen: %s" % error)
    finally:
        os.environ.pop(_SILENCE, None)
    if settings["wait"]:
        debugpy.wait_for_client()


def _say(what):
    sys.stderr.write("UPDRAFT debugger: %s\n" % what)
