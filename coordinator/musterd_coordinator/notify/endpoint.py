"""An endpoint takes messages; what all kinds of them share is here."""

import base64
from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote, urlsplit

import anyio
import httpcore

from musterd.client.network import NamedBackend, context_of
from musterd.client.transport import failure_of
from musterd.tls import client_tls_of
from musterd_coordinator.notify.matters import Message

DEADLINE = 10.0
"""Seconds that one delivery may take, from the look at the name to the answer's first line."""

_REFUSALS = (400, 413, 422)  # of what was sent, and not of whoever sends
_BROKEN = (TimeoutError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


class Undelivered(Exception):
    """An `Undelivered` says why messages were not taken.

    ``of_message``: the endpoint is well, and does not take these.
    """

    def __init__(self, reason: str, *, of_message: bool = False) -> None:
        super().__init__(reason)
        self.of_message = of_message


class Endpoint(Protocol):
    """An `Endpoint` takes messages, at most ``batch`` at once.

    ``name`` is for the log, and has no secret. What goes on is told it again after ``repeat`` seconds.
    """

    name: str
    batch: int
    repeat: float

    async def deliver(self, messages: Sequence[Message]) -> None:
        """Return once they were taken; raise :class:`Undelivered` if they were not, in good time."""


class Poster:
    """A `Poster` sends JSON to one URL by POST, by TLS as an authority of ``ca_file`` vouches for.

    The answer's status is all that it looks at. It follows no redirection: where it leads, somebody
    else might read.
    """

    def __init__(self, url: str, ca_file: str | None, deadline: float = DEADLINE) -> None:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = "" if parts.port is None else f":{parts.port}"
        self.name = f"{parts.scheme}://{host}{port}"
        self._url = parts._replace(netloc=f"{host}{port}", fragment="").geturl()
        self._headers = [
            ("Content-Type", "application/json"),
            *_login(parts.username, parts.password),
        ]
        self._by_tls = parts.scheme == "https"
        self._tls = client_tls_of(ca_file) if self._by_tls else None
        if self._tls is not None:
            self._tls.context()
        self._deadline = deadline

    async def post(self, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Send ``body``; raise :class:`Undelivered` unless it was taken."""
        status: int | None = None
        try:
            with anyio.fail_after(self._deadline):
                async with (
                    httpcore.AsyncConnectionPool(
                        context_of(self._tls), network_backend=NamedBackend(self._tls)
                    ) as pool,
                    pool.stream(
                        "POST", self._url, headers=[*self._headers, *headers], content=body
                    ) as response,
                ):
                    status = response.status
        except _BROKEN as error:
            if status is None:
                reason = failure_of(error, self._deadline, by_tls=self._by_tls).reason
                raise Undelivered(f"{self.name}: {reason}") from None
        assert status is not None, "it answered, or it failed"
        self._judge(status)

    def _judge(self, status: int) -> None:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        leads = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
        hint = "; name the URL that it leads to" if leads else ""
        reason = f"{self.name}: it answered {status}{hint}"
        raise Undelivered(reason, of_message=status in _REFUSALS)


def _login(user: str | None, password: str | None) -> list[tuple[str, str]]:
    if user is None:
        return []
    text = f"{unquote(user)}:{unquote(password or '')}".encode()
    return [("Authorization", f"Basic {base64.b64encode(text).decode()}")]
