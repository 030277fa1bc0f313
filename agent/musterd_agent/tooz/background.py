"""An event loop in a daemon thread does what plain code asks of it."""

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from typing import Generic, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

T = TypeVar("T")
_R = TypeVar("_R")


class Background(Generic[T]):
    """A ``Background`` keeps ``what`` open in a thread of its own from its start to its stop.

    The thread is a daemon, so that a program which forgets to stop it can end.
    """

    def __init__(self, what: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._what = what
        self._opened: Future[tuple[BlockingPortal, T]] = Future()
        self._thread = threading.Thread(target=self._run, name="musterd-tooz", daemon=True)

    def start(self) -> None:
        """Open it; raise whatever that raises."""
        self._thread.start()
        self._opened.result()

    def do(self, call: Callable[[T], Awaitable[_R]]) -> Future[_R]:
        """Have ``call`` done with what is open; calls begin in the order in which they are made."""
        portal, opened = self._opened.result()

        async def done() -> _R:
            return await call(opened)

        return portal.start_task_soon(done)

    def stop(self, timeout: float) -> None:
        """Close it; wait ``timeout`` seconds at most until the thread is gone."""
        portal, _ = self._opened.result()
        with suppress(RuntimeError):  # its loop ended before
            portal.call(portal.stop)
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            anyio.run(self._keep_open)
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)

    async def _keep_open(self) -> None:
        async with self._what() as opened, BlockingPortal() as portal:
            self._opened.set_result((portal, opened))
            await portal.sleep_until_stopped()
