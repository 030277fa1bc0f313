"""Log lines go to standard error: for people on a terminal, as JSON for machines, never a secret.

Events are short nouns and verbs, facts are key-values. Lines are written by a thread of their own
(:mod:`musterd.logqueue`), so that no event loop waits for their reader. A program that uses musterd
as a library gets them by :mod:`logging`, under ``musterd``: :mod:`musterd.logger`.
"""

import io
import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO

import msgspec
import structlog

from musterd.logqueue import FLUSH_TIMEOUT, LineWriter
from musterd.terminal import may_colour, visible
from musterd.urls import without_secrets

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

Processor = structlog.typing.Processor
EventDict = MutableMapping[str, Any]


def configure(
    level: str = "info",
    format: str | None = None,  # noqa: A002  # as the option is called
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Send every log line of this process to ``stream`` (standard error).

    ``format`` is ``"console"``, ``"json"``, or None: console on a terminal, else JSON. Lines of
    libraries that use :mod:`logging` come out the same way, from warnings up.
    """
    stream = sys.stderr if stream is None else stream
    terminal = stream.isatty()
    processors = _processors(
        format or ("console" if terminal else "json"), may_colour(stream, environ)
    )
    output = _Output(_writer(stream, processors))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=False,  # or a later configure() would miss loggers in use
    )
    _adopt_standard_logging()


def set_level(level: str) -> None:
    """Set the level of the least important lines that are written from now on."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]))


def flush(timeout: float = FLUSH_TIMEOUT) -> None:
    """Wait until what was logged is written, for at most ``timeout`` seconds."""
    for writer in _writers.values():
        writer.flush(timeout)


class _Output:
    """An ``_Output`` takes rendered lines from structlog, whatever their level."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.msg = write
        self.debug = self.info = self.warning = self.error = self.critical = write


_writers: dict[int, LineWriter] = {}  # by descriptor: a second configure() goes on with its thread


def _writer(stream: TextIO, processors: list[Processor]) -> Callable[[str], object]:
    """Return a writer of lines: through a thread to a file, at once to memory, which is quick."""
    try:
        fd = stream.fileno()
    except (OSError, io.UnsupportedOperation):
        return lambda line: stream.write(line + "\n")

    def lost(lines: int) -> str:
        event: Any = {"event": "log lines lost", "lines": lines, "reason": _LOST}
        for processor in processors:
            event = processor(None, "warning", event)
        return str(event)

    if fd not in _writers:
        _writers[fd] = LineWriter(fd, lost)
    _writers[fd].say_lost = lost
    return _writers[fd].write


_LOST = "standard error took them too slowly, or not at all"


def _processors(form: str, colours: bool) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # not rich's: that prints variables, even secrets
        speak_safely,
        _headline_first,
        structlog.processors.JSONRenderer(serializer=_to_json)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=colours,
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def speak_safely(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Hide the passwords of URLs in every value, and escape what could forge a line."""
    return {key: _safe(value, lines=key == "exception") for key, value in event.items()}


def _safe(value: Any, *, lines: bool = False) -> Any:
    if isinstance(value, BaseException):
        value = str(value)
    if isinstance(value, str):
        hidden = without_secrets(value)
        return hidden if lines else visible(hidden)
    if isinstance(value, Mapping):
        return {key: _safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(item) for item in value]
    return value


def _headline_first(_logger: object, _method: str, event: EventDict) -> EventDict:
    headline = {key: event.pop(key) for key in ("timestamp", "level", "event")}
    return {**headline, **event}


def _to_json(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


class _ToStructlog(logging.Handler):
    """A ``_ToStructlog`` hands the lines of :mod:`logging` (asyncio, uvicorn) to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger()
        logger.log(
            record.levelno, record.getMessage(), source=record.name, exc_info=record.exc_info
        )


def _adopt_standard_logging() -> None:
    root = logging.getLogger()
    if not any(isinstance(handler, _ToStructlog) for handler in root.handlers):
        root.addHandler(_ToStructlog(logging.WARNING))
