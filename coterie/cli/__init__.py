"""The command line: parse, call one verb, print. `main` turns every way to end into an exit status.

0: done. 2: something given cannot be used, and the message says what to do. 130 and 143: stopped by Ctrl-C or
SIGTERM. 141: the reader of our output went away. Anything else is a fault of ours, and shows its traceback.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence

from coterie.errors import CoterieError

__all__ = ["main"]

FIXES = {
    errno.ENOSPC: "Make room on the disk, or write elsewhere.",
    errno.EDQUOT: "Make room in your quota, or write elsewhere.",
    errno.EACCES: "Write elsewhere, or change who may write there.",
    errno.EPERM: "Write elsewhere, or change who may write there.",
    errno.EROFS: "Write elsewhere: that disk can only be read.",
}


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name) and returns its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks "…" is no reason to fail
    try:
        status = _run(sys.argv[1:] if words is None else words)
        sys.stdout.flush()
        return status
    except SystemExit as leave:  # help and version
        return leave.code if isinstance(leave.code, int) else 0
    except CoterieError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("Stopped.", status=130)
    except BrokenPipeError:
        _discard_output()
        return 141
    except OSError as error:
        _discard_output()
        where = f"'{error.filename}': " if error.filename else ""
        fix = FIXES.get(error.errno or 0, "Check the path, and that it can be read and written.")
        return _fail(f"A file or folder could not be used. Given: {where}{error.strerror or error}. {fix}")
    except MemoryError:
        return _fail("This needs more memory than there is. Use fewer rows, columns or candidates at a time.")


def _run(words: Sequence[str]) -> int:
    from coterie.cli.options import parse

    if not words:
        words = ["--help"]
    asked = parse(words)

    from coterie.cli import commands

    return commands.COMMANDS[asked.verb](asked)


def _fail(message: str, status: int = 2) -> int:
    from coterie.cli.values import printable

    with contextlib.suppress(OSError):  # nobody may be left to read it; the status still tells
        print(f"error: {printable(message)}" if status == 2 else message, file=sys.stderr, flush=True)
    return status


def _discard_output() -> None:
    """Lets the interpreter end without a second complaint about an output that nobody can take."""
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # the standard output is no file: nothing to be complained about
