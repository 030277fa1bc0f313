"""A daemon's lines go to its own log, a library's to :mod:`logging` under ``musterd``.

A program that uses musterd hears nothing unless it asks: by handlers of :mod:`logging`, or by a
structlog that it configured itself. Its handlers are called by a thread of their own, so that one
that waits (for a pipe that nobody reads) holds up no beat.
"""

import atexit
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from musterd.log import speak_safely
from musterd.logqueue import FLUSH_TIMEOUT

MOST_RECORDS = 1000

logging.getLogger("musterd").addHandler(logging.NullHandler())  # or Python prints warnings


class Logger:
    """A ``Logger`` takes an event and its facts; each module has one."""

    def __init__(self, name: str) -> None:
        self._structured = structlog.get_logger(name)
        self._plain = logging.getLogger(name.replace("musterd_", "musterd.", 1))

    def debug(self, event: str, **facts: Any) -> None:
        """Log what only a developer wants to know."""
        self._say("debug", event, facts)

    def info(self, event: str, **facts: Any) -> None:
        """Log a change for the better, or as planned."""
        self._say("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Log a change for the worse."""
        self._say("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        """Log something that needs somebody."""
        self._say("error", event, facts)

    def exception(self, event: str, **facts: Any) -> None:
        """Log an error with the traceback of the exception being handled."""
        self._say("exception", event, facts)

    def _say(self, method: str, event: str, facts: dict[str, Any]) -> None:
        if structlog.is_configured():
            getattr(self._structured, method)(event, **facts)
            return
        level = logging.ERROR if method == "exception" else getattr(logging, method.upper())
        if self._plain.isEnabledFor(level) and _is_heard(self._plain):
            _handlers.submit(self._plain, _record(self._plain.name, level, method, event, facts))


def get_logger(name: str) -> Logger:
    """Return the logger of the module ``name``."""
    return Logger(name)


def _is_heard(logger: logging.Logger) -> bool:
    """Say whether any handler but the one that says nothing would get the logger's lines."""
    while True:
        if any(not isinstance(one, logging.NullHandler) for one in logger.handlers):
            return True
        if not logger.propagate or logger.parent is None:
            return False
        logger = logger.parent


def _record(
    name: str, level: int, method: str, event: str, facts: dict[str, Any]
) -> logging.LogRecord:
    safe = speak_safely(None, method, {"event": event, **facts})
    words = [str(safe.pop("event")), *(f"{key}={value}" for key, value in safe.items())]
    trace = sys.exc_info() if method == "exception" else None
    return logging.LogRecord(name, level, __file__, 0, " ".join(words), None, trace)


class _Handlers:
    """A ``_Handlers`` calls handlers from a thread.

    Lines for which that is too slow are lost, counted, and said.
    """

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._process = 0
        self._lost = 0

    def submit(self, logger: logging.Logger, record: logging.LogRecord) -> None:
        """Hand ``record`` to the thread; never wait."""
        self._start_thread()
        if self._waiting.qsize() >= MOST_RECORDS:
            self._lost += 1
            return
        if self._lost:
            event, facts = "log lines lost", {"lines": self._lost}
            lost = _record(logger.name, logging.WARNING, "warning", event, facts)
            self._waiting.put(partial(logger.handle, lost))
            self._lost = 0
        self._waiting.put(partial(logger.handle, record))

    def _start_thread(self) -> None:
        if self._process == os.getpid():
            return
        self._process = os.getpid()  # the first time, or the first time after a fork
        threading.Thread(target=self._run, name="musterd-log", daemon=True).start()
        atexit.register(self._end)

    def _run(self) -> None:
        while True:
            self._waiting.get()()

    def _end(self) -> None:
        done = threading.Event()
        self._waiting.put(done.set)
        done.wait(FLUSH_TIMEOUT)


_handlers = _Handlers()
