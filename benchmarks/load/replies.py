"""The module checks the replies to the beats of one connection as they come in; it does no I/O."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from benchmarks.load.schedule import Rows
from benchmarks.load.script import Reply, Script
from benchmarks.load.tally import Count

LONGEST_REPLY = 8192


class BadReply(Exception):
    """A `BadReply` says that what came back cannot be told apart into replies.

    The connection is of no more use.
    """


@dataclass(slots=True)
class Batch:
    """A `Batch` is what was written together. ``expected`` are the replies, each ``width`` bytes.

    There is one for each beat in ``rows``; or, where there are ``beats``, for a look after each of
    those. ``wrong`` are rows of beats that came to nothing, by their own answers or those to the
    looks.
    """

    sent_at: float
    rows: Rows
    expected: bytes
    width: int
    beats: "Batch | None" = None
    wrong: set[int] = field(default_factory=set)
    done: int = 0
    at: int = 0  # bytes of `expected` that have come; `done` rows and maybe a part of the next


class Replies:
    """A `Replies` matches what arrives with the batches that wait for it, in order.

    ``lost`` is told the row of every member that the server did not know.
    """

    def __init__(self, script: Script, count: Count, lost: Callable[[int], None]) -> None:
        self._script = script
        self._count = count
        self._lost = lost
        self._waiting: deque[Batch] = deque()
        self._rest = b""  # the begin of a reply that is not the expected one

    def expect(self, batch: Batch) -> None:
        """Note that ``batch`` is being written."""
        self._waiting.append(batch)

    @property
    def waiting_since(self) -> float:
        """Return when the oldest unanswered batch was written; infinite: none waits."""
        return self._waiting[0].sent_at if self._waiting else inf

    def feed(self, data: bytes, now: float) -> None:
        """Take in what arrived at ``now``. Raises :class:`BadReply`."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        while data:
            if not self._waiting:
                raise BadReply(f"an answer that nobody asked for: {data[:40]!r}")
            batch = self._waiting[0]
            wanted = batch.expected[batch.at : batch.at + len(data)]
            if data.startswith(wanted):
                data = data[len(wanted) :]
                self._came(batch, batch.at + len(wanted), now)
            else:
                begun = batch.expected[batch.done * batch.width : batch.at]
                data = self._read_singly(batch, begun + data, now)
            if batch.done == len(batch.rows):
                self._waiting.popleft()

    def abandon(self, reason: str) -> None:
        """Count whatever waits as failed: the connection is gone."""
        beats = (batch for batch in self._waiting if batch.beats is None)
        waiting = sum(len(batch.rows) - batch.done for batch in beats)
        if waiting:
            self._count.failed(reason, waiting)
        self._waiting.clear()
        self._rest = b""

    def _came(self, batch: Batch, at: int, now: float) -> None:
        batch.at, before = at, batch.done
        batch.done = at // batch.width
        if batch.done > before and batch.beats is None:
            self._count.got_through(now - batch.sent_at, batch.done - before)

    def _read_singly(self, batch: Batch, data: bytes, now: float) -> bytes:
        """Read replies singly, as one is not as expected; return what is left of ``data``."""
        at, width = 0, batch.width
        batch.at = batch.done * width
        while at < len(data) and batch.done < len(batch.rows):
            wanted = batch.expected[batch.at : batch.at + width]
            came = data[at : at + width]
            if wanted.startswith(came):
                at += len(came)
                self._came(batch, batch.at + len(came), now)
                continue
            looked = batch.beats is not None
            reply = self._script.reply(data[at : at + LONGEST_REPLY], looked)
            if reply is None:
                self._keep(data[at:])
                return b""
            at += reply.size
            self._note(batch, reply, int(batch.rows[batch.done]))
            batch.at += width
            batch.done += 1
        return data[at:]

    def _keep(self, rest: bytes) -> None:
        if len(rest) >= LONGEST_REPLY:
            raise BadReply(f"no end of an answer: {rest[:40]!r}")
        self._rest = rest

    def _note(self, batch: Batch, reply: Reply, row: int) -> None:
        beats = batch.beats or batch
        if row in beats.wrong:
            return
        beats.wrong.add(row)
        if beats is not batch:  # it was taken for one that got through
            self._count.tally.through -= 1
        if reply.lost:
            self._count.tally.lost += 1
            self._lost(row)
        else:
            self._count.failed(reply.reason)
