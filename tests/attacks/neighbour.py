"""Whoever reaches the same memcached: he reads and overwrites what is there, keys of others too."""

from typing import Self

import msgspec

from musterd.beat import Beat, member_id, pack, unpack
from musterd.testing.processes import Server
from tests.faults.locks import GROUP

NAMESPACE = "musterd"


class Neighbour:
    """One connection in memcached's text protocol, through the locks that there are, without a key."""

    def __init__(self, server: Server) -> None:
        self._socket = server.connect()
        self._replies = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._replies.close()
        self._socket.close()

    def order(self, line: bytes, value: bytes | None = None) -> bytes:
        """Send a command, and its value; the first line of the reply."""
        self._socket.sendall(line + b"\r\n" + (value + b"\r\n" if value is not None else b""))
        return self._replies.readline().rstrip(b"\r\n")

    def get(self, key: bytes) -> bytes | None:
        """The value of a key."""
        head = self.order(b"get " + key).split()
        if head[:1] != [b"VALUE"]:
            return None
        value = self._replies.read(int(head[3]) + 2)[:-2]
        assert self._replies.readline() == b"END\r\n"
        return value

    def set(self, key: bytes, value: bytes, ttl: int = 0) -> bytes:
        """Overwrite a key."""
        return self.order(b"set %b 0 %d %d" % (key, ttl, len(value)), value)

    # -- musterd's own keys --------------------------------------------------------------

    def counter(self) -> int:
        """How many slots were given out."""
        return int(self.get(b"musterd:n") or 0)

    def slot_of(self, member: str) -> int:
        """Where a member of the fleet sits."""
        value = self.get(b"musterd:i:%016x" % member_id(NAMESPACE, GROUP, member))
        assert value is not None, f"{member} has no slot here"
        return int(value[:8], 16)

    def key_of(self, member: str) -> bytes:
        """Where its beats are."""
        return b"musterd:b:%08x" % self.slot_of(member)

    def beat_of(self, member: str) -> Beat | None:
        """Its newest beat."""
        record = self.get(self.key_of(member))
        return unpack(record) if record else None

    def forge(self, member: str, **changes: object) -> None:
        """Overwrite its newest beat with one that differs in ``changes``."""
        if (beat := self.beat_of(member)) is not None:
            forged = msgspec.structs.replace(beat, **changes)
            self.set(self.key_of(member), pack(forged), 600)

    def seat(self, slot: int, holder: bytes, record: bytes = b"") -> None:
        """Put a holder into a slot of one's own choice, and a beat if there is one."""
        self.set(b"musterd:m:%08x" % slot, holder)
        if record:
            self.set(b"musterd:b:%08x" % slot, record, 600)

    def new_slot(self) -> int:
        """A slot of one's own."""
        return int(self.order(b"incr musterd:n 1")) - 1


def holder(name: str, zone: str = "", group: str = GROUP) -> bytes:
    """Who holds a slot, as agents write it."""
    return msgspec.msgpack.encode({"group": group, "name": name, "zone": zone})


def beat_of(name: str, sequence: int = 1, interval_ms: int = 1000) -> bytes:
    """A good beat of a member of one's own."""
    identity = member_id(NAMESPACE, GROUP, name)
    return pack(Beat(identity, incarnation=7, sequence=sequence, interval_ms=interval_ms))
