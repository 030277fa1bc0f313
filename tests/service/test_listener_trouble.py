"""A listener that lacks files, is hurried, or whose protocol fails goes on for all others."""

import asyncio
import errno
import socket
from collections.abc import Callable

import anyio
import pytest
from structlog.testing import capture_logs

from musterd_coordinator.doorway.listener import ACCEPTED_AT_ONCE, PAUSE, Listener
from tests.http_serving import until


class Short(socket.socket):
    """One that lacks something when it is to accept."""

    lacks = errno.EMFILE

    def accept(self) -> tuple[socket.socket, object]:
        if self.lacks:
            raise OSError(self.lacks, "Too many open files")
        return super().accept()


def short() -> Short:
    made = Short()
    made.bind(("127.0.0.1", 0))
    made.listen(2 * ACCEPTED_AT_ONCE)
    made.setblocking(False)
    return made


def listener(at: socket.socket, make: Callable[[], asyncio.BaseProtocol]) -> Listener:
    return Listener([at], make, None, called="HTTP")


async def test_without_files_it_pauses_and_says_so_once() -> None:
    at, made = short(), list[asyncio.BaseProtocol]()

    def make() -> asyncio.BaseProtocol:
        made.append(asyncio.Protocol())
        return made[-1]

    with socket.create_connection(at.getsockname()), capture_logs() as lines:
        ours = listener(at, make)
        await until(lambda: lines)
        await anyio.sleep(2 * PAUSE)
        assert [line["event"] for line in lines] == ["connections not accepted"]
        at.lacks = 0
        await until(lambda: made)
        at.lacks = errno.EMFILE
        ours._accept(at)
        ours.close()  # while it pauses
        ours.close()
        await ours.wait_closed()


async def test_any_other_failure_is_a_fault() -> None:
    with short() as at:
        ours, at.lacks = listener(at, asyncio.Protocol), errno.EINVAL
        with pytest.raises(OSError, match="Too many"):
            ours._accept(at)
        ours.close()


async def test_a_protocol_that_cannot_be_made_is_logged() -> None:
    def make() -> asyncio.BaseProtocol:
        raise ValueError("a fault")

    at = short()
    at.lacks = 0
    ours = listener(at, make)
    with socket.create_connection(at.getsockname()), capture_logs() as lines:
        await until(lambda: lines)
    assert [line["event"] for line in lines] == ["connection lost"]
    ours.close()


async def test_a_crowd_is_accepted_a_part_at_a_time() -> None:
    at, made = short(), list[asyncio.BaseProtocol]()

    def make() -> asyncio.BaseProtocol:
        made.append(asyncio.Protocol())
        return made[-1]

    callers = [socket.create_connection(at.getsockname()) for _ in range(ACCEPTED_AT_ONCE + 1)]
    ours = listener(at, make)
    at.lacks = 0
    ours._accept(at)
    assert ours.shaking == ACCEPTED_AT_ONCE
    await until(lambda: len(made) == len(callers))
    for caller in callers:
        caller.close()
    ours.close()
    await ours.wait_closed()
