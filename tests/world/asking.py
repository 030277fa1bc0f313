"""Asking a coordinator's HTTP application in this process, as a caller on its own host would."""

from collections.abc import Callable
from typing import Any

import anyio
import msgspec

from musterd.answers import MemberPage, QueryAnswer
from musterd_coordinator.http.app import App

Told = Callable[[bytes], None]


async def ask(app: App, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    """Return the status and the body of an answer."""
    status, whole = 0, bytearray()
    sent = b"" if body is None else msgspec.json.encode(body)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            whole.extend(message.get("body", b""))

    await app(_scope(method, path, sent), receive, send)
    return status, bytes(whole)


async def follow(app: App, path: str, told: Told) -> None:
    """Hand each piece of a stream of events to ``told``, until it ends."""
    begun = False

    async def receive() -> dict[str, Any]:
        nonlocal begun
        if begun:
            await anyio.sleep_forever()
        begun = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            told(message.get("body", b""))

    await app(_scope("GET", path, b""), receive, send)


def _scope(method: str, path: str, body: bytes) -> dict[str, Any]:
    where, _, query = path.partition("?")
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    headers += [(b"content-length", str(len(body)).encode())] if body else []
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": where,
        "raw_path": where.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8420),
    }


page_of = msgspec.json.Decoder(MemberPage).decode
query_of = msgspec.json.Decoder(QueryAnswer).decode
