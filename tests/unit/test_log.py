"""Log lines: for people or machines, on standard error, without secrets."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from musterd import log

SECRET = "postgresql://u:s3cret@db/x"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _leave_no_trace() -> Iterator[None]:
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_has_time_level_and_event_first() -> None:
    stream = io.StringIO()
    log.configure("info", "json", stream)
    structlog.get_logger("any").warning("shard silent", shard="mc1:11211", after=1.5)
    (line,) = lines(stream)
    assert list(line) == ["timestamp", "level", "event", "shard", "after"]
    assert str(line["timestamp"]).endswith("Z")
    assert (line["level"], line["event"], line["after"]) == ("warning", "shard silent", 1.5)


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    log.configure("warning", "json", stream)
    structlog.get_logger().info("beat sent")
    structlog.get_logger().error("shard silent")
    assert [line["event"] for line in lines(stream)] == ["shard silent"]


def test_a_terminal_gets_console_lines_and_a_pipe_gets_json() -> None:
    for stream, start in ((Terminal(), "\x1b["), (io.StringIO(), "{")):
        log.configure("info", None, stream)
        structlog.get_logger().info("agent started")
        assert stream.getvalue().startswith(start)


def test_colours_only_where_they_are_welcome() -> None:
    for stream in (Terminal(), io.StringIO()):
        log.configure("info", "console", stream, {"NO_COLOR": "1"})
        structlog.get_logger().info("agent started", member="compute/a")
        assert "\x1b" not in stream.getvalue()
        assert "agent started" in stream.getvalue()
        assert "member=compute/a" in stream.getvalue()


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_is_written_wherever_it_hides(style: str) -> None:
    stream = io.StringIO()
    log.configure("info", style, stream)
    logger = structlog.get_logger()
    logger.info("opening %s", SECRET, url=SECRET, many=[SECRET], nested={"url": SECRET})
    logger.info("failed", error=OSError(f"no answer from {SECRET}"))
    logging.getLogger("asyncpg").error("no answer from %s", SECRET)
    try:
        raise OSError(f"no answer from {SECRET}")
    except OSError:
        logger.exception("failed")
    assert "s3cret" not in stream.getvalue()
    assert stream.getvalue().count("u:***@db") == 7


def test_a_value_cannot_forge_a_line() -> None:
    stream = io.StringIO()
    log.configure("info", "console", stream)
    structlog.get_logger().info("joined", member="a\n2026 [error] forged \x1b[31m é")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert "é" in stream.getvalue()


def test_lines_of_the_standard_library_come_out_the_same_way() -> None:
    stream = io.StringIO()
    for _ in range(2):
        log.configure("info", "json", stream)
    logging.getLogger("asyncio").warning("slow %s", "callback")
    logging.getLogger("asyncio").info("no matter")
    (line,) = lines(stream)
    assert (line["event"], line["source"]) == ("slow callback", "asyncio")


def test_it_works_without_rich() -> None:
    code = (
        "import sys; sys.modules['rich'] = None\n"
        "from musterd import log; import structlog\n"
        "log.configure('info', 'console')\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: structlog.get_logger().exception('failed')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert done.stdout == ""


def test_lines_to_a_file_go_through_a_thread_and_those_that_are_lost_are_counted() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as read, os.fdopen(writing, "w") as written:
        for form in ("console", "json"):  # the second goes on with the thread of the first
            log.configure("info", form, written)
        structlog.get_logger().info("agent started")
        log.flush()
        assert json.loads(read.readline())["event"] == "agent started"
        lost = json.loads(log._writers.pop(writing).say_lost(3))
    assert (lost["event"], lost["lines"], lost["level"]) == ("log lines lost", 3, "warning")
