"""The load generator for questions."""

import asyncio

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketStream
from benchmarks.pacing import Wants
from benchmarks.query_load import END, Answers, Connection, load, written

from musterd.testing.busy import allowed_now

LINES = ["GET\t/a\t", 'POST\t/b\t{"members":[]}']


async def served(
    status: str, rate: float = 0, seconds: float = 0.1
) -> tuple[dict[str, float], set[bytes]]:
    """What one load of so long found, and the requests that came; a busy machine takes longer."""
    seen: set[bytes] = set()

    async def answer(stream: SocketStream) -> None:
        async with stream:
            try:
                while True:
                    seen.add(await stream.receive())
                    await stream.send(f"HTTP/1.1 {status}\r\ncontent-length: 2\r\n".encode())
                    await stream.send(b"\r\nok")
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, answer)
            found = await load("127.0.0.1", port, 2, allowed_now(seconds), LINES, rate)
            tasks.cancel_scope.cancel()
    return found, seen


async def test_requests_go_out_in_turn_and_answers_are_timed() -> None:
    found, seen = await served("200 OK")
    assert seen == {written(line, "127.0.0.1") for line in LINES}
    assert found["errors"] == 0
    assert found["per_second"] > 0
    assert 0 < found["p50"] <= found["p99"] <= found["most"]


async def test_at_a_rate_no_more_is_asked_than_is_due() -> None:
    found, seen = await served("200 OK", rate=200)
    assert seen == {written(line, "127.0.0.1") for line in LINES}
    assert found["errors"] == 0
    assert 0 < found["per_second"] <= 200


@pytest.mark.parametrize("rate", [0, 1000])
async def test_it_goes_on_until_something_was_answered(rate: float) -> None:
    found, _ = await served("200 OK", rate, seconds=0.0)
    assert found["per_second"] > 0


class Clock:
    """Stands in for the module ``time``."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Wire(asyncio.Transport):
    """Sends nothing."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass


async def test_what_waits_for_a_connection_is_late() -> None:
    clock = Clock()
    answers = Answers([b"x"], Wants(10, clock.perf_counter))
    only, released = Connection(answers), anyio.Event()
    only.connection_made(Wire())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answers.wants.keep_wanting)
        await anyio.lowlevel.checkpoint()
        clock.now = 0.2  # one is due and one has been for a while, and there is one connection
        only.take_turn = released.set  # type: ignore[method-assign]
        await released.wait()
        tasks.cancel_scope.cancel()
    del only.take_turn
    only.take_turn()
    for clock.now in (0.5, 0.9):
        only.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert answers.latencies == [pytest.approx(0.4), pytest.approx(0.7)]
    assert answers.wants.idle == [only]


async def test_an_answer_that_refuses_is_an_error() -> None:
    found, _ = await served("503 Service Unavailable")
    assert found["errors"] > 0


@pytest.mark.parametrize(("line", "ends"), [(LINES[0], END), (LINES[1], b'\r\n\r\n{"members":[]}')])
def test_a_request_has_its_body(line: str, ends: bytes) -> None:
    assert written(line, "h").endswith(ends)
