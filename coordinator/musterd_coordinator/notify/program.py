"""A program is started for each message, which it reads from its standard input."""

import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import inf
from subprocess import DEVNULL, PIPE

import anyio
import msgspec
from anyio.abc import Process

from musterd.terminal import visible
from musterd_coordinator.notify.endpoint import DEADLINE, Undelivered
from musterd_coordinator.notify.matters import Message

LONGEST = 3 * DEADLINE
"""Seconds that the program may take."""

_MOST_SAID = 200  # bytes of its last words that the log has

_encode = msgspec.json.Encoder().encode


class Program:
    """A `Program` is an endpoint that starts ``command``, without a shell; status 0 means taken.

    It gets the message as JSON, and the event as its last word. What musterd itself is told by its
    environment, tokens and keys among it, it does not get.
    """

    batch = 1
    repeat = inf

    def __init__(
        self, command: str, environ: Mapping[str, str] = os.environ, longest: float = LONGEST
    ) -> None:
        self._words = shlex.split(command)
        self.name = self._words[0]
        self._environ = {k: v for k, v in environ.items() if not k.startswith("MUSTERD_")}
        self._longest = longest

    async def deliver(self, messages: Sequence[Message]) -> None:
        """Start it for each of them, one after the other."""
        for message in messages:
            await self._run(message)

    async def _run(self, message: Message) -> None:
        try:
            process = await anyio.open_process(
                [*self._words, message.event.value],
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=PIPE,
                env=self._environ,
                start_new_session=True,
            )
        except OSError as error:
            raise Undelivered(f"{self.name}: {(error.strerror or str(error)).lower()}") from None
        with anyio.move_on_after(self._longest) as allowed:
            try:
                said = await _spoken(process, _encode(message))
                await process.wait()
            finally:
                await _end(process)
        if allowed.cancelled_caught:
            raise Undelivered(
                f"{self.name}: it took longer than {self._longest:g} s, and was ended"
            )
        if process.returncode:
            last = visible(said.decode("utf-8", "replace").strip())
            raise Undelivered(f"{self.name}: it ended with status {process.returncode}: {last}")


async def _spoken(process: Process, message: bytes) -> bytes:
    """Give it the message, and return the last that it said on standard error."""
    assert process.stdin is not None
    assert process.stderr is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # it need not read
        await process.stdin.send(message)
    with suppress(anyio.BrokenResourceError, OSError):
        await process.stdin.aclose()
    said = b""
    async for piece in process.stderr:
        said = (said + piece)[-_MOST_SAID:]
    return said


async def _end(process: Process) -> None:
    """End it, and what it started, and close its pipes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.CancelScope(shield=True):
        await process.aclose()
