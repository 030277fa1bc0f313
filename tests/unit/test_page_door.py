"""A page for Prometheus, by hand: what is asked otherwise, too much of it, too slowly, too often."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from musterd.errors import CannotListen
from musterd.testing.busy import in_time
from musterd_coordinator.doorway import pagedoor
from musterd_coordinator.doorway.pagedoor import HEAD_BYTES, MOST_READERS, PageDoor, answer_to


def page() -> str:
    return "one 1\n"


@asynccontextmanager
async def door() -> AsyncIterator[PageDoor]:
    opened = PageDoor("127.0.0.1:0", page, None, called="page", option="page_listen")
    await opened.start()
    try:
        yield opened
    finally:
        await opened.aclose()
        await opened.aclose()


async def said(opened: PageDoor, *parts: bytes) -> bytes:
    """Everything that is answered until it hangs up."""
    with in_time(10):
        async with await anyio.connect_tcp(opened.host, opened.port) as stream:
            for part in parts:
                await stream.send(part)
            answer = b""
            try:
                while True:
                    answer += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nhost: r1\r\n\r\n", b"200 OK"),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"200 OK"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"GET /metrics/.. HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"400 Bad Request"),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", b"400 Bad Request"),
        (b"", b"400 Bad Request"),
    ],
)
def test_what_is_asked_is_answered_or_refused(head: bytes, status: bytes) -> None:
    answer = answer_to(head, page)
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in top
    assert (body == b"one 1\n") == (status == b"200 OK")


def test_whoever_asks_for_the_head_gets_it_alone() -> None:
    answer = answer_to(b"HEAD /metrics HTTP/1.1\r\n\r\n", page)
    assert answer.endswith(b"connection: close\r\n\r\n")
    assert b"content-length: 6\r\n" in answer


async def test_a_request_may_come_in_pieces() -> None:
    async with door() as opened:
        answer = await said(opened, b"GET /met", b"rics HTTP/1.1\r\n", b"\r\n")
        assert answer.endswith(b"\r\n\r\none 1\n")


async def test_a_head_without_an_end_is_refused() -> None:
    async with door() as opened:
        answer = await said(opened, b"GET /metrics HTTP/1.1\r\nx: " + b"x" * HEAD_BYTES)
        assert answer.startswith(b"HTTP/1.1 400 ")


async def test_whoever_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagedoor, "SECONDS", 0.05)
    async with door() as opened:
        assert await said(opened) == b""


async def test_too_many_are_hung_up_on_and_the_end_hangs_up_on_all() -> None:
    async with door() as opened:
        silent = [await anyio.connect_tcp(opened.host, opened.port) for _ in range(MOST_READERS)]
        assert await said(opened) == b""
        await opened.aclose()
        for one in silent:
            with in_time(5), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await one.receive()
            await one.aclose()


async def test_an_address_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        taken = PageDoor(address, page, None, called="page", option="page_listen")
        with pytest.raises(CannotListen, match=f"page_listen is {address}, where none can listen"):
            await taken.start(patience=0.0)
