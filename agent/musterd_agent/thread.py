"""A thread of its own beats for programs with an event loop that is busy, or with none."""

import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Unpack

import anyio
from anyio.from_thread import BlockingPortal

from musterd.beat import Status
from musterd.model import Member
from musterd_agent.agent import LEAVE_TIMEOUT
from musterd_agent.loop import Counters
from musterd_agent.membership import JoinOptions, Membership, join

_END_TIMEOUT = LEAVE_TIMEOUT + 0.5


class ThreadMembership:
    """A ``ThreadMembership`` is a :class:`musterd_agent.Membership` for any thread but its own."""

    def __init__(self, membership: Membership, portal: BlockingPortal) -> None:
        self.incarnation = membership.incarnation
        self._membership = membership
        self._portal = portal
        self._process = os.getpid()

    @property
    def member(self) -> Member:
        """Return the member, as it is announced."""
        return self._membership.member

    @property
    def status(self) -> Status:
        """Return what the next beat says: ``OK``, ``CHECK_FAILING`` or ``DRAINING``; may be set."""
        return self._membership.status

    @status.setter
    def status(self, status: Status) -> None:
        self._membership.status = status

    @property
    def last_accepted(self) -> float | None:
        """Return when a beat last got through to any shard; None: never.

        The instant is by ``time.monotonic()``.
        """
        return self._membership.last_accepted

    @property
    def last_accepted_age(self) -> float:
        """Return the seconds since a beat last got through to any shard.

        They count from joining if none did.
        """
        return self._membership.age(time.monotonic())  # the clock of asyncio's loops

    @property
    def counters(self) -> Counters:
        """Return what became of the beats so far."""
        return self._membership.counters

    def report(self, status: Status) -> bool:
        """Set :attr:`status` and push it now; say whether any shard took it.

        In a forked child it returns False. It blocks for the push timeout at most.
        """
        if os.getpid() != self._process:
            return False
        return self._portal.call(self._membership.report, status)

    def describe(self, metadata: Mapping[str, str]) -> bool:
        """Announce this metadata instead, now and from now on; say whether any shard took it.

        As :meth:`musterd_agent.Membership.describe`; in a forked child it returns False.
        """
        if os.getpid() != self._process:
            return False
        return self._portal.call(self._membership.describe, metadata)


class join_in_thread:  # noqa: N801  # a verb, as its user reads it
    """``join_in_thread`` joins a group on ``store`` from a daemon thread with its own event loop.

    It is a plain context manager, otherwise as :func:`musterd_agent.join`. A blocked event loop of
    the caller delays no beat; a thread that never lets go of the interpreter lock does, and shows
    in ``lag_ms``. Connections belong to the thread. A forked child has no such thread: it does not
    beat, and ends its copy of the block without a word.
    """

    def __init__(self, store: str, **options: Unpack[JoinOptions]) -> None:
        self._join = join(store, **options)
        self._joined: Future[ThreadMembership] = Future()
        self._portal: BlockingPortal
        self._process = 0
        self._thread = threading.Thread(target=self._run, name="musterd", daemon=True)

    def __enter__(self) -> ThreadMembership:
        self._process = os.getpid()
        self._thread.start()
        return self._joined.result()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if os.getpid() != self._process:
            return
        with suppress(RuntimeError):  # its loop ended before
            self._portal.call(self._portal.stop)
        self._thread.join(_END_TIMEOUT)

    def _run(self) -> None:
        try:
            anyio.run(self._beat)
        except BaseException as error:
            if self._joined.done():
                raise
            self._joined.set_exception(error)

    async def _beat(self) -> None:
        async with BlockingPortal() as self._portal, self._join as membership:
            self._joined.set_result(ThreadMembership(membership, self._portal))
            await self._portal.sleep_until_stopped()
