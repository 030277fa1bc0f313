"""The head of an answer and the first of its body leave together: one packet, and one call of the kernel."""

import asyncio

_CONTINUE = b"HTTP/1.1 100 "


class Joining(asyncio.Transport):
    """A `Joining` is what uvicorn writes the answers of one connection to: each head waits for its body.

    What follows a head, be it empty, comes at once from a sender that does not want it to wait.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._head = b""
        self._in_body = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write a head, if the answer before it is over; else a part of a body."""
        if self._in_body:
            self._transport.write(self._head + data if self._head else data)
            self._head = b""
        elif data[: len(_CONTINUE)] == _CONTINUE:  # the caller waits for that
            self._transport.write(data)
        else:
            self._head, self._in_body = bytes(data), True

    def end(self) -> None:
        """End the answer; one without a body is a head alone."""
        self._in_body = False
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """End the connection, once it has taken what was written."""
        self.end()
        self._transport.close()

    def is_closing(self) -> bool:
        """Say whether the connection is about to end."""
        return self._transport.is_closing()
