"""Log lines by a thread of their own: nobody waits for whoever reads them."""

import contextlib
import fcntl
import json
import logging
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import structlog

from musterd import logger
from musterd.logqueue import LineWriter
from musterd.testing.busy import allowed_now

LARGE = 1500  # more than select() takes
WITHIN = 10.0  # seconds for what takes milliseconds on an idle machine


def said(lines: int) -> str:
    return f"lost {lines}"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(end)


def read_lines(reading: int, until: str) -> list[str]:
    """All lines of a pipe up to one."""
    text = ""
    while until not in text.splitlines():
        piece = os.read(reading, 1 << 20)
        assert piece, text[-200:]
        text += piece.decode()
    return text.splitlines()


def test_lines_come_in_order_and_are_there_after_a_flush(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], said)
    for number in range(100):
        writer.write(f"line {number} ä")
    assert writer.flush(WITHIN)
    assert os.read(pipe[0], 1 << 16).decode().splitlines() == [f"line {n} ä" for n in range(100)]


def test_a_pipe_that_nobody_reads_makes_nobody_wait_and_what_is_lost_is_said(
    pipe: tuple[int, int],
) -> None:
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    writer = LineWriter(pipe[1], said, most_lines=50)
    began = time.monotonic()
    for number in range(3000):
        writer.write(f"{number:04} " + 95 * "x")
    assert not writer.flush(0.05)
    assert time.monotonic() - began < allowed_now(WITHIN / 2)
    text = b""
    while accounted_for(text.decode()) < 3000:
        text += os.read(pipe[0], 1 << 20)
    assert accounted_for(text.decode()) == 3000
    numbers = [line[:4] for line in text.decode().splitlines() if "lost" not in line]
    assert numbers == sorted(numbers)


def accounted_for(text: str) -> int:
    """Lines that came, and lines that are said to be lost."""
    whole = text[: text.rfind("\n") + 1].splitlines()
    lost = sum(int(line.split()[1]) for line in whole if "lost" in line)
    return lost + sum("lost" not in line for line in whole)


def test_the_memory_of_lines_that_wait_is_bounded_in_bytes(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], said, most_bytes=1000)
    writer.write(2000 * "x")
    writer.write("short")
    assert writer.flush(WITHIN)
    assert sorted(os.read(pipe[0], 1 << 16).decode().splitlines()) == ["lost 1", "short"]


def test_a_reader_that_went_away_is_no_error() -> None:
    reading, writing = os.pipe()  # never closed: its thread goes on trying
    os.close(reading)
    writer = LineWriter(writing, said)
    writer.write("to nobody")
    assert not writer.flush(WITHIN)
    writer.write("to nobody again")


def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer = LineWriter(pipe[1], said)
    for number in range(2000):
        writer.write(f"{number:04} " + 95 * "x")
    writer.write("end")
    assert len(read_lines(pipe[0], "end")) == 2001


def test_a_descriptor_with_a_large_number_is_written_to_like_any_other(
    pipe: tuple[int, int],
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= LARGE:
        pytest.skip("so many open files are not allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, LARGE + 1), hard))
    fd = fcntl.fcntl(pipe[1], fcntl.F_DUPFD, LARGE)
    try:
        os.set_blocking(fd, False)
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 4096)
        writer = LineWriter(fd, said)
        writer.write(9000 * "x")
        writer.write("end")
        assert len(read_lines(pipe[0], "end")) == 2
        assert writer.flush(WITHIN)
    finally:
        os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


STUCK = """
import fcntl, os, sys, time
reading, writing = os.pipe()
fcntl.fcntl(writing, 1031, 4096)  # F_SETPIPE_SZ
os.dup2(writing, 2)
from musterd import log
import structlog
log.configure("info", "json")
for number in range(500):
    structlog.get_logger().info("something happened", number=number)
print("went on", flush=True)
"""


def test_a_process_whose_standard_error_is_stuck_goes_on_and_ends() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, check=True)
    assert done.stdout == "went on\n"


@pytest.fixture
def _a_library() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


class Kept(logging.Handler):
    """A user's handler."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str, str]] = []
        self.threads: set[str] = set()
        self.got = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()

    def emit(self, record: logging.LogRecord) -> None:
        self.go.wait(WITHIN)
        self.lines.append((record.name, record.levelname, record.getMessage()))
        self.threads.add(threading.current_thread().name)
        self.got.release()


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler, root = Kept(), logging.getLogger("musterd")
    root.addHandler(handler)
    yield handler
    handler.go.set()
    root.removeHandler(handler)


@pytest.mark.usefixtures("_a_library")
def test_a_library_speaks_through_logging_from_a_thread_of_its_own(kept: Kept) -> None:
    log = logger.get_logger("musterd_agent.shard")
    log.warning("shard lost", shard="mc1:11211", reason="no\nanswer", url="memcached://u:pw@h")
    log.info("below the level")
    assert kept.got.acquire(timeout=WITHIN)
    words = "shard lost shard=mc1:11211 reason=no\\nanswer url=memcached://u:***@h"
    assert kept.lines == [("musterd.agent.shard", "WARNING", words)]
    assert kept.threads == {"musterd-log"}


@pytest.mark.usefixtures("_a_library")
def test_a_handler_that_waits_holds_nobody_up_and_what_is_lost_is_said(kept: Kept) -> None:
    log, extra = logger.get_logger("musterd.any"), 20
    kept.go.clear()
    for number in range(logger.MOST_RECORDS + extra):
        log.warning("something", number=number)
    kept.go.set()
    for _ in range(logger.MOST_RECORDS):
        assert kept.got.acquire(timeout=WITHIN)
    log.warning("end")
    while not kept.lines or not kept.lines[-1][2].endswith("end"):
        assert kept.got.acquire(timeout=WITHIN)
    (lost,) = [words for _, _, words in kept.lines if "lost" in words]
    assert lost in (f"log lines lost lines={extra}", f"log lines lost lines={extra - 1}")


def test_a_program_that_joins_hears_nothing_on_its_standard_output() -> None:
    code = (
        "import asyncio, musterd_agent\n"
        "async def main():\n"
        "    async with musterd_agent.join('memcached://127.0.0.1:1', interval=0.1): pass\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_structlog_of_the_program_gets_the_lines() -> None:
    with structlog.testing.capture_logs() as lines:
        logger.get_logger("musterd.any").info("agent left", told=2)
    assert json.dumps(lines) == '[{"told": 2, "event": "agent left", "log_level": "info"}]'
