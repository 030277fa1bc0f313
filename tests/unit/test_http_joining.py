"""Heads of answers leave together with what follows them, and wait for nothing else."""

import asyncio

import anyio
from starlette.types import Message, Scope

from musterd_coordinator.http import make_app
from musterd_coordinator.http.joining import Joining
from tests.http_desk import DictDesk


class Wire(asyncio.Transport):
    """Keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """One packet."""
        assert not self.closed, "written after the end"
        self.writes.append(bytes(data))

    def close(self) -> None:
        """The end."""
        self.closed = True

    def is_closing(self) -> bool:
        """Whether it ended."""
        return self.closed


def test_a_head_leaves_with_the_first_of_its_body() -> None:
    wire = Wire()
    joining = Joining(wire)
    joining.write(b"head ")
    assert wire.writes == []
    joining.write(b"first")
    joining.write(b"second")
    assert wire.writes == [b"head first", b"second"]


def test_each_answer_has_a_head_of_its_own() -> None:
    wire = Wire()
    joining = Joining(wire)
    for number in (b"1", b"2"):
        joining.write(b"head ")
        joining.write(number)
        joining.end()
    assert wire.writes == [b"head 1", b"head 2"]


def test_a_head_without_a_body_leaves_at_the_end() -> None:
    wire = Wire()
    joining = Joining(wire)
    joining.write(b"head")
    joining.end()
    assert wire.writes == [b"head"]


def test_what_is_empty_lets_a_head_leave() -> None:
    wire = Wire()
    joining = Joining(wire)
    joining.write(b"head")
    joining.write(b"")
    assert wire.writes == [b"head"]


def test_who_asks_whether_to_go_on_is_told_at_once() -> None:
    wire = Wire()
    joining = Joining(wire)
    joining.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert len(wire.writes) == 1
    joining.write(b"HTTP/1.1 200 OK\r\n\r\n")
    joining.write(b"body")
    assert wire.writes[1:] == [b"HTTP/1.1 200 OK\r\n\r\nbody"]


def test_a_head_leaves_before_the_connection_is_closed() -> None:
    wire = Wire()
    joining = Joining(wire)
    joining.write(b"head")
    joining.close()
    assert wire.writes == [b"head"]
    assert joining.is_closing()


async def test_the_head_of_a_stream_does_not_wait_for_its_first_event() -> None:
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "raw_path": b"/v1/events",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError("that has no end")

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) == 2:
            caller.cancel()

    with anyio.CancelScope() as caller:
        await make_app(DictDesk())(scope, receive, send)
    assert sent[1]["body"] == b""
    assert sent[1]["more_body"]
