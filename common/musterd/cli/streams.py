"""Commands find standard output and error as they need them, whatever they were started with."""

import io
import os
import sys


def make_usable() -> None:
    """Have all three streams, and let no character that one of them cannot show be an error."""
    _fill_gaps()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _fill_gaps() -> None:
    """Put nowhere in place of a stream that was closed (``>&-``), or a socket gets its number."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            try:
                os.fstat(fd)
            except OSError:
                nowhere = os.open(os.devnull, os.O_RDWR)
                if nowhere != fd:
                    os.dup2(nowhere, fd)
                    os.close(nowhere)
            setattr(sys, name, open(fd, mode, closefd=False))  # noqa: SIM115  # for good


def can_show(text: str) -> bool:
    """Say whether standard output has all characters of ``text``."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
