"""Stops something at every step that it takes on asyncio's loop, and looks for what it left open.

A step is one stretch between two waits of any task that is under way meanwhile. So it needs no
clock, and comes at each moment at which a cancellation can come, however busy the machine is.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Any

Strike = Callable[[], object]


class When(Enum):
    """A strike comes while a task waits, or in the moment in which it is answered."""

    WAITING = "waiting"
    ANSWERED = "answered"


class Steps:
    """Does ``strike`` at one step of all tasks that are begun within :meth:`counting`."""

    def __init__(self, at: int, when: When, strike: Strike) -> None:
        self.struck = False
        self._left = at
        self._when = when
        self._strike = strike

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what is begun in here."""
        loop = asyncio.get_running_loop()

        def counted(
            loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
        ) -> "asyncio.Task[Any]":
            return asyncio.Task(_Counted(coroutine, self), loop=loop, **options)

        loop.set_task_factory(counted)
        try:
            yield
        finally:
            loop.set_task_factory(None)

    def waits(self, awaited: "asyncio.Future[Any] | None") -> None:
        """Note that a task begins to wait."""
        self._left -= 1
        if self._left:
            return
        self.struck = True
        if awaited is not None and self._when is When.ANSWERED:
            awaited.add_done_callback(
                lambda _: self._strike()
            )  # before the task itself asks for it
        else:
            asyncio.get_running_loop().call_soon(self._strike)


class _Counted(Coroutine[Any, Any, Any]):
    """A coroutine, and as such the task of one, of which is known when it waits."""

    def __init__(self, of: Coroutine[Any, Any, Any], steps: Steps) -> None:
        self._of = of
        self._steps = steps

    def send(self, value: Any) -> Any:
        awaited = self._of.send(value)
        self._steps.waits(awaited)
        return awaited

    def throw(self, *error: Any) -> Any:
        awaited = self._of.throw(*error)
        self._steps.waits(awaited)
        return awaited

    def close(self) -> None:
        self._of.close()

    def __await__(self) -> Any:
        return self._of.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)


def connections_to(ports: set[int]) -> int:
    """How many connections to ``ports`` this process has open."""
    return sum(_peer_port(int(path.name)) in ports for path in Path("/proc/self/fd").iterdir())


def _peer_port(number: int) -> int | None:
    with suppress(OSError):  # no socket, or not connected
        connection = socket.socket(fileno=number)
        try:
            peer = connection.getpeername()
        finally:
            connection.detach()
        return peer[1] if isinstance(peer, tuple) else None
    return None
