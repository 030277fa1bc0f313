"""The load generator for machines without wrk."""

import anyio
import pytest
from anyio.abc import SocketStream
from benchmarks.query_load import END, load, written

LINES = ["GET\t/a\t", 'POST\t/b\t{"members":[]}']


async def served(status: str) -> tuple[dict[str, float], set[bytes]]:
    """What one load of a tenth of a second found, and the requests that came."""
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
            found = await load("127.0.0.1", port, 2, 0.1, LINES)
            tasks.cancel_scope.cancel()
    return found, seen


async def test_requests_go_out_in_turn_and_answers_are_timed() -> None:
    found, seen = await served("200 OK")
    assert seen == {written(line, "127.0.0.1") for line in LINES}
    assert found["errors"] == 0
    assert found["per_second"] > 0
    assert 0 < found["p50"] <= found["p99"] <= found["most"]


async def test_an_answer_that_refuses_is_an_error() -> None:
    found, _ = await served("503 Service Unavailable")
    assert found["errors"] > 0


@pytest.mark.parametrize(("line", "ends"), [(LINES[0], END), (LINES[1], b'\r\n\r\n{"members":[]}')])
def test_a_request_has_its_body(line: str, ends: bytes) -> None:
    assert written(line, "h").endswith(ends)
