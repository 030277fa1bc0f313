"""The module holds one client's conversation in memcached's text protocol; no input or output.

The conversation is over a table. Feed it bytes as they come, cut anywhere, and take a step at a
time: each step answers one command or one part of a long ``get``, and so does little work and makes
few bytes. What is answered does not depend on how the input was cut. The meta commands, and those
that tune memcached's own memory and threads, are not there; the binary protocol is in
:mod:`~musterd_coordinator.memcache.binary`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from musterd.stores.table.table import Table
from musterd_coordinator.memcache.commands import (
    END,
    ERROR,
    GETS,
    PLAIN_GETS,
    STORES,
    PendingReply,
    Refusal,
    StoreHook,
    Upload,
    answer_get,
    answer_one,
    begin_store,
    run,
)
from musterd_coordinator.memcache.packets import BEGINNING
from musterd_coordinator.memcache.replies import Replies

LINE_LIMIT = 2048  # bytes of a command line; a longer one ends the conversation
GET_LINE_LIMIT = 1 << 20  # bytes of one that asks for many keys

_ONE_GET = re.compile(rb"get ([^\0 \r\n]+)\r\n").fullmatch
_BAD_CHUNK = b"CLIENT_ERROR bad data chunk\r\n"


class Statistics(Protocol):
    """A `Statistics` is what a server tells of itself by ``stats`` and ``version``."""

    version: str

    def statistics(self, kind: str) -> dict[str, object] | None:
        """Return the statistics of a kind, the general ones for ``""``; None: no such kind."""

    def reset(self) -> None:
        """Count from 0."""


class ProtocolSession:
    """A `ProtocolSession` holds what one client has said, as far as it is not answered.

    Where an outcome is a :class:`PendingReply`, not known yet, the next commands are looked at
    meanwhile if it lets them pass; replies keep their order. ``wake`` is called when it is known.
    """

    def __init__(
        self, table: Table, statistics: Statistics, storekeeper: StoreHook | None = None
    ) -> None:
        self.wake: Callable[[], None] = _nothing
        self.is_binary = False  # it speaks memcached's other protocol, and is hung up on
        self._table = table
        self._statistics = statistics
        self._storekeeper = storekeeper
        self._replies = Replies()
        self._input = bytearray()
        self._searched = 0  # there is no newline before this
        self._answer: Iterator[bytes] | None = None
        self._upload: Upload | None = None
        self._quiet = False  # the upload's outcome is not wanted
        self._ignored = 0  # bytes to come of a refused upload
        self._ends = False  # nothing more is heard

    @property
    def closed(self) -> bool:
        """Say whether to hang up."""
        return self._ends and not self._replies

    @property
    def held(self) -> int:
        """Return the bytes received and not yet consumed, and those of what waits for an outcome."""
        return len(self._input) + self._replies.size

    @property
    def waits(self) -> bool:
        """Say whether an outcome has to be known before anything else is looked at."""
        return self._replies.is_blocked

    def feed(self, data: bytes) -> None:
        """Hear ``data``."""
        self._input += data

    def glance(self, data: bytes) -> bool:
        """Take ``data`` at once if it is what the storekeeper knows at a glance; say whether it is.

        If not, nothing was done: :meth:`feed` it. This spares most steps of the usual case: one
        whole command comes when nothing else is under way.
        """
        if self._storekeeper is None or self._is_amid_something:
            return False
        later = self._storekeeper.glance(data)
        if later is None:
            return False
        self._wait_for(later)
        return True

    def answer(self, data: bytes) -> bytes | None:
        """Return the reply to ``data`` if it is one whole get and nothing else is under way.

        None: nothing was done, :meth:`feed` it. Nova asks so, and in steps it takes twice as long.
        """
        found = None if self._is_amid_something else _ONE_GET(data)
        return None if found is None else answer_one(self._table, b"get", found[1])

    @property
    def _is_amid_something(self) -> bool:
        amid = self._input or self._ends or self._replies or self._upload or self._ignored
        return bool(amid) or self._answer is not None

    def abandon(self) -> None:
        """Note that the client is gone: whatever it still waits for need not be done."""
        self._replies.abandon()

    def only_reply(self) -> bytes | None:
        """Return the one reply that was waited for, when nothing else is under way."""
        if len(self._replies) != 1 or self._input or self._ends or self._answer is not None:
            return None
        return self._replies.next()

    def step(self) -> bytes | None:
        """Return the next part of the replies, perhaps empty; None: nothing to do until more comes."""
        if not self._replies:
            return None if self._ends else self._go_on()
        reply = self._replies.next()
        if reply is not None or self._ends or self._replies.is_blocked:
            return reply
        part = self._go_on()
        if part and self._replies:
            self._replies.add(part)
            return b""
        return part

    def _go_on(self) -> bytes | None:
        """Work off a bit of what was heard."""
        if self._answer is not None:
            part = next(self._answer, None)
            if part is not None:
                return part
            self._answer = None
        if self._upload is not None:
            return self._take_block(self._upload)
        if self._ignored:
            self._ignored -= len(self._consume(min(self._ignored, len(self._input))))
        if self._ignored or not self._input:
            return None
        if self._storekeeper is not None and self._take_run(self._storekeeper):
            return b""
        return self._take_line()

    def _wait_for(self, later: PendingReply) -> None:
        later.wake = self.wake
        self._replies.add(later)

    def _take_run(self, storekeeper: StoreHook) -> bool:
        """Take several commands at once if the storekeeper knows them at a glance."""
        found = storekeeper.glance_at_run(self._input)
        if found is None:
            return False
        later, size = found
        del self._input[:size]
        self._wait_for(later)
        return True

    def _consume(self, size: int) -> bytes:
        data = bytes(self._input[:size])
        del self._input[:size]
        return data

    def _take_line(self) -> bytes | None:
        end = self._input.find(b"\n", self._searched)
        size = len(self._input) if end < 0 else end
        self.is_binary = self._input.startswith(BEGINNING)
        if self.is_binary or self._is_overlong(size):
            self._ends = True
            return None
        if end < 0:
            self._searched = size
            return None
        self._searched = 0
        return self._obey(self._consume(end + 1)[:-1])

    def _is_overlong(self, size: int) -> bool:
        if size <= LINE_LIMIT:
            return False
        verb = bytes(self._input[:LINE_LIMIT]).lstrip(b" ").partition(b" ")[0]
        return verb not in GETS or size > GET_LINE_LIMIT

    def _take_block(self, upload: Upload) -> bytes | None:
        if len(self._input) < upload.size + 2:
            return None
        self._upload = None
        block = self._consume(upload.size + 2)
        if not block.endswith(b"\r\n"):
            return b"" if self._quiet else _BAD_CHUNK
        outcome = upload.store(block[:-2])
        if self._quiet:
            return b""
        if isinstance(outcome, bytes):
            return outcome + b"\r\n"
        self._wait_for(outcome)
        return b""

    def _obey(self, line: bytes) -> bytes | None:
        line = line.removesuffix(b"\r").partition(b"\0")[0]  # memcached reads C strings
        verb, _, rest = line.lstrip(b" ").partition(b" ")
        if verb in PLAIN_GETS and rest and b" " not in rest:
            return answer_one(self._table, verb, rest)
        if verb in GETS:
            self._answer = answer_get(self._table, verb, rest)
            return next(self._answer)
        words = [word for word in rest.split(b" ") if word]
        if verb in STORES:
            return self._store(verb, words)
        reply = run(self._table, verb, words)
        return self._speak_of_server(verb, words) if reply is None else reply

    def _store(self, verb: bytes, words: list[bytes]) -> bytes | None:
        expected = 5 if verb == b"cas" else 4
        if len(words) not in (expected, expected + 1):
            return ERROR
        self._quiet = words[-1] == b"noreply"
        begun = begin_store(self._table, verb, words, self._storekeeper)
        if isinstance(begun, Refusal):
            self._ignored = begun.size
            return b"" if self._quiet else begun.reply
        self._upload = begun
        return self._take_block(begun)

    def _speak_of_server(self, verb: bytes, words: list[bytes]) -> bytes:
        match verb:
            case b"version":
                return f"VERSION {self._statistics.version}\r\n".encode()
            case b"stats":
                return self._stats(words[0] if words else b"")
            case b"quit":
                self._ends = True
                return b""
        # A web browser that was led here sends headers next, and perhaps commands in a body.
        self._ends = len(verb) > 1 and [verb, *words][-1].startswith(b"HTTP/")
        return b"" if self._ends else ERROR

    def _stats(self, kind: bytes) -> bytes:
        if kind == b"reset":
            self._statistics.reset()
            return b"RESET\r\n"
        report = self._statistics.statistics(kind.decode("latin-1"))
        if report is None:
            return ERROR
        return b"".join(f"STAT {name} {report[name]}\r\n".encode() for name in report) + END


def _nothing() -> None:
    pass
