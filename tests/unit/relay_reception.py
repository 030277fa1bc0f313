"""A relay's reception without a socket, and a client's conversation with it."""

from musterd.beat import Beat, member_id, pack
from musterd.model import Member
from musterd.stores.slots.protocol import Keys, write_holder
from musterd.stores.table.table import Table
from musterd_coordinator.memcache.protocol import ProtocolSession
from musterd_coordinator.relay.reception import Inbox
from musterd_coordinator.relay.waiting import PendingBeats

KEYS = Keys("fleet")
MEMBER = Member("compute", "h1", "z")
IDENTITY = member_id("fleet", "compute", "h1")


class Mute:
    """A server with nothing to tell of itself."""

    version = ""

    def statistics(self, kind: str) -> dict[str, object] | None:
        raise AssertionError(kind)

    def reset(self) -> None:
        raise AssertionError


class Desk:
    """A reception where one member was announced, and a client's conversation with it."""

    def __init__(self, *, known: bool = True) -> None:
        self.table = Table()
        self.table.set(KEYS.holder(3), write_holder(MEMBER))
        self.reception = Inbox(self.table, lambda: 5.0)
        self.conversation = ProtocolSession(self.table, Mute(), self.reception)
        if known:
            self.say(beat(1, b"set"))
            [first] = self.reception.new.pop()
            self.reception.seat(first, 42)
            self.settle(b"STORED")

    def say(self, text: bytes) -> bytes:
        self.conversation.feed(text)
        return self.heard()

    def heard(self) -> bytes:
        parts = []
        while (part := self.conversation.step()) is not None:
            parts.append(part)
        return b"".join(parts)

    def settle(self, outcome: bytes) -> list[PendingBeats]:
        taken = self.reception.known.drain()
        for one in taken:
            one.acknowledge(outcome)
        self.heard()
        return taken


def beat(sequence: int, verb: bytes = b"replace", rest: bytes = b"0 600 64") -> bytes:
    record = pack(Beat(IDENTITY, 1, sequence, 1000))
    return b"%b %b %b\r\n%b\r\n" % (verb, KEYS.beat(3), rest, record)
