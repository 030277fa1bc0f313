"""The module lets many members share one connection."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Protocol, cast

from benchmarks.load.replies import BadReply, Batch, Replies
from benchmarks.load.script import Script
from benchmarks.load.tally import Count
from musterd.stores.memcached.connection import cut


class Owner(Protocol):
    """An `Owner` is the object that made a connection."""

    def close(self) -> None:
        """Drop it without waiting for the network."""


class Lane(asyncio.Protocol):
    """A `Lane` writes batches and checks their replies; without a connection, its batches fail.

    ``owner`` is the object that made the connection, if it has to be closed along with it.
    """

    def __init__(self, script: Script, count: Count, lost: Callable[[int], None]) -> None:
        self.owner: Owner | None = None
        self._count = count
        self._replies = Replies(script, count, lost)
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        """Say whether it has a connection."""
        return self._transport is not None

    def send(self, commands: bytes, beats: Batch, looks: Batch | None) -> None:
        """Write ``commands``: beats, and perhaps looks after them."""
        self._count.tally.sent += len(beats.rows)
        if self._transport is None:
            self._count.failed("no connection", len(beats.rows))
            return
        self._count.tally.writes += 1
        self._replies.expect(beats)
        if looks is not None:
            self._replies.expect(looks)
        self._transport.write(commands)

    def close(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()
            self._disown()

    def keep_time(self, now: float) -> None:
        """Give up the connection when a beat waits for longer than agents do.

        As with agents, its beats that are still under way must not arrive late and undo newer ones.
        """
        limit = self._count.push_timeout
        if self._transport is not None and now - self._replies.waiting_since > limit:
            self._replies.abandon(f"no answer within {limit:g} s")
            cut(self._transport)
            self._disown()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none

    def data_received(self, data: bytes) -> None:
        try:
            self._replies.feed(data, monotonic())
        except BadReply as error:
            self._count.failed(str(error), 0)
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._disown()
        self._replies.abandon(f"connection lost: {error or 'closed by the server'}")

    def _disown(self) -> None:
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.close()
