"""The module decides what happens to the bytes of one direction of a proxy, without sockets."""

import asyncio
from collections.abc import Callable
from enum import Enum, auto


class Ending(Enum):
    """An `Ending` is how a connection ends after a treated chunk."""

    RESET = auto()
    CLOSE = auto()


class Lane:
    """A `Lane` is what happens to the bytes of one direction, on all connections.

    Verbs act at once. ``received`` and ``passed`` count bytes.
    """

    def __init__(self) -> None:
        self.received = 0
        self.passed = 0
        self._flowing = asyncio.Event()
        self.heal()

    def heal(self) -> None:
        """Pass everything on as it is."""
        self.latency = 0.0
        self.dropping = False
        self._change: Callable[[bytes], bytes] | None = None
        self._left: int | None = None
        self._ending = Ending.RESET
        self._flowing.set()

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for so long; the order stays."""
        self.latency = seconds

    def drop(self) -> None:
        """Swallow all bytes, and the end of the connection too."""
        self.dropping = True

    def stall(self) -> None:
        """Let nothing through, and lose nothing; the sender feels it when all buffers are full."""
        self._flowing.clear()

    def flow(self) -> None:
        """End a stall."""
        self._flowing.set()

    def reset_after(self, count: int) -> None:
        """Let ``count`` more bytes pass, then reset the connection that brought the last; once."""
        self._left, self._ending = count, Ending.RESET

    def close_after(self, count: int) -> None:
        """Let ``count`` more bytes pass, then close the connection that brought the last; once."""
        self._left, self._ending = count, Ending.CLOSE

    def change(self, function: Callable[[bytes], bytes]) -> None:
        """Pass ``function(chunk)`` on in place of each chunk."""
        self._change = function

    def replace(self, garbage: bytes) -> None:
        """Pass ``garbage`` on in place of each chunk."""
        self.change(lambda _chunk: garbage)

    def corrupt(self) -> None:
        """Invert the bits of every byte."""
        self.change(lambda chunk: bytes(byte ^ 0xFF for byte in chunk))

    async def flows(self) -> None:
        """Wait for the end of a stall."""
        await self._flowing.wait()

    def treat(self, chunk: bytes) -> tuple[bytes, Ending | None]:
        """Return what is passed on in place of ``chunk``, and how the connection ends, or None."""
        if self.dropping or not chunk:
            return b"", None
        if self._change is not None:
            chunk = self._change(chunk)
        if self._left is None or len(chunk) < self._left:
            self._left = None if self._left is None else self._left - len(chunk)
            return chunk, None
        chunk, self._left = chunk[: self._left], None
        return chunk, self._ending
