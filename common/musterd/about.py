"""The module tells which version of musterd runs."""

from functools import cache
from importlib import metadata


@cache
def version(what: str = "musterd") -> str:
    """Return the version of ``what`` that is running; ``unknown`` where it was not installed.

    It is read from disk once. A daemon asks when it starts, and keeps to that while its files are
    renewed, removed, or out of reach because no file can be opened.
    """
    try:
        return metadata.version(what)
    except metadata.PackageNotFoundError:
        return "unknown"
